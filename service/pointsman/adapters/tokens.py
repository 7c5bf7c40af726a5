"""JSON Web Tokens: verified by PyJWT with the keys of a JWKS file, which is read again when it changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt

from pointsman.core.errors import CredentialExpired, CredentialInvalid
from pointsman.ports import Say, unheard

SKEW_S = 60
"""How far the issuer's clock may be off."""

_INVALID = "the token is none that this server accepts: its issuer, audience, algorithm and key must be those that the server was told"
_EXPIRED = "the token's time is over; ask its issuer for a new one"


class JwtTokens:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, jwks: Path, *, issuer: str, audience: str, algorithms: tuple[str, ...], say: Say = unheard) -> None:
        """`say` is told when the file has changed. Raises OSError and ValueError if it cannot be read or holds no key."""
        self._say = say
        self._jwks = jwks
        self._issuer = issuer
        self._audience = audience
        self._algorithms = list(algorithms)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._version: tuple[int, ...] | None = None
        self._read()

    def subject(self, token: str) -> str:
        """Return whom a token is about. Raises CredentialInvalid and CredentialExpired."""
        self._follow()
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                self._key(header),
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=SKEW_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise CredentialExpired(_EXPIRED) from None
        except (jwt.PyJWTError, ValueError):  # ValueError: of a text that no encoding can hold
            raise CredentialInvalid(_INVALID) from None
        return str(claims["sub"])

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """Return the key that a header names; where it names none, the only key. Raises InvalidKeyError."""
        kid = header.get("kid")
        found = next(iter(self._keys.values())) if kid is None and len(self._keys) == 1 else self._keys.get(kid)
        if found is None:
            raise jwt.InvalidKeyError("no key of that id")
        return found

    def _follow(self) -> None:
        """Read the file again if it has changed; while it cannot be used, the keys before count."""
        version = self._now()
        if version == self._version:
            return
        try:
            self._read()
            self._say(f"the public keys of tokens were read anew: {len(self._keys)} of them")
        except (OSError, ValueError) as error:
            self._version = version
            self._say(f"the public keys of tokens cannot be read anew, those before count: {error}", level="warning")

    def _now(self) -> tuple[int, ...]:
        """Return what differs when the file does; nothing where there is none."""
        try:
            status = self._jwks.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        self._version, text = self._now(), self._jwks.read_text()
        try:
            keys = jwt.PyJWKSet.from_json(text).keys
        except (
            Exception
        ) as error:  # what is no JWKS ends in many errors beside the library's own: TypeError, AttributeError, NotImplementedError
            raise ValueError(f"{self._jwks} is no JWKS: {type(error).__name__}") from None
        usable = {key.key_id: key for key in keys if key.key_type != "oct" and key.public_key_use in (None, "sig")}
        if not usable:
            raise ValueError(f"{self._jwks} holds no public key for signatures")
        self._keys = usable
