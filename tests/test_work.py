"""What the attempts of one request come to when none of them answers."""

from __future__ import annotations

import pytest

from fakes import FakeClock, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.completion import Attempt
from pointsman.core.decide import decide
from pointsman.core.decision import Candidate
from pointsman.core.errors import BudgetExhausted, UpstreamUnavailable
from pointsman.core.market import Market
from pointsman.core.request import Request
from pointsman.core.vocabulary import AttemptReason
from pointsman.purse import Refused
from pointsman.work import Work

MODELS = catalog_yaml({"one": model_yaml(price=1), "two": model_yaml(price=2)})
SPENT = Refused(told="usd per 1d: $0.00 of $5.00 left", heals_in_s=5.0)


@pytest.fixture
def work() -> Work:
    ruleset, clock = ruleset_of(MODELS, "version: 1\nroutes: [{id: all, why: w, use: {candidates: [one, two]}}]\n"), FakeClock()
    return Work(decide(ruleset, facts_of(), Market()), Request.of("hi"), ruleset.catalog, clock, clock.monotonic() + 10)


def taken(work: Work) -> Candidate:
    candidate = work.next_model()
    assert candidate is not None
    return candidate


def test_a_budget_that_leaves_no_model_is_what_is_told(work: Work) -> None:
    for _ in range(2):
        work.unpaid(taken(work), SPENT)

    error = work.exhausted()

    assert isinstance(error, BudgetExhausted)
    assert error.heals_in_s == 5


def test_a_failure_is_told_though_the_budget_refuses_the_other_model_and_a_second_try(work: Work) -> None:
    one = taken(work)
    work.calls += 1
    heard: list[Attempt] = []
    work.hear = heard.append
    failed = Attempt(model="one", provider="p", reason=AttemptReason.PRIMARY, error_type="503", latency_ms=1.0, began_s=0.0)
    work.record(one, failed)
    work.unpaid(taken(work), SPENT)
    work.unpaid(one, SPENT)

    error = work.exhausted()

    assert isinstance(error, UpstreamUnavailable)
    assert "one: 503" in str(error)
    assert heard == [failed]


def test_refusals_of_one_model_in_two_rounds_are_not_those_of_two(work: Work) -> None:
    for _ in range(2):
        work.start_over()
        work.unpaid(taken(work), SPENT)
        work.passed_over(taken(work))

    assert not work.is_unpaid
    assert isinstance(work.exhausted(), UpstreamUnavailable)
