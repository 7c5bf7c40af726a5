"""Outcomes: a prompt, and what several models scored on it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct


class Outcome(Struct, frozen=True):
    """What one model made of a prompt."""

    score: float
    """0..1; 1 is right."""
    cost_usd: float | None = None
    output_tokens: int | None = None


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
"""Weak and strong model of the public sources. Of one's own, they are the least and the most able of the models that answered every row."""

_NOISE = frozenset({"routellm_mtbench"})
"""Sources whose scores tell nothing: 37 prompts, judged by a model."""

REFERENCE = "Llama-3.1-8B-Instruct"
"""The model that complexity is about, on public sources. On one's own, it is about the weak model."""

_DECODER = msgspec.json.Decoder(Row)


def read_rows(folder: Path) -> list[Row]:
    """Return the rows of all `*.jsonl.gz` of a folder, in the order of their ids. Raises FileNotFoundError if there are none."""
    found: list[Row] = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rb") as lines:
            found.extend(_DECODER.decode(line) for line in lines)
    rows = sorted((row for row in found if source_of(row) not in _NOISE), key=lambda row: row.id)
    if not rows:
        raise FileNotFoundError(f"{folder}: no *.jsonl.gz with rows of source, id, prompt, task, models")
    return rows


def source_of(row: Row) -> str:
    """Return the source: of public ones as the id says, as in `zeroeval/8f53`."""
    prefix = row.id.partition("/")[0]
    return prefix if prefix in PAIRS or prefix in _NOISE else row.source


def pairs_of(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Return the weak and the strong model of each source. Raises ValueError where fewer than two models answered every row of one."""
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(source_of(row), []).append(row)
    return {source: PAIRS.get(source) or _extremes(source, found) for source, found in by_source.items()}


def _extremes(source: str, rows: Sequence[Row]) -> tuple[str, str]:
    common = set.intersection(*(set(row.models) for row in rows))
    if len(common) < 2:
        raise ValueError(f"source {source}: expected two models or more that answered every row, found {len(common)}")
    ranked = sorted(common, key=lambda name: (sum(row.models[name].score for row in rows), name))
    return ranked[0], ranked[-1]


def is_reference(row: Row) -> bool:
    """Return whether the weak model of the row is the one that complexity is about."""
    return REFERENCE in row.models or source_of(row) not in PAIRS


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
