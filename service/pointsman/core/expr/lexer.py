"""Splits the text of an expression into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pointsman.core.expr.syntax import SyntaxFlaw

LONGEST = 4096
"""Characters of an expression: far above any condition that a person can read, and a bound for all that follows."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|//[^\n]*)
      | (?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
      | (?P<int>0x[0-9a-fA-F]+|[0-9]+)
      | (?P<string>[rR]"[^"\r\n]*"|[rR]'[^'\r\n]*'|"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<operator>&&|\|\||==|!=|<=|>=|[<>!?:+\-*/%.,()\[\]])""",
    re.VERBOSE,
)

_INSTEAD = {"=": "'=='", "&": "'&&'", "|": "'||'"}

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"} | {c: c for c in "\\\"'`?"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is "int", "double", "string", "name", "operator" or "end"; `value` is that of a literal, else the text."""

    kind: str
    value: int | float | str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text` and an "end" token. Raises SyntaxFlaw at the first thing that is no token."""
    if len(text) > LONGEST:
        raise SyntaxFlaw(
            0, 1, f"the expression has {len(text)} characters; {LONGEST} are allowed", "split it, or name parts of it under 'vars'"
        )
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unknown(text, at)
        if match.lastgroup != "space":
            tokens.append(_token(match))
        at = match.end()
    return [*tokens, Token("end", "", len(text), len(text))]


def _token(match: re.Match[str]) -> Token:
    kind, text, start, end = match.lastgroup or "", match.group(), match.start(), match.end()
    value: int | float | str = text
    if kind == "int":
        value = int(text, 0) if text.startswith("0x") else int(text)
    elif kind == "double":
        value = _double(text, start, end)
    elif kind == "string":
        value = _string(text, start)
    return Token(kind, value, start, end)


def _double(text: str, start: int, end: int) -> float:
    value = float(text)
    if value == float("inf"):
        raise SyntaxFlaw(start, end, f"{text} is too large for a double")
    return value


def _string(text: str, start: int) -> str:
    raw = text[0] in "rR"
    body = text[2:-1] if raw else text[1:-1]
    return body if raw else _ESCAPE.sub(lambda match: _unescape(match, start + 1), body)


def _unescape(match: re.Match[str], offset: int) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    code = int(hexadecimal, 16) if hexadecimal else int(match[4], 8) if match[4] else None
    if code is not None and (code > 0x10FFFF or 0xD800 <= code <= 0xDFFF):
        raise SyntaxFlaw(offset + match.start(), offset + match.end(), f"{match[0]} is no character")
    if code is not None:
        return chr(code)
    if match[5] not in _ESCAPES:
        raise SyntaxFlaw(
            offset + match.start(),
            offset + match.end(),
            f"unknown escape '{match[0]}'",
            r"write '\\' for a backslash, or a raw string: r'...'",
        )
    return _ESCAPES[match[5]]


def _unknown(text: str, at: int) -> SyntaxFlaw:
    char = text[at]
    if char in _INSTEAD:
        return SyntaxFlaw(at, at + 1, f"'{char}' is no operator here", f"did you mean {_INSTEAD[char]}?")
    if char in "\"'":
        return SyntaxFlaw(at, at + 1, "the string that begins here does not end", f"close it with {char} on the same line")
    return SyntaxFlaw(at, at + 1, f"unexpected character '{char}'")
