"""The command line as its user meets it: exit codes, what is printed where, help."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from fakes import facts_of
from pointsman.cli import main
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.record import record, to_json
from pointsman.core.rulefile import UNBOUND
from pointsman.offline import load_rules
from processes import serving

RULES = Path(__file__).parent / "data" / "rules"
FIVE_MISTAKES = Path(__file__).parent / "data" / "rulefile" / "five_mistakes.yaml"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return a rule directory with five mistakes."""
    shutil.copy(FIVE_MISTAKES.parent / "models.yaml", tmp_path / "models.yaml")
    shutil.copy(FIVE_MISTAKES, tmp_path / "routing.yaml")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command."""
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def local(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return what a command over rules whose models run in this process comes to."""
    return run(capsys, *arguments, "--local", "--rules", str(RULES))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[:2] == (0, "pointsman 0.1.0\n")


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("serve",),
        ("route",),
        ("complete",),
        ("models",),
        ("rules",),
        ("rules", "check"),
        ("rules", "test"),
        ("rules", "explain"),
        ("rules", "diff"),
    ],
)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    code, out, _ = run(capsys, *command, "--help")

    assert code == 0
    assert "usage: pointsman" in out


def test_help_of_serve_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "serve", "--help")

    for name in ("POINTSMAN_LISTEN", "POINTSMAN_RULES", "POINTSMAN_REFLECTION", "POINTSMAN_GRACE_S"):
        assert name in out


def test_help_of_serve_has_its_sentences_below_each_other_with_a_default_each(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "serve", "--help")
    lines = [line for line in out.splitlines() if line.startswith(("  POINTSMAN_", "  OTEL_"))]

    names = re.findall(r"^  \S+ +", "\n".join(lines), re.MULTILINE)
    assert len(names) == len(lines) > 0
    assert len(set(map(len, names))) == 1
    assert all(re.search(r" Default: \S.*\.$", line) for line in lines[:-1])
    assert "Default: ." not in out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("rout", "x"),
        ("route",),
        ("route", "x", "--max-cost", "cheap", "--local"),
        ("rules", "schema"),
        ("rules", "check", "--format", "junit"),
        ("rules", "test", "--format", "sarif"),
    ],
)
def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, out, err = run(capsys, *arguments)

    assert (code, out) == (2, "")
    assert err


@pytest.mark.parametrize(
    ("cost", "says"),
    [
        ("cheap", "dollars are expected, as in 0.002"),
        ("-1", "dollars are expected, as in 0.002"),
        ("0.0000000001", "that is finer than a nano-dollar, 0.000000001"),
    ],
)
def test_what_is_wrong_with_a_cost_is_said(capsys: pytest.CaptureFixture[str], cost: str, says: str) -> None:
    assert local(capsys, "route", "x", f"--max-cost={cost}") == (2, "", f"pointsman: --max-cost {cost}: {says}\n")


def test_a_bad_setting_exits_2_and_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_GRACE_S", "soon")

    code, _, err = run(capsys, "models", "--local")

    assert code == 2
    assert "POINTSMAN_GRACE_S" in err


def test_rules_check_of_good_rules(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "check", str(RULES))

    assert code == 0
    assert "ok, 2 models, 1 constraints, 4 routes, revision " in out


def test_rules_check_prints_each_problem_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str], broken: Path) -> None:
    code, out, _ = run(capsys, "rules", "check", str(broken))
    problems = [line for line in out.splitlines() if line.startswith(f"{broken}/routing.yaml:")]

    assert code == 1
    assert [line.removeprefix(f"{broken}/routing.yaml:").partition(": error: ")[0] for line in problems] == [
        "5:33",
        "6:24",
        "7:9",
        "9:11",
        "10:31",
    ]
    assert f"5 errors in {broken}" in out


def test_rules_check_of_a_directory_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "rules", "check", "/nowhere")

    assert code == 1
    assert "cannot read the rule directory /nowhere: No such file or directory" in err


def test_rules_test_passes_and_lists_what_passed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "test", str(RULES), "--verbose")

    assert code == 0
    assert "ok  code is hard work" in out
    assert "9 passed, 0 failed" in out


