"""One file per mistake in tests/data/rulefile, each with the problems that it must yield: place, message, help. `regenerate` writes them anew."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pointsman.core.diagnostics import Problem, Severity, errors
from pointsman.core.rulefile import Loaded, load

DATA = Path(__file__).parents[1] / "data" / "rulefile"
MODELS = (DATA / "models.yaml").read_bytes()
CASES = sorted(path.stem for path in DATA.glob("*.yaml") if path.stem != "models")


def loaded(name: str) -> Loaded:
    """Return what a file of the folder comes to, beside its catalog."""
    return load({"models.yaml": MODELS, "routing.yaml": (DATA / f"{name}.yaml").read_bytes()})


def told(problem: Problem) -> str:
    """Return a problem as a line of a .problems file."""
    help_ = f" | {problem.help}" if problem.help else ""
    return f"{problem.line}:{problem.column}-{problem.length} {problem.severity.value}: {problem.message}{help_}"


@pytest.mark.parametrize("name", CASES)
def test_each_mistake_is_reported_at_its_place_with_help(name: str) -> None:
    found = loaded(name)

    assert "\n".join(map(told, found.problems)) + "\n" == (DATA / f"{name}.problems").read_text()
    assert (found.ruleset is None) == bool(errors(found.problems))


def test_five_mistakes_are_five_errors_with_help_where_there_is_a_remedy() -> None:
    found = loaded("five_mistakes")

    assert len(errors(found.problems)) == 5
    assert [problem.line for problem in found.problems] == [5, 6, 7, 9, 10]


def test_problems_of_all_files_come_at_once_and_sorted() -> None:
    found = load({"models.yaml": MODELS.replace(b"tier: large", b"tier: lage"), "a.yaml": (DATA / "unknown_fact.yaml").read_bytes()})

    assert [(problem.file, problem.line) for problem in found.problems] == [("a.yaml", 5), ("models.yaml", 7)]


def test_a_directory_without_a_catalog_or_routes_says_what_to_write() -> None:
    assert [problem.message for problem in load({}).problems] == ["the catalog is missing", "there are no routes"]


def test_the_quirks_of_a_model_go_before_those_of_its_provider() -> None:
    models = MODELS.replace(
        b"{api: builtin}", b"{api: openai, base_url: 'https://x', quirks: {output_cap: max_completion_tokens, sampling: false}}"
    )
    found = load(
        {
            "models.yaml": models.replace(b"tier: small", b"tier: small, quirks: {sampling: true}"),
            "routing.yaml": (DATA / "no_why.yaml").read_bytes(),
        }
    )

    assert found.ruleset is not None
    mini, coder = (found.ruleset.catalog.models[name].quirks for name in ("mini", "coder"))
    assert (mini.output_cap, mini.sampling, mini.stream_usage) == ("max_completion_tokens", True, True)
    assert (coder.output_cap, coder.sampling) == ("max_completion_tokens", False)


def test_a_file_that_ends_in_yml_is_not_read_and_that_is_said() -> None:
    good = {"models.yaml": MODELS, "routing.yaml": (DATA / "no_why.yaml").read_bytes()}
    found, without = load(good | {"20-more.yml": b"nonsense: ["}), load(good)

    assert found.ruleset is not None
    assert without.ruleset is not None
    assert found.ruleset.revision == without.ruleset.revision
    assert [problem.help for problem in found.problems if problem.file == "20-more.yml"] == [
        "rename it to 20-more.yaml, or take it out of the rule directory"
    ]


def test_names_are_shared_by_files_in_order_of_name() -> None:
    first = b"version: 1\nlists: {vip: [ads]}\nroutes:\n  - {id: a, why: w, when: request.tenant in lists.vip, use: {candidates: [mini]}}\n"
    last = b"version: 1\nroutes:\n  - {id: b, why: w, priority: -1, when: request.tenant in lists.vip, use: {candidates: [coder]}}\n  - {id: d, why: w, priority: -2, use: {candidates: [mini]}}\n"

    ruleset = load({"models.yaml": MODELS, "10-first.yaml": first, "20-last.yaml": last}).ruleset

    assert ruleset is not None
    assert [route.ref.id for route in ruleset.routes] == ["a", "b", "d"]
    assert [route.ref.file for route in ruleset.routes] == ["10-first.yaml", "20-last.yaml", "20-last.yaml"]


def test_higher_priority_is_looked_at_first_and_file_order_breaks_ties() -> None:
    route = "  - {{id: {0}, why: w, priority: {1}, when: features.has_code, use: {{candidates: [mini]}}}}\n"
    rules = "".join(route.format(name, priority) for name, priority in (("a", 0), ("b", 5), ("c", 5), ("d", -1)))
    default = "  - {id: default, why: w, priority: -9, use: {candidates: [mini]}}\n"

    ruleset = load({"models.yaml": MODELS, "r.yaml": f"version: 1\nroutes:\n{rules}{default}".encode()}).ruleset

    assert ruleset is not None
    assert [route.ref.id for route in ruleset.routes] == ["b", "c", "a", "d", "default"]


def test_the_revision_follows_catalog_and_routes_and_nothing_else() -> None:
    sources = {"models.yaml": MODELS, "r.yaml": (DATA / "no_why.yaml").read_bytes()}

    def revision(**changed: bytes) -> str:
        ruleset = load(sources | {name.replace("_yaml", ".yaml"): text for name, text in changed.items()}).ruleset
        assert ruleset is not None
        return ruleset.revision

    assert len(revision()) == 12
    assert revision() == revision(r_test_yaml=b"version: 1\ntests: []\n")
    assert revision() != revision(r_yaml=sources["r.yaml"] + b"\n")
    assert revision() != revision(models_yaml=MODELS + b"\n")


def test_prices_are_read_from_their_text_and_never_through_a_float() -> None:
    text = MODELS.replace(b"{input: 1, output: 2,", b"{input: 0.1, cached_input: 0.000000001, output: 123456789.987654321,")
    ruleset = load({"models.yaml": text, "r.yaml": (DATA / "no_why.yaml").read_bytes()}).ruleset

    assert ruleset is not None
    price = ruleset.catalog.models["mini"].price
    assert (price.input, price.cached_input, price.cache_write, price.output) == (100_000_000, 1, 100_000_000, 123456789987654321)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("provider: p, upstream", "provider: q, upstream", "unknown provider 'q'", id="provider"),
        pytest.param("tier: small", "tier: smal", "unknown tier 'smal'", id="tier"),
        pytest.param("{default: 0.6}", "{default: 0.6, maths: 1}", "unknown task 'maths'", id="task"),
        pytest.param("{default: 0.6}", "{math: 0.6}", "'default' is missing", id="no default ability"),
        pytest.param("{default: 0.6}", "{default: 1.6}", "'1.6' should be less than or equal to 1", id="ability beyond 1"),
        pytest.param("input: 1,", "input: -1,", "'-1' should be greater than or equal to 0", id="negative price"),
        pytest.param("input: 1,", "input: 0.0000000001,", "1E-10 is no price", id="finer than a nano-dollar"),
        pytest.param("input: 1,", "input: free,", "a number is expected, found 'free'", id="price in words"),
        pytest.param("nominal: true}, context_window: 8000, max_output: 1000, tags", "}, context_window: 8000, max_output: 1000, tags", "the price has no source and date", id="no source"),
        pytest.param("context_window: 8000, max_output: 1000, tags", "context_window: 0, max_output: 1000, tags", "'0' should be greater than 0", id="no window"),
        pytest.param("tags: [eu]", "tokenizer: gpt2", "unknown tokenizer 'gpt2'", id="tokeniser"),
        pytest.param("[mini, coder]", "[mini, codr]", "model 'codr' is not in the catalog", id="alias"),
        pytest.param("{any: [", "{mini: [", "'mini' is a model, so it cannot be an alias, too", id="alias hides a model"),
        pytest.param("{api: builtin}", "{api: openai}", "provider 'p' has no base_url", id="no address"),
        pytest.param("{api: builtin}", "{api: openai, base_url: 'http://x'}", "http:// is allowed for internal providers only", id="in the clear"),
        pytest.param("{api: builtin}", "{api: openai, base_url: 'https://x', key: {}}", "a key has one source", id="key of no source"),
    ],
)  # fmt: skip
def test_mistakes_in_the_catalog(old: str, new: str, message: str) -> None:
    text = MODELS.decode()
    assert text.count(old) >= 1
    found = load({"models.yaml": text.replace(old, new, 1).encode(), "r.yaml": (DATA / "no_why.yaml").read_bytes()})

    assert message in [problem.message for problem in found.problems if problem.file == "models.yaml"]


def test_a_warning_does_not_keep_the_rules_from_use() -> None:
    found = loaded("no_why")

    assert found.ruleset is not None
    assert [problem.severity for problem in found.problems] == [Severity.WARNING]


def regenerate() -> None:
    """Write every .problems file as the code has it now; read the difference before you commit it."""
    for name in CASES:
        (DATA / f"{name}.problems").write_text("\n".join(map(told, loaded(name).problems)) + "\n")


if __name__ == "__main__" and sys.argv[1:] == ["regenerate"]:
    regenerate()


def test_a_list_of_conditions_has_an_end() -> None:
    conditions = ", ".join(["request.stream"] * 501)
    routing = f"version: 1\nroutes:\n  - {{id: r, why: w, when: [{conditions}], use: {{candidates: [mini]}}}}\n  - {{id: d, why: w, use: {{candidates: [mini]}}}}\n"
    (problem,) = load({"models.yaml": MODELS, "routing.yaml": routing.encode()}).problems

    assert (problem.line, problem.message) == (3, "501 conditions; at most 500 are allowed")
