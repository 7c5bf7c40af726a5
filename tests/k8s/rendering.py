"""Manifests as kubectl renders them, and the rule directory that pods of them see."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, Document

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OVERLAYS = sorted(str(path.parent.relative_to(K8S / "overlays")) for path in (K8S / "overlays").glob("*/kustomization.yaml"))


def render(directory: Path) -> list[Document]:
    """Return the documents of a kustomization. Skips the test where there is nothing that renders."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on the path, and `make foreign` could not fetch one")
    done = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@cache
def text_of(overlay: str) -> str:
    """Return an overlay as one text, so that nobody changes what others are given."""
    return yaml.safe_dump_all(render(K8S / "overlays" / overlay))


def overlay(name: str) -> list[Document]:
    """Return the documents of an overlay."""
    return [document for document in yaml.load_all(text_of(name), yaml.CSafeLoader) if document]


def server(documents: list[Document]) -> Document:
    """Return the container of the server."""
    pods = next(pods for pods in Cluster(documents).pods() if pods.name == "Deployment/pointsman")
    return pods.containers[0]


def environment(documents: list[Document]) -> dict[str, str]:
    """Return the variables of the server that have a value in the manifests."""
    return {variable["name"]: variable["value"] for variable in server(documents)["env"] if "value" in variable}


def rules(documents: list[Document]) -> dict[str, str]:
    """Return the files that the volume of the rules brings together."""
    pods = next(pods for pods in Cluster(documents).pods() if pods.name == "Deployment/pointsman")
    names = [source["configMap"]["name"] for source in pods.volumes["rules"]["projected"]["sources"]]
    maps = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
    return {file: text for name in names for file, text in maps[name].items()}
