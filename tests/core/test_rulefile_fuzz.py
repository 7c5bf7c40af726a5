"""Whatever becomes of a rule directory, reading it ends soon, in a ruleset or in errors that people can find; so does running its tests.

Good and bad files are damaged at random, always the same way: number N of the mutants is made from the seed N. POINTSMAN_TEST_SOAK=1 makes 20,000.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from pointsman.adapters.rulefiles import read_files
from pointsman.core import ruletest
from pointsman.core.diagnostics import Problem, errors, render
from pointsman.core.rulefile import Loaded, load
from pointsman.core.ruleset import Ruleset
from pointsman.core.yamlnodes import Node, find, plain

SOAK = "POINTSMAN_TEST_SOAK" in os.environ
MUTANTS = 20_000 if SOAK else 400
PORTION = 40
"""Mutants in one test."""

LOAD_S = 0.1
"""Processor time that reading a mutant may take, and again running its tests."""

MOST_RUNS = 500
"""Runs of decide in the tests of one mutant: more would be a matter of patience, not of soundness."""

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"

Sources = dict[str, bytes]
T = TypeVar("T")

MODELS = b"""\
version: 1
tiers: [small, large]
providers:
  p: {api: builtin, max_in_flight: 4}
  q:
    api: openai
    base_url: https://models.example/v1
    key: {env: EXAMPLE_KEY}
    limits: {rpm: 60, tpm: 100000}
  r: {api: anthropic, base_url: 'http://models.internal', internal: true, key: {file: /run/secrets/key}}
models:
  mini:
    provider: p
    upstream: u
    tier: small
    ability: {default: 0.6, math: .25, estimated: true}
    price: {input: 1, output: 2.5, cached_input: 0.1, cache_write: 1.25, nominal: true}
    context_window: 8000
    max_output: 1000
    capabilities: [json, tools]
    tokenizer: smollm2
    latency: {ttft_ms: 150, tokens_per_s: 60}
    tags: [eu, "onprem"]
    options: {ttft_ms: 1, tokens_per_s: 0, error_rate: 0.5}
  large:
    provider: q
    upstream: v
    tier: large
    ability: {default: 0.9}
    price: {input: 3, output: 6, source: "a page", as_of: 2026-11-01}
    context_window: 100000
    max_output: 4000
    capabilities: [json, tools, vision]
    prompt_cache: {min_tokens: 1024, ttl: 5m}
  other: {provider: r, upstream: w, tier: large, ability: {default: 1}, price: {input: 0, output: 0, nominal: true}, context_window: 1, max_output: 1}
aliases: {both: [mini, large], one: [mini]}
"""

ROUTING = b"""\
# Every key of the language.
version: 1
owner: team-x
mode: enforce
defaults: {accuracy: 0.4, max_output: 1024}
lists:
  vip: [ads, "search", 'x''y']
  sizes: [1, 2, 3]
  shares: [0.5, 1e-3]
vars:
  hard: features.complexity > 0.5 || features.task in ["code", "math"]
  vip: request.tenant in lists.vip && !vars.hard
  bar: "request.accuracy * 0.5 + 0.25"
constraints:
  - id: personal
    why: Personal data stays.
    when: has(request.labels.data) && request.labels.data == "personal"
    allow: {tags: [eu], models: [mini], tiers: [small], providers: [p]}
  - id: no-large
    why: No large ones at night.
    when:
      - time.hour < 6
      - any: [time.weekday >= 6, {none: [vars.hard, request.stream]}]
    deny: {tiers: [large]}
