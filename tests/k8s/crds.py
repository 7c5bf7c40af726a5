"""What of the kinds that are not Kubernetes' own the manifests here may use. Kubernetes' schemas know none of them; a field that is not here fails."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Duration = Annotated[str, Meta(pattern=r"^([0-9]+(ms|s|m|h))+$")]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Strict(Struct, forbid_unknown_fields=True, rename="camel"):
    """Refuses fields that it does not name."""


class Metadata(Strict):
    name: Name
    namespace: Name | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Selector(Strict):
    match_labels: Annotated[dict[str, str], Meta(min_length=1)]


class Endpoint(Strict):
    port: str
    path: Annotated[str, Meta(pattern="^/")] = "/metrics"
    interval: Duration | None = None
    scrape_timeout: Duration | None = None


class PodMonitorSpec(Strict):
    selector: Selector
    pod_metrics_endpoints: Annotated[list[Endpoint], Meta(min_length=1)]


class Rule(Strict):
    expr: Annotated[str, Meta(min_length=1)]
    alert: str | None = None
    record: str | None = None
    for_: Duration | None = msgspec.field(name="for", default=None)
    keep_firing_for: Duration | None = msgspec.field(name="keep_firing_for", default=None)
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    def __post_init__(self) -> None:
        if (self.alert is None) == (self.record is None):
            raise ValueError("a rule alerts or records, one of the two")


class RuleGroup(Strict):
    name: Annotated[str, Meta(min_length=1)]
    rules: Annotated[list[Rule], Meta(min_length=1)]
    interval: Duration | None = None


class PrometheusRuleSpec(Strict):
    groups: Annotated[list[RuleGroup], Meta(min_length=1)]


class PrivateKey(Strict):
    algorithm: Literal["RSA", "ECDSA", "Ed25519"]
    size: int | None = None
    rotation_policy: Literal["Always", "Never"] = "Never"


class IssuerRef(Strict):
    name: Name
    kind: Literal["Issuer", "ClusterIssuer"]
    group: Literal["cert-manager.io"] = "cert-manager.io"


class CertificateSpec(Strict):
    secret_name: Name
    issuer_ref: IssuerRef
    dns_names: list[Name] = []
    uris: list[Annotated[str, Meta(pattern="^spiffe://")]] = []
    duration: Duration | None = None
    renew_before: Duration | None = None
    private_key: PrivateKey | None = None
    usages: list[Literal["digital signature", "server auth", "client auth"]] = []

    def __post_init__(self) -> None:
        if not (self.dns_names or self.uris):
            raise ValueError("a certificate is for a name: dnsNames or uris")


class ParentRef(Strict):
    name: Name
    group: Literal["gateway.networking.k8s.io"] = "gateway.networking.k8s.io"
    kind: Literal["Gateway"] = "Gateway"
    namespace: Name | None = None
    section_name: Name | None = None


class Method(Strict):
    service: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*$")]
    method: str | None = None
    type: Literal["Exact"] = "Exact"


class Match(Strict):
    method: Method


class BackendRef(Strict):
    name: Name
    port: Port
    weight: int = 1


class RouteRule(Strict):
    matches: Annotated[list[Match], Meta(min_length=1)]
    backend_refs: Annotated[list[BackendRef], Meta(min_length=1)]


class GrpcRouteSpec(Strict):
    parent_refs: Annotated[list[ParentRef], Meta(min_length=1)]
    rules: Annotated[list[RouteRule], Meta(min_length=1)]
    hostnames: list[Name] = []


SPECS: dict[tuple[str, str], type[Strict]] = {
    ("monitoring.coreos.com/v1", "PodMonitor"): PodMonitorSpec,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PrometheusRuleSpec,
    ("cert-manager.io/v1", "Certificate"): CertificateSpec,
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): GrpcRouteSpec,
}


def problem(document: dict[str, Any]) -> str:
    """Return what is wrong with a document of one of these kinds, empty where nothing is."""
    try:
        msgspec.convert(document["metadata"], Metadata)
        msgspec.convert(document["spec"], SPECS[document["apiVersion"], document["kind"]])
    except (msgspec.ValidationError, KeyError) as error:
        return str(error)
    return ""
