"""Budgets: what tenants have spent of what they may, and what follows from it."""

from grafana import Dashboard, Panel

OURS = 'rpc_method=~"pointsman[.]v1[.]RouterService/.+"'

DASHBOARD = Dashboard(
    name="budgets",
    title="Budgets",
    says="What tenants have spent of what they may, who is refused for it, and whether the store that counts it is there.",
    varies={"tenant": "pointsman_budget_spent_ratio tenant"},
    rows={
        "Now": (
            Panel(
                title="Spent share of each window", unit="percentunit", kind="bargauge", width=16, limits=(0.8, 1),
                says="Spent or held, of tenants that call. At 100 % happens what `on_exhausted` of the line in tenants.yaml says. Raise the number and save: it is"
                " live in a second, and what was spent stays counted.",
                asks={"{{tenant}}, {{window}}": 'max by (tenant, window) (pointsman_budget_spent_ratio{JOB, tenant=~"$tenant"})'},
            ),
            Panel(
                title="Tenants that servers count alone", unit="short", kind="stat", limits=(1,),
                says="Not 0: Valkey cannot be asked, and each server spends its share of what was left. Bring Valkey back; the log says since when.",
                asks={"{{pod}} {{instance}}": "pointsman_tenants_alone{JOB}"},
            ),
        ),
        "Over time": (
            Panel(
                title="Spent share", unit="percentunit", limits=(0.8, 1),
                says="A line that reaches 100 % before its window ends: calls of that tenant will be refused or degraded. Rules see it as `budget.pace`.",
                asks={"{{tenant}}, {{window}}": 'max by (tenant, window) (pointsman_budget_spent_ratio{JOB, tenant=~"$tenant"})'},
            ),
            Panel(
                title="Refused for budgets and limits", unit="reqps", stacked=True, traces="rpc.status_code=rpc_status_code",
                says="RESOURCE_EXHAUSTED: a spent budget, or a tenant's limit of requests. A click leads to the calls, whose traces name tenant and reason.",
                asks={
                    "{{rpc_status_code}}": "sum by (rpc_status_code)"
                    f' (rate(rpc_server_call_duration_seconds_count{{JOB, {OURS}, rpc_status_code="RESOURCE_EXHAUSTED"}}[$__rate_interval]))'
                },
            ),
            Panel(
                title="Models dropped for budgets", unit="ops", stacked=True,
                says="Too dear for what is left. Where many are, answers come from cheaper models: the same as DEGRADED under Quality, before all is spent.",
                asks={"{{model}}": 'sum by (model) (rate(pointsman_dropped_candidates_total{JOB, reason="BUDGET"}[$__rate_interval]))'},
            ),
        ),
        "Money": (
            Panel(
                title="Spent an hour", unit="currencyUSD", width=12, stacked=True, traces="pointsman.tenant.id=tenant",
                says="At the pace of each moment, by tenant. Cost and saving says by which models.",
                asks={"{{tenant}}": '3600 * sum by (tenant) (rate(pointsman_cost_usd_total{JOB, tenant=~"$tenant"}[$__rate_interval]))'},
            ),
            Panel(
                title="Spent since the beginning of the picked time", unit="currencyUSD", width=12, kind="bargauge",
                says="By tenant; for bills take `pointsman usage`, which counts to the nano-dollar and forgets nothing when a server ends.",
                asks={"{{tenant}}": 'sum by (tenant) (increase(pointsman_cost_usd_total{JOB, tenant=~"$tenant"}[$__range]))'},
            ),
        ),
    },
)  # fmt: skip