routes:
  - id: canary
    why: A share.
    priority: 90
    when: has(request.session)
    rollout: {percent: 12.5, by: request.session, seed: canary-1}
    expires: 2027-01-31
    use: {candidates: [both], strategy: fastest, on_empty: next_rule}
    fallbacks: [one, other]
  - id: aside
    why: Watched only.
    mode: shadow
    priority: 80
    when: >-
      tokens.input * 2 + tokens.output_p90 > 1000
        && features.subject != "law"

      || request.model.startsWith("b")
    use: {candidates: [large], strategy: best, min_quality: vars.bar}
  - id: spread
    why: By weight.
    priority: 70
    when:
      any:
        - request.tenant.matches("^(ads|search)-[0-9]+$")
        - all: [has(request.user), 'request.user in ["a", "b"]']
      none:
        - features.turns > 5
        - budget.spend_ratio >= 0.9
    use: {candidates: {mini: 80, both: 19.5, other: 0}, strategy: weighted, by: request.labels.team, on_empty: fallback}
    fallbacks: [mini]
  - id: worth
    why: What an answer is worth.
    priority: 60
    when: |
      vars.vip
    use: {candidates: [mini, large], strategy: balanced, value_usd: 0.02, min_quality: 0.5, on_empty: best_effort}
    cache: {mode: exact, ttl: 10m}
    optimize: {prompt: trim_history, target_tokens: 2000}
    budget: {max_usd_per_request: 0.05}
    timeout: 30s
    hedge: {after: 800ms}
  - id: yes
    why: Always so.
    priority: 50
    when: true
    rollout: {percent: 0}
    use: {candidates: [mini]}
    optimize: {prompt: lossless}
  - {id: default, why: 'The rest.', use: {candidates: [both], strategy: cheapest, on_empty: reject}}
"""

SHADOW = b"""\
version: 1
mode: shadow
constraints:
  - {id: trial, why: Tried out., when: features.has_code, deny: {models: [mini]}}
routes:
  - {id: trial-route, why: Tried out., when: vars.hard, use: {candidates: [large]}}
  - {id: trial-default, why: Tried out., use: {candidates: [mini]}}
"""

CASES = b"""\
version: 1
defaults:
  now: 2026-12-01T10:00:00Z
  request: {accuracy: 0.4, tenant: ads, labels: {team: red}, tags: [eu]}
  features: {complexity: 0.3, task: chat, gain: 0.5, confidence: 1, turns: 2, has_code: false, subject: law, language: en}
  tokens: {input: 500, output: 100, output_p90: 300, output_max: 400}
  tenant: {tier: gold, labels: {plan: pro}}
  budget: {spend_ratio: 0.5, pace: 1.5, tokens_left: 1000, usd_left: 2.5}
  quality: {mini: 0.6, large: 0.9}
tests:
  - name: a share
    given: {request: {max_cost_usd: 0.5, max_latency_ms: 60000, max_total_tokens: 5000}}
    vary: {request.session: 40}
    expect_share: {rule: canary, model: mini, between: [0.0, 0.4]}
  - name: a matrix
    given: {now: 2026-12-05T03:00:00+01:00, quality: {mini: 0.7}}
    matrix: {features.task: [code, math], features.complexity: [0, 0.5, 1], request.labels.team: [red, blue]}
    expect: {rule_not: default, tier_not: small}
  - name: all that can be expected
    given: {request: {labels: {data: personal}, max_cost_usd: 0.0001}, features: {task: code}}
    expect:
      rule: default
      model: mini
      tier: small
      reason: BEST_EFFORT
      fallbacks: [mini]
      dropped: {large: CONSTRAINT}
      constraints: [personal]
      shadow: [aside]
      cache: {mode: exact, ttl_s: 600}
  - {name: refused, given: {request: {accuracy: 1, max_ttft_ms: 0.5}}, expect: {refused: NO_ELIGIBLE_MODEL}}
