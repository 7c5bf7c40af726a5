"""`pointsman trace`: one screen that answers why this model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec import structs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from collector import Collector
from pointsman.cli import main
from pointsman.commands.otlp import NoSpans, spans_of
from pointsman.commands.trace import PICTURE
from pointsman.core.completion import Expected
from pointsman.core.vocabulary import CacheStatus
from pointsman.telemetry.story import HoldAsked, LookedUp, Scored, Story
from pointsman.telemetry.traces import Traces
from stories import story

README = Path(__file__).parents[2] / "README.md"


def written(path: Path, *stories: Story) -> Path:
    """Write the spans of calls to a file."""
    exporter = InMemorySpanExporter()
    traces = Traces(ALWAYS_ON, Resource({}), [SimpleSpanProcessor(exporter)])
    for each in stories:
        traces.tell(each)
    collector = Collector()
    for resource in encode_spans(exporter.get_finished_spans()).resource_spans:
        for scope in resource.scope_spans:
            collector.spans += scope.spans
    path.write_text(collector.as_json())
    return path


@pytest.fixture
def spans(tmp_path: Path) -> Path:
    """Return a file with the spans of two calls: one fell back, one was refused."""
    refused = story(id="id-2", code="UNAVAILABLE", reason="UPSTREAM_UNAVAILABLE", completion=None)
    return written(tmp_path / "spans.json", story(), refused)


def test_a_call_is_shown_with_its_rule_its_losers_and_what_its_attempts_came_to(spans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", str(spans), "--id", "id-1"]) == 0

    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert shown[0].endswith("950.0 ms  Complete  OK  large, $0.00060 instead of $0.00090  tenant search")
    assert "rule everyday at routing.yaml:3 of revision" in "\n".join(shown)
    assert "“Cheap and good enough.”" in shown
    assert [line.split(maxsplit=2) for line in shown if line.startswith(("kept", "dropped"))][-1] == [
        "dropped",
        "weak",
        "QUALITY: quality 0.10 < 0.50",
    ]
    failed, answered = (line for line in shown if "chat " in line)
    assert failed.endswith("40.0 ms    chat small  ✗ 429  primary")
    assert answered.endswith("chat large  fallback  120 in (100 cached), 80 out, $0.00060")
    assert shown[-3:-1] == ["first token after 200 ms", "cost: $0.0010 expected, $0.00060 came"]


def test_what_was_expected_is_shown_beside_what_came_where_it_was_well_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = story().completion
    assert whole is not None
    *before, last = whole.attempts
    last = structs.replace(last, expected=Expected(input_tokens=20, output_tokens=5, cost=600_001, latency_ms=9_000.0))

    main(["trace", str(written(tmp_path / "spans.json", story(completion=structs.replace(whole, attempts=(*before, last)))))])

    shown = capsys.readouterr().out
    assert "input: 20 expected, 120 came; output: 5 expected, 80 came; latency: 9000 ms expected, 900 ms came" in shown
    assert "cost: " not in shown


def test_feedback_is_shown_with_its_score_and_found_by_the_decision_that_it_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method = "pointsman.v1.RouterService/RecordFeedback"
    judged = Scored(decision_id="id-1", score=0.8, source="judge", rule="everyday", model="large")
    told = story(method=method, id="id-3", scored=judged, decided=None, completion=None)
    other = story(method=method, id="id-4", scored=structs.replace(judged, decision_id="id-2", source=""), decided=None, completion=None)

    main(["trace", str(written(tmp_path / "spans.json", story(), told, other)), "--id", "id-1"])
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    main(["trace", str(tmp_path / "spans.json"), "--id", "id-2"])

    assert [line.rpartition(", trace ")[0] for line in shown if ", trace " in line] == ["decision id-1", "call id-3"]
    assert "score 0.8 of decision id-1, by judge" in shown
    assert "score 0.8 of decision id-2\n" in capsys.readouterr().out


def test_what_the_cache_had_and_what_was_held_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = HoldAsked(model="small", began_s=7.002, ended_s=7.003, tokens=300, cost=2_000_000)
    refused = HoldAsked(
        model="large", began_s=7.003, ended_s=7.004, tokens=300, cost=9_000_000, refused="usd per 1d: $0.0010 of $5.00 left"
    )
    call = story(looked_up=LookedUp(CacheStatus.MISS, 7.002), holds=[held, refused])

    main(["trace", str(written(tmp_path / "spans.json", call))])

    shown = capsys.readouterr().out
    assert "pointsman.cache.lookup  miss" in shown
    assert "pointsman.budget.hold  small, up to 300 tokens, $0.0020" in shown
    assert "pointsman.budget.hold  ✗ refused  large, up to 300 tokens" in shown
    assert "$0.0010 of $5.00 left" in " ".join(shown.split())


def test_an_answer_that_was_kept_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = story().completion
    assert whole is not None
    given = structs.replace(whole, cache_status=CacheStatus.HIT, attempts=(), usage=structs.replace(whole.usage, cost=0))

    main(["trace", str(written(tmp_path / "spans.json", story(completion=given)))])

    assert "OK large from the cache (hit), $0.00 instead of $0.00090 tenant search" in " ".join(capsys.readouterr().out.split())


def test_the_waterfall_puts_each_span_at_its_time(spans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["trace", str(spans), "--id", "id-1"])

    bars = [line[:20] for line in capsys.readouterr().out.splitlines() if "━" in line]
    assert bars == ["━" * 20, "━" + " " * 19, "━" + " " * 19, "━" * 19 + " "]


def test_all_calls_of_a_file_are_shown_unless_one_is_asked_for(spans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["trace", str(spans)])

    assert capsys.readouterr().out.count("  Complete  ") == 2


def test_a_trace_is_found_by_its_own_id_too(spans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = spans_of(spans.read_bytes())[0].trace

    assert main(["trace", str(spans), "--id", trace]) == 0
    assert capsys.readouterr().out.count("  Complete  ") == 1


def test_what_jaeger_answers_and_one_document_a_line_are_read_too(spans: Path) -> None:
    plain = spans.read_bytes()

    assert spans_of(json.dumps({"result": json.loads(plain)}).encode()) == spans_of(plain)
    assert len(spans_of(plain + b"\n" + plain)) == 2 * len(spans_of(plain))


@pytest.mark.parametrize("text", [b"", b"{}", b"nonsense", b"[1]", b'{"resourceSpans": [{"scopeSpans": 3}]}', b"\xff"])
def test_what_holds_no_spans_is_said_to(text: bytes) -> None:
    with pytest.raises(NoSpans):
        spans_of(text)


def test_a_picture_is_written_where_it_is_wanted(spans: Path, tmp_path: Path) -> None:
    picture = tmp_path / "trace.svg"

    assert main(["trace", str(spans), "--svg", str(picture)]) == 0
    assert picture.read_text().startswith("<svg")


def test_the_picture_of_the_readme_is_one_of_these_and_asks_nobody_for_anything() -> None:
    picture = README.parent.joinpath("tests/demo/trace.svg").read_text()

    assert "(tests/demo/trace.svg)" in README.read_text()
    assert picture.startswith(PICTURE.partition("{")[0])
    assert {"fallback", "503", "chosen", "dropped"} <= set(re.findall(r"\w+", picture))
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert len(picture) < 60_000


def test_a_picture_that_cannot_be_written_is_said(spans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", str(spans), "--svg", str(tmp_path / "missing" / "trace.svg")]) == 2
    assert capsys.readouterr().err.endswith("trace.svg: No such file or directory\n")


@pytest.mark.parametrize(("arguments", "code"), [(["--id", "none"], 1), (["--help"], 0)])
def test_a_call_that_is_not_there_is_said_to_be_missing(
    spans: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    if code:
        assert main(["trace", str(spans), *arguments]) == code
        assert "no call with id or trace none" in capsys.readouterr().err
    else:
        with pytest.raises(SystemExit):
            main(["trace", *arguments])
        shown = " ".join(capsys.readouterr().out.split())
        assert "OTLP in JSON" in shown
        assert "or a server's log (OTEL_TRACES_EXPORTER=console)" in shown


def test_a_file_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "nowhere.json"]) == 2
    assert capsys.readouterr().err == "pointsman: nowhere.json: No such file or directory\n"
