"""Certificates and authorities that change under a server that is called all the while, as Kubernetes and editors change them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from certificates import Authority, Signed
from pointsman.client import Client, Tls
from pointsman.core.errors import PointsmanError, UpstreamUnavailable
from pointsman.wire import tls
from processes import GRPCIO_ALONE
from test_identity import TENANTS
from volumes import swap

if TYPE_CHECKING:
    from conftest import Running, Start

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
CALLS_PER_S = 200 if SOAK else 60
WHO = "spiffe://corp/ns/search/sa/web"

pytestmark = [pytest.mark.timeout(60), GRPCIO_ALONE]


class Secret:
    """A volume of a Secret: three files that are changed all at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.cert, self.key, self.ca = (directory / name for name in ("tls.crt", "tls.key", "ca.crt"))

    def swap(self, own: Signed, ca: bytes, *, key: bytes | None = None) -> None:
        swap(self._directory, {"tls.crt": own.cert.read_bytes(), "tls.key": own.key.read_bytes() if key is None else key, "ca.crt": ca})


@dataclass
class House:
    """A server whose certificate is in a secret, and the old and the new authority."""

    running: Running
    secret: Secret
    old: Authority
    new: Authority
    both: Path
    """The certificates of both authorities."""
    failed: list[str] = field(default_factory=list)
    served: int = 0

    async def call(self, certificate: Signed, ca: Path) -> None:
        """Route over a new connection. Raises UpstreamUnavailable where TLS does not let it in."""
        async with Client(self.running.address, tls=Tls(ca=ca, cert=certificate.cert, key=certificate.key)) as client:
            await client.route("hi", timeout_s=5)

    def notes(self, level: str) -> list[str]:
        return [line["message"] for line in self.running.lines() if line["event"] == "note" and line["level"] == level]

    @asynccontextmanager
    async def called_by(self, certificate: Signed) -> AsyncIterator[None]:
        """Call at a steady rate from one client, whose connection is now and then made anew."""

        async def call(client: Client) -> None:
            try:
                await client.route("hi", timeout_s=5)
                self.served += 1
            except PointsmanError as error:
                self.failed.append(repr(error))

        async def call_on() -> None:
            own = Tls(ca=self.both, cert=certificate.cert, key=certificate.key)
            async with Client(self.running.address, tls=own) as client, asyncio.TaskGroup() as group:
                while not ended.is_set():
                    group.create_task(call(client))
                    await asyncio.sleep(1 / CALLS_PER_S)

        ended = asyncio.Event()
        calls = asyncio.create_task(call_on())
        try:
            yield
        finally:
            ended.set()
            await calls


@pytest.fixture
async def house(start: Start, tmp_path: Path) -> House:
    old, new, secret, both = Authority(tmp_path / "o", "old"), Authority(tmp_path / "n", "new"), Secret(tmp_path / "tls"), tmp_path / "both"
    both.write_bytes(old.ca.read_bytes() + new.ca.read_bytes())
    secret.swap(old.sign("server", CN="pointsman"), old.ca.read_bytes())
    settings: dict[str, Any] = {"tls_cert": secret.cert, "tls_key": secret.key, "tls_client_ca": secret.ca}
    return House(await start(tenants=TENANTS, connection_age_s=0.5, **settings), secret, old, new, both)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110  # files tell nobody
            await asyncio.sleep(0.05)


async def lets_in(call: Awaitable[None]) -> bool:
    try:
        await call
    except UpstreamUnavailable:
        return False
    return True


async def test_certificate_and_authority_are_replaced_under_load_without_a_failed_call(house: House) -> None:
    """First the server trusts both authorities, then clients and the server change over, then the old authority goes."""
    of_old, of_new = house.old.sign("web", WHO, CN="x"), house.new.sign("web", WHO, CN="x")
    async with house.called_by(of_old):
        assert not await lets_in(house.call(of_new, house.both))
        house.secret.swap(house.new.sign("server", CN="pointsman"), house.both.read_bytes())
        await until(lambda: lets_in(house.call(of_new, house.new.ca)))
        async with house.called_by(of_new):
            await asyncio.sleep(1.0)
    async with house.called_by(of_new):
        house.secret.swap(house.new.sign("again", CN="pointsman"), house.new.ca.read_bytes())

        async def is_refused() -> bool:
            return not await lets_in(house.call(of_old, house.both))

        await until(is_refused)
        await house.call(of_new, house.new.ca)
        await asyncio.sleep(1.0)

    print(f"{house.served} calls, {len(house.failed)} failed")
    assert house.failed == []
    assert house.served > CALLS_PER_S
    assert len(house.notes("info")) == 2


async def test_files_that_cannot_be_used_change_nothing_and_are_told_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "SETTLED_S", 0.0)
    certificate, other, ca = house.old.sign("web", WHO, CN="x"), house.old.sign("other", CN="pointsman"), house.old.ca.read_bytes()
    whole = other.cert.read_bytes()
    other.cert.write_bytes(whole[: len(whole) // 2])
    broken = {
        "holds no PEM certificate": (other, ca, None),
        "is not the key of": (house.old.sign("third", CN="pointsman"), ca, certificate.key.read_bytes()),
        "holds no PEM private key": (house.old.sign("fourth", CN="pointsman"), ca, certificate.key.read_bytes()[:60]),
        "ca.crt holds no PEM certificate": (house.old.sign("fifth", CN="pointsman"), b"", None),
    }
    for at, (says, (own, authorities, key)) in enumerate(broken.items()):
        house.secret.swap(own, authorities, key=key)
        for _ in range(3):
            await house.call(certificate, house.old.ca)
        warnings = house.notes("warning")
        assert len(warnings) == at + 1
        assert says in warnings[-1]
        assert "PRIVATE" not in warnings[-1]
    house.secret.cert.unlink()
    await house.call(certificate, house.old.ca)
    assert "cannot read" in house.notes("warning")[-1]

    house.secret.cert.symlink_to("..data/tls.crt")
    house.secret.swap(house.old.sign("sixth", CN="pointsman"), house.new.ca.read_bytes())
    assert not await lets_in(house.call(certificate, house.old.ca))
    await house.call(house.new.sign("web", WHO, CN="x"), house.old.ca)


async def test_files_that_were_just_written_wait_until_they_are_whole(house: House) -> None:
    """Written in place, an authority that has both names may have only the first for a moment."""
    certificate, other = house.old.sign("web", WHO, CN="x"), house.new.sign("web", WHO, CN="x")
    written = house.secret.ca.resolve()
    written.write_bytes(house.new.ca.read_bytes())
    await house.call(certificate, house.old.ca)
    with written.open("ab") as file:
        file.write(house.old.ca.read_bytes())

    await until(lambda: lets_in(house.call(other, house.old.ca)))
    await house.call(certificate, house.old.ca)