"""

FULL: Sources = {"models.yaml": MODELS, "routing.yaml": ROUTING, "shadow.yaml": SHADOW, "routing_test.yaml": CASES}


def directories() -> list[Sources]:
    """Return what mutants are made of; the file that has everything is used as often as all mistakes together."""
    mistakes = read_files(DATA / "rulefile")
    catalog = mistakes.pop("models.yaml")
    single = [{"models.yaml": catalog, "routing.yaml": text} for text in mistakes.values()]
    return [*single, *[FULL] * len(single), *[read_files(ROOT / "rules"), read_files(DATA / "rules")] * 6]


DIRECTORIES = directories()
LINES = [line for sources in DIRECTORIES for text in sources.values() for line in text.splitlines(keepends=True)]

OTHER_VALUES = [
    b"", b"~", b"true", b"no", b"0", b"-1", b"1", b"1.5", b"1e308", b"-1e308", b"1e-308", b"1e999999", b".inf", b".nan", b"9" * 399, b"9" * 10_000,
    b"9" * 300 + b"e300", b"0x" + b"f" * 300, b"0o17", b"'1'", b'""', b"[]", b"{}", b"[[]]", b"[1, a, {}]", b"{a: 1}", b"{any: []}", b"{? [a] : b}",
    b"0000-00-00", b"2026-02-30", b"9999-12-31", b"0001-01-01T00:00:00+14:00", b"999999999d", b"0ms", b"99999999999s", b"'*'", b"request.tenant",
    b"lists.vip", b"vars.hard", b"!has(request.user)", b"features.task in []", b"1 / 0 > 1", b"tokens.input * 9223372036854775807 > 0",
    b"request.user.matches('(a+)+$')", b"0.1 + 0.2 == 0.3", b"size(request.tenant) > 1", b"mini", b"default", b"weighted", b"shadow",
]  # fmt: skip
FRAGMENTS = [
    b"'", b'"', b"!t ", b"!!python/object ", b"&a ", b"*a", b"<<: ", b"|\n", b">-\n", b"|2+\n", b"? ", b": ", b"- ", b"[", b"]", b"{", b"}", b",", b"#",
    b" #", b"%YAML 1.1\n", b"---\n", b"...\n", b"@", b"`", b"\t", b"\r", b"\r\n", b"\n\n", b"\\", b'"\\e[2J\\nx": 1\n', b'"\\u2028\\0\\x7f"', b"\xff", b"\x00",
    b"\x1b[2J", "\u2028".encode(), "\u0085".encode(), "\u202e".encode(), "\ufeff".encode(), "\ufffd".encode(), "😀".encode(), "e\u0301".encode(),
    "İſK".encode(), "\U000e0001".encode(), "\ud800".encode("utf-8", "surrogatepass"), "١".encode(), b"(", b")", b"!", b"-", b"&&", b" || ", b" in ", b" ? ",
]  # fmt: skip
LONG = [b"a", b"(", b"[", b"- ", b"{a: ", b"!", b"-", b"9", b"a.", b'"', b"'", b" ", b"\n", b"x || ", b"*a ", b"\\", "é".encode(), b"a, "]
TOKEN = re.compile(rb"[A-Za-z0-9_.]+|[^A-Za-z0-9_.\s]+")
VALUE = re.compile(rb"(?<=[:,\[-] )[^,\]}\n]+|(?<=\[)[^,\[\]}\n]+")


def place(random: Random, text: bytes) -> int:
    return random.randint(0, len(text))


def part(random: Random, text: bytes) -> tuple[int, int]:
    start = place(random, text)
    return start, min(len(text), start + random.choice((1, 3, 20, 200)))


def flip(random: Random, text: bytes) -> bytes:
    at = place(random, text)
    return text[:at] + bytes([random.randrange(256) if random.random() < 0.3 else random.randrange(32, 127)]) + text[at + 1 :]


def cut(random: Random, text: bytes) -> bytes:
    start, end = part(random, text)
    return text[:start] + (text[end:] if random.random() < 0.9 else b"")


def duplicate(random: Random, text: bytes) -> bytes:
    start, end = part(random, text)
    return text[:end] + text[start:end] * random.choice((1, 1, 1, 2, 50)) + text[end:]


def swap(random: Random, text: bytes) -> bytes:
    tokens = [found.span() for found in TOKEN.finditer(text)]
    if len(tokens) < 2:
        return text
    (a, b), (c, d) = sorted(random.sample(tokens, 2))
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def indent(random: Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True) or [b""]
    start = random.randrange(len(lines))
    by = random.choice((-4, -2, -1, 1, 2, 4))
    for at in range(start, min(len(lines), start + random.choice((1, 1, 3, 10)))):
        lines[at] = b" " * by + lines[at] if by > 0 else lines[at][min(-by, len(lines[at]) - len(lines[at].lstrip(b" "))) :]
    return b"".join(lines)


def insert(random: Random, text: bytes) -> bytes:
    at = place(random, text) if random.random() < 0.5 else random.choice([0, *(found.start() for found in TOKEN.finditer(text))])
    return text[:at] + random.choice(FRAGMENTS) + text[at:]


def lengthen(random: Random, text: bytes) -> bytes:
    at = place(random, text) if random.random() < 0.5 else random.choice([0, *(found.start() for found in TOKEN.finditer(text))])
    return text[:at] + random.choice(LONG) * random.choice((8, 40, 500, 5_000)) + text[at:]


def splice(random: Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    at = random.randint(0, len(lines))
    start = random.randrange(len(LINES))
    return b"".join([*lines[:at], *LINES[start : start + random.choice((1, 1, 2, 5))], *lines[at + random.choice((0, 0, 1)) :]])


def replace(random: Random, text: bytes) -> bytes:
    values = [found.span() for found in VALUE.finditer(text)]
    start, end = random.choice(values) if values else (0, 0)
    return text[:start] + random.choice(OTHER_VALUES) + text[end:]


def exchange(random: Random, text: bytes) -> bytes:
    values = [found.span() for found in VALUE.finditer(text)]
    start, end = random.choice(values) if values else (0, 0)
    return text[:start] + (text[slice(*random.choice(values))] if values else b"") + text[end:]


MUTATIONS: list[Callable[[Random, bytes], bytes]] = [
    flip, cut, duplicate, swap, indent, insert, lengthen, splice, replace, replace, replace, exchange, exchange,
]  # fmt: skip


def mutant(number: int) -> Sources:
    """Return a rule directory of which one file is damaged in one to four places."""
    random = Random(number)  # noqa: S311  # to be repeatable is the point
    sources = dict(random.choice(DIRECTORIES))
    name = random.choice(sorted(sources))
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        sources[name] = random.choice(MUTATIONS)(random, sources[name])
    if random.random() < 0.02:
        sources[random.choice(("a_test.yaml", "0.yaml", "tenants.yaml", "ä.yaml", "\udcff.yaml"))] = sources.pop(name)
    return sources


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """Return the result and the processor time it took; the better of two, where the first was slow."""
    spent: list[float] = []
    while not spent or (len(spent) < 2 and spent[0] > LOAD_S):
        started = time.process_time()
        result = function()
        spent.append(time.process_time() - started)
    return result, min(spent)


def runs(cases: Mapping[str, Node]) -> int:
    """Return about how often the tests would decide; of odd tests too often rather than too seldom."""
    count = 0
    for root in cases.values():
        for test in getattr(find(root, ("tests",)), "items", ()):
            case = plain(test) if isinstance(plain(test), dict) else {}
            matrix, vary = case.get("matrix"), case.get("vary")
            product = 1
            for values in matrix.values() if isinstance(matrix, dict) else ():
                product *= max(1, len(values)) if isinstance(values, list) else 1
            for value in vary.values() if isinstance(vary, dict) else ():
                product *= value if isinstance(value, int) and value > 0 else 1
            count += product
    return count


def faults_of(problem: Problem, sources: Sources) -> list[str]:
    """Return what is wrong with a problem itself."""
    text = sources.get(problem.file, b"").decode(errors="replace")
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    faults = []
    if problem.file not in sources and (problem.line, problem.column) != (1, 1):
        faults.append("beside every file")
    if not 1 <= problem.line <= len(lines):
        faults.append("not on a line")
    elif not 1 <= problem.column <= len(lines[problem.line - 1]) + 1:
        faults.append("not in its line")
    if problem.length < 1:
        faults.append("underlines nothing")
    if not problem.message.strip():
        faults.append("says nothing")
    faults += [f"unprintable {name}" for name in ("message", "help") if not getattr(problem, name).isprintable()]
    shown = render([problem], {problem.file: text}).split("\n")
    if not all(line.isprintable() for line in shown) or len(shown) > 4 or any(len(line) > 1500 for line in shown):
        faults.append("is not shown on four lines")
    return [f"{fault}: {problem!r}"[:600] for fault in faults]


def examined(sources: Sources) -> tuple[list[str], float]:
    """Return everything that is wrong with how the directory is read and its tests are run, and the longest time of the two."""
    loaded, spent = timed(lambda: load(sources))
    faults = [f"loading took {spent:.3f} s"] if spent > LOAD_S else []
    faults += [fault for problem in loaded.problems for fault in faults_of(problem, sources)]
    if (loaded.ruleset is None) is not bool(errors(loaded.problems)):
        faults.append("neither ruleset nor error, or both")
    if loaded.ruleset is not None and runs(loaded.cases) <= MOST_RUNS:
        found, more = run_tests(loaded.ruleset, loaded, sources)
        return faults + found, max(spent, more)
    return faults, spent


def run_tests(ruleset: Ruleset, loaded: Loaded, sources: Sources) -> tuple[list[str], float]:
    """Run the tests of a directory, and return what is wrong with that, and how long it took."""
    report, spent = timed(lambda: ruletest.run(ruleset, loaded.cases))
    faults = [f"the tests took {spent:.3f} s"] if spent > LOAD_S else []
    return faults + [fault for problem in report.problems for fault in faults_of(problem, sources)], spent


@pytest.mark.timeout(900 if SOAK else 60)
@pytest.mark.parametrize("first", range(0, MUTANTS, PORTION))
def test_a_damaged_directory_is_read_soon_and_says_what_is_wrong(first: int) -> None:
    found = {}
    for number in range(first, first + PORTION):
        try:
            faults, _ = examined(mutant(number))
        except Exception as error:  # any that gets out is a finding, and the others are to be seen, too
            faults = [repr(error)[:300]]
        if faults:
            found[number] = faults

    assert found == {}


@pytest.mark.parametrize("sources", [FULL, read_files(ROOT / "rules"), read_files(DATA / "rules")], ids=["full", "rules", "data"])
def test_what_mutants_are_made_of_is_sound(sources: Sources) -> None:
    loaded = load(sources)

    assert loaded.ruleset is not None, render(errors(loaded.problems), {name: text.decode() for name, text in sources.items()})
    assert ruletest.run(loaded.ruleset, loaded.cases).problems == ()
    assert examined(sources)[0] == []


def routes(body: str, count: int = 10_000) -> bytes:
    """Return a routing file with as many routes as fit, up to `count`; `#` in the body is the number of each."""
    text = "".join(f"  - {body.replace('#', str(number))}\n" for number in range(count))
    return f"version: 1\nroutes:\n{text}".encode()[: 256 * 1024]


def asking(condition: str) -> bytes:
    """Return a routing file with this condition."""
    return f"version: 1\nroutes:\n  - {{id: a, why: w, when: '{condition}', use: {{candidates: [mini]}}}}\n  - {{id: b, why: w, use: {{candidates: [mini]}}}}\n".encode()


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
BOMBS = {
    "aliases": LAUGHS.encode(),
    "brackets": b"[" * 100_000,
    "brackets in a condition": b"version: 1\nroutes: [{when: " + b"[" * 100_000,
    "parentheses": asking("(" * 2_040 + "request.stream" + ")" * 2_040),
    "negations": asking("!" * 4_000 + "request.stream"),
    **{
        f"pattern {pattern[:20]}": asking(f'request.tenant.matches("{pattern}")')
        for pattern in ("(a+)+$", "(a|a)*$", "a{1000}{1000}", "((((a{30}){30}){30}){30})", "(" * 1_500 + ")" * 1_500, "(.*)*" * 100, "(?:a?){500}a{500}")
    },
    "routes with an id only": routes("{id: r#}"),
    "routes of one id": routes("{id: r, use: {candidates: [mini]}}"),
    "routes that are empty": routes("{}"),
    "routes that are text": routes("a"),
    "routes that take all": routes("{id: r#, why: w, use: {candidates: [mini]}}"),
    "routes with mistakes": routes("{id: r#, why: w, when: request.streem, use: {candidates: [mimi]}}", 2_000),
    "a chain of vars": b"version: 1\nvars:\n  v0: request.stream\n" + b"".join(b"  v%d: vars.v%d || vars.v%d\n" % (n, n - 1, n - 1) for n in range(1, 3_000)),
}  # fmt: skip
PATIENCE_S = 1.0
"""Processor time that a bomb may take: the worst take a third of it, and what is quadratic takes many times as much."""


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs_do_not_go_off(text: bytes) -> None:
    sources = {"models.yaml": MODELS, "routing.yaml": text}

    started = time.process_time()
    loaded = load(sources)
    spent = time.process_time() - started

    assert spent < PATIENCE_S
    assert (loaded.ruleset is None) is bool(errors(loaded.problems))
    assert [fault for problem in loaded.problems[:20] for fault in faults_of(problem, sources)] == []


HUGE = ["1e999999", "9" * 10_000, "9" * 399, "1e308", "1e30", "0x" + "f" * 390, "9" * 300 + "e300", "1e-308", "-1"]
NUMBERS = [
    "percent: 12.5", "max_usd_per_request: 0.05", "value_usd: 0.02", "min_quality: 0.5", "mini: 80", "priority: 70", "target_tokens: 2000", "sizes: [1",
    "shares: [0.5", "max_output: 1024", "input: 1,", "context_window: 8000", "tokens_per_s: 60", "error_rate: 0.5", "input: 500", "output_max: 400",
    "turns: 2", "spend_ratio: 0.5", "usd_left: 2.5", "max_cost_usd: 0.5", "max_latency_ms: 60000", "max_total_tokens: 5000", "between: [0.0",
    "request.session: 40", "ttl_s: 600", "spend_ratio >= 0.9",
]  # fmt: skip
ODD_TERMS = [
    *[("expires: 2027-01-31", f"expires: {date}") for date in ("0000-00-00", "2026-02-30", "9999-12-31", "'2026-01-01\n'")],
    *[("as_of: 2026-11-01", f"as_of: {date}") for date in ("0000-00-00", "9999-99-99")],
    *[("now: 2026-12-01T10:00:00Z", f"now: {moment}") for moment in ("0000-00-00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31")],
    *[(f"{key}: {span}", f"{key}: {odd}") for key, span in (("ttl", "10m"), ("timeout", "30s"), ("after", "800ms")) for odd in ("999999999d", "9" * 400 + "d", "0ms", "-1s")],
]  # fmt: skip
DIGITS = re.compile(r"[0-9.]+$")


@pytest.mark.parametrize(
    ("old", "new"),
    [*[(old, DIGITS.sub(huge, old.rstrip(",")) + old[len(old.rstrip(",")) :]) for old in NUMBERS for huge in HUGE], *ODD_TERMS],
    ids=lambda text: text[:32],
)
def test_huge_numbers_and_odd_dates_and_spans_are_refused_or_used(old: str, new: str) -> None:
    sources = {name: text.replace(old.encode(), new.encode(), 1) for name, text in FULL.items()}

    assert sources != FULL
    assert [fault for fault in examined(sources)[0] if " took " not in fault] == []


def test_a_file_name_need_not_be_utf_8() -> None:
    sources = {"models.yaml": MODELS, "\udcff.yaml": asking("request.stream")}

    assert load(sources).ruleset is not None
    assert examined(sources)[0] == []
