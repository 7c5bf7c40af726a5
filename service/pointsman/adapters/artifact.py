"""The artifact: the weights of the estimator in one file, which no foreign code can hide in.

magic     8 bytes, with the version of the layout
digest    32 bytes: SHA-256 of all that follows
length    4 bytes, big-endian: bytes of the head
head      msgpack: vocabulary, numbers, curves, and type and form of each array
arrays    raw, little-endian, in the order of the head
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from math import prod
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.core.estimator import Curves, Estimator, Weights
from pointsman.core.estimator.wording import Vocabulary

MAGIC = b"PMESTIM1"
_HALVED = ("words", "squares")
_EXACT = ("heads_base", "kinds", "gain_mix", "failure_mix", "familiar")
_HEAD_AT = len(MAGIC) + 32 + 4


class UnreadableArtifact(ValueError):
    """The file is not an artifact, or not the one that is expected."""


class _CurvesHead(Struct, frozen=True):
    edges: tuple[tuple[float, ...], ...]
    heights: tuple[tuple[float, ...], ...]
    base: float


class _Head(Struct, frozen=True):
    vocabulary: str
    """Words in the order of their numbers, one a line."""
    sharpness: float
    gain_mean: float
    gain_shape: _CurvesHead
    failure_shape: _CurvesHead
    forms: dict[str, tuple[int, ...]]


SHIPPED = "82b5bd9465567f21e35f7e02af5131d46108dc1e1ffcca2b50a10cba23ac8cee"
"""SHA-256 of the artifact that ships."""


@cache
def load_estimator(own: Path | None = None) -> Estimator:
    """Return the estimator that ships, or that of one's own artifact. Raises UnreadableArtifact."""
    if own is None:
        return Estimator(unpacked(files("pointsman").joinpath("learned/estimator.bin").read_bytes(), digest=SHIPPED))
    try:
        return Estimator(unpacked(own.read_bytes()))
    except OSError as error:
        raise UnreadableArtifact(f"cannot read {own}: {error.strerror}") from None


def packed(weights: Weights) -> bytes:
    """Return the artifact of the weights. Large arrays are kept in half precision, which training already rounds them to."""
    arrays = {name: getattr(weights, name) for name in (*_HALVED, *_EXACT)}
    head = _Head(
        vocabulary="\n".join(weights.vocabulary),
        sharpness=weights.sharpness,
        gain_mean=weights.gain_mean,
        gain_shape=_head_of(weights.gain_shape),
        failure_shape=_head_of(weights.failure_shape),
        forms={name: array.shape for name, array in arrays.items()},
    )
    text = msgspec.msgpack.encode(head)
    body = len(text).to_bytes(4, "big") + text + b"".join(array.astype(_type_of(name)).tobytes() for name, array in arrays.items())
    return MAGIC + sha256(body).digest() + body


def digest_of(artifact: bytes) -> str:
    """Return the digest that an artifact carries, in hexadecimal."""
    return artifact[len(MAGIC) : len(MAGIC) + 32].hex()


def unpacked(artifact: bytes, *, digest: str = "") -> Weights:
    """Return the weights. Raises UnreadableArtifact if the bytes are damaged, or their digest is not the one given."""
    if not artifact.startswith(MAGIC):
        raise UnreadableArtifact(f"not an artifact of the estimator: expected the file to begin with {MAGIC!r}, found {artifact[:8]!r}")
    found = sha256(artifact[_HEAD_AT - 4 :]).hexdigest()
    if found != digest_of(artifact):
        raise UnreadableArtifact(f"the artifact is damaged: its content has digest {found}, its head says {digest_of(artifact)}")
    if digest and found != digest:
        raise UnreadableArtifact(f"the artifact has digest {found}; expected {digest}")
    return _read(artifact)


def _read(artifact: bytes) -> Weights:
    start = _HEAD_AT + int.from_bytes(artifact[_HEAD_AT - 4 : _HEAD_AT], "big")
    try:
        head = msgspec.msgpack.decode(artifact[_HEAD_AT:start], type=_Head)
        arrays = _arrays(artifact, head.forms, start)
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise UnreadableArtifact(f"the artifact cannot be read: {error}") from error
    return Weights(
        vocabulary=Vocabulary(head.vocabulary.split("\n")),
        sharpness=head.sharpness,
        gain_mean=head.gain_mean,
        gain_shape=_curves_of(head.gain_shape),
        failure_shape=_curves_of(head.failure_shape),
        words=arrays["words"].astype(np.float32),
        squares=arrays["squares"].astype(np.float32),
        heads_base=arrays["heads_base"],
        kinds=arrays["kinds"],
        gain_mix=arrays["gain_mix"],
        failure_mix=arrays["failure_mix"],
        familiar=arrays["familiar"],
    )


def _arrays(artifact: bytes, forms: Mapping[str, tuple[int, ...]], start: int) -> dict[str, NDArray[np.float64]]:
    """Return the arrays, which begin at `start`. Raises KeyError and ValueError where they are not what the head says."""
    found = {}
    for name in (*_HALVED, *_EXACT):
        form, kept = forms[name], np.dtype(_type_of(name))
        found[name] = np.frombuffer(artifact, kept, count=prod(form), offset=start).reshape(form).astype(np.float64)
        start += prod(form) * kept.itemsize
    return found


def _type_of(name: str) -> str:
    return "<f2" if name in _HALVED else "<f8"


def _head_of(curves: Curves) -> _CurvesHead:
    return _CurvesHead(curves.edges, curves.heights, curves.base)


def _curves_of(head: _CurvesHead) -> Curves:
    return Curves(edges=head.edges, heights=head.heights, base=head.base)
