"""The tokeniser is tiktoken's own o200k, offline; text that no human wrote is counted piece by piece and marked."""

from __future__ import annotations

import time

import pytest
import tiktoken_ext.openai_public
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.adapters import o200k
from pointsman.adapters.o200k import BLOCK, O200kCounter
from pointsman.core.vocabulary import TokenCountMethod

ENCODING = o200k.load_encoding()
COUNTER = O200kCounter(ENCODING)


def test_the_ranks_give_the_ids_that_everybody_knows() -> None:
    assert ENCODING.encode_ordinary("hello world") == [24912, 2375]
    assert ENCODING.decode([24912, 2375]) == "hello world"


def test_text_is_cut_as_tiktoken_itself_defines_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken would fetch the ranks; only its definition of the pattern is wanted here."""
    monkeypatch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *_args, **_kwargs: {b"a": 0})

    definition = tiktoken_ext.openai_public.o200k_base()

    assert definition["pat_str"] == o200k._PATTERN
    assert definition["special_tokens"] == {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("hello world", 2, id="two words"),
        pytest.param("<|endoftext|>", 7, id="a special token is text"),
        pytest.param("日本語のテキスト", 6, id="Japanese"),
        pytest.param("👩‍💻", 5, id="a joined emoji"),
    ],
)
def test_count(text: str, tokens: int) -> None:
    count = COUNTER.count(text)

    assert (count.tokens, count.method) == (tokens, TokenCountMethod.EXACT)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=3 * BLOCK))
def test_ordinary_text_is_counted_exactly(text: str) -> None:
    count = COUNTER.count(text)

    if count.method is TokenCountMethod.EXACT:
        assert count.tokens == len(ENCODING.encode_ordinary(text))


@pytest.mark.parametrize("offset", [0, 1, 1000, BLOCK - 1])
@pytest.mark.parametrize("char", ["a", " ", "=", "_", "\n", "한"])
def test_a_long_run_of_one_kind_is_counted_in_pieces_wherever_it_stands(char: str, offset: int) -> None:
    text = "word " * offset + char * (3 * BLOCK) + " end"

    count = COUNTER.count(text)

    assert count.method is TokenCountMethod.HEURISTIC
    assert count.tokens == pytest.approx(len(ENCODING.encode_ordinary(text)), abs=8)


@pytest.mark.parametrize("char", ["a", " ", "(", "\n"])
def test_a_megabyte_of_one_letter_takes_no_time_and_does_not_overflow_the_stack(char: str) -> None:
    began = time.process_time()
    count = COUNTER.count(char * 1_000_000)

    assert count.method is TokenCountMethod.HEURISTIC
    assert time.process_time() - began < 0.5  # letters take 0.5 s and spaces a panic where they are counted in one piece


@pytest.mark.parametrize("text", ["Say <|endoftext|> and go on. ", "naïve 漢字 🙂 ", "half \ud83d a character "])
def test_long_texts_are_counted_as_short_ones_are(text: str) -> None:
    long = text * (3 * BLOCK // len(text))

    assert COUNTER.count(long).tokens == len(ENCODING.encode_ordinary(long))


def test_shorten_cuts_at_a_token_and_never_inside_a_character() -> None:
    assert COUNTER.shorten("hello world", 1) == "hello"
    assert COUNTER.shorten("hello world", 2) == "hello world"
    assert COUNTER.shorten("né👩‍💻", 2) == "né"


def test_ranks_that_are_not_those_of_o200k_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(o200k, "_RANKS_SHA256", "0" * 64)

    with pytest.raises(RuntimeError, match="reinstall"):
        o200k.load_encoding.__wrapped__()
