"""Who is calling: from what a caller shows, the tenant, or an error. Nothing else in a call says who calls.

Rules that it keeps: a bearer that is shown must count, whatever else is shown; two of them count for nothing; a key is hashed before
anything is done with it; errors and values never repeat what was shown.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct

from pointsman.core.errors import CredentialExpired, CredentialInvalid, CredentialMissing, RoleMissing
from pointsman.core.tenants import Holder, Tenant, TenantRole, Tenants
from pointsman.ports import Clock
from pointsman.ports import Tokens as TokenVerifier

_SCHEME = "bearer "

_MISSING = "this server tells callers apart: send metadata 'authorization: Bearer KEY', or call with a client certificate that it knows"
_INVALID = "the credential is not one that this server knows; ask those who run it for a key, and send it as 'authorization: Bearer KEY'"
_EXPIRED = "the credential's time is over; ask those who run this server for a new one"


class Shown(Struct, frozen=True, kw_only=True):
    """What a caller shows."""

    authorization: tuple[str, ...] = ()
    """The values of that metadata key."""
    spiffe: tuple[str, ...] = ()
    """SPIFFE ids of the client certificate, which TLS has verified."""
    subject: str = ""
    """Of that certificate, as RFC 4514 writes it."""

    def __repr__(self) -> str:
        return "<Shown: not shown>"


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls."""

    tenant: Tenant
    credential: str
    """By what he is known, for the log: "api_key:" and 8 digits of its SHA-256, "spiffe:" and the id, "subject", "jwt", "none"."""


class Identity:
    """Tells who calls."""

    def __init__(self, tenants: Callable[[], Tenants | None], anyone: Tenant, clock: Clock, tokens: TokenVerifier | None = None) -> None:
        """`tenants` returns those in use; `anyone` is who everybody is where there are none."""
        self._tenants = tenants
        self._anyone = Caller(tenant=anyone, credential="none")
        self._clock = clock
        self._tokens = tokens

    def everybody(self) -> str:
        """Return the tenant that everybody is, empty where callers are told apart."""
        return "" if self._tenants() is not None else self._anyone.tenant.id

    def caller(self, shown: Shown) -> Caller:
        """Return who calls. Raises CredentialMissing, CredentialInvalid and CredentialExpired."""
        tenants = self._tenants()
        if tenants is None:
            return self._anyone
        if shown.authorization:
            return self._by_bearer(shown.authorization, tenants)
        if not (shown.spiffe or shown.subject):
            raise CredentialMissing(_MISSING)
        if holder := tenants.spiffe.holder(shown.spiffe):
            return self._valid(holder, f"spiffe:{shown.spiffe[0]}")
        return self._valid(tenants.subjects.holder((shown.subject,)), "subject")

    def _by_bearer(self, authorization: tuple[str, ...], tenants: Tenants) -> Caller:
        value = authorization[0]
        if len(authorization) > 1 or value[: len(_SCHEME)].lower() != _SCHEME:
            raise CredentialInvalid(_INVALID)
        bearer = value[len(_SCHEME) :]
        digest = sha256(bearer.encode("utf-8", "surrogatepass")).digest()
        holder = tenants.keys.get(digest)
        if holder is not None:
            return self._valid(holder, f"api_key:{digest[:4].hex()}")
        if self._tokens is None or bearer.count(".") != 2:
            raise CredentialInvalid(_INVALID)
        return self._valid(tenants.jwt_subjects.holder((self._tokens.subject(bearer),)), "jwt")

    def _valid(self, holder: Holder | None, credential: str) -> Caller:
        if holder is None:
            raise CredentialInvalid(_INVALID)
        if holder.expires and holder.is_expired(self._clock.now().date().isoformat()):
            raise CredentialExpired(_EXPIRED)
        return Caller(tenant=holder.tenant, credential=credential)


def require(caller: Caller, role: TenantRole) -> None:
    """Raise RoleMissing unless the caller has the role."""
    if role not in caller.tenant.roles:
        raise RoleMissing(f"this method needs role '{role}', which tenant '{caller.tenant.id}' does not have in tenants.yaml")
