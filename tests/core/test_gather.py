"""From a request to facts."""

from __future__ import annotations

from datetime import UTC, datetime

from fakes import ESTIMATE
from pointsman.core.facts import Facts
from pointsman.core.features import features
from pointsman.core.gather import gather
from pointsman.core.reading import Reading
from pointsman.core.request import Context, Generation, Image, Message, Prompt, Request, Requirements, ResponseFormat, Tool
from pointsman.core.ruleset import Defaults
from pointsman.core.vocabulary import Role, TokenCountMethod

SUNDAY = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


def gathered(request: Request, *, accuracy: float = 0.0) -> Facts:
    """Return the facts of a request of 50 tokens on a Sunday evening."""
    return gather(
        request,
        Reading(input_tokens=50, method=TokenCountMethod.EXACT, features=features(request.prompt, ESTIMATE)),
        defaults=Defaults(accuracy=accuracy),
        now=SUNDAY,
        request_id="id-7",
    )


def test_what_the_caller_leaves_out_the_rules_fill_in() -> None:
    facts = gathered(Request.of("Hello"), accuracy=0.7)

    assert facts.request.accuracy == 0.7
    assert (facts.request.tenant, facts.request.id, facts.request.model) == ("default", "id-7", "")
    assert (facts.request.session, facts.request.max_cost_usd, facts.tokens.output_max) == (None, None, None)


def test_what_the_caller_says_stands() -> None:
    request = Request(
        prompt=Request.of("Hello").prompt,
        generation=Generation(max_output_tokens=30),
        requirements=Requirements(
            accuracy=0.0, max_cost=2_500_000, max_total_tokens=90, max_ttft_ms=5.5, tags=frozenset({"eu"}), model="fast"
        ),
        context=Context(session_id="s", user_id="u", labels={"a": "b"}),
    )

    facts = gathered(request, accuracy=0.7)

    assert facts.request.accuracy == 0.0
    assert (facts.request.max_cost_usd, facts.request.max_cost) == (0.0025, 2_500_000)
    assert (facts.request.session, facts.request.user, facts.request.labels) == ("s", "u", {"a": "b"})
    assert (facts.request.model, facts.request.tags, facts.request.max_ttft_ms) == ("fast", frozenset({"eu"}), 5.5)
    assert (facts.tokens.output_max, facts.tokens.total) == (30, 80)


def test_labels_of_task_and_subject_outweigh_what_was_learned() -> None:
    prompt = Request.of("How many apples are left of 12, if 5 apples are sold?").prompt
    learned = gathered(Request(prompt=prompt))
    labelled = gathered(Request(prompt=prompt, context=Context(labels={"task": "code", "subject": "law"})))
    own_words = gathered(Request(prompt=prompt, context=Context(labels={"task": "invoices", "subject": "apples"})))

    assert (labelled.features.task, labelled.features.subject) == ("code", "law")
    assert labelled.features.complexity == learned.features.complexity
    assert labelled.tokens.output_p90 != learned.tokens.output_p90
    assert own_words.features == learned.features


def test_capabilities_follow_from_the_prompt_and_from_the_requirements() -> None:
    picture = Message(role=Role.USER, parts=("What is this?", Image(url="https://example.org/a.png")))
    shown = gathered(Request(prompt=Prompt(messages=(picture,), tools=(Tool(name="t"),), response_format=ResponseFormat())))
    asked = gathered(Request.of("Hi", capabilities=frozenset({"vision"})))
    plain = gathered(Request.of("Hi"))

    assert (shown.request.needs_vision, shown.request.needs_tools, shown.request.needs_json) == (True, True, True)
    assert (asked.request.needs_vision, asked.request.needs_tools, asked.request.needs_json) == (True, False, False)
    assert (plain.request.needs_vision, plain.request.needs_tools, plain.request.needs_json) == (False, False, False)


def test_the_clock_is_read_in_utc() -> None:
    time = gathered(Request.of("Hi")).time

    assert (time.hour, time.weekday, time.date) == (23, 7, "2026-11-22")
