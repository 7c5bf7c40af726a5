"""grpcurl, a client that nobody here wrote: it learns the services by reflection and calls them with JSON."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from processes import GRPCIO_ALONE, ROOT, serving

pytestmark = pytest.mark.foreign


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a server with reflection."""
    assert shutil.which("grpcurl"), "grpcurl is not on the path; `make foreign` brings it"
    with serving(POINTSMAN_REFLECTION="1") as address:
        yield address


def grpcurl(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what grpcurl did; the address comes before a method, and behind its flags."""
    *flags, method = arguments
    return subprocess.run(["grpcurl", "-plaintext", *flags, server, method], capture_output=True, text=True, timeout=30)


def called(server: str, method: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the response of a call that must succeed."""
    done = grpcurl(server, "-d", json.dumps(body), f"pointsman.v1.{method}")
    assert done.returncode == 0, done.stderr
    response: dict[str, Any] = json.loads(done.stdout)
    return response


def test_services_are_listed_and_described(server: str) -> None:
    assert {"pointsman.v1.RouterService", "pointsman.v1.AdminService", "grpc.health.v1.Health"} <= set(
        grpcurl(server, "list").stdout.split()
    )
    assert (
        "rpc Route"
        in subprocess.run(
            ["grpcurl", "-plaintext", server, "describe", "pointsman.v1.RouterService"], capture_output=True, text=True, timeout=30
        ).stdout
    )


def test_route_with_json(server: str) -> None:
    decision = called(server, "RouterService/Route", {"request": {"prompt": {"text": "2+2?"}}})["decision"]

    assert decision["chosen"]["model"] == "builtin"
    assert decision["rule"]["id"] == "sums"
    assert decision["reason"] == "DECISION_REASON_RULE_MATCH"


def test_complete_with_json(server: str) -> None:
    response = called(server, "RouterService/Complete", {"request": {"prompt": {"text": "2+2?"}}, "explain": True})

    assert response["completion"]["message"] == {"role": "ROLE_ASSISTANT", "text": "4"}
    assert response["completion"]["finish_reason"] == "FINISH_REASON_STOP"
    assert response["decision"]["explanation"]["rules"]


def test_list_models(server: str) -> None:
    ids = [model["id"] for model in called(server, "AdminService/ListModels", {})["models"]]

    assert {"builtin", "smollm2-135m"} < set(ids)
    assert ids == sorted(ids)


def test_health(server: str) -> None:
    done = grpcurl(server, "-d", '{"service":"readiness"}', "grpc.health.v1.Health/Check")

    assert json.loads(done.stdout) == {"status": "SERVING"}


def test_errors_carry_code_reason_and_field(server: str) -> None:
    done = grpcurl(server, "-format-error", "-d", '{"request":{"requirements":{"accuracy":1.5}}}', "pointsman.v1.RouterService/Route")
    error = done.stdout + done.stderr

    assert done.returncode != 0
    assert "FIELD_INVALID" in error
    assert "request.requirements.accuracy" in error


def test_an_unknown_field_is_refused_by_the_client_since_it_knows_the_schema(server: str) -> None:
    done = grpcurl(server, "-d", '{"request":{"promt":{}}}', "pointsman.v1.RouterService/Route")

    assert done.returncode != 0
    assert "promt" in done.stderr


def tenants_yaml(key: str) -> str:
    """Return tenants.yaml with one tenant, which is known by the key and may do anything."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'version: 1\ntenants: {{ops: {{roles: [caller, admin], credentials: [{{api_key_sha256: "{digest}"}}]}}}}\n'


@GRPCIO_ALONE
def test_a_stranger_with_a_key_comes_in_over_tls_and_one_without_does_not(tmp_path: Path) -> None:
    rules, own = tmp_path / "rules", Authority(tmp_path / "tls").sign("server", CN="pointsman")
    shutil.copytree(ROOT / "tests" / "data" / "rules", rules)
    (rules / "tenants.yaml").write_text(tenants_yaml("pm_foreign"))
    environment: dict[str, Any] = {
        "POINTSMAN_TLS_CERT": str(own.cert),
        "POINTSMAN_TLS_KEY": str(own.key),
        "POINTSMAN_HEALTH_LISTEN": "127.0.0.1:0",
        "POINTSMAN_REFLECTION": "1",
    }
    with serving("--rules", str(rules), **environment) as address:

        def asked(*flags: str, method: str = "list") -> subprocess.CompletedProcess[str]:
            return subprocess.run(["grpcurl", *flags, address, method], capture_output=True, text=True, timeout=30)

        trusting = ("-cacert", str(tmp_path / "tls" / "tests-ca.pem"))
        with_key = (*trusting, "-H", "authorization: Bearer pm_foreign")
        assert "pointsman.v1.RouterService" in asked(*with_key).stdout
        listed = asked(*with_key, method="pointsman.v1.AdminService/ListModels")
        assert "builtin" in listed.stdout
        assert "Unauthenticated" in asked(*trusting).stderr
        assert "Unauthenticated" in asked(*trusting, "-H", "authorization: Bearer pm_foreigner").stderr
        assert asked("-plaintext", "-H", "authorization: Bearer pm_foreign").returncode != 0
