"""Quality and fallbacks: whether callers get what was chosen for them, and whether what is expected comes true."""

from grafana import Dashboard, Panel

OF = 'JOB, rule=~"$rule", model=~"$model"'
OFF = "pointsman_estimate_error_ratio_bucket"
ANSWERS = 'rpc_server_call_duration_seconds_count{JOB, rpc_method=~"pointsman[.]v1[.]RouterService/(Complete|StreamComplete)"}'

DASHBOARD = Dashboard(
    name="quality",
    title="Quality and fallbacks",
    says="Whether callers get what was chosen for them, why they do not, and whether what is expected of models comes true.",
    varies={"rule": "pointsman_decisions_total rule", "model": "pointsman_decisions_total model"},
    rows={
        "What callers say": (
            Panel(
                title="What callers gave answers", unit="percentunit", width=12, traces="pointsman.rule.id=rule",
                says="The mean of what RecordFeedback was told, from 0 to 100 %. A model that falls: its provider changed it, or prompts changed. A rule whose"
                " models differ much: route more by what tells them apart. No line: callers tell nothing.",
                asks={
                    "{{rule}}: {{model}}": f"sum by (rule, model) (rate(pointsman_feedback_score_sum{{{OF}}}[1h]))"
                    f" / sum by (rule, model) (rate(pointsman_feedback_score_count{{{OF}}}[1h]))"
                },
            ),
            Panel(
                title="How many said something", unit="reqps", width=12, stacked=True, traces="pointsman.rule.id=rule",
                says="A mean of few says little. Where callers can tell whether an answer was right, let them call RecordFeedback with the decision's id.",
                asks={"{{rule}}: {{model}}": f"sum by (rule, model) (rate(pointsman_feedback_score_count{{{OF}}}[$__rate_interval]))"},
            ),
        ),
        "Fallbacks": (
            Panel(
                title="Answers by another model", unit="percentunit", limits=(0.02, 0.1),
                says="Share of Complete and StreamComplete. Callers waited for a model that failed. Above a tenth: Upstreams says what is wrong with it.",
                asks={"share": f"(sum(rate(pointsman_fallbacks_total{{JOB}}[$__rate_interval])) or vector(0)) / sum(rate({ANSWERS}[$__rate_interval]))"},
            ),
            Panel(
                title="From which model to which", unit="reqps", stacked=True, traces="gen_ai.response.model=to_model",
                says="The first failed, the second answered. Where the second is much dearer, see Cost; where it is weaker, callers get worse answers.",
                asks={
                    "{{from_model}} → {{to_model}}": "sum by (from_model, to_model)"
                    ' (rate(pointsman_fallbacks_total{JOB, from_model=~"$model"}[$__rate_interval]))'
                },
            ),
            Panel(
                title="Decisions by kind", unit="reqps", stacked=True, traces="pointsman.decision.reason=reason",
                says="RULE_MATCH and DEFAULT are as written. BEST_EFFORT and ON_EMPTY_FALLBACK: no model met what was asked. DEGRADED: a budget is spent."
                " STICKY: a conversation keeps its model, because changing costs more.",
                asks={"{{reason}}": 'sum by (reason) (rate(pointsman_decisions_total{JOB, rule=~"$rule", model=~"$model"}[$__rate_interval]))'},
            ),
        ),
        "Refused": (
            Panel(
                title="Refusals by rule", unit="reqps", width=12, stacked=True, traces="pointsman.rule.id=rule",
                says="No model could serve. The error says which limit to relax; where callers ask for what is not to be had, add a model or `on_empty`.",
                asks={"{{rule}}: {{reason}}": 'sum by (rule, reason) (rate(pointsman_refusals_total{JOB, rule=~"$rule"}[$__rate_interval]))'},
            ),
            Panel(
                title="Dropped for what was asked", unit="ops", width=12, stacked=True,
                says="QUALITY, COST, LATENCY and TOKEN_BUDGET are limits of callers and rules, CAPABILITY and CONTEXT_WINDOW abilities of models. A model that is"
                " always dropped serves nobody: take it off the rule.",
                asks={
                    "{{model}}: {{reason}}": "sum by (model, reason) (rate(pointsman_dropped_candidates_total{JOB,"
                    ' model=~"$model", reason=~"QUALITY|COST|LATENCY|TOKEN_BUDGET|CAPABILITY|CONTEXT_WINDOW"}[$__rate_interval]))'
                },
            ),
        ),
        "Expected, and what came": (
            Panel(
                title="By which factor estimates are off, median", unit="x", limits=(2, 3),
                says="Of the last hour, either way: 1 is right. Above 3: decisions weigh this model by wrong numbers; correct price, latency or tokenizer in"
                " models.yaml.",
                asks={"{{model}} {{estimate}}": f"histogram_quantile(0.5, sum by (le, model, estimate) (rate({OFF}{{{OF}}}[1h])))"},
            ),
            Panel(
                title="By which factor estimates are off, nine of ten", unit="x",
                says="The bad cases. Cost and latency off together with output: answers are longer than is usual for their task; `defaults.max_output` bounds them.",
                asks={"{{model}} {{estimate}}": f"histogram_quantile(0.9, sum by (le, model, estimate) (rate({OFF}{{{OF}}}[1h])))"},
            ),
            Panel(
                title="By which factor costs are off, by rule", unit="x", limits=(2, 3),
                says="The median of the last hour. A rule that stands out sends prompts of a kind whose answers are longer or shorter than is usual for their task.",
                asks={"{{rule}}": f"histogram_quantile(0.5, sum by (le, rule) (rate({OFF}{{{OF}, estimate=\"cost\"}}[1h])))"},
            ),
            Panel(
                title="What rules in shadow would have decided", unit="reqps", stacked=True,
                says="A rule in shadow decides nothing. When it shows what it should, take `shadow` off its line; compare with Decisions by model.",
                asks={"{{rule}} → {{model}}": "sum by (rule, model) (rate(pointsman_shadow_decisions_total{JOB}[$__rate_interval]))"},
            ),
        ),
    },
)  # fmt: skip
