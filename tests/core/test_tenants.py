"""tenants.yaml: what is read, every mistake at its place, and no key in what is said of it."""

from __future__ import annotations

import time
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import catalog_yaml, model_yaml
from pointsman.core.diagnostics import render
from pointsman.core.facts import TenantFacts
from pointsman.core.rulefile import Loaded, Trust, load
from pointsman.core.tenants import Pattern, TenantRole, Tenants

RULES = {
    "models.yaml": catalog_yaml({"m": model_yaml()}).encode(),
    "routing.yaml": b"version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n",
}
KEY = "pm_canary-key-5512-0123456789"
DIGEST = sha256(KEY.encode()).hexdigest()


def loaded(tenants: str) -> Loaded:
    """Return what rules with these tenants come to; the text is what stands below `tenants:`."""
    return load(RULES | {"tenants.yaml": f"version: 1\ntenants:\n{tenants}".encode()})


def read(tenants: str) -> Tenants:
    """Return the tenants; problems fail the test, warnings do not."""
    found = loaded(tenants).tenants
    assert found is not None, loaded(tenants).problems
    return found


def errors(tenants: str) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in loaded(tenants).problems if problem.severity.value == "error"]


def test_a_tenant_is_read_with_what_rules_may_know() -> None:
    found = read(f"""\
  search:
    tier: gold
    labels: {{cost-center: "17"}}
    roles: [caller, admin]
    credentials:
      - {{api_key_sha256: "{DIGEST}", expires: 2027-01-31}}
      - {{spiffe: spiffe://corp/ns/search/*}}
    limits: {{requests_per_minute: 6000, max_in_flight: 200}}
    budgets: [{{window: 1d, usd: 0.1, tier: large, kind: sliding, on_exhausted: degrade}}]
""")

    search = found.by_id["search"]
    assert search.facts == TenantFacts(tier="gold", labels={"cost-center": "17"}, requests_per_minute=6000, max_in_flight=200)
    assert search.roles == frozenset(TenantRole)
    (window,) = search.windows
    assert (window.span_s, window.usd, window.tier, window.sliding, window.on_exhausted) == (86_400, 100_000_000, "large", True, "degrade")
    holder = found.keys[bytes.fromhex(DIGEST)]
    assert (holder.tenant, holder.is_expired("2027-01-31"), holder.is_expired("2027-02-01")) == (search, False, True)


def test_the_rules_have_the_same_revision_with_and_without_tenants() -> None:
    one, two = (loaded(f"  {name}: {{credentials: [{{jwt_subject: a}}]}}\n") for name in ("x", "y"))

    assert one.ruleset is not None
    assert one.tenants is not None
    assert two.tenants is not None
    assert load(RULES).ruleset is not None
    assert one.ruleset.revision == load(RULES).ruleset.revision  # type: ignore[union-attr]  # asserted above
    assert one.tenants.revision != two.tenants.revision


MISTAKES = [
    ("a: {credentials: [{}]}", (3, 21, "a credential is one of api_key_sha256, spiffe, subject, jwt_subject, found 0 of them")),
    (
        "a: {credentials: [{spiffe: spiffe://c/x, subject: CN=a}]}",
        (3, 21, "a credential is one of api_key_sha256, spiffe, subject, jwt_subject, found 2 of them"),
    ),
    ("a: {roles: []}", (3, 14, "at least one entry is expected")),
    ("a: {roles: [owner]}", (3, 15, "'owner' is not one of caller, admin")),
    ("a: {credentails: []}", (3, 7, "unknown key 'credentails'")),
    ("a: {labels: {'a b': c}}", (3, 16, "'a b' is not allowed here")),
    ("a: {credentials: [{api_key_sha256: abc}]}", (3, 38, "this is no SHA-256 of a key")),
    ("a: {credentials: [{spiffe: https://corp}]}", (3, 30, "'https://corp' is not allowed here")),
    ("a: {credentials: [{spiffe: 'spiffe://corp/ns/search*'}]}", (3, 30, "'spiffe://corp/ns/search*' is not allowed here")),
    ("a: {credentials: [{jwt_subject: 'a*b*'}]}", (3, 35, "there is more than one *")),
    ("a: {credentials: [{jwt_subject: a, expires: 2026-02-30}]}", (3, 47, "'2026-02-30' is no date")),
    ("a: {budgets: [{window: 1d}]}", (3, 17, "a budget is one of tokens, usd, requests")),
    ("a: {budgets: [{window: 1d, usd: 1, tokens: 1}]}", (3, 17, "a budget is one of tokens, usd, requests")),
    ("a: {budgets: [{window: 59s, usd: 1}]}", (3, 26, "a window of 59s is not allowed")),
    ("a: {budgets: [{window: 31d, usd: 1}]}", (3, 26, "a window of 31d is not allowed")),
    ("a: {budgets: [{window: 1d, usd: 1, tier: lage}]}", (3, 44, "unknown tier 'lage'")),
    ("a: {budgets: [{window: 1d, usd: 9000001}]}", (3, 17, "a budget counts exactly up to 9,000,000 dollars")),
    ("a: {budgets: [{window: 1d, tokens: 9000000000000001}]}", (3, 17, "a budget counts exactly up to")),
    ("a: {budgets: [{window: 1d, usd: 1}, {window: 24h, usd: 2}]}", (3, 39, "this budget is given twice")),
    ("a: {store_lost: open}", (3, 19, "'open' is not one of local, closed")),
    ("a: {limits: {requests_per_minute: 0}}", (3, 37, "should be greater than 0")),
]