def test_rules_test_fails_with_the_place_and_the_trace(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copytree(RULES, tmp_path / "rules")
    (tmp_path / "rules" / "routing_test.yaml").write_text("version: 1\ntests:\n  - {name: wrong, expect: {rule: realtime}}\n")

    code, out, _ = run(capsys, "rules", "test", str(tmp_path / "rules"))

    assert code == 1
    assert f"{tmp_path}/rules/routing_test.yaml:3:1: error: wrong: expected rule realtime, found default" in out
    assert "has(request.max_ttft_ms) && request.max_ttft_ms <= 100" in out


def test_rules_without_tests_fail_the_test(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copytree(RULES, tmp_path / "rules")
    (tmp_path / "rules" / "routing_test.yaml").unlink()

    code, out, _ = run(capsys, "rules", "test", str(tmp_path / "rules"))

    assert code == 1
    assert "there are no tests" in out


@pytest.mark.parametrize(
    ("command", "form"), [("check", "json"), ("check", "github"), ("check", "sarif"), ("test", "json"), ("test", "junit")]
)
def test_programs_find_one_document_and_nothing_else_on_stdout(
    capsys: pytest.CaptureFixture[str], broken: Path, command: str, form: str
) -> None:
    code, out, err = run(capsys, "rules", command, str(broken), "--format", form)

    assert (code, err) == (1, "")
    assert out.count(f"{broken}/routing.yaml") >= 5
    if form == "github":
        assert [line.partition(" ")[0] for line in out.splitlines()] == ["::error"] * 5
    elif form == "junit":
        assert fromstring(out).attrib["errors"] == "5"  # noqa: S314  # our own text
    else:
        assert json.loads(out)


def test_json_of_good_rules_has_their_revision(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "check", str(RULES), "--format", "json")
    told = json.loads(out)

    assert code == 0
    assert (told["problems"], told["errors"], told["warnings"]) == ([], 0, 0)
    assert told["revision"] in run(capsys, "rules", "check", str(RULES))[1]


def test_good_rules_need_no_annotation(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "rules", "check", str(RULES), "--format", "github") == (0, "", "")


def test_sarif_names_files_from_where_the_command_runs(
    capsys: pytest.CaptureFixture[str], broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(broken.parent)

    _, out, _ = run(capsys, "rules", "check", broken.name, "--format", "sarif")

    places = [result["locations"][0]["physicalLocation"]["artifactLocation"] for result in json.loads(out)["runs"][0]["results"]]
    assert places == [{"uri": f"{broken.name}/routing.yaml", "uriBaseId": "%SRCROOT%"}] * 5


def test_problems_of_tests_are_in_the_report_of_the_tests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copytree(RULES, tmp_path / "rules")
    (tmp_path / "rules" / "routing_test.yaml").write_text("version: 1\ntests:\n  - {name: wrong, expect: {rule: nowhere}}\n")

    code, out, err = run(capsys, "rules", "test", str(tmp_path / "rules"), "--format", "json")

    assert (code, err) == (1, "")
    assert [problem["message"] for problem in json.loads(out)["problems"]] == ["there is no rule 'nowhere'"]


def test_a_filter_runs_the_tests_of_that_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "test", str(RULES), "--filter", "code *")
    _, told, _ = run(capsys, "rules", "test", str(RULES), "--filter", "code *", "--format", "json")

    assert code == 0
    assert "1 passed, 0 failed" in out
    assert [case["name"] for case in json.loads(told)["cases"]] == ["code is hard work"]


def test_a_filter_that_matches_no_test_fails_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    complaint = f"--filter 'cod' matches none of the 9 tests in {RULES}\n"

    code, out, _ = run(capsys, "rules", "test", str(RULES), "--filter", "cod")
    report_code, report, err = run(capsys, "rules", "test", str(RULES), "--filter", "cod", "--format", "junit")

    assert (code, out) == (1, f"{complaint}0 passed, 0 failed\n")
    assert (report_code, err) == (1, complaint)
    assert fromstring(report).attrib["tests"] == "0"  # noqa: S314  # our own text


def test_programs_are_not_told_on_stdout_what_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "rules", "check", "/nowhere", "--format", "sarif")

    assert (code, out) == (1, "")
    assert "cannot read the rule directory /nowhere" in err


def test_rules_explain_shows_conditions_with_values(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "explain", "Prove that there is no largest prime.", "--rules", str(RULES))

    assert code == 0
    assert "MATCH hard-work" in out
    assert "features.task = reason" in out


def test_rules_explain_ends_with_what_would_have_led_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "rules", "explain", "Hello", "--rules", str(RULES))

    assert "it would have been" in out
    assert "features.complexity" in out.partition("it would have been")[2]


