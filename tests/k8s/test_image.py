"""What the image holds, without an engine that could build it: the Dockerfile as hadolint reads it, and what it installs, run as a pod would run it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rendering import K8S, ROOT, environment, overlay, rules, server

from certificates import Authority
from pointsman.v1 import router_service_pb2 as pb
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub

pytestmark = pytest.mark.foreign

DOCKERFILE = K8S / "image" / "Dockerfile"
LOCKED = ROOT / ".venv-image"
USER = 65532

DEV_KEY = "pointsman-dev"

# In a mount namespace of its own: the interpreter where others than root reach it, everything read-only but the volumes, no capability left.
AS_A_POD = """
mount --bind "$BASE" "$ROOT/python"
for volume in tmp var/lib/pointsman; do mount -t tmpfs -o mode=0777 tmpfs "$ROOT/$volume"; done
mount -o remount,bind,ro "$ROOT/python"
mount -o remount,bind,ro /
exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@dataclass(frozen=True)
class Image:
    """What the image would hold, below a folder."""

    root: Path
    is_pod: bool
    """Whether it is run as another user, on a file system that is read-only."""

    @property
    def program(self) -> Path:
        return self.root / "opt" / "pointsman" / "bin" / "pointsman"

    @property
    def prefix(self) -> list[str]:
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", AS_A_POD, "sh"] if self.is_pod else []


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Return the folder with what the last stage copies: the locked requirements and the wheel of this code."""
    assert (LOCKED / "ready").exists(), "there is no .venv-image; `make foreign` brings it"
    root = Path(tempfile.mkdtemp(prefix="pointsman-image-"))
    try:
        is_pod = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
        found = Image(root, is_pod)
        root.chmod(0o755)
        _install(found)
        yield found
    finally:
        subprocess.run(["chmod", "-R", "u+w", root], check=False)
        shutil.rmtree(root)


def _install(image: Image) -> None:
    for folder in ("python", "tmp", "var/lib/pointsman", "dist"):
        (image.root / folder).mkdir(parents=True)
    environment = image.root / "opt" / "pointsman"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", image.root / "dist"]
    source = shutil.copytree(
        ROOT / "service", image.root / "source" / "service", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source.parent)
    subprocess.run([*wheel, source.parent], check=True, timeout=120)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60)
    python = environment / "bin" / "python"
    packages = f"lib/python{sysconfig.get_python_version()}/site-packages"
    shutil.copytree(LOCKED / packages, environment / packages, dirs_exist_ok=True)
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", "--no-index", *(image.root / "dist").glob("*.whl")], check=True, timeout=60
    )
    if image.is_pod:  # by way of a folder that others than root reach
        for name in ("python", "python3"):
            (environment / "bin" / name).unlink(missing_ok=True)
            (environment / "bin" / name).symlink_to(image.root / "python" / "bin" / Path(os.path.realpath(sys.executable)).name)
        settings = environment / "pyvenv.cfg"
        settings.write_text(re.sub(r"^home = .*$", f"home = {image.root}/python/bin", settings.read_text(), flags=re.MULTILINE))
    subprocess.run(["chmod", "-R", "a+rX,a-w", environment], check=True)


def _volume(directory: Path, files: dict[str, str]) -> None:
    """Lay out a volume as the kubelet does: the files in a folder that a link names, and links to them."""
    first = directory / "..2026_01_01"
    first.mkdir(parents=True)
    (directory / "..data").symlink_to(first.name)
    for name, text in files.items():
        (first / name).write_text(text)
        (directory / name).symlink_to(f"..data/{name}")
    subprocess.run(["chmod", "-R", "a+rX", directory.parent], check=True)


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


@dataclass(frozen=True)
class Pod:
    """A server that runs as the pods of an overlay do."""

    process: subprocess.Popen[str]
    address: str
    health: str
    log: Path


@contextmanager
def running(image: Image, name: str, **files: dict[str, str]) -> Iterator[Pod]:
    """Run the server with the variables and the rules of an overlay; only ports and folders are others, and no store or collector is there.

    `files` are what Secrets would bring: the files of a volume, by its name.
    """
    documents, root = overlay(name), image.root
    variables = {
        key: value for key, value in environment(documents).items() if key != "POINTSMAN_VALKEY_URL" and not key.startswith("OTEL_")
    }
    ports = dict(zip(("POINTSMAN_LISTEN", "POINTSMAN_HEALTH_LISTEN", "POINTSMAN_METRICS_LISTEN"), _free_ports(3), strict=True))
    variables |= {key: f"127.0.0.1:{port}" for key, port in ports.items()}
    variables |= {key: f"{root}{value}" for key, value in variables.items() if value.startswith("/")}
    volumes = {mount["name"]: root / mount["mountPath"][1:] for mount in server(documents)["volumeMounts"]}
    for directory in {volumes[name] for name in ("rules", *files)}:
        shutil.rmtree(directory, ignore_errors=True)
    keys = f"{root}/var/run/secrets/pointsman"  # the catalog names them where they are in a pod
    _volume(volumes["rules"], {file: text.replace("/var/run/secrets/pointsman", keys) for file, text in rules(documents).items()})
    for volume, texts in files.items():
        _volume(volumes[volume], texts)
    own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(image.root / "tmp"), "BASE": sys.base_prefix, "ROOT": str(image.root)}
    own |= {"LD_LIBRARY_PATH": f"{image.root}/python/lib"} if image.is_pod else {}  # where the interpreter finds its library, too
    log = image.root / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*image.prefix, image.program, "serve"], cwd="/", env={**own, **variables}, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = process.stdout.readline().rpartition(" ")[2].strip()
            assert address, log.read_text()
            yield Pod(process, address, variables["POINTSMAN_HEALTH_LISTEN"], log)
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.parametrize(
    ("before", "after", "finding"), [("", "", ""), ("WORKDIR /", "WORKDIR app", "DL3000"), ('["pointsman"]', "pointsman", "DL3025")]
)
def test_hadolint_finds_nothing_in_the_dockerfile_but_what_is_put_there(before: str, after: str, finding: str) -> None:
    text = DOCKERFILE.read_text().replace(before, after) if before else DOCKERFILE.read_text()
    done = subprocess.run(["hadolint", "--failure-threshold", "style", "-"], input=text, capture_output=True, text=True, timeout=60)

    assert done.returncode == (1 if finding else 0), done.stdout + done.stderr
    assert finding in done.stdout


def test_the_image_is_made_as_it_should_be() -> None:
    text = DOCKERFILE.read_text()
    base = text.partition(" AS base\n")[2]

    assert re.search(r"^ARG BASE=\S+:\d+\.\d+\.\d+-", text, re.MULTILINE)  # hadolint does not look into arguments
    assert re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE) == ['["pointsman"]']  # in exec form: the server is process 1
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == [f"{USER}:{USER}"]
    assert re.findall(r"^FROM (?!\$\{BASE\}|build\b|base\b)", text, re.MULTILINE) == []
    assert "pip install" not in base
    assert len(re.findall(r"pip install .*--require-hashes -r", text)) == 3
    assert text.rstrip().endswith("COPY --from=build-plain /opt/pointsman /opt/pointsman")
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for word in line.split()}
    assert "*" in ignored
    assert {f"!{word.partition('/')[0] if word.startswith('service/') else word}" for word in copied} <= set(ignored)


NAMES = ("startup", "readiness", "liveness")


def healths(pod: Pod) -> list[int]:
    """Return what the probes are told."""
    with grpc.insecure_channel(pod.health) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        return [check(health_pb2.HealthCheckRequest(service=name), timeout=5).status for name in NAMES]


def routed(channel: grpc.Channel, *metadata: tuple[str, str], text: str = "What is 17 * 23?") -> str:
    """Return which model a prompt goes to, a sum by default."""
    request = pb.RouteRequest()
    request.request.prompt.text = text
    return RouterServiceStub(channel).Route(request, timeout=5, metadata=metadata).decision.chosen.model


def test_a_server_runs_as_a_pod_of_dev_would_run_it(image: Image) -> None:
    with running(image, "dev") as pod, grpc.insecure_channel(pod.address) as channel:
        told, model = healths(pod), routed(channel, ("authorization", f"Bearer {DEV_KEY}"))
        with pytest.raises(grpc.RpcError) as refused:
            routed(channel)
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pod.process.pid}/status").read_text().splitlines())
        mounts = Path(f"/proc/{pod.process.pid}/mounts").read_text().splitlines()

    assert told == [health_pb2.HealthCheckResponse.SERVING] * len(NAMES)
    assert model == "builtin"
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert pod.process.returncode == 0, pod.log.read_text()
    if not image.is_pod:
        pytest.skip(
            "it served and ended well, but as the user of the tests, who could have written elsewhere: only root can become another"
        )
    assert set(status["Uid"].split()) == {str(USER)}
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert "ro" in next(mount for mount in mounts if mount.split()[1] == "/").split()[3].split(",")


def test_a_server_runs_as_a_pod_of_prod_would_run_it(image: Image, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, search = authority.sign("server", CN="pointsman"), authority.sign("search", "spiffe://cluster.local/ns/search/sa/web", CN="search")
    tls = {"tls.crt": own.cert.read_text(), "tls.key": own.key.read_text(), "ca.crt": authority.ca.read_text()}
    shown = grpc.ssl_channel_credentials(authority.ca.read_bytes(), search.key.read_bytes(), search.cert.read_bytes())

    with running(image, "prod", tls=tls, keys={"openai": "not-a-key"}) as pod, grpc.secure_channel(pod.address, shown) as channel:
        told, model, hard = healths(pod), routed(channel), routed(channel, text="Prove that there is no largest prime.")
        with (
            grpc.secure_channel(pod.address, grpc.ssl_channel_credentials(authority.ca.read_bytes())) as nobody,
            pytest.raises(grpc.RpcError) as refused,
        ):
            routed(nobody)

    assert told == [health_pb2.HealthCheckResponse.SERVING] * len(NAMES)
    assert model == "builtin"
    assert hard.startswith("gpt-")  # of all the keys of the catalog, this one is there
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert pod.process.returncode == 0, pod.log.read_text()
    assert "not-a-key" not in pod.log.read_text()


def test_nothing_that_installs_is_in_the_image(image: Image) -> None:
    packages = {path.name for path in (image.root / "opt/pointsman").glob("lib/*/site-packages/*")}

    assert {"pointsman", "grpc"} <= packages
    assert {"pip", "setuptools", "wheel", "pytest"} & packages == set()
    assert not list((image.root / "opt/pointsman").glob("bin/pip*"))
    assert [name for name in packages if name.endswith(".pth")] == []  # such a file runs whenever Python starts


def test_the_key_of_dev_is_the_one_that_the_runbook_says() -> None:
    assert hashlib.sha256(DEV_KEY.encode()).hexdigest() in (K8S / "overlays/dev/tenants/tenants.yaml").read_text()
    assert DEV_KEY in (K8S / "README.md").read_text()
