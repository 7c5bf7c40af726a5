"""grpcurl, a client that nobody here wrote: it learns the services by reflection and calls them with JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from processes import serving

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
