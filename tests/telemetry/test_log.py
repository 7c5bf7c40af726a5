"""What the log tells of a call."""

from __future__ import annotations

from datetime import UTC, datetime

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.telemetry import Decided, Story
from pointsman.telemetry.log import CallLine, line_of

RULES = ruleset_of(
    catalog_yaml({"mini": model_yaml(), "large": model_yaml(price=9)}),
    """version: 1
routes:
  - {id: trial, why: w, mode: shadow, when: request.stream, use: {candidates: [large]}}
  - {id: vain, why: w, mode: shadow, when: request.stream, use: {candidates: [large], min_quality: 0.99}}
  - {id: default, why: w, use: {candidates: [mini]}}
""",
)


def test_a_call_names_what_rules_in_shadow_would_have_chosen() -> None:
    found, plain = told(facts_of(request_stream=True)), told(facts_of())

    assert (found.rule, found.model, found.shadows) == ("default", "mini", ["trial=large", "vain="])
    assert plain.shadows == []


def told(facts: Facts) -> CallLine:
    """Return the line of a call that was decided on these facts."""
    decided = Decided(began_s=1.0, ended_s=2.0, outcome=decide(RULES, facts, Market()))
    story = Story(method="pointsman.v1.RouterService/Route", id="a", began_s=0.0, began_ns=0, ended_s=2.5, code="OK", decided=decided)
    return line_of(story, datetime(2026, 11, 26, tzinfo=UTC))
