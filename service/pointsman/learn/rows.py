"""Outcomes: a prompt, and what several models scored on it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct


class Outcome(Struct, frozen=True):
    """What one model made of a prompt."""

    score: float
    """0..1; 1 is right."""
    cost_usd: float | None = None


class Row(Struct, frozen=True):
    """One prompt of a source."""

    source: str
    id: str
    prompt: str
    task: str
    """Source and field, as in `mmlu/virology`."""
    models: Mapping[str, Outcome]


PAIRS: Mapping[str, tuple[str, str]] = {
    "routellm_mmlu": ("mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"),
    "routellm_gsm8k": ("mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"),
    "zeroeval": ("Llama-3.1-8B-Instruct", "gpt-4o-2024-08-06"),
    "mmlu_pro": ("Llama-3.1-8B-Instruct", "gemini-1.5-pro-002"),
}
"""Weak and strong model of each source that is learned from."""

REFERENCE = "Llama-3.1-8B-Instruct"
"""The model that complexity is about."""

_DECODER = msgspec.json.Decoder(Row)


def read_rows(folder: Path) -> list[Row]:
    """Return the rows of all `*.jsonl.gz` of a folder whose source has a pair of models, in the order of their ids."""
    found: list[Row] = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rb") as lines:
            found.extend(_DECODER.decode(line) for line in lines)
    rows = sorted((row for row in found if source_of(row) in PAIRS), key=lambda row: row.id)
    if not rows:
        raise FileNotFoundError(f"{folder}: no *.jsonl.gz with rows of {', '.join(PAIRS)}")
    return rows


def source_of(row: Row) -> str:
    """Return the source by the id, as in `zeroeval/8f53`."""
    return row.id.partition("/")[0]


def gain_of(row: Row) -> float:
    """Return by how much the strong model of the pair did better, -1..1."""
    weak, strong = PAIRS[source_of(row)]
    return row.models[strong].score - row.models[weak].score


def failure_of(row: Row) -> float:
    """Return how far the weak model of the pair failed, 0..1."""
    return 1.0 - row.models[PAIRS[source_of(row)][0]].score


def costs_of(row: Row) -> tuple[float, float]:
    """Return what the weak and the strong model of the pair cost, in dollars; NaN where the source does not tell."""
    weak, strong = (row.models[name].cost_usd for name in PAIRS[source_of(row)])
    return (float("nan") if weak is None else weak, float("nan") if strong is None else strong)


def asked(prompt: str) -> str:
    """Return a prompt without the frame that ZeroEval puts around every question."""
    _, framed, rest = prompt.partition("## Question:")
    return (rest.partition("## Instruction")[0] if framed else prompt).strip()


def question_key(row: Row) -> int:
    """Return a number that is the same wherever the same question is asked, and folds must not part.

    Two sources share GSM8K; MMLU-Pro asks much of MMLU, with other answer options, so a question is what stands before them.
    """
    question, _, _ = asked(row.prompt).partition("\nA. ")
    return int(sha256(re.sub(r"\W+", "", question.lower()).encode()).hexdigest()[:15], 16)
