"""What schemas cannot see: whether what one manifest says of another is so, and whether the server will understand it.

Kubernetes takes a Service that leads to no port and a probe that asks for a name which nobody serves; both are found when it is too late.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

import crds
from cluster import WORKLOADS, Cluster, Document, Pods, name_of
from container import of_server

from pointsman.server import SERVICES
from pointsman.telemetry.metrics import Metrics

KINDS = {
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    *crds.SPECS,
}

SECRETS = {
    "a key of a provider": r"\b(sk|gsk|xai)-[A-Za-z0-9_-]{16,}|\bAIza[A-Za-z0-9_-]{20,}",
    "a key of a caller": r"\bpm_[A-Za-z0-9_-]{20,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a password in an address": r"\b[a-z]+://[^/\s:@]*:[^/\s:@]+@",
    "a token": r"\bBearer [A-Za-z0-9._-]{16,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
}

MOST_BYTES = 200_000
"""Of a ConfigMap: `kubectl apply` keeps what it applied in an annotation, and all annotations together have 256 KiB."""

Served = Callable[[str], bool]
"""Whether a server tells its health under a name."""


def problems(documents: list[Document], *, external: Collection[str] = (), served: Served) -> list[str]:
    """Return all that is wrong, each with the document that it is wrong in. `external` are Secrets and the like that others bring, as Secret/NAME."""
    unknown = [
        f"{name_of(document)}: nothing here knows {document.get('apiVersion')} {document.get('kind')}"
        for document in documents
        if (document.get("apiVersion"), document.get("kind")) not in KINDS
    ]
    cluster = Cluster([document for document in documents if (document.get("apiVersion"), document.get("kind")) in KINDS])
    found = [*unknown, *_documents(cluster)]
    for pods in cluster.pods():
        checks = (
            _own(pods),
            _references(cluster, pods, external),
            _volumes(pods),
            _restricted(pods),
            _probes(pods, served),
            of_server(cluster, pods),
        )
        found += [f"{pods.name}: {problem}" for check in checks for problem in check]
    for kinds, check in _CHECKS.items():
        found += [f"{name_of(document)}: {problem}" for document in cluster.of(kinds) for problem in check(cluster, document)]
    return found


def _documents(cluster: Cluster) -> Iterator[str]:
    """What holds for every document."""
    for name, times in Counter(map(name_of, cluster.documents)).items():
        if times > 1:
            yield f"{name}: it is there {times} times"
    namespaces = {document["metadata"]["name"] for document in cluster.of("Namespace")}
    for document in cluster.documents:
        if document["kind"] != "Namespace" and namespaces and document["metadata"].get("namespace") not in namespaces:
            yield f"{name_of(document)}: its namespace {document['metadata'].get('namespace')} is none of {', '.join(namespaces)}"
        if (document["apiVersion"], document["kind"]) in crds.SPECS and (problem := crds.problem(document)):
            yield f"{name_of(document)}: {problem}"
        if document["kind"] == "ConfigMap" and (size := sum(map(len, _texts(document)))) > MOST_BYTES:
            yield f"{name_of(document)}: {size} bytes are too many to be applied; make two of it"
        for text in _texts(document):
            yield from (f"{name_of(document)}: this looks like {what}" for what, pattern in SECRETS.items() if re.search(pattern, text))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)


def _own(pods: Pods) -> Iterator[str]:
    """Whether a workload agrees with itself."""
    wanted = pods.workload["spec"]["selector"]["matchLabels"]
    if not wanted.items() <= pods.labels.items():
        yield f"its selector {wanted} does not select its own pods"
    for spread in pods.spec.get("topologySpreadConstraints", []):
        if not spread["labelSelector"]["matchLabels"].items() <= pods.labels.items():
            yield f"the spread over {spread['topologyKey']} is of other pods"
    for container in pods.containers:
        image = container["image"]
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"image {image} is not pinned: name a tag other than latest, or a digest"
        if "memory" not in container.get("resources", {}).get("limits", {}) or "cpu" not in container["resources"].get("requests", {}):
            yield f"container {container['name']} asks for no CPU, or has no limit of memory"
        names = [port.get("name") for port in container.get("ports", [])]
        if None in names or len(set(names)) < len(names):
            yield f"ports of container {container['name']} share a name, or have none"


def _references(cluster: Cluster, pods: Pods, external: Collection[str]) -> Iterator[str]:
    """Whether ConfigMaps, Secrets and accounts that pods name are there, or are said to come from elsewhere."""
    made = {f"Secret/{certificate['spec'].get('secretName')}" for certificate in cluster.of("Certificate")}
    for reference in _referred(pods):
        kind, _, name = reference.partition("/")
        if not cluster.has(kind, name) and reference not in made and reference not in external:
            yield f"{reference} is not there, and nobody said that it comes from elsewhere"


def _referred(pods: Pods) -> Iterator[str]:
    if account := pods.spec.get("serviceAccountName"):
        yield f"ServiceAccount/{account}"
    for container in pods.containers:
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            yield from (
                f"{kind}/{source[key]['name']}"
                for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef"))
                if key in source
            )
        for source in container.get("envFrom", []):
            yield from (
                f"{kind}/{source[key]['name']}" for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")) if key in source
            )
    for volume in pods.volumes.values():
        yield from (f"ConfigMap/{source['configMap']['name']}" for source in _sources(volume) if "configMap" in source)
        yield from (f"Secret/{_secret(source)}" for source in _sources(volume) if "secret" in source)


def _sources(volume: Document) -> list[Document]:
    sources: list[Document] = volume["projected"]["sources"] if "projected" in volume else [volume]
    return sources


def _secret(source: Document) -> str:
    name: str = source["secret"].get("name") or source["secret"].get("secretName")
    return name


def _volumes(pods: Pods) -> Iterator[str]:
    mounts = [mount for container in pods.containers for mount in container.get("volumeMounts", [])]
    mounted = {mount["name"] for mount in mounts}
    yield from (f"volume {name} is mounted and not there" for name in sorted(mounted - set(pods.volumes)))
    yield from (f"volume {name} is there and not mounted" for name in sorted(set(pods.volumes) - mounted))
    yield from (f"volume {mount['name']} is mounted by subPath: it would never change again" for mount in mounts if "subPath" in mount)
    for name, volume in pods.volumes.items():
        if not any("secret" in source for source in _sources(volume)):
            continue
        mode = (volume.get("projected") or volume["secret"]).get("defaultMode", 0o644)
        if mode & 0o077:
            yield f"volume {name} holds a Secret that others in the pod can read: give it defaultMode 0400"
        if "fsGroup" not in pods.spec.get("securityContext", {}):
            yield f"volume {name} holds a Secret of root's: without fsGroup the server cannot read it"


def _restricted(pods: Pods) -> Iterator[str]:
    """The restricted profile of Pod Security, and what is asked for beyond it."""
    spec, own = pods.spec, pods.spec.get("securityContext", {})
    yield from (f"{key} gives the pod a part of the node" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    yield from (f"volume {name} is a path of the node" for name, volume in pods.volumes.items() if "hostPath" in volume)
    if own.get("runAsNonRoot") is not True or not own.get("runAsUser"):
        yield "the pod may run as root: give it runAsNonRoot, and runAsUser by number"
    if own.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no seccompProfile RuntimeDefault"
    if spec.get("automountServiceAccountToken") is not False:
        yield "the pod is given a token for the API of Kubernetes: automountServiceAccountToken: false"
    if spec.get("enableServiceLinks") is not False:
        yield "Services of the namespace become variables, among them POINTSMAN_PORT: enableServiceLinks: false"
    for container in pods.containers:
        security, name = container.get("securityContext", {}), container["name"]
        if security.get("privileged") or security.get("allowPrivilegeEscalation") is not False:
            yield f"container {name} may gain privileges: allowPrivilegeEscalation: false"
        if security.get("capabilities", {}).get("drop") != ["ALL"] or security["capabilities"].get("add"):
            yield f"container {name} keeps capabilities: drop ALL"
        if security.get("readOnlyRootFilesystem") is not True:
            yield f"container {name} may write to its root: readOnlyRootFilesystem: true"
        if security.get("runAsUser") == 0 or security.get("runAsNonRoot") is False:
            yield f"container {name} runs as root"


def _probes(pods: Pods, served: Served) -> Iterator[str]:
    for container in pods.containers:
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind, {})
            port = next((probe[way]["port"] for way in ("grpc", "httpGet", "tcpSocket") if way in probe), None)
            if port is not None and not pods.has_port(port):
                yield f"{kind} asks port {port}, which no container has"
            if "grpc" in probe and not served(name := probe["grpc"].get("service", "")):
                yield f"{kind} asks for the health of '{name}', which no server tells"
            if kind == "livenessProbe" and probe.get("grpc", {}).get("service", "liveness") != "liveness":
                yield "livenessProbe asks for more than whether the process lives: a draining pod would be killed"


def _service(cluster: Cluster, service: Document) -> Iterator[str]:
    if not (selected := cluster.selected(service["spec"]["selector"])):
        yield "its selector selects no pods"
    for port in service["spec"]["ports"]:
        for pods in selected:
            if not pods.has_port(target := port.get("targetPort", port["port"])):
                yield f"targetPort {target} is no port of {pods.name}"
            if port.get("appProtocol") == "kubernetes.io/h2c" and any(
                "POINTSMAN_TLS_CERT" in str(container) for container in pods.containers
            ):
                yield f"appProtocol of port {port['port']} says that it is in the clear, and it has TLS"


def _disruption(cluster: Cluster, budget: Document) -> Iterator[str]:
    spec = budget["spec"]
    if not (selected := cluster.selected(spec["selector"]["matchLabels"])):
        yield "its selector selects no pods"
    for pods in selected:
        fewest = cluster.fewest(pods)
        left = fewest - spec["minAvailable"] if "minAvailable" in spec else spec.get("maxUnavailable", 0)
        if left < 1:
            yield f"no pod of {pods.name} may ever be evicted, so no node drained: there are {fewest} at least"
        if fewest > 1 and left >= fewest:
            yield f"all {fewest} pods of {pods.name} may be evicted at once"
    if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
        yield "pods that are not ready keep nodes from being drained: unhealthyPodEvictionPolicy: AlwaysAllow"


def _scaler(cluster: Cluster, scaler: Document) -> Iterator[str]:
    spec, target = scaler["spec"], scaler["spec"]["scaleTargetRef"]
    if target["kind"] not in WORKLOADS or not cluster.has(target["kind"], target["name"]):
        yield f"there is no {target['kind']}/{target['name']} to scale"
    yield from (
        f"{name_of(workload)} says replicas, too: each apply would set them back"
        for workload in cluster.of(target["kind"])
        if workload["metadata"]["name"] == target["name"] and "replicas" in workload["spec"]
    )
    if spec.get("minReplicas", 1) > spec["maxReplicas"]:
        yield f"minReplicas {spec['minReplicas']} is more than maxReplicas {spec['maxReplicas']}"
    known = {described.shown for described in Metrics().described}
    for metric in spec.get("metrics", []):
        if metric["type"] == "Pods" and (name := metric["pods"]["metric"]["name"]) not in known:
            yield f"no server has a metric {name}"


def _policy(cluster: Cluster, policy: Document) -> Iterator[str]:
    spec = policy["spec"]
    if not (selected := cluster.selected(spec["podSelector"].get("matchLabels", {}))):
        yield "its podSelector selects no pods"
    for direction in ("ingress", "egress"):
        if direction in spec and direction.capitalize() not in spec["policyTypes"]:
            yield f"it has rules of {direction}, which policyTypes does not name"
        for rule in spec.get(direction, []):
            peers = [peer["podSelector"]["matchLabels"] for peer in rule.get("from", rule.get("to", [])) if peer.keys() == {"podSelector"}]
            others = [pods for labels in peers for pods in cluster.selected(labels)]
            yield from (f"{direction} names {labels}, and no pods are so" for labels in peers if not cluster.selected(labels))
            for port in rule.get("ports", []):
                receiving = selected if direction == "ingress" else others
                yield from (
                    f"{direction} names port {port['port']}, which {pods.name} has not"
                    for pods in receiving
                    if not pods.has_port(port["port"])
                )


def _pod_monitor(cluster: Cluster, monitor: Document) -> Iterator[str]:
    if not (selected := cluster.selected(monitor["spec"]["selector"]["matchLabels"])):
        yield "its selector selects no pods"
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        yield from (f"port {endpoint['port']} is no named port of {pods.name}" for pods in selected if endpoint["port"] not in pods.ports)


def _certificate(cluster: Cluster, certificate: Document) -> Iterator[str]:
    names = set(certificate["spec"].get("dnsNames", []))
    wants = [pods for pods in cluster.pods() if f"Secret/{certificate['spec'].get('secretName')}" in _referred(pods)]
    if not wants:
        yield f"no pod uses its Secret {certificate['spec'].get('secretName')}"
    for service in cluster.of("Service"):
        meta = service["metadata"]
        leads_there = any(pods in wants for pods in cluster.selected(service["spec"]["selector"]))
        if leads_there and (name := f"{meta['name']}.{meta.get('namespace', 'default')}.svc") not in names:
            yield f"callers of {name} would be shown a certificate for other names"


def _route(cluster: Cluster, route: Document) -> Iterator[str]:
    ports = {(service["metadata"]["name"], port["port"]) for service in cluster.of("Service") for port in service["spec"]["ports"]}
    for rule in route["spec"].get("rules", []):
        yield from (
            f"there is no Service {backend.get('name')} with port {backend.get('port')}"
            for backend in rule.get("backendRefs", [])
            if (backend.get("name"), backend.get("port")) not in ports
        )
        for match in rule.get("matches", []):
            if (service := match.get("method", {}).get("service")) not in (*SERVICES, "grpc.health.v1.Health"):
                yield f"no server serves {service}"


_CHECKS: dict[str, Callable[[Cluster, Document], Iterator[str]]] = {
    "Service": _service,
    "PodDisruptionBudget": _disruption,
    "HorizontalPodAutoscaler": _scaler,
    "NetworkPolicy": _policy,
    "PodMonitor": _pod_monitor,
    "Certificate": _certificate,
    "GRPCRoute": _route,
}
