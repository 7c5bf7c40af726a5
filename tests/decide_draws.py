"""Random rule files, facts and markets, for comparing `decide` with its oracle.

Draws are biased: limits often stand exactly at what some model takes, one more or one less, prices and abilities are often equal, days
stand at the end of a rule and beside it, and some draws are disasters.
"""

from __future__ import annotations

from random import Random
from typing import Any

import yaml
from msgspec import structs

from decide_oracle import Oracle
from fakes import facts_of
from pointsman.core.facts import Facts
from pointsman.core.lengths import Ratio
from pointsman.core.market import Market, ModelState
from pointsman.core.rollout import Rollout
from pointsman.core.rulefile import load
from pointsman.core.ruleset import Ruleset
from pointsman.core.textclass import TEXT_CLASSES
from pointsman.core.tokenisers import Factor
from pointsman.core.vocabulary import CAPABILITIES, OnEmpty, Strategy

Document = dict[str, Any]
"""A rule file before it is text."""

MODELS, ROUTING, TRIAL = "models.yaml", "routing.yaml", "trial.yaml"

NAMES = ("opal", "agate", "jade", "beryl", "topaz", "coral", "amber", "onyx")
TAGS = ("eu", "onprem", "fast")
PROVIDERS = {"near": {"api": "builtin"}, "far": {"api": "openai", "base_url": "https://example.test/v1", "key": {"env": "FAR_API_KEY"}}}
CONDITIONS = (
    'features.task == "code"', "features.complexity > 0.5", "vars.short", "request.accuracy >= 0.6", "features.task in lists.texts",
    'has(request.labels.data) && request.labels.data == "personal"', "budget.spend_ratio < 0.9", "tokens.output >= 50", "!request.stream",
)  # fmt: skip
BARS = (0.5, 0.6, 0.8, 0.95, "request.accuracy", "features.complexity > 0.5 ? 0.9 : 0.3", "0.5 + 0.25", "request.accuracy * 1.1")
QUALITIES = (0.3, 0.5, 0.6, 0.7, 0.7, 0.8, 0.95)
ANSWERS = (
    {"": Ratio(2.5, 2.0)},
    {"chat": Ratio(0.3, 0.9), "math": Ratio(3.0, 3.0), "math, hard": Ratio(2.0, 2.0), "": Ratio(4.0, 0.1)},
    {"": Ratio(1.3, 1.1, complexity=0.4, log_prompt=5.0, by_complexity=1.7, by_prompt=-0.6)},
)
GUARDED = {
    "any": ["!has(request.user)", 'request.user == "u1"'],
    "all": ["has(request.session)", 'request.session != "s1"'],
    "none": ["!has(request.session)", 'request.session == "s2"'],
}
"""Groups whose second part may only be asked after the first."""
STICKY = ("request.session", "request.user", "request.tenant", "request.labels.team")
DAYS = ("2026-11-30", "2026-12-01", "2026-12-02")


# Rules


def read(files: dict[str, Document]) -> Ruleset:
    """Return the ruleset of files that were drawn; problems fail the test."""
    loaded = load({name: text(document).encode() for name, document in files.items()})
    assert loaded.ruleset is not None, [f"{problem.file}:{problem.line} {problem.message}" for problem in loaded.problems]
    return loaded.ruleset


def text(document: Document) -> str:
    """Return a file as it is written."""
    return yaml.safe_dump(document, sort_keys=False)


def some_rules(random: Random) -> dict[str, Document]:
    """Return rule files by name: the catalog, routes and, in some, a file wholly in shadow."""
    models = some_models(random)
    files = {MODELS: models, ROUTING: some_routing(random, models)}
    return files | ({TRIAL: some_trial(random, models)} if random.random() < 0.3 else {})


def some_models(random: Random) -> Document:
    names = random.sample(NAMES, random.randint(2, 8))
    aliases = {alias: random.sample(names, random.randint(1, min(3, len(names)))) for alias in ("fast", "smart")}
    models = {name: some_model(random) for name in names}
    return {"version": 1, "tiers": ["small", "medium", "large"], "providers": PROVIDERS, "models": models, "aliases": aliases}


