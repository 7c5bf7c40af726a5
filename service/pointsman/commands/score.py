"""`pointsman score`: what is known of prompts before anything is decided, a line of JSON for each, as fast as they come."""

from __future__ import annotations

import argparse
import sys
from typing import BinaryIO

import msgspec
from msgspec import Struct

from pointsman.commands.rules import ruleset_or_complaint
from pointsman.core.catalog import Catalog
from pointsman.core.lengths import usual
from pointsman.core.quality import quality
from pointsman.core.reading import Reading
from pointsman.core.request import Request
from pointsman.offline import reading_of
from pointsman.settings import Settings


class _Asked(Struct, frozen=True):
    id: str | int
    prompt: str


class Scored(Struct, frozen=True, kw_only=True):
    """What is known of one prompt."""

    id: str | int
    complexity: float
    gain: float
    confidence: float
    task: str
    subject: str
    input_tokens: int
    output_tokens: int
    """Predicted median of the answer."""
    quality: dict[str, float]
    """Predicted probability that a model answers acceptably, by model of the catalog."""


def score(options: argparse.Namespace, settings: Settings) -> int:
    """Read {"id", "prompt"} from each line of stdin, and write what is known of it; 1 if a line could not be read."""
    ruleset = ruleset_or_complaint(options.rules, settings)
    if ruleset is None:
        return 1
    return _scored(sys.stdin.buffer, sys.stdout.buffer, ruleset.catalog, settings)


def _scored(lines: BinaryIO, out: BinaryIO, catalog: Catalog, settings: Settings) -> int:
    read, decode, encode = reading_of(settings), msgspec.json.Decoder(_Asked).decode, msgspec.json.Encoder().encode
    wrong = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            asked = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            wrong += 1
            print(f'pointsman: stdin:{number}: expected {{"id": ..., "prompt": "..."}}: {error}', file=sys.stderr)
            continue
        out.write(encode(of(asked.id, read(Request.of(asked.prompt).prompt), catalog)) + b"\n")
        out.flush()  # whoever asks one by one waits for each
    return 1 if wrong else 0


def of(id: str | int, reading: Reading, catalog: Catalog) -> Scored:
    """Return what is known of a prompt that was read."""
    found = reading.features
    models, task = catalog.models.values(), found.task
    expected = {model.id: round(quality(model.ability_for(task), found.complexity, found.discrimination), 4) for model in models}
    return Scored(
        id=id,
        complexity=round(found.complexity, 6),
        gain=round(found.gain, 6),
        confidence=round(found.confidence, 4),
        task=found.task,
        subject=found.subject,
        input_tokens=reading.input_tokens,
        output_tokens=usual(found.task, found.complexity)[0],
        quality=expected,
    )
