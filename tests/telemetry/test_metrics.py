"""Metrics: what calls come to, in series whose number is bounded, whatever hostile or forgetful people do."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest
from msgspec import structs
from prometheus_client.openmetrics.exposition import generate_latest

from fakes import facts_of
from pointsman.core.caching import shared
from pointsman.core.market import ModelState
from pointsman.core.vocabulary import CacheStatus, FinishReason
from pointsman.telemetry.metrics import MOST_SERIES, Metrics, State, serve, watch
from pointsman.telemetry.story import UNTOLD, Scored, Story, Told
from stories import METHOD, decided, story

QUIET = State(models=[], revision="111111111111", age_s=5.0, stale=False, under_way=0, lag_s=0.0)
TRACED = Told("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")

README = Path(__file__).parents[2] / "README.md"


def told(*stories: Story, trace: Told = UNTOLD) -> Metrics:
    metrics = Metrics()
    for each in stories:
        metrics.tell(each, trace)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_call_is_counted_by_method_and_status_with_its_time() -> None:
    metrics = told(story(), story(code="UNAVAILABLE", completion=None))

    assert value(metrics, "rpc_server_call_duration_seconds_count", rpc_method=METHOD, rpc_status_code="OK") == 1
    assert value(metrics, "rpc_server_call_duration_seconds_count", rpc_method=METHOD, rpc_status_code="UNAVAILABLE") == 1
    assert value(metrics, "rpc_server_call_duration_seconds_sum", rpc_method=METHOD, rpc_status_code="OK") == pytest.approx(0.95)


def test_decisions_are_counted_by_rule_model_and_kind_and_losers_by_reason() -> None:
    metrics = told(story())

    assert value(metrics, "pointsman_decisions_total", rule="everyday", model="small", reason="DEFAULT") == 1
    assert value(metrics, "pointsman_dropped_candidates_total", model="weak", reason="QUALITY") == 1


def test_a_refusal_is_counted_by_rule_and_error() -> None:
    refused = decided(facts_of(request_accuracy=0.99))

    metrics = told(story(decided=refused, code="FAILED_PRECONDITION", reason="NO_ELIGIBLE_MODEL", completion=None))

    assert value(metrics, "pointsman_refusals_total", rule="everyday", reason="NO_ELIGIBLE_MODEL") == 1
    assert value(metrics, "pointsman_dropped_candidates_total", model="small", reason="QUALITY") == 1


def test_attempts_are_timed_by_model_and_how_they_failed_and_their_tokens_counted() -> None:
    metrics = told(story())
    small = {"gen_ai_provider_name": "p", "gen_ai_request_model": "small"}
    large = {"gen_ai_provider_name": "p", "gen_ai_request_model": "large"}

    assert value(metrics, "gen_ai_client_inference_duration_seconds_count", **small, error_type="429") == 1
    assert value(metrics, "gen_ai_client_inference_duration_seconds_sum", **large, error_type="") == pytest.approx(0.9)
    assert value(metrics, "gen_ai_client_inference_time_to_first_chunk_seconds_sum", **large) == pytest.approx(0.2)
    assert value(metrics, "gen_ai_client_inference_usage_input_tokens_total", **large) == 120
    assert value(metrics, "gen_ai_client_inference_usage_cache_read_input_tokens_total", **large) == 100


def test_money_is_counted_by_tenant_and_model_beside_what_it_would_have_been() -> None:
    metrics = told(story(), story())

    assert value(metrics, "pointsman_cost_usd_total", tenant="search", model="large") == pytest.approx(0.0012)
    assert value(metrics, "pointsman_baseline_cost_usd_total", tenant="search", model="large") == pytest.approx(0.0018)
    assert value(metrics, "pointsman_fallbacks_total", from_model="small", to_model="large") == 2


def test_estimates_are_held_against_what_came_of_them() -> None:
    metrics = told(story())

    def off(estimate: str) -> float | None:
        return value(metrics, "pointsman_estimate_error_ratio_sum", rule="everyday", model="large", estimate=estimate)

    assert off("input") == pytest.approx(120 / 100)
    assert off("output") == pytest.approx(100 / 80)
    assert off("cost") == pytest.approx(1_000_000 / 600_000)
    assert off("latency") == pytest.approx(1100 / 900)


def test_an_answer_from_the_cache_is_no_call_of_a_model() -> None:
    kept = story().completion
    assert kept is not None

    metrics = told(story(completion=structs.replace(kept, attempts=(), cache_status=CacheStatus.HIT)))

    assert value(metrics, "pointsman_cache_lookups_total", status="hit") == 1
    assert value(metrics, "pointsman_estimate_error_ratio_count", rule="everyday", model="large", estimate="cost") is None


def test_a_stream_that_broke_is_money_to_who_paid_for_it_and_a_saving_to_nobody() -> None:
    paid = story().completion
    assert paid is not None
    broken = structs.replace(paid, finish_reason=FinishReason.ERROR, cache_status=CacheStatus.MISS)

    metrics = told(story(completion=broken), *[story(completion=shared(broken))] * 3)

    assert value(metrics, "pointsman_cost_usd_total", tenant="search", model="large") == pytest.approx(0.0006)
    assert value(metrics, "pointsman_baseline_cost_usd_total", tenant="search", model="large") is None
    assert value(metrics, "pointsman_cache_lookups_total", status="coalesced") is None


def test_beyond_the_bound_series_are_counted_together() -> None:
    metrics = told(*[story(tenant=f"t{number}") for number in range(MOST_SERIES + 500)])

    series = [sample for family in metrics.registry.collect() if family.name == "pointsman_cost_usd" for sample in family.samples]
    assert len([sample for sample in series if sample.name.endswith("_total")]) == MOST_SERIES + 1
    assert value(metrics, "pointsman_cost_usd_total", tenant="other", model="other") == pytest.approx(500 * 0.0006)


def test_a_call_that_is_traced_leads_to_its_trace() -> None:
    shown = generate_latest(told(story(), trace=TRACED).registry).decode()  # type: ignore[no-untyped-call]

    assert re.search(r'rpc_server_call_duration_seconds_bucket\{le="1.0".*trace_id="0af7651916cd43dd8448eb211c80319c"', shown)


def test_the_state_of_things_is_that_of_the_last_look() -> None:
    metrics = Metrics()
    able, full = ModelState(), ModelState(has_room=False)
    before = State(
        models=[("a", able), ("b", able), ("gone", able)], revision="111111111111", age_s=5.0, stale=False, under_way=0, lag_s=0.0,
        budgets=[("search", "usd per 1d", 0.5), ("left", "usd per 1d", 0.9)],
    )  # fmt: skip
    metrics.state(before)
    metrics.state(
        State(
            models=[("a", able), ("b", full)], revision="222222222222", age_s=1.0, stale=True, under_way=3, lag_s=0.25,
            budgets=[("search", "usd per 1d", 1.2)], alone=2,
        )
    )  # fmt: skip

    assert [value(metrics, "pointsman_model_available", model=model) for model in ("a", "b", "gone")] == [1, 0, None]
    assert [value(metrics, "pointsman_ruleset_info", revision=revision) for revision in ("111111111111", "222222222222")] == [None, 1]
    assert [value(metrics, "pointsman_budget_spent_ratio", tenant=name, window="usd per 1d") for name in ("search", "left")] == [1.2, None]
    assert value(metrics, "pointsman_tenants_alone") == 2
    assert value(metrics, "pointsman_ruleset_stale") == 1
    assert value(metrics, "pointsman_calls_under_way") == 3
    assert value(metrics, "pointsman_event_loop_lag_seconds") == 0.25


async def test_a_loop_that_is_held_up_is_seen_to_lag() -> None:
    lags: list[float] = []

    async def late(_seconds: float) -> None:
        await asyncio.sleep(0)
        if lags:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await watch(lags.append, late)
    assert lags == [0.0]  # it came too early, which is no lag


def test_metrics_are_served_over_http() -> None:
    metrics = told(story())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    end = serve(metrics, address)
    try:
        with urlopen(f"http://{address}/metrics", timeout=5) as response:  # our own
            shown = response.read().decode()
    finally:
        end()

    assert 'pointsman_decisions_total{model="small",reason="DEFAULT",rule="everyday"} 1.0' in shown


def test_feedback_is_counted_by_rule_and_model() -> None:
    scored = Scored(decision_id="a", score=0.7, source="judge", rule="everyday", model="large")
    metrics = told(story(scored=scored, decided=None, completion=None))

    assert value(metrics, "pointsman_feedback_score_sum", rule="everyday", model="large") == pytest.approx(0.7)
    assert value(metrics, "pointsman_feedback_score_bucket", rule="everyday", model="large", le="0.6") == 0


def test_a_trace_that_is_not_kept_is_nobodys_example() -> None:
    assert "trace_id" not in generate_latest(told(story(), trace=Told(TRACED.trace_id)).registry).decode()  # type: ignore[no-untyped-call]


def test_breakers_have_one_state_each_and_what_is_lost_is_counted_once() -> None:
    metrics = Metrics()
    metrics.state(replace(QUIET, breakers={"large": "open"}, lost={"spans": 3}))
    metrics.state(replace(QUIET, breakers={"large": "half_open"}, lost={"spans": 5}))

    assert value(metrics, "pointsman_model_breaker", model="large", state="half_open") == 1
    assert value(metrics, "pointsman_model_breaker", model="large", state="open") is None
    assert value(metrics, "pointsman_telemetry_lost_total", signal="spans") == 5


def test_the_readme_lists_every_metric_as_it_is() -> None:
    rows = [
        f"| `{each.shown}` | {each.kind} | {', '.join(f'`{label.replace(chr(46), chr(95))}`' for label in each.labels)} | {each.says} |"
        for each in Metrics().described
    ]

    table = README.read_text().partition("| metric | kind | labels | what it says |\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert table == "\n".join(rows)
