"""JSON Web Tokens: which count, and that nothing else does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from pointsman.adapters.tokens import SKEW_S, JwtTokens
from pointsman.core.errors import CredentialExpired, CredentialInvalid
from tokens import AUDIENCE, FORGED, ISSUER, Issuer


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("jwks") / "jwks.json")


def test_tokens_of_the_issuer_count(issuer: Issuer) -> None:
    reader = issuer.reader()

    assert reader.subject(issuer.token()) == "search"
    assert reader.subject(issuer.token(kid="ec-1", key=issuer.ec, algorithm="ES256", sub="ads")) == "ads"
    assert reader.subject(issuer.token(aud=["other", AUDIENCE])) == "search"
    assert reader.subject(issuer.token(exp=int(time.time()) - SKEW_S + 10)) == "search"


@pytest.mark.parametrize("kind", FORGED)
def test_forged_tokens_do_not(kind: str, issuer: Issuer) -> None:
    with pytest.raises(CredentialInvalid) as refused:
        issuer.reader().subject(FORGED[kind](issuer))

    assert FORGED[kind](issuer)[:20] not in str(refused.value)


def test_a_token_whose_time_is_over_says_so(issuer: Issuer) -> None:
    with pytest.raises(CredentialExpired):
        issuer.reader().subject(issuer.token(exp=int(time.time()) - SKEW_S - 10))


def test_keys_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "jwks.json")
    reader, new = issuer.reader(), ec.generate_private_key(ec.SECP256R1())
    old = issuer.token()

    issuer.publish({"ec-2": ECAlgorithm.to_jwk(new.public_key())})
    os.utime(issuer.file, ns=(1, 1))
    assert reader.subject(issuer.token(kid="ec-2", key=new, algorithm="ES256")) == "search"
    with pytest.raises(CredentialInvalid):
        reader.subject(old)

    issuer.file.write_text("half of a fi")
    os.utime(issuer.file, ns=(2, 2))
    assert reader.subject(issuer.token(kid="ec-2", key=new, algorithm="ES256")) == "search"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"keys": []}',
        '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        '{"keys": 1}',
        "null",
        '{"keys": [{"kty": "RSA", "alg": "none", "n": "AQ", "e": "AQ"}]}',
        '{"keys": ' + "[" * 100_000,
    ],
)
def test_a_file_without_public_keys_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(text)

    with pytest.raises(ValueError, match=r"jwks\.json|Expecting"):
        JwtTokens(file, issuer=ISSUER, audience=AUDIENCE, algorithms=("RS256",))
