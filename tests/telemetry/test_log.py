"""What the log tells of a call."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.facts import Facts
from pointsman.telemetry import Story
from pointsman.telemetry.log import CallLine, Log, line_of
from stories import decided

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


async def test_a_call_is_told_of_though_making_its_trace_fails() -> None:
    def observe(story: Story) -> str:
        if story.id == "bad":
            raise ValueError("text of a prompt")
        return f"trace of {story.id}"

    log = Log(out := io.BytesIO())
    log.observe = observe
    for name in ("one", "bad", "two"):
        log.call(Story(method="pointsman.v1.RouterService/Route", id=name, began_s=0.0, began_ns=0, code="OK"))
    log.flush()
    await asyncio.sleep(0)

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["id"], line.get("trace", "")) for line in lines if line["event"] == "call"] == [
        ("one", "trace of one"),
        ("bad", ""),
        ("two", "trace of two"),
    ]
    (note,) = (line for line in lines if line["event"] == "note")
    assert (note["level"], "ValueError raised in" in note["message"]) == ("error", True)
    assert "prompt" not in note["message"]


def told(facts: Facts) -> CallLine:
    """Return the line of a call that was decided on these facts."""
    method, outcome = "pointsman.v1.RouterService/Route", decided(facts, RULES)
    story = Story(method=method, id="a", began_s=0.0, began_ns=0, ended_s=2.5, code="OK", decided=outcome)
    return line_of(story, datetime(2026, 11, 26, tzinfo=UTC))
