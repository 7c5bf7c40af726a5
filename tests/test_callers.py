"""Callers of a real server: who is let in, to what, over which transport, and that nobody is somebody else."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from asked import failure, reason, reflected
from certificates import Authority, Signed
from pointsman.client import Client, Tls
from pointsman.commands.keys import PREFIX
from pointsman.core.errors import CredentialInvalid, CredentialMissing, Unauthenticated, UpstreamUnavailable
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.transport import CannotListen
from processes import GRPCIO_ALONE, serving
from test_identity import KEYS, TENANTS, digest, forgeries
from tokens import AUDIENCE, FORGED, ISSUER, Issuer

if TYPE_CHECKING:
    from conftest import Running, Start

RULES = Path(__file__).parent / "data" / "rules"
DENIED, UNKNOWN = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED


def shown(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


def route(text: str = "What is 17 * 23?", **labels: str) -> router_pb.RouteRequest:
    """Return a request for a decision that is explained, so that the facts can be seen."""
    request = pb.Request(prompt=pb.Prompt(text=text), context=pb.Context(labels=labels, user_id="ads", session_id="ads"))
    return router_pb.RouteRequest(request=request, explain=True)


@pytest.fixture
async def guarded(start: Start) -> Running:
    """Return a server that tells callers apart."""
    return await start(tenants=TENANTS, reflection=True)


async def test_the_tenant_is_that_of_the_key_and_of_nothing_else(guarded: Running) -> None:
    spoofs = (
        ("x-tenant", "ops"),
        ("tenant", "ops"),
        ("x-pointsman-tenant", "ops"),
        ("baggage", "tenant=ops"),
        ("x-forwarded-client-cert", "URI=spiffe://corp/ns/ads/sa/web"),
    )
    request = route(tenant="ops", **{"request.tenant": "ops", "tenant.tier": "gold"})
    response = await guarded.router.Route(request, metadata=(*shown(KEYS["search"]), *spoofs))

    facts = response.decision.explanation.facts
    assert facts["request.tenant"].string_value == "search"
    assert facts["tenant.tier"].string_value == ""
    assert guarded.calls()[-1]["tenant"] == "search"


async def test_who_shows_nothing_or_nonsense_is_told_so_and_the_log_has_it(guarded: Running) -> None:
    missing, invalid = await failure(guarded.router.Route(route())), await failure(guarded.router.Route(route(), metadata=shown("guess")))
    expired = await failure(guarded.router.Route(route(), metadata=shown(KEYS["old"])))

    assert [(error.code(), reason(error)) for error in (missing, invalid, expired)] == [
        (UNKNOWN, "CREDENTIAL_MISSING"),
        (UNKNOWN, "CREDENTIAL_INVALID"),
        (UNKNOWN, "CREDENTIAL_EXPIRED"),
    ]
    assert "authorization: Bearer KEY" in str(missing.details())
    assert [line["reason"] for line in guarded.calls()] == ["CREDENTIAL_MISSING", "CREDENTIAL_INVALID", "CREDENTIAL_EXPIRED"]


async def test_nobody_learns_from_a_message_whether_it_would_have_been_understood(guarded: Running) -> None:
    call: Any = guarded.channel.unary_unary("/pointsman.v1.RouterService/Route")

    assert reason(await failure(call(b"\xff\xff\xff"))) == "CREDENTIAL_MISSING"


async def test_admin_methods_and_reflection_are_for_admins_and_are_audited(guarded: Running) -> None:
    for key, code in ((KEYS["search"], DENIED), ("guess", UNKNOWN)):
        assert (await failure(guarded.admin.GetRules(admin_pb.GetRulesRequest(), metadata=shown(key)))).code() == code
        assert (await failure(reflected(guarded.channel, metadata=shown(key)))).code() == code
    told = await guarded.admin.GetRules(admin_pb.GetRulesRequest(), metadata=shown(KEYS["ops"]))
    listed = await reflected(guarded.channel, metadata=shown(KEYS["ops"]))

    assert (told.tenants_revision, told.anonymous_tenant) == (TENANTS.revision, "")
    assert listed.list_services_response.service
    assert [(line["method"], line.get("tenant"), line["role"], line["code"]) for line in guarded.calls() if "role" in line] == [
        ("GetRules", "search", "admin", "PERMISSION_DENIED"),
        ("ServerReflectionInfo", "search", "admin", "PERMISSION_DENIED"),
        ("GetRules", "ops", "admin", "OK"),
        ("ServerReflectionInfo", "ops", "admin", "OK"),
    ]


async def test_every_admin_method_asks_for_the_role(guarded: Running) -> None:
    for method in admin_pb.DESCRIPTOR.services_by_name["AdminService"].methods:
        call: Any = guarded.channel.unary_unary(f"/pointsman.v1.AdminService/{method.name}")
        assert reason(await failure(call(b"", metadata=shown(KEYS["search"])))) == "ROLE_MISSING", method.name
    for method in router_pb.DESCRIPTOR.services_by_name["RouterService"].methods:
        stream: Any = guarded.channel.unary_stream(f"/pointsman.v1.RouterService/{method.name}")
        assert reason(await failure(stream(b"", metadata=shown(KEYS["ops"])).read())) == "ROLE_MISSING", method.name


async def test_health_needs_no_credential(guarded: Running) -> None:
    answer = await health_pb2_grpc.HealthStub(guarded.channel).Check(health_pb2.HealthCheckRequest())

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_without_tenants_everybody_is_the_anonymous_one_and_it_is_shown(start: Start) -> None:
    running = await start(anonymous_tenant="dev")
    response = await running.router.Route(route(), metadata=shown("whatever"))

    assert response.decision.explanation.facts["request.tenant"].string_value == "dev"
    assert (await running.admin.GetRules(admin_pb.GetRulesRequest())).anonymous_tenant == "dev"
    assert (await running.admin.ListModels(admin_pb.ListModelsRequest())).anonymous_tenant == "dev"


async def test_where_others_can_reach_it_a_server_without_tenants_does_not_start(start: Start) -> None:
    with pytest.raises(CannotListen, match=r"there is no tenants\.yaml, so whoever reaches 0\.0\.0\.0:0 could call"):
        await start(listen="0.0.0.0:0")
    for fine in (
        {"listen": "[::1]:0"},
        {"listen": "localhost:0"},
        {"listen": "0.0.0.0:0", "anonymous_tenant": "dev"},
        {"listen": "0.0.0.0:0", "tenants": TENANTS},
    ):
        await start(**fine)


COUNT = 2_000 if os.environ.get("POINTSMAN_TEST_SOAK") else 200
RANDOM = Random(5)  # noqa: S311  # draws cases


@pytest.mark.timeout(300)
async def test_no_forged_credential_is_let_in_over_the_wire(guarded: Running) -> None:
    codes = set()
    for kind, forged in forgeries(COUNT):
        spoofs = ((name, RANDOM.choice(("search", "ads", "ops"))) for name in ("tenant", "x-tenant", "x-user", "baggage"))
        metadata = [("authorization", value) for value in forged.authorization if value.isprintable() and value.isascii()]
        error = await failure(guarded.router.Route(route(), metadata=(*metadata, *spoofs)))
        codes.add((error.code(), reason(error)))
        assert error.code() == UNKNOWN, kind

    assert codes == {(UNKNOWN, f"CREDENTIAL_{why}") for why in ("MISSING", "INVALID", "EXPIRED")}


async def test_a_key_is_in_no_log_no_error_and_no_answer(guarded: Running) -> None:
    canary = f"{PREFIX}canary-5512-{'x' * 30}"
    said = []
    for metadata in (
        shown(canary),
        (*shown(canary), *shown(KEYS["ops"])),
        (("authorization", canary),),
        (*shown(KEYS["search"]), ("x-request-id", canary[:0])),
    ):
        for call in (
            guarded.router.Route(route(), metadata=metadata),
            guarded.admin.GetRules(admin_pb.GetRulesRequest(include_files=True), metadata=metadata),
        ):
            try:
                said.append(repr(await call))
            except grpc.aio.AioRpcError as error:
                said.append(repr(error) + repr(error.trailing_metadata()))
    said += [repr(await reflected(guarded.channel, metadata=shown(KEYS["ops"]))), json.dumps(guarded.lines()), repr(guarded)]

    everything = "".join(said)
    assert all(secret not in everything for secret in (canary, *KEYS.values()))


async def test_tokens_say_who_calls_and_forged_ones_do_not(start: Start, tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "jwks.json")
    running = await start(tenants=TENANTS, jwt_jwks=issuer.file, jwt_issuer=ISSUER, jwt_audience=AUDIENCE)

    response = await running.router.Route(route(), metadata=shown(issuer.token(sub="svc-ads")))
    assert response.decision.explanation.facts["request.tenant"].string_value == "ads"
    for kind in set(FORGED) - {"odd"}:  # that one is no ASCII
        error = await failure(running.router.Route(route(), metadata=shown(FORGED[kind](issuer))))
        assert (error.code(), reason(error)) == (UNKNOWN, "CREDENTIAL_INVALID"), kind
    over = await failure(running.router.Route(route(), metadata=shown(issuer.token(sub="svc-ads", exp=1))))
    assert reason(over) == "CREDENTIAL_EXPIRED"


# TLS.


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def over_tls(start: Start, authority: Authority, *, certificates: bool = True) -> AsyncIterator[tuple[str, Running]]:
    """Run a server with a certificate of the authority; it asks clients for theirs unless told otherwise."""
    own = authority.sign("server", CN="pointsman")
    running = await start(tenants=TENANTS, tls_cert=own.cert, tls_key=own.key, tls_client_ca=authority.ca if certificates else None)
    yield running.address, running


async def tenant_seen(address: str, authority: Authority, certificate: Signed | None, key: str = "") -> object:
    """Return the tenant that a server takes a client for. Raises PointsmanError."""
    tls = Tls(ca=authority.ca, cert=certificate.cert if certificate else None, key=certificate.key if certificate else None)
    async with Client(address, api_key=key, tls=tls) as client:
        decision = await client.route("hi", explain=True, timeout_s=5)
        assert decision.explanation is not None
        return decision.explanation.facts["request.tenant"]


@GRPCIO_ALONE
async def test_a_key_is_good_over_tls(start: Start, authority: Authority) -> None:
    async with over_tls(start, authority, certificates=False) as (address, _):
        assert await tenant_seen(address, authority, None, KEYS["ads"]) == "ads"
        with pytest.raises(CredentialMissing):
            await tenant_seen(address, authority, None)
        with pytest.raises(UpstreamUnavailable):
            await tenant_seen(address, Authority(authority.directory / "another"), None, KEYS["ads"])


@GRPCIO_ALONE
async def test_a_client_certificate_says_who_calls(start: Start, authority: Authority) -> None:
    by_id = authority.sign("by-id", "spiffe://corp/ns/search/sa/web", CN="x")
    by_subject = authority.sign("by-subject", O="corp", OU="search", CN="web")
    async with over_tls(start, authority) as (address, running):
        assert await tenant_seen(address, authority, by_id) == "search"
        assert await tenant_seen(address, authority, by_subject) == "search"
        assert await tenant_seen(address, authority, by_id, KEYS["ads"]) == "ads"
        assert [line["credential"].split(":")[0] for line in running.calls()] == ["spiffe", "subject", "api_key"]


@GRPCIO_ALONE
async def test_certificates_that_say_nothing_known_are_nobody(start: Start, authority: Authority) -> None:
    nobody = [
        authority.sign("other-id", "spiffe://corp/ns/billing/sa/web", CN="x"),
        authority.sign("two-ids", "spiffe://corp/ns/search/sa/web", "spiffe://corp/ns/ads/sa/web", CN="x"),
        authority.sign("no-name"),
        authority.sign("smuggled", CN="a,OU=search,O=corp"),
    ]
    async with over_tls(start, authority) as (address, _):
        for certificate in nobody:
            with pytest.raises(Unauthenticated):
                await tenant_seen(address, authority, certificate)


@GRPCIO_ALONE
async def test_certificates_that_tls_does_not_verify_do_not_come_in(start: Start, authority: Authority, tmp_path: Path) -> None:
    spiffe, other, namesake = "spiffe://corp/ns/search/sa/web", Authority(tmp_path / "other", "other"), Authority(tmp_path / "namesake")
    forged = [
        other.sign("wrong-ca", spiffe, CN="x"),
        namesake.sign("ca-of-the-same-name", spiffe, CN="x"),
        authority.sign("self-signed", spiffe, by_itself=True, CN="x"),
        authority.sign("over", spiffe, lasts=timedelta(minutes=-1), CN="x"),
        None,
    ]
    async with over_tls(start, authority) as (address, running):
        for certificate in forged:
            with pytest.raises(UpstreamUnavailable):
                await tenant_seen(address, authority, certificate, KEYS["search"])
        assert running.calls() == []


async def test_files_that_tls_cannot_use_are_named(start: Start, authority: Authority) -> None:
    own, other = authority.sign("server", CN="a"), authority.sign("other", CN="b")
    for settings, says in (
        ({"tls_cert": own.key, "tls_key": own.key}, "server.key holds no PEM certificate"),
        ({"tls_cert": own.cert, "tls_key": own.cert}, "server.pem holds no PEM private key"),
        ({"tls_cert": own.cert, "tls_key": other.key}, "other.key is not the key of"),
        ({"tls_cert": own.cert, "tls_key": Path("/nowhere")}, "cannot read /nowhere"),
        ({"tls_cert": own.cert, "tls_key": own.key, "tls_client_ca": own.key}, "server.key holds no PEM certificate"),
    ):
        with pytest.raises(CannotListen, match=says):
            await start(tenants=TENANTS, **settings)


# As a process.


def tenants_yaml(*keys: str) -> str:
    credentials = "".join(f'      - {{api_key_sha256: "{digest(key).hex()}"}}\n' for key in keys)
    return f"version: 1\ntenants:\n  ops:\n    roles: [caller, admin]\n    credentials:\n{credentials}"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    directory = tmp_path / "rules"
    directory.mkdir()
    for file in RULES.glob("*.yaml"):
        (directory / file.name).write_bytes(file.read_bytes())
    return directory


async def test_keys_come_and_go_without_a_restart_or_a_failed_call(rules: Path) -> None:
    file, old, new = rules / "tenants.yaml", KEYS["old"], KEYS["canary"]
    file.write_text(tenants_yaml(old))
    with serving("--rules", str(rules)) as address:
        async with Client(address, api_key=old) as first, Client(address, api_key=new) as second:
            with pytest.raises(CredentialInvalid):
                await second.route("hi")
            file.write_text(tenants_yaml(old, new))
            calls, failed = 0, 0
            async for _ in ticks():
                calls, failed = calls + 1, failed + await refused(first)
                if not await refused(second):
                    break
            file.write_text(tenants_yaml(new))
            async for _ in ticks():
                calls, failed = calls + 1, failed + await refused(second)
                if await refused(first):
                    break
            file.unlink()
            await asyncio.sleep(1.2)
            assert (await second.rules()).stale
            with pytest.raises(CredentialInvalid):
                await first.route("hi")

    assert failed == 0
    assert calls > 20


async def ticks() -> AsyncIterator[None]:
    """Yield each hundredth of a second for as long as a change may take to be seen."""
    for _ in range(500):
        await asyncio.sleep(0.01)
        yield
    raise AssertionError("the change was not seen within five seconds")


async def refused(client: Client) -> bool:
    try:
        await client.route("hi")
    except CredentialInvalid:
        return True
    return False


@GRPCIO_ALONE
async def test_health_stands_beside_tls_in_the_clear(rules: Path, authority: Authority, tmp_path: Path) -> None:
    own, log = authority.sign("server", CN="pointsman"), tmp_path / "log"
    (rules / "tenants.yaml").write_text(tenants_yaml(KEYS["ops"]))
    environment: dict[str, Any] = {
        "POINTSMAN_TLS_CERT": str(own.cert),
        "POINTSMAN_TLS_KEY": str(own.key),
        "POINTSMAN_HEALTH_LISTEN": "127.0.0.1:0",
    }
    with log.open("wb") as out, serving("--rules", str(rules), log=out, **environment) as address:
        notes = [json.loads(line)["message"] for line in log.read_text().splitlines()]
        beside = next(note for note in notes if note.startswith("health on ")).removeprefix("health on ")
        async with grpc.aio.insecure_channel(beside) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="readiness"))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            call: Any = channel.unary_unary("/pointsman.v1.RouterService/Route")
            assert (await failure(call(b""))).code() == grpc.StatusCode.UNIMPLEMENTED
        assert await tenant_seen(address, authority, None, KEYS["ops"]) == "ops"
