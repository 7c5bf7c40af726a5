"""Answers an ask with the first that fits: its value, the text edited or summarized as it asks, or an echo that says what answers."""

from __future__ import annotations

from json import dumps

from pointsman.adapters.builtin.arithmetic import arithmetic_answer
from pointsman.adapters.builtin.instance import as_number, instance
from pointsman.adapters.builtin.summary import summary_answer
from pointsman.adapters.builtin.texts import shortened, text_answer

ECHO_CAP = 240  # characters
ECHO = "I am the built-in responder, not a language model."


def answer(ask: str, *, json: bool = False, json_schema: str = "") -> str:
    """Return the answer to the last user text; with `json` as `{"answer": ...}`, with a `json_schema` as an instance of it.

    Raises ValueError for a schema that is not JSON, is malformed, or that no value satisfies; its message quotes nothing of the schema.
    """
    ask = ask.strip()
    said = next(text for fitting in _BY_PREFERENCE if (text := fitting(ask)))
    if json_schema:
        return dumps(instance(json_schema, said), ensure_ascii=False)
    return dumps({"answer": as_number(said, said)}, ensure_ascii=False) if json else said


def _echo(ask: str) -> str:
    if not ask:
        return f"{ECHO} The message was empty, so there is nothing to answer."
    return f'{ECHO} You asked: "{shortened(ask, ECHO_CAP)}"'


_BY_PREFERENCE = (arithmetic_answer, text_answer, summary_answer, _echo)
