"""tenants.yaml -> Tenants: credentials that name one tenant each, budgets from their text."""

from __future__ import annotations

import hashlib

from pointsman.core.budget import meter
from pointsman.core.diagnostics import Problem, Severity, did_you_mean
from pointsman.core.facts import TenantFacts
from pointsman.core.rulefile.documents import CredentialDoc, TenantDoc, WindowDoc
from pointsman.core.rulefile.structure import problem_at, salvage
from pointsman.core.rulefile.terms import dollars_at, is_date, seconds
from pointsman.core.tenants import Holder, Names, Pattern, Tenant, TenantRole, Tenants, Window
from pointsman.core.yamlnodes import Mapping, Node, Sequence, find, key_of

TENANTS = "tenants.yaml"

MOST_PATTERNS = 100
"""Of one kind, with a `*`."""

MOST_WINDOW_USD = 9_000_000
"""Nano-dollars of more are beyond 2^53, up to which Valkey's scripts count exactly."""

MOST_COUNTED = 9_000_000_000_000_000

_SHORTEST_S, _LONGEST_S = 60, 30 * 86_400

_KINDS = ("api_key_sha256", "spiffe", "subject", "jwt_subject")
_OF_NOTHING = hashlib.sha256(b"").digest()
_STOPS = {"subject": ",+\\"}
"""What a `*` does not stand for: in a subject the signs that part its attributes, so that nobody's name can pass for another attribute."""


