"""Upstreams: how the models and their providers are doing."""

from grafana import Dashboard, Panel

OF = 'JOB, gen_ai_provider_name=~"$provider", gen_ai_request_model=~"$model"'
DONE = "gen_ai_client_inference_duration_seconds"
ENDED, FAILED = 'error_type!~"cancelled|hedged"', 'error_type!~"|cancelled|hedged"'
"""Calls whose caller left, or that another model was sooner than, would perhaps have been answered."""
FIRST = "gen_ai_client_inference_time_to_first_chunk_seconds"

DASHBOARD = Dashboard(
    name="upstreams",
    title="Upstreams",
    says="How models and their providers are doing: whether they may be chosen, how often they fail and how, how fast they are.",
    varies={
        "provider": f"{DONE}_count gen_ai_provider_name",
        "model": f"{DONE}_count gen_ai_request_model",
    },
    rows={
        "May they be chosen": (
            Panel(
                title="Models that decisions may choose", unit="short", kind="state-timeline", width=16,
                says="Yes if any server may: it has the key, is healthy and has room. No from the start: a key is missing. No since a while: Errors, below."
                " A model left alone is asked again by itself, first after five seconds, then in up to a minute.",
                asks={"{{model}}": 'max by (model) (pointsman_model_available{JOB, model=~"$model"})'},
            ),
            Panel(
                title="Servers that leave a model alone", unit="short", stacked=True,
                says="Its breaker is open, or tries whether it is back. On all servers: the provider. On one: that pod's way to it, or chance.",
                asks={
                    "{{model}}": 'sum by (model) (pointsman_model_breaker{JOB, model=~"$model", state=~"open|half_open"})'
                    ' or 0 * count by (model) (pointsman_model_breaker{JOB, model=~"$model"})'
                },
            ),
        ),
        "How they fail": (
            Panel(
                title="Calls of models", unit="reqps", stacked=True, traces="gen_ai.request.model=gen_ai_request_model",
                says="All attempts: retries and fallbacks, too. Much more than calls under Traffic: something fails and is tried again.",
                asks={"{{gen_ai_request_model}}": f"sum by (gen_ai_request_model) (rate({DONE}_count{{{OF}}}[$__rate_interval]))"},
            ),
            Panel(
                title="Share that failed", unit="percentunit", limits=(0.05, 0.25), traces="gen_ai.request.model=gen_ai_request_model",
                says="Of the calls of each model that came to an end. Above a quarter for some minutes: see Errors; half of twenty and it is left alone for a while.",
                asks={
                    "{{gen_ai_request_model}}": f"sum by (gen_ai_request_model) (rate({DONE}_count{{{OF}, {FAILED}}}[$__rate_interval]))"
                    f" / sum by (gen_ai_request_model) (rate({DONE}_count{{{OF}, {ENDED}}}[$__rate_interval]))"
                },
            ),
            Panel(
                title="Errors", unit="reqps", stacked=True, traces="gen_ai.request.model=gen_ai_request_model error.type=error_type",
                says="401 and 403: the key. 429: the quota, or `limits` of the provider are set too high. timeout: `timeout` of the route, or a slow provider."
                " connection: network. bad_response: not the wire format that models.yaml says. Without callers who left, and hedges. A click leads to such calls.",
                asks={
                    "{{gen_ai_request_model}}: {{error_type}}": "sum by (gen_ai_request_model, error_type)"
                    f" (rate({DONE}_count{{{OF}, {FAILED}}}[$__rate_interval]))"
                },
            ),
        ),
        "How fast they are": (
            Panel(
                title="How long calls of models take", unit="s", exemplars=True,
                says="Half and 95 of a hundred are faster. A model that got slower is chosen less by `fastest` and by limits of latency, by itself.",
                asks={
                    f"{name} {{{{gen_ai_request_model}}}}": f"histogram_quantile({share}, sum by (le, gen_ai_request_model)"
                    f" (rate({DONE}_bucket{{{OF}}}[$__rate_interval])))"
                    for name, share in (("p50", 0.5), ("p95", 0.95))
                },
            ),
            Panel(
                title="To the first piece of a stream", unit="s",
                says="What a person waits for. A provider that is slow here and not after it is full: lower `max_in_flight`, or add another model to the rule.",
                asks={
                    f"{name} {{{{gen_ai_request_model}}}}": f"histogram_quantile({share}, sum by (le, gen_ai_request_model)"
                    f" (rate({FIRST}_bucket{{{OF}}}[$__rate_interval])))"
                    for name, share in (("p50", 0.5), ("p95", 0.95))
                },
            ),
            Panel(
                title="Tokens that a model writes in a second of calls", unit="short",
                says="Output of all calls over the time that they took. It falls where a provider is loaded, and before calls begin to time out.",
                asks={
                    "{{gen_ai_request_model}}": "sum by (gen_ai_request_model)"
                    f" (rate(gen_ai_client_inference_usage_output_tokens_total{{{OF}}}[$__rate_interval]))"
                    f" / sum by (gen_ai_request_model) (rate({DONE}_sum{{{OF}}}[$__rate_interval]))"
                },
            ),
        ),
    },
)  # fmt: skip
