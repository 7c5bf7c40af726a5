"""Facts are declared once: names, types, ranges and optionality as the rule language promises them."""

from __future__ import annotations

from fakes import facts_of
from pointsman.core.facts import FACTS, everything, value_of

DECLARED = {
    "request.tenant": "string", "request.user": "string?", "request.session": "string?", "request.model": "string", "request.accuracy": "double 0..1",
    "request.max_total_tokens": "int? from 1", "request.max_cost_usd": "double? from 0", "request.max_latency_ms": "double? from 0",
    "request.max_ttft_ms": "double? from 0", "request.stream": "bool", "request.needs_tools": "bool", "request.needs_json": "bool",
    "request.needs_vision": "bool", "features.complexity": "double 0..1", "features.gain": "double 0..1", "features.confidence": "double 0..1",
    "features.task": "string", "features.subject": "string", "features.turns": "int from 0", "features.has_code": "bool", "features.language": "string",
    "tokens.input": "int from 0", "tokens.output": "int from 0", "tokens.output_p90": "int from 0", "tokens.output_max": "int? from 1",
    "tokens.total": "int from 0", "tenant.tier": "string", "tenant.requests_per_minute": "int? from 1", "tenant.max_in_flight": "int? from 1", "budget.spend_ratio": "double from 0", "budget.pace": "double from 0",
    "budget.tokens_left": "int? from 0", "budget.usd_left": "double? from 0", "time.hour": "int 0..23", "time.weekday": "int 1..7", "time.date": "string",
}  # fmt: skip


def test_the_facts_are_those_of_the_rule_language() -> None:
    found = {name: f"{spec.type}{'?' if spec.optional else ''} {spec.range}".strip() for name, spec in FACTS.items()}

    assert found == DECLARED


def test_every_fact_says_what_it_is() -> None:
    assert [name for name, spec in FACTS.items() if len(spec.about.says) < 10] == []


def test_enums_have_their_values() -> None:
    assert FACTS["features.task"].choices[:2] == ("chat", "write")
    assert "unknown" in FACTS["features.subject"].choices


def test_values_are_read_by_name() -> None:
    facts = facts_of(request_session="s", request_labels={"data": "personal", "a.b": "c"})

    assert value_of(facts, "request.session") == "s"
    assert value_of(facts, "request.labels.a.b") == "c"
    assert value_of(facts, "request.user") is None


def test_everything_that_is_present_is_listed_labels_included() -> None:
    found = everything(facts_of(request_labels={"data": "personal"}))

    assert found["request.labels.data"] == "personal"
    assert found["tokens.total"] == 300
    assert "request.user" not in found
    assert "request.id" not in found
