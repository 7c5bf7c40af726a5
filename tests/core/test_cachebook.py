"""Why a request found no answer is told by the first part in which it differs from the one most like it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.cachebook import KEPT_MISSES, MOST_MESSAGES, MOST_ROWS, OTHER, Cachebook
from pointsman.core.catalog import Price
from pointsman.core.completion import Usage
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.request import Generation, Message, Prompt, Request, Tool
from pointsman.core.vocabulary import CacheStatus, Role

A_NANO_A_TOKEN = Price(input=10**6, cached_input=0, cache_write=0, output=10**6)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULES = ruleset_of(catalog_yaml({"m": model_yaml()}), "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n")
DECISION = decide(RULES, facts_of(), Market())


def asked(*texts: str, tools: tuple[Tool, ...] = (), **generation: Any) -> Request:
    messages = tuple(Message(role=Role.USER, parts=(text,)) for text in texts)
    return Request(prompt=Prompt(messages=messages, tools=tools), generation=Generation(**generation))


def changes(*requests: Request, tenant: str = "search") -> list[str]:
    book = Cachebook()
    for request in requests:
        book.missed(tenant, request, DECISION, NOW)
    return [miss.changed for miss in reversed(book.account().misses)]


FIRST = asked("a", "b", "c", temperature=0.0)


@pytest.mark.parametrize(
    ("other", "changed"),
    [
        (FIRST, "nothing: the answer was not kept, or its time was over"),
        (asked("a", "b", "x", temperature=0.0), "prompt.messages[2]"),
        (asked("a", "x", "c", temperature=0.0), "prompt.messages[1]"),
        (asked("x", "b", "x", temperature=0.0), "prompt.messages[0]"),
        (asked("a", "b", "c", "d", temperature=0.0), "prompt.messages[3]"),
        (asked("a", "b", temperature=0.0), "prompt.messages[2]"),
        (asked("a", "b", "c", temperature=0.0, seed=1), "generation.seed"),
        (asked("a", "b", "c", temperature=0.5, seed=1), "generation.temperature"),
        (asked("a", "b", "c", temperature=0.0, tools=(Tool(name="f"),)), "prompt.tools"),
    ],
)
def test_the_first_part_that_differs_is_named(other: Request, changed: str) -> None:
    assert changes(FIRST, other) == ["nothing like it was asked before", changed]


def test_a_request_is_held_against_the_one_most_like_it() -> None:
    assert (
        changes(asked("x", "y", "z", seed=9), FIRST, asked("p", "q"), asked("a", "b", "changed", temperature=0.0))[-1]
        == "prompt.messages[2]"
    )


def test_rules_that_changed_are_named_first() -> None:
    book = Cachebook()
    book.missed("search", FIRST, DECISION, NOW)
    book.missed(
        "search", asked("a", "b", "x", temperature=0.0), structs.replace(DECISION, rule=structs.replace(DECISION.rule, id="new")), NOW
    )
    book.missed("search", FIRST, structs.replace(DECISION, constraints=("c",)), NOW)

    assert [miss.changed for miss in book.account().misses][:2] == ["constraints", "rule"]


def test_tenants_are_never_held_against_each_other() -> None:
    book = Cachebook()
    book.missed("search", FIRST, DECISION, NOW)
    book.missed("ads", FIRST, DECISION, NOW)

    assert book.account("ads").misses[0].changed == "nothing like it was asked before"
    assert len(book.account("ads").misses) == 1


def test_nothing_grows_without_end() -> None:
    book = Cachebook()
    long = asked(*map(str, range(500)))
    for number in range(2 * MOST_ROWS):
        book.count(f"t{number}", "r", CacheStatus.HIT, Usage(input_tokens=1), A_NANO_A_TOKEN)
    for _ in range(2 * KEPT_MISSES):
        book.missed("t", long, DECISION, NOW)

    account = book.account()
    assert len(account.rows) == MOST_ROWS + 1
    assert (account.rows[0].tenant, account.rows[0].hits, account.rows[0].saved) == (OTHER, MOST_ROWS, MOST_ROWS)
    assert len(account.misses) == KEPT_MISSES
    assert changes(long, asked(*map(str, range(499)), "x"))[-1] == f"prompt.messages[{MOST_MESSAGES}...]"


def test_calls_that_have_nothing_to_do_with_the_cache_are_not_counted() -> None:
    book = Cachebook()
    book.count("t", "r", CacheStatus.UNSPECIFIED)

    assert book.account().rows == ()
