"""What is known of a server's certificate before anybody connects."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certificates import Authority, Signed
from fakes import Said
from pointsman.wire.tls import SETTLED_S, BadCertificate, Certificates


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def settled(*files: Path) -> None:
    """Have files look as if they were written a while ago."""
    then_s = time.time() - 2 * SETTLED_S
    for file in files:
        os.utime(file, (then_s, then_s))


def of(signed: Signed, said: Said) -> Certificates:
    return Certificates(signed.cert, signed.key, None, said)


def test_a_certificate_that_has_expired_is_said_at_once(authority: Authority) -> None:
    said = Said()
    certificates = of(authority.sign("own", lasts=timedelta(hours=-1)), said)

    assert certificates.expires_at < datetime.now(UTC)
    assert [text.endswith("clients refuse it") for text in said] == [True]
    assert said.levels == ["warning"]


def test_files_that_change_are_looked_at_though_nobody_connects(authority: Authority) -> None:
    said, own = Said(), authority.sign("own", lasts=timedelta(days=1))
    certificates = of(own, said)
    before = certificates.expires_at
    own.cert.write_text("garbage")
    settled(own.cert, own.key)
    certificates.look()
    certificates.look()
    assert [f"{own.cert} holds no PEM certificate" in text for text in said] == [True]
    assert certificates.expires_at == before

    authority.sign("own", lasts=timedelta(days=9))
    settled(own.cert, own.key)
    certificates.look()
    assert said[-1] == "the files of TLS have changed: new connections meet what they hold now"
    assert certificates.expires_at > before + timedelta(days=7)


def test_what_a_look_has_found_is_what_the_next_connection_meets_and_only_once(authority: Authority) -> None:
    own = authority.sign("own")
    certificates = of(own, Said())
    authority.sign("own")
    settled(own.cert, own.key)
    certificates.look()

    assert certificates._changed() is not None
    assert certificates._changed() is None


def test_files_that_are_swapped_while_they_are_read_are_read_again(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    said, own = Said(), authority.sign("own")
    certificates = of(own, said)
    authority.sign("own")
    settled(own.cert, own.key)
    read = certificates._read

    def swapped() -> object:
        found = read()
        settled(own.key)
        os.utime(own.cert, (1.0, 1.0))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(certificates, "_read", swapped)
        certificates.look()
    assert said == []
    certificates.look()
    assert len(said) == 1


def test_a_pair_that_does_not_belong_together_is_refused(authority: Authority) -> None:
    one, other = authority.sign("one"), authority.sign("other")

    with pytest.raises(BadCertificate, match="is not the key of"):
        Certificates(one.cert, other.key, None)
