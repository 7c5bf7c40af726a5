"""Who may come in when there is not room for all."""

from __future__ import annotations

import random
from heapq import heappop, heappush

import pytest

from pointsman.core.crowd import QUIET_S, Crowd


def filled(crowd: Crowd, tenant: str, now: float) -> int:
    """Let a tenant take all that he can, and return how much that was."""
    count = 0
    while crowd.has_room(tenant, now):
        crowd.entered(tenant)
        count += 1
    return count


def filled_once(crowd: Crowd, tenant: str) -> bool:
    """Let a tenant in once, and return whether there was room."""
    if found := crowd.has_room(tenant, 0.0):
        crowd.entered(tenant)
    return found


def test_whoever_is_alone_may_have_all() -> None:
    assert filled(Crowd(100), "only", 0.0) == 100


def test_where_others_call_nobody_may_have_all() -> None:
    crowd = Crowd(100)
    crowd.has_room("quiet", 0.0)

    assert filled(crowd, "noisy", 0.0) == 85
    assert filled(crowd, "quiet", 0.0) > 0


def test_others_who_have_long_not_called_count_no_more() -> None:
    crowd = Crowd(100)
    crowd.has_room("gone", 0.0)

    assert filled(crowd, "noisy", QUIET_S + 1) == 100


def test_many_who_all_take_what_they_can_get_the_same() -> None:
    crowd, names = Crowd(100), [f"t{at}" for at in range(4)]
    took = dict.fromkeys(names, 0)
    for at in range(400):
        name = names[at % 4]
        if crowd.has_room(name, 0.0):
            crowd.entered(name)
            took[name] += 1

    assert max(took.values()) - min(took.values()) <= 1
    assert sum(took.values()) > 90


@pytest.mark.parametrize("places", [1, 2, 3, 8])
def test_where_there_are_few_places_each_is_given(places: int) -> None:
    crowd = Crowd(places)
    assert [filled_once(crowd, f"t{at}") for at in range(places)] == [True] * places
    assert not crowd.has_room("more", 0.0)


def test_what_is_left_is_given_again() -> None:
    crowd = Crowd(1)
    crowd.entered("one")
    assert not crowd.has_room("other", 0.0)

    crowd.left("one")

    assert crowd.has_room("other", 0.0)
    assert crowd.inside("one") == 0


@pytest.mark.parametrize("places", [20, 100, 1000])
@pytest.mark.parametrize("steady", [False, True], ids=["calls of random length", "calls of one length"])
def test_at_twice_what_is_borne_a_quiet_tenant_keeps_its_calls_beside_one_twenty_times_as_loud(places: int, steady: bool) -> None:
    """Calls take a second, so as many places as there are bear as many calls a second; twice as many come, at random times."""
    draw, crowd, now = random.Random(7), Crowd(places), 0.0  # noqa: S311  # the same traffic each time
    ends: list[tuple[float, str]] = []
    came, served = {"quiet": 0, "loud": 0}, {"quiet": 0, "loud": 0}
    while sum(came.values()) < 40_000:
        now += draw.expovariate(2 * places)
        while ends and ends[0][0] <= now:
            crowd.left(heappop(ends)[1])
        tenant = "quiet" if draw.random() < 1 / 21 else "loud"
        came[tenant] += 1
        if crowd.has_room(tenant, now):
            crowd.entered(tenant)
            served[tenant] += 1
            heappush(ends, (now + (1.0 if steady else draw.expovariate(1)), tenant))

    assert served["quiet"] / came["quiet"] >= 0.95
    assert sum(served.values()) / now >= 0.75 * places