def some_model(random: Random) -> Document:
    price = {"input": random.choice((0, 0.1, 1, 1, 3.75)), "output": random.choice((0, 0.000000001, 2, 2, 15)), "nominal": True}
    ability = {"default": random.choice((0.4, 0.6, 0.6, 0.8, 0.95))}
    model = {
        "provider": random.choice(("near", "far")),
        "upstream": "u",
        "tier": random.choice(("small", "medium", "large")),
        "ability": ability | ({"code": random.choice((0.3, 0.9))} if random.random() < 0.3 else {}),
        "price": price
        | ({"cached_input": random.choice((0, 0.05, 0.1)), "cache_write": random.choice((0.125, 1.25))} if random.random() < 0.5 else {}),
        "context_window": random.choice((500, 8000, 8000, 128_000)),
        "max_output": random.choice((1, 60, 1000, 4000)),
        "capabilities": [name for name in CAPABILITIES if random.random() < 0.8],
        "tokenizer": random.choice(("o200k", "o200k", "claude", "qwen")),
        "tags": [name for name in TAGS if random.random() < 0.7],
    }
    latency = {"ttft_ms": random.choice((0, 100, 100, 450.5)), "tokens_per_s": random.choice((20, 100, 100, 1000))}
    kept: Document = {"min_tokens": 100, "ttl": random.choice(("90s", "5m"))}
    model |= {"prompt_cache": kept} if random.random() < 0.5 else {}
    return model | ({"latency": latency} if random.random() < 0.8 else {})


def some_routing(random: Random, models: Document) -> Document:
    routes = some_routes(random, models, "r", random.randint(0, 6))
    routes.insert(random.randint(0, len(routes)), some_route(random, models, "default", -10))
    if random.random() < 0.2:  # reached only if the default goes on
        routes.append(some_route(random, models, "late", -20) | {"mode": "shadow", "when": some_conditions(random)})
    return {
        "version": 1,
        "defaults": {"max_output": random.choice((30, 2000))} if random.random() < 0.3 else {"accuracy": 0.1},
        "lists": {"texts": ["chat", "summarize"]},
        "vars": {"short": "tokens.input < 1000"},
        "constraints": some_constraints(random, models, "c"),
        "routes": routes,
    }


def some_trial(random: Random, models: Document) -> Document:
    routes = some_routes(random, models, "t", random.randint(1, 4))
    return {"version": 1, "mode": "shadow", "constraints": some_constraints(random, models, "tc"), "routes": routes}


def some_routes(random: Random, models: Document, prefix: str, many: int) -> list[Document]:
    """Return routes that do not take every request: each has conditions, a share or an end, or is in shadow."""
    routes = []
    for number in range(many):
        limits: Document = {}
        if random.random() < 0.2:
            limits["mode"] = "shadow"
        if random.random() < 0.25:
            limits["rollout"] = some_rollout(random)
        if random.random() < 0.15:
            limits["expires"] = random.choice(DAYS)
        if not limits or random.random() < 0.8:
            limits["when"] = some_conditions(random)
        routes.append(some_route(random, models, f"{prefix}{number}", random.choice((-1, 0, 0, 10, 100))) | limits)
    return routes


def some_rollout(random: Random) -> Document:
    """Return a share; in some the bucket of a session that is often drawn is its last, or the first beyond it."""
    if random.random() < 0.2:
        bucket = Rollout(seed="shared", by=None, below=0).bucket(facts_of(request_id="s1"))
        return {"percent": (bucket + random.choice((0, 1))) / 100, "by": "request.session", "seed": "shared"}
    rollout: Document = {"percent": random.choice((0, 12.5, 50, 50, 80, 99.99, 100))}
    if random.random() < 0.6:
        rollout["by"] = random.choice(STICKY)
    return rollout | ({"seed": "shared"} if random.random() < 0.3 else {})