def test_rules_explain_takes_facts_as_tests_give_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "facts.yaml"
    file.write_text("request: {accuracy: 0.1}\nfeatures: {task: code, complexity: 0.6}\nnow: 2026-12-01T10:00:00Z\n")
    code, out, _ = run(capsys, "rules", "explain", "--facts", str(file), "--rules", str(RULES))

    assert code == 0
    assert "hard-work" in out
    assert "features.task = code" in out


def test_rules_explain_tells_what_is_wrong_with_facts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "facts.yaml"
    file.write_text("request: {acuracy: 0.99}\nfeatures: {task: cod}\nmore: 1\n")
    code, _, err = run(capsys, "rules", "explain", "--facts", str(file), "--rules", str(RULES))

    assert code == 1
    assert [line.split(": ", 2)[2] for line in err.splitlines() if ": error:" in line] == [
        "unknown fact 'request.acuracy'",
        "features.task must be one of chat, write, summarize, extract, classify, translate, code, math, reason, knowledge, unknown",
        "unknown key 'more'",
    ]


def test_rules_explain_takes_a_recorded_decision(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ruleset = load_rules(RULES, UNBOUND)[0].ruleset
    assert ruleset is not None
    lines = []
    for number, task in enumerate(("chat", "code", "chat")):
        facts = facts_of(features_task=task, request_id=f"id-{number}", request_user="secret-user")
        made = record(ruleset, facts, Market(), decide(ruleset, facts, Market()), time=datetime.now(UTC), key=b"k")
        lines.append(to_json(made))
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(lines) + b"\n")

    _, last, _ = run(capsys, "rules", "explain", "--facts", str(log), "--rules", str(RULES))
    _, second, _ = run(capsys, "rules", "explain", "--facts", str(log), "--id", "id-1", "--rules", str(RULES))
    code, _, err = run(capsys, "rules", "explain", "--facts", str(log), "--id", "id-9", "--rules", str(RULES))

    assert "features.task = chat" in last
    assert "features.task = code" in second
    assert (code, "has no record of decision 'id-9'" in err) == (1, True)


def test_rules_explain_takes_a_text_or_facts(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("Hello", "--facts", "x.yaml"), ("Hello", "--id", "x")):
        assert run(capsys, "rules", "explain", *arguments)[0] == 2


def test_rules_explain_asks_a_server_for_a_decision_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--rules", str(RULES)) as address:
        _, routed, _ = run(capsys, "route", "What is 17 * 23?", "--json", "--server", address)
        decision = json.loads(routed)["decision"]
        code, out, _ = run(capsys, "rules", "explain", "--id", decision["id"], "--server", address, "--json")
        _, shown, _ = run(capsys, "rules", "explain", "--id", decision["id"], "--server", address)
        missing, _, err = run(capsys, "rules", "explain", "--id", "never", "--server", address)

    told = json.loads(out)
    assert (code, told["model"], told["revision"]) == (0, decision["chosen"]["model"], decision["rulesetRevision"])
    assert told["explanation"]["contrasts"]
    assert "it would have been" in shown
    assert (missing, "hold none of id 'never'" in err) == (1, True)


def test_rules_explain_of_a_refusal_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "explain", "Hello", "--tag", "mars", "--rules", str(RULES))

    assert code == 1
    assert "TAGS" in out


def test_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "schema", "routing")

    assert code == 0
    assert json.loads(out)["title"] == "RoutingDoc"


def test_route_says_model_rule_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = local(capsys, "route", "Write a Python function.")

    assert code == 0
    assert "builtin-careful  by rule hard-work  (RULE_MATCH)" in out
    assert "QUALITY" in out


def test_complete_prints_the_answer_first(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = local(capsys, "complete", "What is 17 * 23?")

    assert code == 0
    assert out.startswith("391\n")


def test_json_is_the_response_as_protobuf_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    _, routed, _ = local(capsys, "route", "Hi", "--json", "--explain")
    _, completed, _ = local(capsys, "complete", "2+2?", "--json")
    _, models, _ = local(capsys, "models", "--json")

    assert json.loads(routed)["decision"]["explanation"]["rules"]
    assert json.loads(completed)["completion"]["message"]["text"] == "4"
    assert [model["id"] for model in json.loads(models)["models"]] == ["builtin", "builtin-careful"]


def test_cache_tells_what_a_server_saved_and_drops_a_tenants_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--rules", str(RULES)) as address:
        for _ in range(2):
            assert run(capsys, "complete", "What is 2 + 2?", "--cache", "use", "--server", address)[0] == 0
        code, out, _ = run(capsys, "cache", "--server", address)
        told = json.loads(run(capsys, "cache", "--json", "--server", address)[1])
        purged = run(capsys, "cache", "--purge", "default", "--server", address)
        refused = run(capsys, "complete", "What is 2 + 2?", "--cache", "only", "--server", address)

    assert code == 0
    assert "1 entries of" in out
    assert "nothing like it was asked before" in out
    assert [(row["tenant"], row["hits"], row["misses"]) for row in told["rows"]] == [("default", "1", "1")]
    assert purged[:2] == (0, "dropped, 1 entries by this server\n")
    assert refused[0] == 1
    assert "no answer is kept" in refused[2]


def test_a_bad_field_is_named_as_the_server_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = local(capsys, "route", "", "--accuracy", "1.5")

    assert code == 1
    assert "request.prompt: is empty" in err
    assert "request.requirements.accuracy: must be between 0 and 1, found 1.5" in err


def test_a_prompt_is_read_from_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("What is 6 * 7?"))

    assert local(capsys, "complete", "-")[1].startswith("42\n")


