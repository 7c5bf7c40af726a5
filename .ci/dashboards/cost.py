"""Cost: what answers cost, what was saved, and by what."""

from grafana import Dashboard, Panel

OF = 'JOB, tenant=~"$tenant", model=~"$model"'
USED = 'JOB, gen_ai_request_model=~"$model"'
TOKENS = "gen_ai_client_inference_usage"

DASHBOARD = Dashboard(
    name="cost",
    title="Cost and saving",
    says="What calls cost, all attempts included, and what the dearest candidate of each decision would have cost.",
    varies={"tenant": "pointsman_cost_usd_total tenant", "model": "pointsman_cost_usd_total model"},
    rows={
        "In the time that is picked": (
            Panel(
                title="Spent", unit="currencyUSD", kind="stat", width=6, height=4,
                says="What all calls cost together, those that failed or were cancelled, too. `pointsman usage` has the same to the nano-dollar, from the store.",
                asks={"spent": f"sum(increase(pointsman_cost_usd_total{{{OF}}}[$__range]))"},
            ),
            Panel(
                title="Saved", unit="currencyUSD", kind="stat", width=6, height=4,
                says="What the dearest candidates would have cost, less what was spent. Negative: fallbacks, retries and calls without an answer cost more than routing saves.",
                asks={"saved": f"sum(increase(pointsman_baseline_cost_usd_total{{{OF}}}[$__range])) - sum(increase(pointsman_cost_usd_total{{{OF}}}[$__range]))"},
            ),
            Panel(
                title="Saved share", unit="percentunit", kind="stat", width=6, height=4,
                says="Of what the dearest candidates would have cost. It falls where prompts get harder, or where rules send more to strong models.",
                asks={
                    "saved": f"1 - sum(increase(pointsman_cost_usd_total{{{OF}}}[$__range]))"
                    f" / sum(increase(pointsman_baseline_cost_usd_total{{{OF}}}[$__range]))"
                },
            ),
            Panel(
                title="Cost of a thousand answers", unit="currencyUSD", kind="stat", width=6, height=4,
                says="All that was spent, over answers by a model or from the cache. When it rises: Spent by model says which, Decisions under Traffic why; or many calls"
                " end without an answer.",
                asks={
                    "cost": f"1000 * sum(increase(pointsman_cost_usd_total{{{OF}}}[$__range]))"
                    ' / sum(increase(rpc_server_call_duration_seconds_count{JOB, rpc_method=~"pointsman[.]v1[.]RouterService/(Complete|StreamComplete)",'
                    ' rpc_status_code="OK"}[$__range]))'
                },
            ),
        ),
        "Who and what": (
            Panel(
                title="Spent an hour, by tenant", unit="currencyUSD", stacked=True, traces="pointsman.tenant.id=tenant",
                says="At the pace of each moment. A tenant that stands out: look at its calls in Jaeger by a click, at its budgets under Budgets.",
                asks={"{{tenant}}": f"3600 * sum by (tenant) (rate(pointsman_cost_usd_total{{{OF}}}[$__rate_interval]))"},
            ),
            Panel(
                title="Spent an hour, by model", unit="currencyUSD", stacked=True, traces="gen_ai.response.model=model",
                says="By model. One that grew without an edit: others fail (Fallbacks under Quality), or prompts changed.",
                asks={"{{model}}": f"3600 * sum by (model) (rate(pointsman_cost_usd_total{{{OF}}}[$__rate_interval]))"},
            ),
            Panel(
                title="Spent, and what it would have cost", unit="currencyUSD",
                says="The gap is the saving. Where both lie together, rules send everything to the dearest candidate, or only one is left.",
                asks={
                    "spent an hour": f"3600 * sum(rate(pointsman_cost_usd_total{{{OF}}}[$__rate_interval]))",
                    "by the dearest": f"3600 * sum(rate(pointsman_baseline_cost_usd_total{{{OF}}}[$__rate_interval]))",
                },
            ),
        ),
        "Tokens and caches": (
            Panel(
                title="Tokens a second, by kind", unit="short",
                says="Input includes what the provider had in its cache, output includes reasoning. Output costs most: `defaults.max_output` bounds it.",
                asks={
                    kind.replace("_", " "): f"sum(rate({TOKENS}_{kind}_tokens_total{{{USED}}}[$__rate_interval]))"
                    for kind in ("input", "output", "cache_read_input", "cache_write_input", "reasoning_output")
                },
            ),
            Panel(
                title="Input that providers had in their cache", unit="percentunit",
                says="A tenth of the price, or less. When it falls: conversations change their model, or prompts their beginning (`prompt_cache` of the model).",
                asks={
                    "{{gen_ai_request_model}}": f"sum by (gen_ai_request_model) (rate({TOKENS}_cache_read_input_tokens_total{{{USED}}}[$__rate_interval]))"
                    f" / sum by (gen_ai_request_model) (rate({TOKENS}_input_tokens_total{{{USED}}}[$__rate_interval]))"
                },
            ),
            Panel(
                title="What the response cache did", unit="reqps", stacked=True, traces="pointsman.cache.status=status",
                says="Hits and coalesced answers cost nothing. Many misses: `pointsman cache` says in what they differ. Stale: every model failed meanwhile.",
                asks={"{{status}}": "sum by (status) (rate(pointsman_cache_lookups_total{JOB}[$__rate_interval]))"},
            ),
        ),
    },
)  # fmt: skip
