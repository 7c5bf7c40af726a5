"""The artifact: the weights of the estimator in one file, which no foreign code can hide in.

magic     8 bytes, with the version of the layout
digest    32 bytes: SHA-256 of all that follows
length    4 bytes, big-endian: bytes of the head
head      msgpack: vocabulary, single numbers, and form of each array
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

from pointsman.core.estimator import Estimator, Network, Weights
from pointsman.core.estimator.wording import Vocabulary

MAGIC = b"PMESTIM6"
_OWN = {"words": "<f2", "kinds": "<f4", "gain_mix": "<f8", "failure_mix": "<f8", "familiar": "<f8"}
_OF_NETWORK = {"lowest": "<f4", "highest": "<f4", "hidden": "<f4", "biases": "<f4", "votes": "<f4", "offsets": "<f4"}
_TYPES = _OWN | _OF_NETWORK
"""How each array is kept."""
_HEAD_AT = len(MAGIC) + 32 + 4


class UnreadableArtifact(ValueError):
    """The file is not an artifact, or not the one that is expected."""


class _Head(Struct, frozen=True):
    vocabulary: str
    """Words in the order of their numbers, one a line."""
    strange: float
    sharpness: float
    forms: dict[str, tuple[int, ...]]


SHIPPED = "bb284b23da784519dfdf0c66fd504a051ce37e0d9c91ae13691e5251dd450626"
"""SHA-256 of the artifact that ships."""


@cache
def load_estimator(own: Path | None = None) -> Estimator:
    """Return the estimator that ships, or that of one's own artifact. Raises UnreadableArtifact."""
    if own is None:
        return Estimator(unpacked(files("pointsman").joinpath("learned/estimator.bin").read_bytes(), digest=SHIPPED))
    try:
        return Estimator(unpacked(own.read_bytes()))
    except OSError as error:
        raise UnreadableArtifact(f"POINTSMAN_ESTIMATOR={own}: cannot be read: {error.strerror}") from None
    except UnreadableArtifact as error:
        raise UnreadableArtifact(f"POINTSMAN_ESTIMATOR={own}: {error}; unset it to use the one that ships") from None


def packed(weights: Weights) -> bytes:
    """Return the artifact of the weights. Large arrays are kept in half precision, which training already rounds them to."""
    arrays = {name: getattr(weights, name) for name in _OWN} | {name: getattr(weights.network, name) for name in _OF_NETWORK}
    head = _Head(
        vocabulary="\n".join(weights.vocabulary),
        strange=weights.strange,
        sharpness=weights.sharpness,
        forms={name: array.shape for name, array in arrays.items()},
    )
    text = msgspec.msgpack.encode(head)
    body = len(text).to_bytes(4, "big") + text + b"".join(array.astype(_TYPES[name]).tobytes() for name, array in arrays.items())
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
        strange=head.strange,
        sharpness=head.sharpness,
        words=arrays["words"].astype(np.float32),
        kinds=arrays["kinds"].astype(np.float32),
        network=Network(**{name: arrays[name] for name in _OF_NETWORK}),
        **{name: arrays[name] for name in ("gain_mix", "failure_mix", "familiar")},
    )


def _arrays(artifact: bytes, forms: Mapping[str, tuple[int, ...]], start: int) -> dict[str, NDArray[np.float64]]:
    """Return the arrays, which begin at `start`. Raises KeyError and ValueError where they are not what the head says."""
    found = {}
    for name, kept in ((name, np.dtype(kept)) for name, kept in _TYPES.items()):
        form = forms[name]
        found[name] = np.frombuffer(artifact, kept, count=prod(form), offset=start).reshape(form).astype(np.float64)
        start += prod(form) * kept.itemsize
    return found