def some_route(random: Random, models: Document, name: str, priority: int) -> Document:
    on_offer = [*models["models"], *models["aliases"]]
    candidates = random.sample(on_offer, random.randint(1, random.choice((2, 4, len(on_offer)))))
    strategy = random.choice(list(Strategy)).value
    use: Document = {
        "candidates": candidates,
        "strategy": strategy,
        "on_empty": random.choice([*(on_empty.value for on_empty in OnEmpty), "next_rule"]),
    }
    if strategy == "weighted":
        use["candidates"] = {name: random.choice((0, 0.5, 10, 90)) for name in candidates} | {candidates[-1]: random.choice((1, 20))}
        use |= {"by": random.choice(STICKY)} if random.random() < 0.6 else {}
    if strategy == "balanced":
        use["value_usd"] = random.choice((0.0001, 0.001, 0.001, 0.01, 1))
    if random.random() < 0.5:
        use["min_quality"] = random.choice(BARS)
    route: Document = {"id": name, "why": "because", "priority": priority, "use": use}
    if random.random() < 0.2:
        route["budget"] = {"max_usd_per_request": random.choice((0, 0.0001, 0.0003, 0.0005, 0.02))}
    fallbacks = random.sample(on_offer, random.randint(0, min(4, len(on_offer))))
    return route | ({"fallbacks": fallbacks} if fallbacks else {})


def some_conditions(random: Random) -> object:
    """Return a `when`: one condition, a list, a group, or groups among conditions."""
    if random.random() < 0.15:
        return some_group(random)
    conditions: list[object] = list(random.sample(CONDITIONS, random.choice((1, 1, 2))))
    if random.random() < 0.2:
        conditions.insert(random.randint(0, len(conditions)), some_group(random))
    return conditions[0] if len(conditions) == 1 and random.random() < 0.5 else conditions


def some_group(random: Random, depth: int = 0) -> Document:
    """Return a mapping of one group or two, which may hold groups in turn."""
    group: Document = {}
    for joined_by in random.sample(("any", "all", "none"), random.choice((1, 1, 1, 2))):
        parts: list[object] = list(GUARDED[joined_by] if random.random() < 0.3 else random.sample(CONDITIONS, random.choice((1, 2, 3))))
        if depth < 2 and random.random() < 0.4:
            parts.insert(random.choice((0, len(parts))), some_group(random, depth + 1))
        group[joined_by] = parts
    return group


def some_constraints(random: Random, models: Document, prefix: str) -> list[Document]:
    return [some_constraint(random, models["models"], f"{prefix}{number}") for number in range(random.choice((0, 0, 0, 1, 2)))]


def some_constraint(random: Random, models: Document, name: str) -> Document:
    kinds = random.choice((["allow"], ["deny"], ["allow", "deny"]))
    return {"id": name, "why": "law", "when": some_conditions(random)} | {kind: some_selection(random, models) for kind in kinds}


def some_selection(random: Random, models: Document) -> dict[str, list[str]]:
    there_is = {
        "models": list(models),
        "tiers": sorted({model["tier"] for model in models.values()}),
        "providers": sorted({model["provider"] for model in models.values()}),
        "tags": sorted({tag for model in models.values() for tag in model["tags"]}),
    }
    fields = random.sample([field for field, names in there_is.items() if names], random.choice((1, 1, 2)))
    return {field: random.sample(there_is[field], random.randint(1, min(3, len(there_is[field])))) for field in fields}


# Facts and markets


def some_draw(random: Random, ruleset: Ruleset) -> tuple[Facts, Market]:
    """Return what a request looks like, and the state of the world, for the models of some rules."""
    facts, market = some_facts(random, ruleset), some_market(random, ruleset)
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 3))):
        facts, market = aimed(random, ruleset, facts, market)
    return facts, market


