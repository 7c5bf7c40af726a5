"""Rendered manifests as one thing that can be asked: which pods there are, what a selector selects, how many of something will run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet")


def name_of(document: Document) -> str:
    """Return kind and name, as kubectl writes them."""
    return f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"


@dataclass(frozen=True)
class Pods:
    """The pods of one workload."""

    workload: Document

    @property
    def name(self) -> str:
        return name_of(self.workload)

    @property
    def template(self) -> Document:
        template: Document = self.workload["spec"]["template"]
        return template

    @property
    def spec(self) -> Document:
        spec: Document = self.template["spec"]
        return spec

    @property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.template["metadata"].get("labels", {})
        return labels

    @property
    def containers(self) -> list[Document]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def volumes(self) -> dict[str, Document]:
        claims = self.workload["spec"].get("volumeClaimTemplates", [])
        return {volume["name"]: volume for volume in self.spec.get("volumes", [])} | {claim["metadata"]["name"]: claim for claim in claims}

    @property
    def ports(self) -> dict[str, int]:
        """Ports of all containers by name."""
        ports = [port for container in self.containers for port in container.get("ports", [])]
        return {port.get("name", str(port["containerPort"])): port["containerPort"] for port in ports}

    def has_port(self, port: str | int) -> bool:
        return port in self.ports or port in self.ports.values()


@dataclass(frozen=True)
class Cluster:
    """All documents of one overlay."""

    documents: list[Document]

    def of(self, *kinds: str) -> Iterator[Document]:
        return (document for document in self.documents if document.get("kind") in kinds)

    def has(self, kind: str, name: str) -> bool:
        return any(document["metadata"]["name"] == name for document in self.of(kind))

    def pods(self) -> list[Pods]:
        return [Pods(workload) for workload in self.of(*WORKLOADS)]

    def selected(self, labels: dict[str, str]) -> list[Pods]:
        """Return whose pods have all of these labels."""
        return [pods for pods in self.pods() if labels.items() <= pods.labels.items()]

    def scaler(self, pods: Pods) -> Document | None:
        target = {"kind": pods.workload["kind"], "name": pods.workload["metadata"]["name"]}
        return next((one for one in self.of("HorizontalPodAutoscaler") if target.items() <= one["spec"]["scaleTargetRef"].items()), None)

    def fewest(self, pods: Pods) -> int:
        """Return how many pods a workload has at least."""
        scaler = self.scaler(pods)
        number: int = pods.workload["spec"].get("replicas", 1) if scaler is None else scaler["spec"].get("minReplicas", 1)
        return number