@pytest.mark.parametrize(("text", "problem"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_each_mistake_is_told_at_its_place(text: str, problem: tuple[int, int, str]) -> None:
    line, column, message = problem
    found = errors(f"  {text}\n")

    assert [(at, where) for at, where, _ in found] == [(line, column)]
    assert message in found[0][2]


def test_no_tenant_at_all_is_an_error() -> None:
    assert load(RULES | {"tenants.yaml": b"version: 1\ntenants: {}\n"}).tenants is None
    assert load(RULES | {"tenants.yaml": b"version: 1\n"}).tenants is None


SAME = [
    (f'api_key_sha256: "{DIGEST}"', f'api_key_sha256: "{DIGEST}"'),
    ("spiffe: spiffe://c/ns/a/*", "spiffe: spiffe://c/ns/a/sa/b"),
    ("spiffe: spiffe://c/ns/a/sa/b", "spiffe: spiffe://c/ns/a/*"),
    ("spiffe: spiffe://c/ns/*", "spiffe: spiffe://c/ns/a/*"),
    ("subject: CN=a", "subject: CN=a"),
    ("subject: 'CN=*,O=c'", "subject: 'CN=a,O=c'"),
    ("jwt_subject: 'a*'", "jwt_subject: '*b'"),
]


SLIPS = [
    *(f"a: {{credentials: [{{{slip}}}]}}" for slip in (f"api_key_sha256: {KEY}", f"api_key: {KEY}", f"api_key_sha256: [{KEY}]", f"api_key_sha256:{KEY}", f"spiffe: {KEY}", f"jwt_subject: a, expires: {KEY}", f"{KEY}: x", f"subject: {KEY}, spiffe: {KEY}", f"{KEY}: 1, {KEY}: 2")),
    f"a: {{credentials: [{KEY}]}}",
    f"a: {{credentials: [*{KEY}]}}",
    f"a: {{roles: [{KEY}]}}",
    f"a: {KEY}",
    f"{KEY}: {{}}",
    f"a: {{credentials: [{{jwt_subject: {KEY}}}, {{jwt_subject: {KEY}}}]}}",
    "a: {credentials: [{api_key_sha256: 1234567890123456789012345678901234567890}]}",
    f'a: {{credentials: [{{api_key_sha256: "{KEY}" x}}]}}',
]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_key_where_something_else_is_due_is_not_repeated(slip: str) -> None:
    source = f"version: 1\ntenants:\n  {slip}\n"
    found = load(RULES | {"tenants.yaml": source.encode()})

    assert found.problems
    said = render(found.problems, {"tenants.yaml": source}) + repr(found.problems)
    assert KEY not in said
    assert "1234567890123456789012345" not in said


@pytest.mark.parametrize(
    "slip", ["key: sk-proj-canary5512canary5512", "key: {env: sk-proj-canary5512canary5512}", "key: {file: sk-proj-canary5512canary5512}"]
)
def test_a_providers_key_in_the_catalog_is_not_repeated(slip: str) -> None:
    source = RULES["models.yaml"].decode().replace("{api: builtin}", f"{{api: openai, base_url: 'https://x', {slip}}}")
    found = load(RULES | {"models.yaml": source.encode()}, trust=Trust(key_vars=("*_API_KEY",), keys_dir="/k"))

    assert found.ruleset is None
    assert "canary5512" not in render(found.problems, {"models.yaml": source}) + repr(found.problems)


def test_the_digest_of_an_empty_key_is_none() -> None:
    assert errors(f'  a: {{credentials: [{{api_key_sha256: "{sha256(b"").hexdigest()}"}}]}}\n') == [
        (3, 38, "this is the SHA-256 of an empty key")
    ]


def test_a_tenants_file_of_another_name_is_an_error_since_without_it_everybody_could_call() -> None:
    assert load(RULES | {"tenants.yml": b"version: 1\n"}).ruleset is None


def test_thousands_of_names_that_are_nearly_right_take_no_time() -> None:
    names = [f"number_{number:05}" for number in range(1500)]
    lists = ", ".join(f"{name}: [a]" for name in names)
    conditions = "".join(f"      - request.tenant in lists.{name}x\n" for name in names[:400])
    routing = f"version: 1\nlists: {{{lists}}}\nroutes:\n  - id: a\n    use: {{candidates: [m]}}\n    when:\n{conditions}"
    began = time.process_time()
    found = load(RULES | {"routing.yaml": routing.encode()})

    assert sum("unknown list" in problem.message for problem in found.problems) == 400
    assert sum("did you mean" in problem.help for problem in found.problems) <= 20
    assert time.process_time() - began < 2


def test_a_tenant_that_nobody_can_be_is_warned_about_and_nothing_else_is() -> None:
    found = loaded("  a: {}\n  b: {limits: {max_in_flight: 1}, budgets: [{window: 1d, usd: 1}], credentials: [{jwt_subject: b}]}\n")

    assert [(problem.line, problem.message.partition(":")[0]) for problem in found.problems] == [(3, "tenant 'a' has no credentials")]


def test_a_lower_budget_may_warn_before_a_higher_one_refuses() -> None:
    twice = "{window: 1d, usd: 2}, {window: 1d, usd: 1, on_exhausted: warn}, {window: 1d, usd: 1, kind: sliding}, {window: 1d, tokens: 9}"

    assert len(read(f"  a: {{credentials: [{{jwt_subject: a}}], budgets: [{twice}]}}\n").by_id["a"].windows) == 4


@pytest.mark.parametrize(("said", "closed"), [("", False), (", store_lost: local", False), (", store_lost: closed", True)])
def test_what_a_tenant_may_spend_without_the_store_is_its_own_affair(said: str, closed: bool) -> None:
    assert read(f"  a: {{credentials: [{{jwt_subject: a}}]{said}}}\n").by_id["a"].is_closed is closed


def test_a_star_stands_for_something_and_never_for_a_sign_that_parts() -> None:
    subject = Pattern("CN=*,OU=search,O=corp", ",+\\")

    assert subject.matches("CN=a,OU=search,O=corp")
    for forged in (
        "CN=,OU=search,O=corp",
        "CN=a,OU=search,OU=search,O=corp",
        "CN=a\\,OU=search,O=corp",
        "CN=a+OU=x,OU=search,O=corp",
        "CN=a,OU=search",
    ):
        assert not subject.matches(forged)
    assert not Pattern("spiffe://corp/ns/search/*").matches("spiffe://corp/ns/search/")
    assert not Pattern("spiffe://corp/ns/search/*").matches("spiffe://corp/ns/search-evil/sa/x")


texts = st.text("ab/*", max_size=6).filter(lambda text: text.count("*") <= 1)


@given(texts.filter(lambda text: "*" in text), texts.filter(lambda text: "*" in text), st.text("ab/", max_size=8))
def test_patterns_that_do_not_overlap_never_match_the_same_text(one: str, other: str, found: str) -> None:
    if not Pattern(one).overlaps(Pattern(other)):
        assert not (Pattern(one).matches(found) and Pattern(other).matches(found))


def test_rules_that_speak_of_tenants_that_there_are_not_are_warned_about() -> None:
    routing = """\
version: 1
lists: {premium: [search, adz]}
vars: {own: request.tenant == "serach"}
routes:
  - {id: a, why: w, when: 'vars.own || request.tenant in ["ads", "docs"]', use: {candidates: [m]}}
  - {id: b, why: w, when: request.tenant in lists.premium && request.model != "x", use: {candidates: [m]}}
  - {id: c, why: w, when: request.tenant != "search", use: {candidates: [m]}}
  - {id: default, why: w, use: {candidates: [m]}}
"""
    routing = routing.replace('request.model != "x"', 'request.model != "x"')
    tenants = b"version: 1\ntenants: {search: {credentials: [{jwt_subject: s}]}, ads: {credentials: [{jwt_subject: a}]}}\n"
    found = load(RULES | {"routing.yaml": routing.encode(), "tenants.yaml": tenants})

    assert [(problem.line, problem.column, problem.message, problem.help) for problem in found.problems] == [
        (2, 9, "list 'premium': there is no tenant 'adz' in tenants.yaml", "did you mean 'ads'?"),
        (3, 31, "there is no tenant 'serach' in tenants.yaml", "did you mean 'search'?"),
        (5, 66, "there is no tenant 'docs' in tenants.yaml", "known: ads, search"),
    ]
    assert load(RULES | {"routing.yaml": routing.encode()}).problems == ()
