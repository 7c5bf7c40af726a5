"""Traffic: who calls, how it ends, how long it takes, and which rules decide."""

from grafana import Dashboard, Panel

OURS = 'JOB, rpc_method=~"pointsman[.]v1[.]RouterService/.+"'
CALLS = "rpc_server_call_duration_seconds_count"
FAULTS = 'rpc_status_code=~"UNKNOWN|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"'
LATE = 'rpc_status_code="DEADLINE_EXCEEDED"'
FAILED = (
    f"((sum(rate({CALLS}{{{OURS}, {FAULTS}}}[5m])) or vector(0)) + (sum(rate({CALLS}{{{OURS}, {LATE}}}[5m]))"
    f' - sum(rate(rpc_server_call_duration_seconds_bucket{{{OURS}, {LATE}, le=~"10|10[.]0"}}[5m])) or vector(0)))'
)
"""As in alerts.yaml: a deadline that passes is the server's fault where the call had more than ten seconds."""

DASHBOARD = Dashboard(
    name="traffic",
    title="Traffic",
    says="Who calls, how it ends, how long it takes, and which rules decide. Begin here; the other dashboards say why.",
    varies={"rule": "pointsman_decisions_total rule", "model": "pointsman_decisions_total model"},
    rows={
        "Now": (
            Panel(
                title="Calls a second", unit="reqps", kind="stat", width=4, height=4,
                says="Of Route, Complete and StreamComplete, on all servers. None at all, while callers are there: look at the network and the pods.",
                asks={"calls": f"sum(rate({CALLS}{{{OURS}}}[5m]))"},
            ),
            Panel(
                title="Failed by the server's fault", unit="percentunit", kind="stat", width=4, height=4, limits=(0.005, 0.03),
                says="Share of the last five minutes. Refusals, spent budgets, and deadlines of ten seconds or less that pass are no faults. When red: Status codes"
                " below, then Upstreams.",
                asks={"failed": f"{FAILED} / sum(rate({CALLS}{{{OURS}}}[5m]))"},
            ),
            Panel(
                title="Calls under way", unit="short", kind="stat", width=4, height=4,
                says="Begun and not ended, on all servers. One that only grows: an upstream hangs, see Upstreams; or too few servers run.",
                asks={"under way": "sum(pointsman_calls_under_way{JOB})"},
            ),
            Panel(
                title="Servers with stale rules", unit="short", kind="stat", width=4, height=4, limits=(1,),
                says="They serve by older rules, because the directory cannot be used. When not 0: `STALE` in their log says file, line, column and what is wrong.",
                asks={"stale": "sum(pointsman_ruleset_stale{JOB})"},
            ),
            Panel(
                title="Revisions in use", unit="short", kind="stat", width=8, height=4,
                says="How many servers decide by which revision. More than one in a namespace for longer than some minutes: a pod was not given the change, or"
                " refused it.",
                asks={"{{namespace}} {{revision}}": "count by (namespace, revision) (pointsman_ruleset_info{JOB})"},
            ),
        ),
        "Calls": (
            Panel(
                title="Calls by method", unit="reqps", stacked=True,
                says="Route decides only, Complete and StreamComplete also call a model. A step where nothing was deployed: ask the caller.",
                asks={"{{rpc_method}}": f"sum by (rpc_method) (rate({CALLS}{{JOB, rpc_method=~\"pointsman.+\"}}[$__rate_interval]))"},
            ),
            Panel(
                title="Calls that were not OK, by status code", unit="reqps", stacked=True, traces="rpc.status_code=rpc_status_code",
                says="UNAVAILABLE and DEADLINE_EXCEEDED: models fail or are slow, see Upstreams; or callers give less time than How long calls take. FAILED_PRECONDITION: no model met the limits, see Quality."
                " RESOURCE_EXHAUSTED: budgets or limits of tenants, see Budgets. UNAUTHENTICATED: a key has expired. A click on a series leads to such calls.",
                asks={"{{rpc_status_code}}": f"sum by (rpc_status_code) (rate({CALLS}{{{OURS}, rpc_status_code!=\"OK\"}}[$__rate_interval]))"},
            ),
            Panel(
                title="How long calls take", unit="s", exemplars=True,
                says="Half, and 95 and 99 of a hundred, are faster. Marks are single calls: a click on one leads to its trace. Slow Complete: see Upstreams.",
                asks={
                    f"{name} {{{{rpc_method}}}}": f"histogram_quantile({share}, sum by (le, rpc_method)"
                    f" (rate(rpc_server_call_duration_seconds_bucket{{{OURS}}}[$__rate_interval])))"
                    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
                },
            ),
        ),
        "Decisions": (
            Panel(
                title="Decisions by rule", unit="reqps", stacked=True, traces="pointsman.rule.id=rule",
                says="Which rules decide. After an edit, this is where it shows. A rule that is gone: one before it matches now (`pointsman rules explain`).",
                asks={"{{rule}}": 'sum by (rule) (rate(pointsman_decisions_total{JOB, rule=~"$rule", model=~"$model"}[$__rate_interval]))'},
            ),
            Panel(
                title="Decisions by model", unit="reqps", stacked=True, traces="gen_ai.request.model=model",
                says="What the rules chose, not yet who answered: that is under Upstreams. A model that is gone: Models that were dropped, beside this.",
                asks={"{{model}}": 'sum by (model) (rate(pointsman_decisions_total{JOB, rule=~"$rule", model=~"$model"}[$__rate_interval]))'},
            ),
            Panel(
                title="Models that were dropped, by reason", unit="ops", stacked=True,
                says="Models that were on offer and could not serve. UNHEALTHY and CAPACITY: see Upstreams. BUDGET: see Budgets. QUALITY, COST, LATENCY: what"
                " callers and rules ask for. NO_CREDENTIAL: a key is missing.",
                asks={"{{reason}} {{model}}": 'sum by (reason, model) (rate(pointsman_dropped_candidates_total{JOB, model=~"$model"}[$__rate_interval]))'},
            ),
        ),
        "Servers": (
            Panel(
                title="By how much servers are late", unit="s", limits=(0.1,),
                says="The lag of each event loop: everything is answered so much later. Above 0.1 s: give more CPU, or run more servers.",
                asks={"{{pod}} {{instance}}": "pointsman_event_loop_lag_seconds{JOB}"},
            ),
            Panel(
                title="Since when the rules in use are loaded", unit="s",
                says="Falls to 0 with each change that went live. One that goes on rising after a change: that server was not given it, or refused it.",
                asks={"{{pod}} {{instance}}": "pointsman_ruleset_age_seconds{JOB}"},
            ),
            Panel(
                title="Spans and records that were lost", unit="ops", stacked=True,
                says="Calls notice nothing, but cannot be looked at afterwards. Spans: the collector is down or slow. Records: the disk is full or read-only.",
                asks={"{{signal}}": "sum by (signal) (rate(pointsman_telemetry_lost_total{JOB}[$__rate_interval]))"},
            ),
        ),
    },
)  # fmt: skip
