"""What was used, summed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.completion import Usage
from pointsman.core.ledger import COUNTS, GROUPS, HOUR_MS, KEPT_DAYS, Entry, Ledger, Query, Row, Sums, entry, in_full, page

START = 490_000  # 2025-11-24T16:00Z


def row(hour: int = 0, tenant: str = "t", model: str = "m", route: str = "r", **sums: int) -> Row:
    return Row(tenant=tenant, hour=START + hour, model=model, route=route, sums=Sums(**sums))


def asked(*by: str, size: int = 1000, after: tuple[str, ...] | None = None) -> Query:
    return Query(first_hour=0, last_hour=10**6, by=by, size=size, after=after)


def test_an_attempt_that_answered_is_a_request_and_one_that_failed_only_costs() -> None:
    usage = Usage(input_tokens=10, cached_input_tokens=4, output_tokens=5, reasoning_tokens=2, cost=70, baseline_cost=90, estimated=True)

    answered, failed = (entry("m", "r", usage, answered=found, fallback=True).sums for found in (True, False))

    assert answered == Sums(
        requests=1,
        input_tokens=10,
        cached_input_tokens=4,
        output_tokens=5,
        reasoning_tokens=2,
        cost=70,
        baseline_cost=90,
        fallbacks=1,
        estimated=1,
    )
    assert failed == Sums(input_tokens=10, cached_input_tokens=4, output_tokens=5, reasoning_tokens=2, cost=70, estimated=1)


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ((), [{}]),
        (("tenant",), [{"tenant": "t"}, {"tenant": "u"}]),
        (("day",), [{"day": "2025-11-24"}, {"day": "2025-11-25"}]),
        (("hour", "model"), [{"hour": "2025-11-24T16:00Z", "model": "m"}, {"hour": "2025-11-25T17:00Z", "model": "n"}]),
    ],
)
def test_rows_are_summed_by_what_is_asked_for_in_order(by: tuple[str, ...], groups: list[dict[str, str]]) -> None:
    rows = [row(25, "u", model="n", cost=5), row(0, cost=2), row(0, cost=3, requests=1)]

    found = page(rows, asked(*by))

    assert [group.names for group in found.groups] == groups
    assert sum(group.sums.cost for group in found.groups) == 10


@given(
    st.lists(
        st.builds(
            row, st.integers(0, 60), st.sampled_from("tu"), st.sampled_from("mno"), st.sampled_from("rs"), cost=st.integers(0, 10**15)
        )
    ),
    st.permutations(GROUPS).flatmap(lambda names: st.integers(0, len(names)).map(lambda count: tuple(names[:count]))),
    st.integers(1, 5),
)
def test_pages_together_are_the_whole_and_no_nano_dollar_is_lost(rows: list[Row], by: tuple[str, ...], size: int) -> None:
    found, after, more = list[object](), None, True
    total = 0
    while more:
        part = page(rows, asked(*by, size=size, after=after))
        found += [group.key for group in part.groups]
        total += sum(group.sums.cost for group in part.groups)
        more = part.more
        after = part.groups[-1].key if more else None

    assert total == sum(each.sums.cost for each in rows)
    assert found == sorted(set(found))  # type: ignore[type-var]  # keys of one query are alike


def test_the_ledger_keeps_a_month_and_lets_go_of_what_is_older() -> None:
    ledger = Ledger("t")
    used = Entry(model="m", route="r", sums=Sums(requests=1))
    for hour in (START, START + 1, START + KEPT_DAYS * 24 + 1):
        ledger.add(used, hour * HOUR_MS + 5)

    assert [found.hour for found in ledger.rows(0, 10**6)] == [START + 1, START + KEPT_DAYS * 24 + 1]


def test_the_ledger_has_a_bound_and_lets_go_of_the_oldest_hours() -> None:
    ledger = Ledger("t", most_rows=10)
    for hour in range(8):
        for model in "abc":
            ledger.add(Entry(model=model, route="r", sums=Sums(requests=1)), (START + hour) * HOUR_MS)

    assert {found.hour - START for found in ledger.rows(0, 10**6)} == {5, 6, 7}


def test_a_hold_that_lapsed_is_entered_as_estimated() -> None:
    lapsed = in_full(Entry(model="m", route="r", sums=Sums(output_tokens=7)))

    assert lapsed.sums == Sums(output_tokens=7, estimated=1)


def test_sums_add_up_count_by_count() -> None:
    one = Sums(**{name: at + 1 for at, name in enumerate(COUNTS)})

    assert [getattr(one.plus(one), name) for name in COUNTS] == [2 * (at + 1) for at in range(len(COUNTS))]
