"""An issuer of JSON Web Tokens for tests, and tokens that only look like his."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from pointsman.adapters.tokens import JwtTokens

ISSUER, AUDIENCE = "https://id.corp", "pointsman"


class Issuer:
    """Issues tokens, and writes its public keys where a server reads them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.publish({"rsa-1": RSAAlgorithm.to_jwk(self.rsa.public_key()), "ec-1": ECAlgorithm.to_jwk(self.ec.public_key())})

    def publish(self, keys: dict[str, str]) -> None:
        self.file.write_text(json.dumps({"keys": [json.loads(key) | {"kid": kid, "use": "sig"} for kid, key in keys.items()]}))

    def token(self, *, kid: str = "rsa-1", key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token that counts, but for what is told; a claim of None is left out."""
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "search", "exp": int(time.time()) + 600}
        told = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(told, self.rsa if key is None else key, algorithm=algorithm, headers={"kid": kid})

    def reader(self) -> JwtTokens:
        return JwtTokens(self.file, issuer=ISSUER, audience=AUDIENCE, algorithms=("RS256", "ES256"))


def _pem(issuer: Issuer) -> bytes:
    return issuer.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _by_hand(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    parts = (jwt.utils.base64url_encode(json.dumps(part).encode()).decode() for part in (header, claims))
    return ".".join((*parts, signature))


def _confused(issuer: Issuer) -> str:
    """Return a token signed by HMAC with the issuer's public key, which everybody knows."""
    unsigned = _by_hand({"alg": "HS256", "kid": "rsa-1"}, {"iss": ISSUER, "aud": AUDIENCE, "sub": "search", "exp": 9_999_999_999})[:-1]
    mac = hmac.new(_pem(issuer), unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{jwt.utils.base64url_encode(mac).decode()}"


GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "search", "exp": 9_999_999_999}
FORGED: dict[str, Callable[[Issuer], str]] = {
    "alg none": lambda _: _by_hand({"alg": "none"}, GOOD),
    "alg None": lambda _: _by_hand({"alg": "nOnE", "kid": "rsa-1"}, GOOD),
    "public key as secret": _confused,
    "another key of the same id": lambda issuer: issuer.token(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "unknown key id": lambda issuer: issuer.token(kid="rsa-2"),
    "an algorithm that is not allowed": lambda issuer: issuer.token(algorithm="RS512"),
    "wrong audience": lambda issuer: issuer.token(aud="other"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "wrong issuer": lambda issuer: issuer.token(iss="https://evil"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "no end": lambda issuer: issuer.token(exp=None),
    "an endless end": lambda _: _by_hand({"alg": "RS256", "kid": "rsa-1"}, GOOD | {"exp": 1e400}),
    "no subject": lambda issuer: issuer.token(sub=None),
    "not yet": lambda issuer: issuer.token(nbf=int(time.time()) + 600),
    "signature cut": lambda issuer: issuer.token()[:-5],
    "signature of another": lambda issuer: issuer.token().rpartition(".")[0] + "." + issuer.token(sub="ads").rpartition(".")[2],
    "claims changed": lambda issuer: ".".join(
        (issuer.token().split(".")[0], _by_hand({}, GOOD | {"sub": "ads"}).split(".")[1], issuer.token().split(".")[2])
    ),
    "a key of its own": lambda issuer: _by_hand(
        {"alg": "RS256", "jwk": json.loads(RSAAlgorithm.to_jwk(issuer.rsa.public_key()))}, GOOD, "AAAA"
    ),
    "nested": lambda _: "e30." + jwt.utils.base64url_encode(b"[" * 9000).decode() + ".AAAA",
    "nested header": lambda _: jwt.utils.base64url_encode(b"[" * 9000).decode() + ".e30.AAAA",
    "nothing": lambda _: "..",
    "odd": lambda _: "\udcff.\u2028.é",
}