def some_facts(random: Random, ruleset: Ruleset) -> Facts:
    named = [*ruleset.catalog.models, *ruleset.catalog.aliases]
    return facts_of(
        request_model=random.choice(named) if random.random() < 0.15 else "",
        request_accuracy=random.choice((0.0, 0.0, 0.0, 0.5, 0.7, 0.9)),
        request_needs_tools=random.random() < 0.08,
        request_needs_json=random.random() < 0.08,
        request_needs_vision=random.random() < 0.08,
        request_stream=random.random() < 0.5,
        request_tags=frozenset(tag for tag in TAGS if random.random() < 0.05),
        request_labels=some_labels(random),
        request_id=f"id-{random.randrange(10**6)}",
        request_session=random.choice((None, "", "s1", "s2", f"s-{random.randrange(100)}")),
        request_user=random.choice((None, "u1", f"u-{random.randrange(100)}")),
        request_tenant=random.choice(("default", "search", "ads")),
        time_date=random.choice(DAYS),
        features_complexity=random.choice((0.1, 0.42, 0.5, 0.9)),
        features_discrimination=random.choice((1.0, 1.0, 0.5)),
        features_task=random.choice(("code", "chat", "math")),
        features_text_class=random.choice(("english", *TEXT_CLASSES)),
        tokens_input=random.choice((0, 1, 3000, 1_000_000) if random.random() < 0.15 else (7, 100, 333)),
        tokens_output=random.choice((0, 1, 49, 50, 100, 300)),
        tokens_output_max=random.choice((1, 20, 5000)) if random.random() < 0.2 else None,
        budget_spend_ratio=random.choice((0.0, 1.2)),
    )


def some_labels(random: Random) -> dict[str, str]:
    labels = {"data": "personal"} if random.random() < 0.3 else {}
    return labels | ({"team": random.choice(("", "red", "blue"))} if random.random() < 0.6 else {})


def some_market(random: Random, ruleset: Ruleset) -> Market:
    outage = random.random() < 0.05
    states = {name: some_state(random, outage=outage) for name in ruleset.catalog.models if outage or random.random() < 0.7}
    if random.random() < 0.5:
        return Market(models=states)
    return Market(models=states, turns_left=random.choice((0.0, 1.0, 8.0)), turn_gap_s=random.choice((0.0, 100.0, 400.0)))


def some_state(random: Random, *, outage: bool) -> ModelState:
    healthy, has_room = random.random() > 0.06, random.random() > 0.06
    return ModelState(
        has_credential=random.random() > 0.04,
        healthy=healthy and not (outage and has_room),
        has_room=has_room,
        ttft_ms=random.choice((0.0, 80.0, 2000.0)) if random.random() < 0.2 else None,
        tokens_per_s=random.choice((1.0, 100.0)) if random.random() < 0.2 else None,
        answers=random.choice(ANSWERS) if random.random() < 0.2 else {},
        counts={"english": Factor(1.25, 1.75)} if random.random() < 0.2 else {},
        warm_prefix_tokens=random.choice((1, 90, 100_000)) if random.random() < 0.2 else 0,
        writes_prefix=random.random() < 0.3,
        share_of_turns=random.choice((0.25, 0.5, 0.9)) if random.random() < 0.3 else 1.0,
        quality=random.choice(QUALITIES) if random.random() < 0.3 else None,
    )


def aimed(random: Random, ruleset: Ruleset, facts: Facts, market: Market) -> tuple[Facts, Market]:
    """Put a limit just where a model stands, a step above or a step below: that is where comparisons go wrong."""
    oracle, model = Oracle(ruleset=ruleset, facts=facts, market=market), random.choice(list(ruleset.catalog.models))
    step = random.choice((-1, 0, 0, 1))
    spends, costs = oracle.bound(model) + oracle.output(model) + step, oracle.cost(model) + step
    room = ruleset.catalog.models[model].context_window - max(1, oracle.output(model))
    aims: tuple[tuple[str, str, float], ...] = (
        ("tokens", "input", room + step),
        ("request", "max_total_tokens", oracle.needed(model) + step),
        ("request", "max_cost", costs),
        ("request", "accuracy", min(1.0, oracle.quality(model) + step / 1000)),
        ("request", "max_latency_ms", oracle.latency_ms(model) + step),
        ("request", "max_ttft_ms", oracle.ttft_ms(model) + step),
        ("market", "tokens_left", random.choice((0, spends, spends, spends))),
        ("market", "cost_left", random.choice((0, costs, costs, costs))),
        ("market", "time_left_ms", oracle.latency_ms(model) + step),
    )
    group, field, limit = random.choice(aims)
    if group == "market":
        return facts, structs.replace(market, **{field: max(0, limit)})
    return structs.replace(facts, **{group: structs.replace(getattr(facts, group), **{field: max(0, limit)})}), market
