"""Outcomes: a prompt, and what several models scored on it."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct


class BadRows(ValueError):
    """The rows cannot be learned from; says what is wrong with which."""


class Outcome(Struct, frozen=True):
    """What one model made of a prompt."""

    score: Annotated[float, Meta(ge=0, le=1)]
    """1 is right."""
    cost_usd: Annotated[float, Meta(ge=0)] | None = None
    output_tokens: Annotated[int, Meta(ge=0)] | None = None


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


FEWEST = 60
"""Rows: fewer do not fill the folds that weights are fitted to."""

_TOLD = 20
"""Problems, at most; a file that is wrong is often wrong in every line."""


def read_rows(folder: Path) -> list[Row]:
    """Return the rows of all `*.jsonl.gz` of a folder, in the order of their ids. Raises BadRows, with every problem at its line."""
    problems: list[str] = []
    found = [row for path in sorted(folder.glob("*.jsonl.gz")) for row in _rows_of(path, problems)]
    if problems:
        more = [f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        raise BadRows("\n".join([*problems[:_TOLD], *more]))
    rows = sorted((row for row in found if source_of(row) not in _NOISE), key=lambda row: row.id)
    if len(rows) < FEWEST:
        raise BadRows(f"{folder}: expected {FEWEST} rows or more of source, id, prompt, task, models in *.jsonl.gz, found {len(rows)}")
    return rows


def _rows_of(path: Path, problems: list[str]) -> Iterator[Row]:
    """Yield the rows of a file; what is wrong with others is added to the problems."""
    try:
        with gzip.open(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield _DECODER.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    problems.append(f"{path}:{number}: {error}; expected source, id, prompt, task, and models with a score of 0 to 1 each")
    except (OSError, EOFError, zlib.error) as error:
        problems.append(f"{path}: cannot be read as gzip: {error}")


def source_of(row: Row) -> str:
    """Return the source: of public ones as the id says, as in `zeroeval/8f53`."""
    prefix = row.id.partition("/")[0]
    return prefix if prefix in PAIRS or prefix in _NOISE else row.source


def pairs_of(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Return the weak and the strong model of each source. Raises BadRows where fewer than two models answered every row of one."""
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(source_of(row), []).append(row)
    return {source: PAIRS.get(source) or _extremes(source, found) for source, found in by_source.items()}


def _extremes(source: str, rows: Sequence[Row]) -> tuple[str, str]:
    common = set.intersection(*(set(row.models) for row in rows))
    if len(common) < 2:
        least = min(rows, key=lambda row: len(row.models))
        answered = ", ".join(sorted(least.models)) or "none"
        raise BadRows(
            f"source {source}: expected two models or more that answered every row, found {len(common)}; row {least.id} has only {answered}"
        )
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
