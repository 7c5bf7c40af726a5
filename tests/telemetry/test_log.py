"""What the log tells of a call."""

from __future__ import annotations

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.telemetry import CallRecord

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
    record, plain = CallRecord(method="Route", id="a"), CallRecord(method="Route", id="b")

    record.decided(decide(RULES, facts_of(request_stream=True), Market()))
    plain.decided(decide(RULES, facts_of(), Market()))

    assert (record.rule, record.model, record.shadows) == ("default", "mini", ["trial=large", "vain="])
    assert plain.shadows == []
