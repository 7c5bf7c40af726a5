"""Every overlay renders, fits Kubernetes' schemas and itself, and holds rules that a server takes. What breaks one is found, and named."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import crds
import grpc
import pytest
import yaml
from cluster import Document, name_of
from grpc_health.v1 import health_pb2, health_pb2_grpc
from lint import Served, problems
from rendering import K8S, OVERLAYS, ROOT, environment, overlay, render, rules, server

from pointsman.core.rulefile import load
from pointsman.core.tenants import TenantRole
from pointsman.settings import Settings
from processes import serving

pytestmark = pytest.mark.foreign

OLDEST, NEWEST = "1.34", "1.37"
"""Of Kubernetes: `trafficDistribution: PreferSameZone` is on by default from 1.34."""

EXTERNAL = {
    "dev": {"Secret/pointsman-provider-keys"},
    "prod": {"Secret/pointsman-provider-keys", "Secret/pointsman-valkey"},
    "prod-by-rollout": {"Secret/pointsman-provider-keys", "Secret/pointsman-valkey"},
}
"""What an overlay refers to and does not bring."""

README = (K8S / "README.md").read_text()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Return what asks a real server whether it tells its health under a name."""
    with serving() as address, grpc.insecure_channel(address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check

        def is_served(name: str) -> bool:
            try:
                return bool(check(health_pb2.HealthCheckRequest(service=name), timeout=5).status == health_pb2.HealthCheckResponse.SERVING)
            except grpc.RpcError:
                return False

        yield is_served


@pytest.mark.parametrize("name", OVERLAYS)
def test_nothing_is_wrong_with_an_overlay(name: str, served: Served) -> None:
    assert problems(overlay(name), external=EXTERNAL[name], served=served) == []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_fits_the_schemas_of_kubernetes(name: str, version: str, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(overlay(name)))

    done = subprocess.run(["kubernetes-validate", "--strict", "-k", version, file], capture_output=True, text=True, timeout=60)

    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert f"deployment/pointsman against version {version}" in told
    assert set(re.findall(r"schema for kind (\w+)", told)) <= {kind for _, kind in crds.SPECS}


def test_a_field_that_kubernetes_does_not_know_is_found(tmp_path: Path) -> None:
    documents, file = overlay("prod"), tmp_path / "all.yaml"
    server(documents)["readinessProbe"]["periodSecond"] = 3
    file.write_text(yaml.safe_dump_all(documents))

    done = subprocess.run(["kubernetes-validate", "--strict", file], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "periodSecond" in done.stdout + done.stderr


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_rules_of_an_overlay_are_right(name: str) -> None:
    documents = overlay(name)
    files = {file: text.encode() for file, text in rules(documents).items()}
    trust = Settings.read({key: value for key, value in environment(documents).items() if key.startswith("POINTSMAN_")}).trust

    loaded = load(files, trust=trust)

    assert {"models.yaml", "routing.yaml", "routing_test.yaml", "tenants.yaml"} == set(files)
    assert loaded.problems == ()
    assert all(document["metadata"]["name"].startswith("pointsman-") for document in documents if document["kind"] == "ConfigMap")


def test_the_catalog_of_prod_is_the_one_that_ships_with_keys_in_files() -> None:
    shipped = (ROOT / "rules" / "models.yaml").read_text()
    as_files = re.sub(r"\{env: ([A-Z]+)_API_KEY\}", lambda found: f"{{file: /var/run/secrets/pointsman/{found[1].lower()}}}", shipped)

    assert (K8S / "overlays/prod/common/models.yaml").read_text() == as_files.replace("schema=schema/", "schema=../../../../rules/schema/")


@pytest.mark.parametrize("name", ["gateway", "jaeger", "monitoring", "mtls", "valkey"])
def test_each_component_goes_with_a_base_and_tenants_alone(name: str, tmp_path: Path, served: Served) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    one = tmp_path / "k8s" / "overlays" / "one"
    one.mkdir()
    resources = ["../../base", "../dev/tenants"]
    (one / "kustomization.yaml").write_text(
        yaml.safe_dump({"namespace": "pointsman", "resources": resources, "components": [f"../../components/{name}"]})
    )

    documents = render(one)

    assert problems(documents, external={"Secret/pointsman-provider-keys"}, served=served) == []
    assert len(documents) > len(render(K8S / "base"))


def test_a_change_of_the_rules_is_a_rollout_where_that_is_wanted_and_nowhere_else(tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    changed = tmp_path / "rules" / "routing.yaml"
    changed.write_text(changed.read_text().replace("Someone waits", "Somebody waits"))

    def differ(name: str) -> set[str]:
        pairs = zip(overlay(name), render(tmp_path / "k8s" / "overlays" / name), strict=True)
        return {name_of(before).partition("-routes-")[0] for before, after in pairs if before != after}

    assert differ("prod") == differ("dev") == {"ConfigMap/pointsman-routes"}
    assert differ("prod-by-rollout") == {"ConfigMap/pointsman", "Deployment/pointsman"}


def test_the_runbook_tells_of_all_that_an_overlay_needs_from_elsewhere() -> None:
    assert [one for wanted in EXTERNAL.values() for one in wanted if f"`{one.partition('/')[2]}`" not in README] == []


def test_names_that_the_runbook_and_the_examples_call_are_those_of_services() -> None:
    there = {document["metadata"]["name"] for document in overlay("dev") if document["kind"] == "Service"}
    texts = [README, *(path.read_text() for path in (K8S / "examples").glob("*") if path.is_file())]
    called = {name for text in texts for name in re.findall(r"([a-z0-9-]+)\.pointsman\.svc|service/([a-z0-9-]+)", text)}

    assert {name for pair in called for name in pair if name} <= there


def test_the_runbook_has_a_line_for_each_alert() -> None:
    alerts = re.findall(r"^ *- alert: (\w+)", (K8S / "components/monitoring/alerts.yaml").read_text(), re.MULTILINE)

    assert len(alerts) > 10
    assert [alert for alert in alerts if f"| `{alert}` |" not in README] == []
    assert set(re.findall(r"^\| `(Pointsman\w+)` \|", README, re.MULTILINE)) == set(alerts)


COMMANDS = [
    (str(path.relative_to(K8S)), command.strip())
    for path in sorted([*K8S.rglob("*.md"), *K8S.rglob("*.yaml")])
    for command in re.findall(r"kubectl (?!kustomize|apply|diff|label namespace)[^`\n;&]*", path.read_text())
    if re.match(r"kubectl (-n|[a-z])", command)
]


def test_commands_name_their_namespace_and_logs_of_many_pods_are_whole() -> None:
    spoken = re.compile(r"kubectl (as|has|shows|could)\b")
    told = [(place, command) for place, command in COMMANDS if not spoken.match(command)]
    logs = [(place, command) for place, command in told if " logs " in command and " -l " in command]

    assert len(told) > 10
    assert [each for each in told if not re.match(r"kubectl -n (pointsman|pointsman-ops) ", each[1])] == []
    assert {place for place, _ in logs} == {"README.md", "components/monitoring/runbook.md"}
    assert [each for each in logs if not {"--tail=-1", "--prefix"} <= set(each[1].split())] == []


def test_those_on_call_can_ask_prod_by_a_certificate_of_a_tenant_that_may_and_a_name_that_servers_have() -> None:
    documents = overlay("prod")
    loaded = load({file: text.encode() for file, text in rules(documents).items()})
    examples = list(yaml.safe_load_all((K8S / "examples/console.yaml").read_text()))
    console = of(examples, "Certificate", "console")
    (name,) = re.findall(r"POINTSMAN_SERVER_NAME=(\S+)", README)
    assert loaded.tenants is not None

    holder = loaded.tenants.spiffe.holder(tuple(console["spec"]["uris"]))

    assert crds.problem(console) == ""
    assert holder is not None
    assert TenantRole.ADMIN in holder.tenant.roles
    assert console["spec"]["issuerRef"] == of(documents, "Certificate")["spec"]["issuerRef"]
    assert name in of(documents, "Certificate")["spec"]["dnsNames"]


def test_prometheus_finds_monitors_and_alerts_by_a_label_of_its_own() -> None:
    documents = overlay("prod")

    assert {of(documents, kind)["metadata"]["labels"]["release"] for kind in ("PodMonitor", "PrometheusRule")} == {"kube-prometheus-stack"}


def of(documents: list[Document], kind: str, name: str = "pointsman") -> Any:
    """Return one of the documents, to break it."""
    return next(document for document in documents if document["kind"] == kind and document["metadata"]["name"] == name)


def pod(documents: list[Document]) -> Any:
    return of(documents, "Deployment")["spec"]["template"]["spec"]


def variable(documents: list[Document], name: str) -> Any:
    return next(one for one in server(documents)["env"] if one["name"] == name)


def volume(documents: list[Document], name: str) -> Any:
    return next(one for one in pod(documents)["volumes"] if one["name"] == name)


Break = Callable[[list[Document]], Any]

BROKEN: dict[str, tuple[Break, str]] = {
    "a port of a service that leads nowhere": (
        lambda docs: of(docs, "Service")["spec"]["ports"][0].update(targetPort="grcp"),
        "Service/pointsman: targetPort grcp is no port of Deployment/pointsman",
    ),
    "a service that selects nobody": (
        lambda docs: of(docs, "Service", "pointsman")["spec"]["selector"].update({"app.kubernetes.io/component": "server"}),
        "Service/pointsman: its selector selects no pods",
    ),
    "a service in the clear before TLS": (
        lambda docs: of(docs, "Service")["spec"]["ports"][0].update(appProtocol="kubernetes.io/h2c"),
        "Service/pointsman: appProtocol of port 50051 says that it is in the clear, and it has TLS",
    ),
    "a disruption budget of other pods": (
        lambda docs: of(docs, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].update({"app.kubernetes.io/name": "points"}),
        "PodDisruptionBudget/pointsman: its selector selects no pods",
    ),
    "a disruption budget that keeps nodes": (
        lambda docs: of(docs, "PodDisruptionBudget")["spec"].update(maxUnavailable=0),
        "PodDisruptionBudget/pointsman: no pod of Deployment/pointsman may ever be evicted",
    ),
    "a disruption budget that gives all away": (
        lambda docs: of(docs, "PodDisruptionBudget")["spec"].update(maxUnavailable=3),
        "PodDisruptionBudget/pointsman: all 3 pods of Deployment/pointsman may be evicted at once",
    ),
    "a policy for nobody": (
        lambda docs: of(docs, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].update({"app.kubernetes.io/name": "points"}),
        "NetworkPolicy/pointsman: its podSelector selects no pods",
    ),
    "a policy for a port that is not there": (
        lambda docs: of(docs, "NetworkPolicy", "pointsman-from-prometheus")["spec"]["ingress"][0]["ports"][0].update(port=9090),
        "NetworkPolicy/pointsman-from-prometheus: ingress names port 9090, which Deployment/pointsman has not",
    ),
    "a monitor of a port without a name": (
        lambda docs: of(docs, "PodMonitor")["spec"]["podMetricsEndpoints"][0].update(port="http"),
        "PodMonitor/pointsman: port http is no named port of Deployment/pointsman",
    ),
    "a monitor with a field that there is not": (
        lambda docs: of(docs, "PodMonitor")["spec"].update(podMetricEndpoints=[]),
        "PodMonitor/pointsman: Object contains unknown field `podMetricEndpoints`",
    ),
    "an alert that is a record, too": (
        lambda docs: of(docs, "PrometheusRule")["spec"]["groups"][1]["rules"][0].update(record="a:b:c"),
        "PrometheusRule/pointsman: a rule alerts or records, one of the two",
    ),
    "a certificate for other names": (
        lambda docs: of(docs, "Certificate")["spec"].update(dnsNames=["pointsman-headless.pointsman.svc"]),
        "Certificate/pointsman: callers of pointsman.pointsman.svc would be shown a certificate for other names",
    ),
    "a certificate for no name": (
        lambda docs: of(docs, "Certificate")["spec"].pop("dnsNames"),
        "Certificate/pointsman: a certificate is for a name: dnsNames or uris",
    ),
    "a certificate that nobody mounts": (
        lambda docs: of(docs, "Certificate")["spec"].update(secretName="pointsman-tsl"),
        "Deployment/pointsman: Secret/pointsman-tls is not there",
    ),
    "a scaler of what is not there": (
        lambda docs: of(docs, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"].update(name="pointman"),
        "HorizontalPodAutoscaler/pointsman: there is no Deployment/pointman to scale",
    ),
    "a scaler whose number is written over": (
        lambda docs: of(docs, "Deployment")["spec"].update(replicas=3),
        "HorizontalPodAutoscaler/pointsman: Deployment/pointsman says replicas, too",
    ),
    "a scaler by a metric that nobody serves": (
        lambda docs: of(docs, "HorizontalPodAutoscaler")["spec"]["metrics"][1]["pods"]["metric"].update(name="pointsman_calls"),
        "HorizontalPodAutoscaler/pointsman: no server has a metric pointsman_calls",
    ),
    "a probe for a name that no server tells": (
        lambda docs: server(docs)["readinessProbe"]["grpc"].update(service="ready"),
        "Deployment/pointsman: readinessProbe asks for the health of 'ready', which no server tells",
    ),
    "a probe where TLS is spoken": (
        lambda docs: server(docs)["livenessProbe"]["grpc"].update(port=50051),
        "Deployment/pointsman: livenessProbe asks port 50051, and health is told in the clear on 50052",
    ),
    "a probe that kills what drains": (
        lambda docs: server(docs)["livenessProbe"]["grpc"].update(service="readiness"),
        "Deployment/pointsman: livenessProbe asks for more than whether the process lives",
    ),
    "a ConfigMap that is not there": (
        lambda docs: docs.remove(of(docs, "ConfigMap", "pointsman-routes")),
        "Deployment/pointsman: ConfigMap/pointsman-routes is not there",
    ),
    "a Secret of another name": (
        lambda docs: variable(docs, "POINTSMAN_VALKEY_URL")["valueFrom"]["secretKeyRef"].update(name="valkey"),
        "Deployment/pointsman: Secret/valkey is not there",
    ),
    "a ConfigMap that cannot be applied": (
        lambda docs: of(docs, "ConfigMap", "pointsman-dashboards")["data"].update({"more.json": "{}" * 100_000}),
        "ConfigMap/pointsman-dashboards: ",
    ),
    "an account that is not there": (
        lambda docs: pod(docs).update(serviceAccountName="default-router"),
        "Deployment/pointsman: ServiceAccount/default-router is not there",
    ),
    "too little time to end": (
        lambda docs: pod(docs).update(terminationGracePeriodSeconds=120),
        "Deployment/pointsman: its end takes ",
    ),
    "calls longer than their grace": (
        lambda docs: variable(docs, "POINTSMAN_GRACE_S").update(value="30"),
        "Deployment/pointsman: calls may last 120 s (POINTSMAN_LONGEST_CALL_S), and are given 30 at the end",
    ),
    "an end that callers do not hear of": (
        lambda docs: server(docs).pop("lifecycle"),
        "Deployment/pointsman: callers do not hear in time that it ends",
    ),
    "a root user": (
        lambda docs: pod(docs)["securityContext"].update(runAsNonRoot=False),
        "Deployment/pointsman: the pod may run as root",
    ),
    "a root file system to write to": (
        lambda docs: server(docs)["securityContext"].update(readOnlyRootFilesystem=False),
        "Deployment/pointsman: container pointsman may write to its root",
    ),
    "a capability": (
        lambda docs: server(docs)["securityContext"]["capabilities"].update(add=["NET_BIND_SERVICE"]),
        "Deployment/pointsman: container pointsman keeps capabilities",
    ),
    "a token for the API": (
        lambda docs: pod(docs).update(automountServiceAccountToken=True),
        "Deployment/pointsman: the pod is given a token for the API of Kubernetes",
    ),
    "Services among the settings": (
        lambda docs: pod(docs).pop("enableServiceLinks"),
        "Deployment/pointsman: Services of the namespace become variables",
    ),
    "an image that moves": (
        lambda docs: server(docs).update(image="registry.example.com:5000/llm/pointsman"),
        "Deployment/pointsman: image registry.example.com:5000/llm/pointsman is not pinned",
    ),
    "a key of a provider in a variable": (
        lambda docs: server(docs)["env"].append({"name": "OPENAI_API_KEY", "value": "sk-proj-0123456789abcdefghij"}),
        "Deployment/pointsman: this looks like a key of a provider",
    ),
    "a password in an address": (
        lambda docs: variable(docs, "OTEL_EXPORTER_OTLP_ENDPOINT").update(value="http://me:hunter2@collector:4317"),
        "Deployment/pointsman: this looks like a password in an address",
    ),
    "a Secret in the manifests": (
        lambda docs: docs.append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "pointsman"}, "data": {}}
        ),
        "Secret/keys: nothing here knows v1 Secret",
    ),
    "a setting that there is not": (
        lambda docs: variable(docs, "POINTSMAN_STATE_DIR").update(name="POINTSMAN_STATEDIR"),
        "Deployment/pointsman: variable POINTSMAN_STATEDIR is no setting",
    ),
    "a setting that the server would not take": (
        lambda docs: variable(docs, "POINTSMAN_GRACE_S").update(value="2m"),
        "Deployment/pointsman: the server would not start: POINTSMAN_GRACE_S='2m'",
    ),
    "half of TLS": (
        lambda docs: server(docs)["env"].remove(variable(docs, "POINTSMAN_TLS_KEY")),
        "Deployment/pointsman: the server would not start: POINTSMAN_TLS_CERT and TLS_KEY go together",
    ),
    "a private key among those of providers": (
        lambda docs: variable(docs, "POINTSMAN_TLS_KEY").update(value="/var/run/secrets/pointsman/tls.key"),
        "Deployment/pointsman: /var/run/secrets/pointsman/tls.key is where models.yaml may take keys from",
    ),
    "rules that are not mounted where they are looked for": (
        lambda docs: variable(docs, "POINTSMAN_RULES").update(value="/rules"),
        "Deployment/pointsman: nothing is mounted where it looks for rules, /rules",
    ),
    "rules that never change again": (
        lambda docs: next(one for one in server(docs)["volumeMounts"] if one["name"] == "rules").update(subPath="routing.yaml"),
        "Deployment/pointsman: volume rules is mounted by subPath",
    ),
    "a volume that fills": (
        lambda docs: volume(docs, "state")["emptyDir"].update(sizeLimit="16Mi"),
        "Deployment/pointsman: /var/lib/pointsman has room for 16Mi, and may need 272 MB: the pod would be evicted",
    ),
    "everybody let in": (
        lambda docs: volume(docs, "rules")["projected"]["sources"][2]["configMap"].update(optional=True),
        "Deployment/pointsman: the rules may lack a tenants.yaml",
    ),
    "keys for others to read": (
        lambda docs: volume(docs, "keys")["projected"].update(defaultMode=0o444),
        "Deployment/pointsman: volume keys holds a Secret that others in the pod can read",
    ),
    "keys that the server cannot read": (
        lambda docs: pod(docs)["securityContext"].pop("fsGroup"),
        "Deployment/pointsman: volume tls holds a Secret of root's",
    ),
    "a server on loopback": (
        lambda docs: variable(docs, "POINTSMAN_LISTEN").update(value="127.0.0.1:50051"),
        "Deployment/pointsman: the server listens for grpc on loopback",
    ),
    "metrics on another port": (
        lambda docs: variable(docs, "POINTSMAN_METRICS_LISTEN").update(value="0.0.0.0:9090"),
        "Deployment/pointsman: the server listens for metrics on 9090, and the port of that name is 9464",
    ),
    "shares of more pods than there are": (
        lambda docs: variable(docs, "POINTSMAN_REPLICAS").update(value="5"),
        "Deployment/pointsman: POINTSMAN_REPLICAS says 5, and there may be 3",
    ),
    "a spread of other pods": (
        lambda docs: pod(docs)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].update({"app.kubernetes.io/name": "points"}),
        "Deployment/pointsman: the spread over topology.kubernetes.io/zone is of other pods",
    ),
    "a kind that nobody here knows": (
        lambda docs: docs.append({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}}),
        "CronJob/nightly: nothing here knows batch/v1 CronJob",
    ),
    "a namespace of others": (
        lambda docs: of(docs, "Service")["metadata"].update(namespace="default"),
        "Service/pointsman: its namespace default is none of pointsman",
    ),
    "the same twice": (lambda docs: docs.append(of(docs, "Service")), "Service/pointsman: it is there 2 times"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_manifests_is_found_and_named(name: str, served: Served) -> None:
    documents = overlay("prod")
    breaking, expected = BROKEN[name]
    breaking(documents)

    found = problems(documents, external=EXTERNAL["prod"], served=served)

    assert any(problem.startswith(expected) for problem in found), found


ROUTES: dict[str, tuple[dict[str, Any], str]] = {
    "a service of another version": (
        {"matches": [{"method": {"service": "pointsman.v2.RouterService"}}]},
        "no server serves pointsman.v2.RouterService",
    ),
    "a backend that is not there": ({"backendRefs": [{"name": "pointsman", "port": 80}]}, "there is no Service pointsman with port 80"),
    "a field that there is not": ({"backends": []}, "Object contains unknown field `backends`"),
}


@pytest.mark.parametrize("name", ROUTES)
def test_what_breaks_a_route_is_found_and_named(name: str, served: Served) -> None:
    route = yaml.safe_load((K8S / "components/gateway/route.yaml").read_text())
    route["metadata"]["namespace"] = "pointsman"
    change, expected = ROUTES[name]
    route["spec"]["rules"][0].update(change)

    found = problems([*overlay("prod"), route], external=EXTERNAL["prod"], served=served)

    assert any(problem.startswith(f"GRPCRoute/pointsman: {expected}") for problem in found), found
