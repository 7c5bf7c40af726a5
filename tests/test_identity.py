"""Who calls: whose credential counts, that no other does, and that nothing else in a call says who calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from random import Random

import pytest

from fakes import FakeClock
from pointsman.core.errors import CredentialExpired, CredentialInvalid, CredentialMissing, RoleMissing, Unauthenticated
from pointsman.core.tenants import NOBODY_TOLD_APART, Holder, Names, Pattern, Tenant, TenantRole, Tenants
from pointsman.identity import Caller, Identity, Shown, require

SEARCH, ADS, OPS = Tenant(id="search"), Tenant(id="ads"), Tenant(id="ops", roles=frozenset({TenantRole.ADMIN}))
KEYS = {name: f"pm_{name}-{'k' * 40}" for name in ("search", "ads", "ops", "old", "canary")}


def digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


TENANTS = Tenants(
    revision="0123456789ab",
    by_id={"search": SEARCH, "ads": ADS, "ops": OPS},
    keys={
        digest(KEYS["search"]): Holder(tenant=SEARCH),
        digest(KEYS["ads"]): Holder(tenant=ADS),
        digest(KEYS["ops"]): Holder(tenant=OPS),
        digest(KEYS["old"]): Holder(tenant=SEARCH, expires="2026-11-22"),
    },
    spiffe=Names({"spiffe://corp/ns/ads/sa/web": Holder(tenant=ADS)}, ((Pattern("spiffe://corp/ns/search/*"), Holder(tenant=SEARCH)),)),
    subjects=Names({"CN=ops,O=corp": Holder(tenant=OPS)}, ((Pattern("CN=*,OU=search,O=corp", ",+\\"), Holder(tenant=SEARCH)),)),
    jwt_subjects=Names({"svc-ads": Holder(tenant=ADS)}),
)


class Issuer:
    """Verifies tokens: `good.TENANT.x` is about that subject, everything else is forged."""

    def subject(self, token: str) -> str:
        head, subject, tail = token.split(".")
        if (head, tail) != ("good", "x"):
            raise CredentialInvalid("forged")
        return subject


def identity(tenants: Tenants | None = TENANTS) -> Identity:
    return Identity(lambda: tenants, NOBODY_TOLD_APART, FakeClock(), Issuer())


def bearer(key: str) -> Shown:
    return Shown(authorization=(f"Bearer {key}",))


WHO = [
    (bearer(KEYS["search"]), SEARCH, f"api_key:{digest(KEYS['search']).hex()[:8]}"),
    (Shown(authorization=(f"bEARER {KEYS['ads']}",)), ADS, f"api_key:{digest(KEYS['ads']).hex()[:8]}"),
    (bearer("good.svc-ads.x"), ADS, "jwt"),
    (Shown(spiffe=("spiffe://corp/ns/search/sa/web",), subject="CN=x"), SEARCH, "spiffe:spiffe://corp/ns/search/sa/web"),
    (Shown(spiffe=("spiffe://corp/ns/ads/sa/web",)), ADS, "spiffe:spiffe://corp/ns/ads/sa/web"),
    (Shown(subject="CN=me,OU=search,O=corp"), SEARCH, "subject"),
    (
        Shown(authorization=(f"Bearer {KEYS['ads']}",), spiffe=("spiffe://corp/ns/search/sa/web",)),
        ADS,
        f"api_key:{digest(KEYS['ads']).hex()[:8]}",
    ),
]


@pytest.mark.parametrize(("shown", "tenant", "credential"), WHO)
def test_a_credential_says_who_calls(shown: Shown, tenant: Tenant, credential: str) -> None:
    caller = identity().caller(shown)

    assert (caller.tenant, caller.credential) == (tenant, credential)


def test_where_callers_are_not_told_apart_everybody_is_one_tenant_whatever_he_shows() -> None:
    for shown in (Shown(), bearer(KEYS["search"]), bearer("nonsense"), Shown(spiffe=("spiffe://corp/ns/search/x",))):
        assert identity(None).caller(shown).tenant is NOBODY_TOLD_APART
    assert (identity(None).everybody(), identity().everybody()) == ("default", "")


def test_nothing_shown_and_an_end_that_is_past_are_told_apart_from_a_guess() -> None:
    with pytest.raises(CredentialMissing):
        identity().caller(Shown())
    with pytest.raises(CredentialExpired):
        identity().caller(bearer(KEYS["old"]))


def test_a_bearer_that_does_not_count_is_not_made_up_for_by_a_certificate() -> None:
    with pytest.raises(CredentialInvalid):
        identity().caller(Shown(authorization=("Bearer guess",), spiffe=("spiffe://corp/ns/search/sa/web",)))


def test_roles_are_those_of_the_tenant() -> None:
    require(identity().caller(bearer(KEYS["ops"])), TenantRole.ADMIN)
    for key, role in (("search", TenantRole.ADMIN), ("ops", TenantRole.CALLER)):
        with pytest.raises(RoleMissing, match=role):
            require(identity().caller(bearer(KEYS[key])), role)


RANDOM = Random(20261124)  # noqa: S311  # draws cases


def some(alphabet: str, length: int) -> str:
    return "".join(RANDOM.choices(alphabet, k=length))


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


def key() -> str:
    return KEYS[RANDOM.choice(("search", "ads", "ops"))]


def cut(text: str) -> str:
    return text[: RANDOM.randrange(len(text))]


def changed(text: str) -> str:
    """Return the text with one character changed."""
    at = RANDOM.randrange(len(text))
    return text[:at] + RANDOM.choice([letter for letter in LETTERS if letter != text[at]]) + text[at + 1 :]


FORGED: dict[str, Callable[[], Shown]] = {
    "random key": lambda: bearer(f"pm_{some(LETTERS, 43)}"),
    "cut": lambda: bearer(cut(key())),
    "extended": lambda: bearer(key() + some(LETTERS, RANDOM.randint(1, 9))),
    "one letter changed": lambda: bearer(changed(key())),
    "other case": lambda: bearer(RANDOM.choice((key().upper(), key().swapcase(), key().title()))),
    "space around": lambda: bearer(RANDOM.choice((" {}", "{} ", "\t{}", "{}\n", "{}\0")).format(key())),
    "quoted": lambda: bearer(RANDOM.choice(('"{}"', "'{}'", "<{}>", "key={}")).format(key())),
    "the digest": lambda: bearer(RANDOM.choice((digest(key()).hex(), digest(key()).decode("latin-1")))),
    "a tenant's name": lambda: bearer(RANDOM.choice(("search", "ads", "ops", "default", "admin", "*", "pm_search", "search:ads"))),
    "empty bearer": lambda: Shown(authorization=(RANDOM.choice(("Bearer ", "Bearer", "bearer", "Bearer  ")),)),
    "no scheme": lambda: Shown(authorization=(key(),)),
    "another scheme": lambda: Shown(authorization=(RANDOM.choice(("Basic ", "Digest ", "Token ", "Bearer\t", "Bearer:", "BearerBearer ")) + key(),)),
    "two keys": lambda: Shown(authorization=(f"Bearer {key()}", f"Bearer {key()}")),
    "two in one": lambda: Shown(authorization=(f"Bearer {key()}, Bearer {key()}",)),
    "key and guess": lambda: Shown(authorization=tuple(RANDOM.sample((f"Bearer {key()}", "Bearer guess"), 2))),
    "a key that was taken out": lambda: bearer(KEYS["canary"]),
    "a key whose time is over": lambda: bearer(KEYS["old"]),
    "a forged token": lambda: bearer(RANDOM.choice(("evil.svc-ads.x", "good.svc-ads.y", "good.svc-ads.x.x", "..", "good..x"))),
    "a token of nobody": lambda: bearer(f"good.{RANDOM.choice(('svc-search', 'svc-adsx', 'SVC-ADS', 'ads', '*'))}.x"),
    "another SPIFFE id": lambda: Shown(
        spiffe=(RANDOM.choice(("spiffe://corp/ns/search", "spiffe://corp/ns/searchx/sa/a", "spiffe://evil/ns/search/sa/a", "spiffe://corp/ns/ads/sa/web/x", "SPIFFE://corp/ns/search/sa/a", "")),)
    ),
    "another subject": lambda: Shown(
        subject=RANDOM.choice(("CN=ops", "CN=ops,O=corp,O=x", "cn=ops,O=corp", "CN=a\\,OU=search,O=corp", "CN=a,OU=x,OU=search,O=corp", "O=corp,CN=ops", "CN=,OU=search,O=corp"))
    ),
}  # fmt: skip

COUNT = 100_000 if os.environ.get("POINTSMAN_TEST_SOAK") else 4_000


def forgeries(count: int) -> Iterator[tuple[str, Shown]]:
    kinds = list(FORGED)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind, FORGED[kind]()


def outcome(door: Identity, shown: Shown) -> Caller | Unauthenticated:
    try:
        return door.caller(shown)
    except Unauthenticated as refused:
        return refused


def test_no_forged_credential_counts() -> None:
    door = identity()
    outcomes = [(kind, shown, outcome(door, shown)) for kind, shown in forgeries(COUNT)]

    assert [kind for kind, _, found in outcomes if not isinstance(found, Unauthenticated)] == []
    assert [kind for kind, shown, found in outcomes if any(value in str(found) for value in shown.authorization if len(value) > 16)] == []


def test_what_is_shown_is_in_no_repr() -> None:
    shown = bearer(KEYS["canary"])

    assert KEYS["canary"] not in repr(shown) + str(shown) + repr(identity()) + repr(TENANTS)
