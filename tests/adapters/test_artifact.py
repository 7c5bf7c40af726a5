"""The artifact: what is read is what was written, and damage is refused."""

from __future__ import annotations

import pytest

from handmade import weights
from pointsman.adapters.artifact import UnreadableArtifact, digest_of, packed, unpacked
from pointsman.core.estimator import Estimator

ARTIFACT = packed(weights())


def test_what_is_read_is_what_was_written() -> None:
    assert packed(unpacked(ARTIFACT, digest=digest_of(ARTIFACT))) == ARTIFACT
    assert Estimator(unpacked(ARTIFACT)).estimate("How many apples?").task == "math"


def test_another_digest_is_refused() -> None:
    with pytest.raises(UnreadableArtifact, match="expected 00ff"):
        unpacked(ARTIFACT, digest="00ff")


@pytest.mark.parametrize("at", [0, 10, 60, len(ARTIFACT) - 1])
def test_a_changed_byte_is_refused(at: int) -> None:
    damaged = bytearray(ARTIFACT)
    damaged[at] ^= 1

    with pytest.raises(UnreadableArtifact):
        unpacked(bytes(damaged))


def test_a_cut_file_is_refused() -> None:
    with pytest.raises(UnreadableArtifact):
        unpacked(ARTIFACT[:-1])
