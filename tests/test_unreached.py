"""The command line where TLS keeps it from a server: what it says, and that nothing but that is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from certificates import Authority, Signed
from pointsman.cli import main
from processes import GRPCIO_ALONE, serving

RULES = Path(__file__).parent / "data" / "rules"
NO_SERVER = "is a server running at"

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


@contextmanager
def over_tls(own: Signed, client_ca: Path | None = None) -> Iterator[str]:
    with serving(
        "--rules",
        str(RULES),
        POINTSMAN_HEALTH_LISTEN="127.0.0.1:0",
        POINTSMAN_TLS_CERT=str(own.cert),
        POINTSMAN_TLS_KEY=str(own.key),
        POINTSMAN_TLS_CLIENT_CA=str(client_ca or ""),
    ) as address:
        yield address


class Said:
    """What a command says on stderr, the libraries' own lines with it."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capfd, self._monkeypatch = capfd, monkeypatch

    def __call__(self, address: str, **variables: Path | str) -> str:
        """Return it for `pointsman route` with these settings, without their prefix."""
        with self._monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"POINTSMAN_{name.upper()}", str(value))
            code = main(["route", "hi", "--server", address, "--timeout", "5"])
        err = self._capfd.readouterr().err
        assert code == (1 if err else 0)
        return err


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    return Said(capfd, monkeypatch)


@GRPCIO_ALONE
def test_a_server_with_tls_that_is_not_called_so_or_not_trusted_is_no_server_that_is_not_there(
    said: Said, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "other").ca
    with over_tls(authority.sign("server", CN="x")) as address:
        told = [said(address), said(address, server_ca=other), said(address, server_name="127.0.0.1")]
        fine = said(address, server_ca=authority.ca)

    assert "if it asks for TLS, name its authority in POINTSMAN_SERVER_CA" in told[0]
    assert f"is not trusted: {other}, of POINTSMAN_SERVER_CA, does not hold the certificate of its authority" in told[1]
    assert "is not trusted: POINTSMAN_SERVER_CA must name the certificate of its authority" in told[2]
    assert all(NO_SERVER not in each for each in told)
    assert fine == ""


@GRPCIO_ALONE
def test_a_server_that_asks_for_certificates_is_shown_one_that_it_takes(said: Said, authority: Authority, tmp_path: Path) -> None:
    own, foreign = authority.sign("own", CN="own"), Authority(tmp_path / "other", "other").sign("foreign", CN="foreign")
    with over_tls(authority.sign("server", CN="x"), authority.ca) as address:
        without = said(address, server_ca=authority.ca)
        wrong = said(address, server_ca=authority.ca, client_cert=foreign.cert, client_key=foreign.key)
        fine = said(address, server_ca=authority.ca, client_cert=own.cert, client_key=own.key)

    assert "if it asks for a certificate, name yours in POINTSMAN_CLIENT_CERT and POINTSMAN_CLIENT_KEY" in without
    assert f"has {foreign.cert}, of POINTSMAN_CLIENT_CERT, expired, or an authority that is not trusted there?" in wrong
    assert NO_SERVER not in without + wrong
    assert fine == ""


@GRPCIO_ALONE
def test_a_certificate_that_has_expired_is_said_to_have(said: Said, authority: Authority) -> None:
    with over_tls(authority.sign("server", lasts=timedelta(minutes=-1), CN="x")) as address:
        assert f"the certificate of {address}, or that of its authority in POINTSMAN_SERVER_CA, has expired" in said(
            address, server_ca=authority.ca
        )


@GRPCIO_ALONE
def test_a_server_whose_certificate_has_another_name_is_reached_by_saying_which(said: Said, authority: Authority) -> None:
    with over_tls(authority.sign("server", dns="pointsman.corp", CN="x")) as address:
        told = said(address, server_ca=authority.ca)
        assert said(address, server_ca=authority.ca, server_name="pointsman.corp") == ""

    assert "is for another name: say which in POINTSMAN_SERVER_NAME" in told


def test_tls_with_a_server_that_speaks_none_is_said_to_be_in_vain(said: Said, authority: Authority) -> None:
    with serving("--rules", str(RULES)) as address:
        assert f"the server at {address} does not speak TLS: unset POINTSMAN_SERVER_CA" in said(address, server_ca=authority.ca)


def test_files_that_tls_cannot_use_are_named_before_anybody_is_called(said: Said, authority: Authority, tmp_path: Path) -> None:
    """grpc would write six lines of its own source."""
    own, other, nothing, broken = authority.sign("own", CN="a"), authority.sign("other", CN="b"), tmp_path / "nothing", tmp_path / "broken"
    broken.write_text("-----BEGIN CERTIFICATE-----\nno\n")
    see = "; see POINTSMAN_SERVER_CA, POINTSMAN_CLIENT_CERT and POINTSMAN_CLIENT_KEY\n"

    assert said("127.0.0.1:1", client_cert=own.cert, client_key=other.key) == f"pointsman: {other.key} is not the key of {own.cert}{see}"
    assert said("127.0.0.1:1", client_cert=own.cert, client_key=own.cert) == (
        f"pointsman: {own.cert} holds no PEM private key without a password{see}"
    )
    assert said("127.0.0.1:1", client_cert=broken, client_key=own.key) == f"pointsman: {broken} holds no PEM certificate{see}"
    assert said("127.0.0.1:1", server_ca=broken) == f"pointsman: {broken} holds no PEM certificate{see}"
    assert said("127.0.0.1:1", server_ca=nothing) == f"pointsman: cannot read {nothing}: No such file or directory{see}"


def test_where_nobody_is_there_tls_is_not_to_blame(said: Said, authority: Authority) -> None:
    assert f"{NO_SERVER} 127.0.0.1:1? start one" in said("127.0.0.1:1", server_ca=authority.ca)