def test_a_server_that_is_not_there_is_named_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "route", "Hi", "--server", "127.0.0.1:1", "--timeout", "2")

    assert code == 1
    assert "is a server running at 127.0.0.1:1? start one with 'pointsman serve', or use --local" in err


def test_serve_refuses_broken_rules_before_it_listens(capsys: pytest.CaptureFixture[str], broken: Path) -> None:
    code, out, err = run(capsys, "serve", "--listen", "127.0.0.1:0", "--rules", str(broken))

    assert (code, out) == (1, "")
    assert err.count(": error: ") == 5


def test_serve_refuses_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "serve", "--listen", "50051")

    assert code == 2
    assert "expected HOST:PORT" in err


def test_score_tells_what_is_known_of_prompts_a_line_each(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = b'{"id": "a", "prompt": "What is 17 * 23?"}\n\n{"id": 2, "prompt": "Hello there"}\n{"prompt": "no id"}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))

    assert main(("score", "--rules", str(RULES))) == 1

    out, err = capsysbinary.readouterr()
    first, second = (json.loads(line) for line in out.splitlines())
    assert (first["id"], first["task"], second["id"], second["task"]) == ("a", "math", 2, "chat")
    assert set(first) == {"id", "complexity", "gain", "confidence", "task", "subject", "input_tokens", "output_tokens", "quality"}
    assert set(first["quality"]) == {"builtin", "builtin-careful"}
    assert b"stdin:4: expected" in err


def test_score_answers_each_line_before_it_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.BytesIO()
    written: list[int] = []

    class Asked(io.BytesIO):
        def __next__(self) -> bytes:
            written.append(piped.getvalue().count(b"\n"))
            return super().__next__()

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Asked(b'{"id": 1, "prompt": "Hi"}\n{"id": 2, "prompt": "Ho"}\n')))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BufferedWriter(piped)))

    assert main(("score", "--rules", str(RULES))) == 0
    assert written == [0, 1, 2]


def test_an_artifact_that_is_none_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.bin").write_bytes(b"nonsense")
    monkeypatch.setenv("POINTSMAN_ESTIMATOR", str(tmp_path / "own.bin"))

    code, _, err = run(capsys, "serve", "--listen", "127.0.0.1:0", "--rules", str(RULES))

    assert code == 1
    assert "not an artifact of the estimator" in err


@pytest.mark.parametrize("command", [["route", "--local", "hi"], ["rules", "explain", "hi"], ["models", "--local"]])
def test_an_estimator_that_cannot_be_read_is_named_with_its_variable(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.bin"
    own.write_text("garbage")
    monkeypatch.setenv("POINTSMAN_ESTIMATOR", str(own))

    assert main(command) == 1
    assert capsys.readouterr().err.startswith(f"pointsman: POINTSMAN_ESTIMATOR={own}: not an artifact of the estimator")


def test_a_reader_who_has_seen_enough_ends_a_command_in_silence() -> None:
    command = f"{sys.executable} -m pointsman.cli rules schema tenants | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)  # whichever bash there is

    assert done.stderr == ""


def test_a_name_that_no_tenant_can_have_gets_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "a b"]) == 2
    assert capsys.readouterr().err.startswith("pointsman: 'a b' cannot be the name of a tenant")


def test_temperature_and_seed_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["complete", "--help"])
    assert "--temperature" in capsys.readouterr().out
    assert main(["complete", "--local", "2+2?", "--temperature", "3"]) == 1
    assert "request.generation.temperature" in capsys.readouterr().err
