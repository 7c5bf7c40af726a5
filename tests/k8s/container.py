"""What pods of the server tell it: settings that it knows, with values that it takes, and that fit the pod around it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from cluster import Cluster, Document, Pods

from pointsman.server import LAST_WORDS_S
from pointsman.settings import BadSetting, Settings, described
from pointsman.telemetry.export import FLUSH_S

SERVER = "pointsman"
"""Name of the container."""

STATED_ELSEWHERE = "valkey://elsewhere"
"""Stands for an address that a Secret holds."""


def of_server(cluster: Cluster, pods: Pods) -> Iterator[str]:
    """Yield what is wrong about the container of the server, if there is one."""
    container = next((container for container in pods.containers if container["name"] == SERVER), None)
    if container is None:
        return
    yield from _names(container)
    try:
        settings = Settings.read(
            {one["name"]: one.get("value", STATED_ELSEWHERE) for one in container.get("env", []) if one["name"].startswith("POINTSMAN_")}
        )
    except BadSetting as error:
        yield f"the server would not start: {error}"
        return
    yield from _addresses(pods, container, settings)
    yield from _directories(pods, container, settings)
    yield from _ending(pods, container, settings)
    if settings.replicas > cluster.fewest(pods):
        yield f"POINTSMAN_REPLICAS says {settings.replicas}, and there may be {cluster.fewest(pods)}: budgets would be spent in part while Valkey is lost"


def _names(container: Document) -> Iterator[str]:
    """Variables are settings, or OpenTelemetry's, or help to write one of those."""
    variables = container.get("env", [])
    known = {name for name, _, _, _ in described()}
    helping = set(re.findall(r"\$\((\w+)\)", " ".join(variable.get("value", "") for variable in variables)))
    for name, times in Counter(variable["name"] for variable in variables).items():
        if name not in known and not name.startswith("OTEL_") and name not in helping:
            yield f"variable {name} is no setting"
        if times > 1:
            yield f"variable {name} is there {times} times"
    if container.get("envFrom"):
        yield "variables are taken over whole (envFrom), so that nobody can say which"


def _megabytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}[quantity[-2:]]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _addresses(pods: Pods, container: Document, settings: Settings) -> Iterator[str]:
    wanted = {"grpc": settings.listen, "health": settings.health_listen, "metrics": settings.metrics_listen}
    for name, address in wanted.items():
        if not address:
            yield f"the server has no address for {name}"
        elif address.startswith(("127.", "localhost", "[::1]")):
            yield f"the server listens for {name} on loopback, where nobody is"
        elif pods.ports.get(name) != _port(address):
            yield f"the server listens for {name} on {_port(address)}, and the port of that name is {pods.ports.get(name)}"
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        if kind not in container:
            yield f"it has no {kind}"
        elif (port := container[kind].get("grpc", {}).get("port")) != pods.ports.get("health"):
            yield f"{kind} asks port {port}, and health is told in the clear on {pods.ports.get('health')}"


def _directories(pods: Pods, container: Document, settings: Settings) -> Iterator[str]:
    mounts = {PurePosixPath(mount["mountPath"]): mount for mount in container.get("volumeMounts", [])}
    if PurePosixPath(settings.rules) not in mounts:
        yield f"nothing is mounted where it looks for rules, {settings.rules}"
    else:
        volume = pods.volumes.get(mounts[PurePosixPath(settings.rules)]["name"], {})
        names = [source.get("configMap", {}) for source in volume.get("projected", {}).get("sources", [])]
        if (
            not any("tenants" in source.get("name", "") and not source.get("optional") for source in names)
            and not settings.anonymous_tenant
        ):
            yield "the rules may lack a tenants.yaml, and then the server does not start"
    if PurePosixPath(settings.keys_dir) not in mounts:
        yield f"nothing is mounted where it looks for keys, {settings.keys_dir}"
    if settings.state_dir:
        mount = mounts.get(PurePosixPath(settings.state_dir), {"readOnly": True})
        if mount.get("readOnly"):
            yield f"it cannot keep the last good rules in {settings.state_dir}"
        room = pods.volumes.get(mount.get("name", ""), {}).get("emptyDir", {}).get("sizeLimit", "1Ti")
        if _megabytes(room) < (needed := settings.records_mb + 16):
            yield f"{settings.state_dir} has room for {room}, and may need {needed} MB: the pod would be evicted"
    for file in filter(None, (settings.tls_cert, settings.tls_key, settings.tls_client_ca, settings.jwt_jwks)):
        if PurePosixPath(file).parent not in mounts:
            yield f"nothing is mounted where {file} should be"
        if settings.keys_dir in file.parents:
            yield f"{file} is where models.yaml may take keys from: it could be sent to a provider"


def _ending(pods: Pods, container: Document, settings: Settings) -> Iterator[str]:
    """What the end of a pod takes must fit into what Kubernetes gives it."""
    given = pods.spec.get("terminationGracePeriodSeconds", 30)
    heard = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    leaving = settings.leave_s  # while callers are still served that have not heard yet
    takes = heard + leaving + settings.grace_s + 2 * LAST_WORDS_S + FLUSH_S
    if heard < 3:
        yield "callers do not hear in time that it ends: preStop sleeps less than 3 s"
    if takes > given:
        parts = f"preStop {heard}, leaving {leaving:g}, POINTSMAN_GRACE_S {settings.grace_s:g}, the last spans {FLUSH_S:g}"
        yield f"its end takes {takes:g} s ({parts}), and it is killed after {given}"
    if settings.grace_s < settings.longest_call_s:
        yield f"calls may last {settings.longest_call_s:g} s (POINTSMAN_LONGEST_CALL_S), and are given {settings.grace_s:g} at the end"
