"""What need not be sent and is not missed: spaces at ends of lines, JSON's spaces, a text that stands above already, a tool defined twice.

Nothing that a user wrote is touched, nor code, quoted text or a string of JSON. What becomes of a message follows from it and from those
before it alone, so a conversation that goes on begins with the same bytes as before: else it would lose the prefix that its provider keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from msgspec import structs

from pointsman.core.request import Image, Message, Part, Prompt, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import Role

LEAST_REPEATED = 200
"""Characters of a paragraph that is worth pointing to rather than repeating."""

BEGINNING = 60
"""Characters of it that say which one is meant."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+', re.DOTALL)
_FENCE = re.compile(r" {0,3}(```|~~~)")
_SPACE = " \t"


class Removed:
    """Counts what was taken out."""

    def __init__(self) -> None:
        self.spaces = 0
        """Lines that ended with some."""
        self.json = 0
        """Texts of JSON."""
        self.repeats = 0
        """Paragraphs that stood above already."""
        self.tools = 0
        """Definitions of tools."""

    def told(self) -> str:
        """Return the counts in words, those that are not 0."""
        counts = {"ends of lines": self.spaces, "JSON": self.json, "repeats": self.repeats, "tools": self.tools}
        return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


class _Above:
    """The paragraphs that stand above, by what they begin with."""

    def __init__(self) -> None:
        self._by_beginning: dict[str, str | None] = {}
        """None where two begin alike: their beginning would not say which one is meant."""

    def add(self, bare: str) -> None:
        """Take in a paragraph, also one that is never pointed to."""
        beginning = bare[:BEGINNING]
        if self._by_beginning.setdefault(beginning, bare) != bare:
            self._by_beginning[beginning] = None

    def is_found_by_its_beginning(self, bare: str) -> bool:
        """Return whether a paragraph stands above, and no other begins as it does."""
        return self._by_beginning.get(bare[:BEGINNING]) == bare


def lossless(prompt: Prompt) -> tuple[Prompt, Removed]:
    """Return the prompt without what need not be sent; the same prompt where that is nothing."""
    removed = Removed()
    above = _Above()
    messages = tuple([_message(message, above, removed) for message in prompt.messages])
    tools = tuple(_tools(prompt.tools, removed))
    form = prompt.response_format
    if form is not None and form.json_schema:
        form = structs.replace(form, json_schema=_minified(form.json_schema, removed))
    return structs.replace(prompt, messages=messages, tools=tools, response_format=form), removed


def _message(message: Message, above: _Above, removed: Removed) -> Message:
    parts = tuple([_part(part, message.role, above, removed) for part in message.parts])
    return message if parts == message.parts else structs.replace(message, parts=parts)


def _part(part: Part, role: Role, above: _Above, removed: Removed) -> Part:
    match part:
        case str() if role is Role.USER:
            for paragraph in part.split("\n\n"):
                above.add(_bare(paragraph))
            return part
        case str():
            return _text(part, above, removed)
        case ToolResult():
            text = _minified(part.text, removed) if _is_json(part.text) else _text(part.text, above, removed)
            return part if text == part.text else structs.replace(part, text=text)
        case ToolCall():
            return structs.replace(part, arguments_json=_minified(part.arguments_json, removed))
        case Image():
            return part


# Text


def _text(text: str, above: _Above, removed: Removed) -> str:
    """Return a text without spaces at the ends of its lines, and with what stood above already pointed to."""
    if not text.strip():
        return text  # providers refuse what is empty
    lines = text.split("\n")
    for number, is_plain in enumerate(_plain(lines)):
        line = lines[number]
        if is_plain and line and line[-1] in _SPACE:
            lines[number] = line.rstrip(_SPACE)
            removed.spaces += 1
    return "\n\n".join([_once(paragraph, above, removed, is_prose=is_prose) for paragraph, is_prose in _paragraphs(lines)])


def _paragraphs(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield what stands between empty lines, and whether it is prose that is long enough to be pointed to."""
    plain, at = list(_plain(lines)), 0
    for paragraph in "\n".join(lines).split("\n\n"):
        after = at + paragraph.count("\n") + 1
        is_long = len(paragraph) >= LEAST_REPEATED
        yield paragraph, is_long and all(plain[at:after]) and '"' not in paragraph and "`" not in paragraph
        at = after + 1


def _plain(lines: list[str]) -> Iterator[bool]:
    """Yield for each line whether it is plain: no code, fenced or indented, no quotation, and not within quotation marks."""
    fence, is_quoted = "", False
    for line in lines:
        found = _FENCE.match(line)
        if fence:
            fence = "" if found is not None and found[1] == fence else fence
            yield False
        elif found is not None:
            fence = found[1]
            yield False
        else:
            quotes = line.count('"') % 2 == 1
            begins_quoted, is_quoted = is_quoted, bool(line.strip()) and is_quoted != quotes  # a paragraph's end ends what was left open
            yield not (begins_quoted or is_quoted or line.startswith(("    ", "\t")) or line.lstrip().startswith(">"))


def _once(paragraph: str, above: _Above, removed: Removed, *, is_prose: bool) -> str:
    """Return a paragraph, or of prose that stands above already its beginning, which says so."""
    bare = _bare(paragraph)
    if not (is_prose and above.is_found_by_its_beginning(bare)):
        above.add(bare)
        return paragraph
    removed.repeats += 1
    return f"[as above: {bare[:BEGINNING]}...]"


def _bare(paragraph: str) -> str:
    """Return a paragraph without the spaces and line breaks around it."""
    return "\n".join(line.rstrip(_SPACE) for line in paragraph.split("\n")).strip("\n")


# JSON


def _is_json(text: str) -> bool:
    """Return whether a text is an object or a list of JSON."""
    return text.lstrip()[:1] in ("{", "[") and _decodes(text)


def _decodes(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return False
    return True


def _minified(text: str, removed: Removed) -> str:
    """Return a JSON text without spaces between its tokens, which stay as they are to the letter; one that is no JSON stays whole."""
    if not text or not _decodes(text):
        return text
    short = _TOKEN.sub(lambda token: token[0] if token[0][0] == '"' else "", text)
    removed.json += short != text
    return short


def _tools(tools: tuple[Tool, ...], removed: Removed) -> Iterator[Tool]:
    """Yield the tools, each definition once."""
    seen: set[tuple[str, str, str]] = set()
    for tool in tools:
        short = structs.replace(tool, parameters_json=_minified(tool.parameters_json, removed))
        what = (short.name, short.description, short.parameters_json)
        if what in seen:
            removed.tools += 1
            continue
        seen.add(what)
        yield short
