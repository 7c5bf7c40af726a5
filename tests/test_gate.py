"""What tenants may ask per minute and at once."""

from __future__ import annotations

import pytest

from fakes import FakeClock
from pointsman.core.errors import Overloaded, RateLimited
from pointsman.core.facts import TenantFacts
from pointsman.core.tenants import Tenant
from pointsman.gate import Gate


def tenant(name: str = "t", *, requests_per_minute: int | None = None, max_in_flight: int | None = None) -> Tenant:
    return Tenant(id=name, facts=TenantFacts(requests_per_minute=requests_per_minute, max_in_flight=max_in_flight))


def let_in(gate: Gate, who: Tenant, times: int) -> int:
    """Return how many of so many calls were let in."""
    count = 0
    for _ in range(times):
        try:
            gate.enter(who)
        except RateLimited:
            continue
        count += 1
    return count


def test_so_many_at_once_and_no_more() -> None:
    gate, two = Gate(100, FakeClock()), tenant(max_in_flight=2)

    assert let_in(gate, two, 5) == 2
    gate.leave(two)
    assert let_in(gate, two, 5) == 1


def test_so_many_a_minute_in_an_even_flow() -> None:
    clock = FakeClock()
    gate, sixty = Gate(1000, clock), tenant(requests_per_minute=60)

    assert let_in(gate, sixty, 100) == 10
    clock.advance(5)
    assert let_in(gate, sixty, 100) == 5


def test_who_is_refused_is_told_when_to_come_back() -> None:
    gate, six = Gate(1000, FakeClock()), tenant(requests_per_minute=6)
    gate.enter(six)

    with pytest.raises(RateLimited, match=r"tenant 't' may ask 6 times per minute \(requests_per_minute\): one each 10 s") as refused:
        gate.enter(six)

    assert refused.value.retry_after_s == 10


def test_a_call_that_was_refused_takes_no_place() -> None:
    gate, six = Gate(2, FakeClock()), tenant(requests_per_minute=6)

    assert let_in(gate, six, 50) == 1
    gate.enter(tenant("other"))


def test_a_limit_that_is_raised_counts_at_once() -> None:
    gate = Gate(1000, FakeClock())
    let_in(gate, tenant(requests_per_minute=6), 5)

    assert let_in(gate, tenant(requests_per_minute=60), 100) == 10


def test_tenants_without_limits_are_bound_by_the_server_alone() -> None:
    gate, free = Gate(3, FakeClock()), tenant()
    assert let_in(gate, free, 3) == 3

    with pytest.raises(Overloaded, match="3 calls are all that this server bears"):
        gate.enter(free)


def test_limits_of_one_tenant_are_none_of_another_s() -> None:
    gate = Gate(100, FakeClock())

    assert [let_in(gate, tenant(name, max_in_flight=1), 2) for name in ("a", "b")] == [1, 1]


def test_what_is_known_of_tenants_that_have_gone_is_let_go() -> None:
    clock = FakeClock()
    gate = Gate(1000, clock)
    for at in range(50):
        let_in(gate, tenant(f"t{at}", requests_per_minute=6), 1)
        clock.advance(10)

    assert len(gate._rates) <= 8
