"""Random rules, facts and markets, for promises that must hold whatever they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from msgspec import structs

from fakes import facts_of
from pointsman.core.catalog import Catalog, Model, Price, Provider
from pointsman.core.decision import RuleRef
from pointsman.core.facts import Facts
from pointsman.core.lengths import Ratio
from pointsman.core.market import Market, ModelState
from pointsman.core.ruleset import Condition, Constraint, Defaults, Matched, Route, Ruleset
from pointsman.core.textclass import TEXT_CLASSES
from pointsman.core.tokenisers import Factor
from pointsman.core.vocabulary import CAPABILITIES, OnEmpty, Strategy

T = TypeVar("T")
World = tuple[Ruleset, Facts, Market]

NAMES = ("ash", "birch", "cedar", "elm", "fir", "oak")
TAGS = ("eu", "onprem")
USUAL = Model(
    id="usual", provider="p", upstream="u", tier="small", ability={"default": 0.7}, ability_estimated=False,
    price=Price(input=10**9, cached_input=10**8, cache_write=10**9, output=10**9), context_window=100_000, max_output=1000,
    capabilities=frozenset(CAPABILITIES), tokenizer="o200k", ttft_ms=100.0, tokens_per_s=100.0, tags=frozenset(TAGS),
)  # fmt: skip
checked = settings(max_examples=5000 if os.environ.get("POINTSMAN_TEST_SOAK") else 60, deadline=None)


def changes(most: int, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw values for a few of the fields; far cheaper than a draw for each, and the rest stays as it usually is."""
    return st.lists(st.one_of([st.tuples(st.just(name), values) for name, values in fields.items()]), max_size=most).map(dict)


def ids(least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(NAMES), unique=True, min_size=least).map(tuple)


tags, capabilities = st.frozensets(st.sampled_from(TAGS)), st.frozensets(st.sampled_from(CAPABILITIES))
prices = st.sampled_from(
    [Price(input=i, cached_input=i // 10, cache_write=i, output=o) for i in (0, 1, 10**9) for o in (0, 10**9, 3 * 10**9)]
)
unusual_models = changes(
    4,
    ability=st.sampled_from([{"default": share} for share in (0.3, 0.8, 0.95)]),
    price=prices,
    context_window=st.sampled_from((200, 1000)),
    max_output=st.sampled_from((1, 100)),
    capabilities=capabilities,
    tokenizer=st.sampled_from(("claude", "qwen")),
    ttft_ms=st.sampled_from((1.0, 500.0)),
    tokens_per_s=st.sampled_from((10.0, 1000.0)),
    tags=tags,
)
states = changes(
    3,
    has_credential=st.booleans(),
    healthy=st.booleans(),
    has_room=st.booleans(),
    ttft_ms=st.sampled_from((0.0, 900.0)),
    tokens_per_s=st.sampled_from((1.0, 900.0)),
    answers=st.sampled_from(({"": Ratio(2.5, 2.0)}, {"chat": Ratio(0.3, 0.9), "": Ratio(4.0, 4.0)})),
    counts=st.just({"english": Factor(1.3, 1.7)}),
    warm_prefix_tokens=st.sampled_from((90, 10_000)),
    quality=st.floats(0, 1),
).map(lambda changed: ModelState(**changed))
windows = changes(1, time_left_ms=st.floats(0, 5000), tokens_left=st.integers(0, 2000), cost_left=st.integers(0, 10**6))
markets = st.builds(
    lambda models, left: Market(models=models, **left), st.dictionaries(st.sampled_from(NAMES), states, max_size=4), windows
)
facts = changes(
    4,
    request_model=st.sampled_from((*NAMES, "alias")),
    request_accuracy=st.floats(0, 1),
    request_tags=tags,
    request_needs_tools=st.booleans(),
    request_needs_json=st.booleans(),
    request_needs_vision=st.booleans(),
    request_max_total_tokens=st.integers(1, 2000),
    request_max_cost=st.integers(0, 10**6),
    request_max_latency_ms=st.floats(0, 5000),
    request_max_ttft_ms=st.floats(0, 1000),
    features_complexity=st.floats(0, 1),
    features_text_class=st.sampled_from(TEXT_CLASSES),
    tokens_input=st.sampled_from((0, 1, 900)),
    tokens_output=st.sampled_from((0, 1, 900)),
    tokens_output_max=st.integers(1, 1000),
).map(lambda changed: facts_of(**changed))


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    models = {name: structs.replace(USUAL, id=name, **draw(unusual_models)) for name in NAMES}
    return Catalog(models=models, providers={"p": Provider(id="p", api="builtin")}, tiers=("small",), aliases={"alias": draw(ids(least=1))})


def rule(name: str, line: int) -> RuleRef:
    return RuleRef(id=name, file="routing.yaml", line=line)


@st.composite
def rulesets(draw: st.DrawFn, most: int = 3, strategy: Strategy | None = None) -> Ruleset:
    """Rules whose conditions hold or not, whatever the facts; the last route has none."""
    constraints = tuple(
        Constraint(ref=rule(f"c{line}", line), conditions=(condition(holds=draw(st.booleans())),), permitted=frozenset(draw(ids(least=4))))
        for line in range(draw(st.integers(0, 2)))
    )
    last = draw(st.integers(0, most - 1))
    offered = tuple(
        Route(
            ref=rule(f"r{line}", line),
            priority=0,
            conditions=() if line == last else (condition(holds=draw(st.booleans())),),
            candidates=draw(ids(least=2)),
            strategy=strategy or draw(st.sampled_from(Strategy)),
            on_empty=draw(st.sampled_from(OnEmpty)),
            min_quality=draw(st.sampled_from((None, always(0.5), always(0.9)))),
            fallbacks=draw(ids()),
        )
        for line in range(last + 1)
    )
    return Ruleset(
        revision="0" * 12,
        catalog=draw(catalogs()),
        defaults=Defaults(max_output=draw(st.sampled_from((None, 50)))),
        constraints=constraints,
        routes=offered,
        match=lambda facts: Matched(
            tuple(i for i, constraint in enumerate(constraints) if constraint.conditions[0].holds(facts)),
            next(i for i, route in enumerate(offered) if route.matches(facts)),
            (),
        ),
    )


def condition(*, holds: bool) -> Condition:
    return Condition(text=str(holds), line=1, column=1, facts=(), holds=always(holds))


def always(value: T) -> Callable[[Facts], T]:
    return lambda _: value


worlds = st.tuples(rulesets(), facts, markets)
