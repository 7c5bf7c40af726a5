"""Shares of traffic that stay where they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fakes import facts_of
from pointsman.core.facts import Facts
from pointsman.core.rollout import BUCKETS, Rollout, rank, sticky


def session(number: int) -> Facts:
    """Return the facts of a request of a session, each with its own id."""
    return facts_of(request_session=f"s-{number}", request_id=f"id-{number}")


def share(rollout: Rollout, many: int = 4_000) -> float:
    """Return which share of many sessions is in."""
    return sum(rollout.admits(session(number)) for number in range(many)) / many


def test_a_share_is_as_large_as_it_says() -> None:
    for percent in (0, 1, 10, 50, 99, 100):
        found = share(Rollout(seed="r", by="request.session", below=percent * BUCKETS // 100))
        assert abs(found - percent / 100) < 0.02
        assert found == percent / 100 or 0 < percent < 100


@given(st.integers(), st.integers(0, BUCKETS), st.integers(0, BUCKETS))
def test_raising_a_share_keeps_everyone_in(number: int, less: int, more: int) -> None:
    less, more = sorted((less, more))
    admitted = [Rollout(seed="r", by="request.session", below=below).admits(session(number)) for below in (less, more)]

    assert admitted != [True, False]


def test_a_session_stays_on_its_side_whatever_else_changes() -> None:
    rollout = Rollout(seed="r", by="request.session", below=BUCKETS // 2)
    sides = {rollout.admits(facts_of(request_session="s", request_id=f"id-{number}", request_user=f"u{number}")) for number in range(50)}

    assert len(sides) == 1


def test_two_rules_draw_independently_unless_they_share_a_seed() -> None:
    one, other, same = (Rollout(seed=seed, by="request.session", below=BUCKETS // 2) for seed in ("a", "b", "a"))
    both = sum(one.admits(session(n)) and other.admits(session(n)) for n in range(4_000)) / 4_000

    assert abs(both - 0.25) < 0.03
    assert all(one.admits(session(n)) == same.admits(session(n)) for n in range(200))


def test_what_is_not_sticky_is_drawn_by_request() -> None:
    rollout = Rollout(seed="r", by="request.session", below=BUCKETS // 2)
    found = sum(rollout.admits(facts_of(request_id=f"id-{number}")) for number in range(4_000)) / 4_000

    assert abs(found - 0.5) < 0.03
    assert sticky(facts_of(request_id="id"), None) == "id"
    assert sticky(facts_of(request_id="id", request_user="u"), "request.user") == "u"
    assert sticky(facts_of(request_labels={"team": "x"}), "request.labels.team") == "x"


@given(st.text(), st.text(min_size=1, max_size=60))
def test_any_text_has_a_bucket(value: str, seed: str) -> None:
    rollout = Rollout(seed=seed.encode("ascii", "ignore").decode() or "s", by="request.session", below=1)

    assert 0 <= rollout.bucket(facts_of(request_session=value)) < BUCKETS


WEIGHTS = {"mini": 70.0, "medium": 20.0, "large": 10.0, "never": 0.0}


def drawn(value: str, names: list[str]) -> list[str]:
    """Return names in the order in which they are drawn."""
    return sorted(names, key=lambda name: rank("route", value, name, WEIGHTS[name]))


def test_names_are_drawn_by_weight() -> None:
    firsts = [drawn(f"s-{number}", list(WEIGHTS))[0] for number in range(6_000)]

    for name, weight in WEIGHTS.items():
        assert abs(firsts.count(name) / 6_000 - weight / 100) < 0.02


@given(st.text())
def test_when_one_goes_the_others_stay_in_order(value: str) -> None:
    everyone = drawn(value, list(WEIGHTS))

    for gone in WEIGHTS:
        assert drawn(value, [name for name in WEIGHTS if name != gone]) == [name for name in everyone if name != gone]
    assert everyone[-1] == "never"
