"""The estimator that ships: harder variants of a prompt score harder, and rewording leaves decisions as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fakes import ESTIMATE
from pointsman.core.quality import quality

TABLES = Path(__file__).parents[1] / "data" / "estimator"
PAIRS: dict[str, list[dict[str, str]]] = yaml.safe_load((TABLES / "harder.yaml").read_text())
REWORDED: list[tuple[str, str]] = yaml.safe_load((TABLES / "reworded.yaml").read_text())
ABILITIES = (0.40, 0.60, 0.72, 0.84, 0.92)
"""Of models that a decision chooses from, rising with price."""


def test_harder_variants_of_a_prompt_score_harder(capsys: pytest.CaptureFixture[str]) -> None:
    """At least 54 of 60 pairs are in the right order; the rest are listed."""
    pairs = [(domain, pair["easier"], pair["harder"]) for domain, found in PAIRS.items() for pair in found]
    missed = [(domain, easier) for domain, easier, harder in pairs if ESTIMATE(easier).complexity >= ESTIMATE(harder).complexity]
    with capsys.disabled():
        for domain, easier in missed:
            print(f"\nwrong order, {domain}: {easier[:70]!r}", end="")

    assert len(pairs) == 60
    assert len(pairs) - len(missed) >= 54


def test_rewording_leaves_decisions_as_they_are() -> None:
    """At accuracy 0.8, at least 80 % of pairs go to the same model: the cheapest that is expected to reach it, or else the best."""
    same = sum(_decision(before) == _decision(after) for before, after in REWORDED)

    assert same >= 0.8 * len(REWORDED)


def _decision(prompt: str) -> int:
    found = ESTIMATE(prompt)
    expected = [quality(ability, found.complexity, found.discrimination) >= 0.8 for ability in ABILITIES]
    return expected.index(True) if any(expected) else len(ABILITIES) - 1