class TenantsReader:
    """Reads tenants.yaml; problems gather in `problems`."""

    def __init__(self, root: Node, tiers: tuple[str, ...], problems: list[Problem]) -> None:
        self._root = root
        self._tiers = tiers
        self._problems = problems
        self._keys: dict[bytes, Holder] = {}
        self._exact: dict[str, dict[str, Holder]] = {kind: {} for kind in _KINDS[1:]}
        self._patterns: dict[str, list[tuple[Pattern, Holder]]] = {kind: [] for kind in _KINDS[1:]}

    def read(self, source: bytes) -> Tenants:
        """Return the tenants. `source` is the file, for its revision."""
        section = _section(self._root)
        tenants = [self._tenant(name, section) for name in section.entries] if section else []
        spiffe, subjects, jwt_subjects = (Names(self._exact[kind], tuple(self._patterns[kind])) for kind in _KINDS[1:])
        return Tenants(
            revision=hashlib.blake2b(source, digest_size=6).hexdigest(),
            by_id={tenant.id: tenant for tenant in tenants if tenant is not None},
            keys=self._keys,
            spiffe=spiffe,
            subjects=subjects,
            jwt_subjects=jwt_subjects,
        )

    def _error(self, node: Node, message: str, help_: str = "", *, severity: Severity = Severity.ERROR) -> None:
        self._problems.append(problem_at(node, TENANTS, message, help_, severity=severity))

    def _tenant(self, name: str, section: Mapping) -> Tenant | None:
        node = section.entries[name].node
        doc = salvage(TenantDoc, node)
        if doc is None:
            return None
        limits = doc.limits
        facts = TenantFacts(
            tier=doc.tier,
            labels=doc.labels,
            requests_per_minute=limits.requests_per_minute if limits else None,
            max_in_flight=limits.max_in_flight if limits else None,
        )
        tenant = Tenant(
            id=name,
            roles=frozenset(map(TenantRole, doc.roles)),
            facts=facts,
            windows=tuple(self._windows(node, doc)),
            is_closed=doc.store_lost == "closed",
        )
        if not doc.credentials:
            self._error(key_of(section, name), f"tenant '{name}' has no credentials: nobody can call as it", severity=Severity.WARNING)
        for item, credential in zip(_items(node, "credentials"), doc.credentials, strict=False):
            self._credential(item, credential, tenant)
        return tenant

    def _credential(self, item: Node, doc: CredentialDoc, tenant: Tenant) -> None:
        given = [kind for kind in _KINDS if isinstance(item, Mapping) and kind in item.entries]
        if len(given) != 1:
            self._error(item, f"a credential is one of {', '.join(_KINDS)}, found {len(given)} of them", "give exactly one")
            return
        if getattr(doc, given[0]) is None:
            return  # it is none of its kind, which has been reported
        if doc.expires is not None and not is_date(doc.expires):
            self._error(find(item, ("expires",)), f"'{doc.expires}' is no date", "as in 2027-01-31")
        kind, holder = given[0], Holder(tenant=tenant, expires=doc.expires or "")
        place = find(item, (kind,))
        if kind == "api_key_sha256":
            self._key(place, bytes.fromhex(str(doc.api_key_sha256)), holder)
        else:
            self._name(place, kind, getattr(doc, kind), holder)

    def _key(self, place: Node, digest: bytes, holder: Holder) -> None:
        if digest == _OF_NOTHING:
            self._error(place, "this is the SHA-256 of an empty key", "`pointsman keys new` makes one with its digest")
            return
        first = self._keys.setdefault(digest, holder)
        if first is not holder:
            self._error(place, f"this key is listed twice: for '{first.tenant.id}' and '{holder.tenant.id}'", "make a key for each")

    def _name(self, place: Node, kind: str, text: str, holder: Holder) -> None:
        """Add a name of a caller, or a pattern of names. Patterns are tried one by one for each call, so there is an end to them."""
        pattern, exact, patterns = Pattern(text, _STOPS.get(kind, "")), self._exact[kind], self._patterns[kind]
        if text.count("*") > 1 or ("*" in text and len(patterns) == MOST_PATTERNS):
            told = "there is more than one *" if text.count("*") > 1 else f"there are more than {MOST_PATTERNS} {kind} with a *"
            self._error(place, told, "one * may stand for one or more characters; most callers are best named whole")
            return
        if "*" in text:
            others = [(name, first) for name, first in exact.items() if pattern.matches(name)]
            others += [(other.text, first) for other, first in patterns if other.overlaps(pattern)]
            patterns.append((pattern, holder))
        else:
            others = [(name, first) for name, first in ((text, exact.get(text)),) if first]
            others += [(other.text, first) for other, first in patterns if other.matches(text)]
            exact.setdefault(text, holder)
        for name, first in others[:1]:
            message = f"this and '{name[:80]}' of '{first.tenant.id}' may be the same caller"
            self._error(place, message, "a credential names one tenant: make the two apart, or take one out")

    def _windows(self, node: Node, doc: TenantDoc) -> list[Window]:
        read: list[Window] = []
        for item, found in zip(_items(node, "budgets"), doc.budgets, strict=False):
            window = self._window(item, found)
            if any(_say_the_same(each, window) for each in read):
                self._error(item, "this budget is given twice: the lesser one decides, and the other says nothing", "take one out")
            read.append(window)
        return read

    def _window(self, item: Node, doc: WindowDoc) -> Window:
        self._check_window(item, doc)
        return Window(
            span_s=seconds(doc.window),
            sliding=doc.kind == "sliding",
            tokens=doc.tokens,
            usd=dollars_at(item, "usd"),
            requests=doc.requests,
            tier=doc.tier,
            on_exhausted=doc.on_exhausted,
        )

    def _check_window(self, item: Node, window: WindowDoc) -> None:
        if not _SHORTEST_S <= seconds(window.window) <= _LONGEST_S:
            self._error(find(item, ("window",)), f"a window of {window.window} is not allowed", "from 1m to 30d")
        if sum(amount is not None for amount in (window.tokens, window.usd, window.requests)) != 1:
            self._error(item, "a budget is one of tokens, usd, requests", "give exactly one of them; a tenant may have several budgets")
        if max(window.usd or 0, 0) > MOST_WINDOW_USD or max(window.tokens or 0, window.requests or 0) > MOST_COUNTED:
            message = f"a budget counts exactly up to {MOST_WINDOW_USD:,} dollars, or {MOST_COUNTED:,} tokens or requests"
            self._error(item, message, "say less, or leave it out: it would never be spent")
        if window.tier and self._tiers and window.tier not in self._tiers:
            self._error(find(item, ("tier",)), f"unknown tier '{window.tier}'", did_you_mean(window.tier, self._tiers))


def _say_the_same(one: Window, other: Window) -> bool:
    """Return whether two windows differ in their limits alone. A lower one that warns beside one that refuses is something else."""
    return meter(one) == meter(other) and one.on_exhausted == other.on_exhausted


def _section(root: Node) -> Mapping | None:
    section = root.entries["tenants"].node if isinstance(root, Mapping) and "tenants" in root.entries else None
    return section if isinstance(section, Mapping) else None


def _items(node: Node, key: str) -> tuple[Node, ...]:
    found = find(node, (key,))
    return found.items if isinstance(found, Sequence) else ()
