"""Answers a prompt by rule: arithmetic, text operations, an extractive summary, or an echo that says what it is. No model is behind it.

Pure and total: the same ask gives the same answer, every ask has one, and only a bad JSON Schema raises (ValueError). The time taken grows
with the ask and no faster: a pattern sees either a short instruction, or the whole text in a form that cannot backtrack over it.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable
from decimal import Context, Decimal, Overflow, Underflow
from fractions import Fraction
from functools import reduce
from itertools import accumulate
from json import dumps, loads
from math import ceil, floor, isfinite, isqrt
from operator import add, mod, mul, sub, truediv
from typing import Any, TypeVar

QUESTION_CAP = 400  # characters; a longer ask is about something else than the sum in it
EXPRESSION_CAP = 200  # characters
DEPTH_CAP = 32
EXPONENT_CAP = 1000
BITS_CAP = 10_000
ROUNDED_DIGITS = 100
ROUNDED_RANGE = 80  # as a power of ten; well inside ROUNDED_DIGITS, so that a rounded power is never shown as a long integer
SHOWN_DIGITS = 12
INSTRUCTION_CAP = 160  # characters before the text that an instruction is about
AFTERWORD_CAP = 80  # characters after it
SENTENCE_CAP = 400
ECHO_CAP = 240
FIRST_BRANCH_DEPTH = 6
WORK_CAP = 400_000  # characters and keywords of one instance; a few lines of schema can ask for billions

DIVIDES_BY_ZERO = "That divides by zero, which has no answer."


def answer(ask: str, *, system: str = "", json: bool = False, json_schema: str = "") -> str:  # noqa: ARG001  # see below
    """Return the answer to the last user text; with `json` as `{"answer": ...}`, with a `json_schema` as an instance of it.

    `system` is taken, so that a caller can hand over what it has, and not followed: fixed rules obey no instructions. Raises ValueError for
    a schema that is not JSON, is malformed, or that no value satisfies; its message quotes nothing of the schema.
    """
    ask = ask.strip()
    said = next(text for text in (attempt(ask) for attempt in (_arithmetic, _text_operation, _summary, _echo)) if text)
    if json_schema:
        return dumps(_instance(json_schema, said), ensure_ascii=False)
    return dumps({"answer": _as_number(said, said)}, ensure_ascii=False) if json else said


def evaluate(expression: str) -> str | None:
    """Return the value of an arithmetic expression as text, None where it is not one or passes a cap."""
    expression = expression.strip()
    if len(expression) > EXPRESSION_CAP:
        return None
    try:
        return _spelled(_value(*_parsed(expression)))
    except ZeroDivisionError:
        return DIVIDES_BY_ZERO
    except _NotArithmetic:
        return None


def summarize(text: str, sentences: int) -> str:
    """Return the sentences, at most so many, whose words the text uses most, in the order of the text."""
    candidates = list(dict.fromkeys(_sentences(text)))
    contents = [{word for word in _WORD.findall(each.casefold()) if len(word) > 2} - _STOP_WORDS for each in candidates]
    uses = Counter(word for content in contents for word in content)

    def score(at: int) -> float:
        # The 3 keeps a two-word sentence from winning on its mean alone; the lead is worth a quarter at most.
        return sum(uses[word] for word in contents[at]) / (len(contents[at]) + 3) * (1 + 0.25 / (at + 1))

    best = sorted(range(len(candidates)), key=score, reverse=True)[: max(sentences, 1)]
    return " ".join(_shortened(candidates[at], SENTENCE_CAP) for at in sorted(best))


def _echo(ask: str) -> str:
    if not ask:
        return "I am the built-in responder, not a language model. The message was empty, so there is nothing to answer."
    return f'I am the built-in responder, not a language model. You asked: "{_shortened(ask, ECHO_CAP)}"'


def _shortened(text: str, limit: int) -> str:
    """Return the text on one line, cut at the end of a word where it is longer than the limit."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    return (flat[: limit + 1].rpartition(" ")[0] or flat[:limit]) + "…"


# What people write -> what Python's grammar reads. The leading zero of "555-0134" or "2024-01-15" is left for that grammar to refuse.
_SPELLINGS = tuple(
    (re.compile(pattern, re.ASCII | re.IGNORECASE), plain)
    for pattern, plain in (
        (r"[\u00d7·]|\b(?:times|multiplied by)\b|(?<=[\d)])\s+x\s+(?=[\d(])", "*"),
        (r"÷|\bdivided by\b", "/"),
        (r"\u2212|\bminus\b", "-"),
        (r"\bplus\b", "+"),
        (r"\^|\bto the power of\b", "**"),
        (r"(?<=\d),(?=\d{3}(?!\d))", ""),
        (r"([\d.]+)\s*(?:%|percent)\s*of\b", r"(\1/100)*"),
        (r"([\d.]+)\s*%(?!\s*[\d.(s√])", r"(\1/100)"),  # in front of an operand it is the remainder instead
        (r"(?:√|\bsqrt\b|\b(?:the )?square root of\b)\s*", "sqrt"),
        (r"sqrt([\d.]+)", r"sqrt(\1)"),
    )
)
# Nothing else reaches the parser; a longer exponent would be computed before it could be refused.
_PLAIN = re.compile(r"(?:[-+*/%().\d\s]|(?<=[\d.])e[-+]?\d{1,3}(?!\d)|sqrt)+", re.ASCII)
_EXPRESSION = r"(?P<sum>(?:[^?=.\n]|\.(?=\d))+?)"
_CUE = r"(?:what is|what['\u2019]?s|what does|how much is|calculate|compute|evaluate|solve|work out)"
_QUESTIONS = (
    re.compile(rf"{_EXPRESSION}[?=.\s]*\Z"),
    re.compile(
        rf"(?:(?:q|question|problem):)?[^\d:\"“]{{0,80}}?\b{_CUE}\b[\s:]*(?:the (?:result|value) of )?"
        rf"{_EXPRESSION}(?:,?\s*\b(?:equals?|please))?\s*(?:[?=.\n]\D*)?\Z",
        re.IGNORECASE,
    ),
)
_BARE_NUMBER = re.compile(r"[\s(+-]*[\d.,e]*[\s)]*")


def _arithmetic(ask: str) -> str | None:
    if len(ask) > QUESTION_CAP:
        return None
    asked = (found["sum"] for found in (question.match(ask) for question in _QUESTIONS) if found)
    return next((value for text in asked if not _BARE_NUMBER.fullmatch(text) and (value := evaluate(text))), None)


class _NotArithmetic(ValueError):
    """The text is no expression, or one whose value is too large to write down, or not real."""


def _parsed(expression: str) -> tuple[ast.expr, str]:
    """Return the syntax tree of an expression and the plain spelling that its positions refer to."""
    for pattern, plain in _SPELLINGS:
        expression = pattern.sub(plain, expression)
    nesting = max(accumulate((sign == "(") - (sign == ")") for sign in expression), default=0)
    if nesting > DEPTH_CAP or not _PLAIN.fullmatch(expression):
        raise _NotArithmetic
    try:
        return ast.parse(expression, mode="eval").body, expression
    except (SyntaxError, MemoryError) as error:
        raise _NotArithmetic from error


def _value(node: ast.expr, source: str, depth: int = 0) -> Fraction:
    if depth > DEPTH_CAP:
        raise _NotArithmetic
    match node:
        case ast.Constant():
            value = Fraction(source[node.col_offset : node.end_col_offset])  # the text, not the float that Python made of it
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _value(operand, source, depth + 1) * (-1 if isinstance(sign, ast.USub) else 1)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            value = _OPERATORS[type(operator)](_value(left, source, depth), _value(right, source, depth + 1))
        case ast.Call(func=ast.Name(id="sqrt"), args=[operand]):
            value = _power(_value(operand, source, depth + 1), Fraction(1, 2))
        case _:
            raise _NotArithmetic
    if _bits(value) > BITS_CAP:
        raise _NotArithmetic
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    """Return the power: exact where that is possible within the caps, otherwise to ROUNDED_DIGITS."""
    if abs(exponent) > EXPONENT_CAP:
        raise _NotArithmetic
    if exponent.denominator == 1 and _bits(base) * abs(exponent) <= BITS_CAP:
        return base**exponent.numerator
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if base < 0:
        raise _NotArithmetic
    root = Fraction(isqrt(base.numerator), isqrt(base.denominator))
    if exponent == Fraction(1, 2) and root * root == base:
        return root
    context = Context(prec=ROUNDED_DIGITS, Emax=ROUNDED_RANGE, Emin=-ROUNDED_RANGE, traps=[Overflow, Underflow])
    try:
        return Fraction(context.power(_rounded(base, ROUNDED_DIGITS), _rounded(exponent, ROUNDED_DIGITS)))
    except (Overflow, Underflow):
        raise _NotArithmetic from None


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _rounded(value: Fraction, digits: int) -> Decimal:
    return Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))


def _spelled(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    shown = Context(prec=SHOWN_DIGITS).normalize(_rounded(value, SHOWN_DIGITS))
    return f"{shown:f}" if -7 <= shown.adjusted() < SHOWN_DIGITS else f"{shown:e}"


_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: truediv,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
    ast.Mod: mod,
    ast.Pow: _power,
}

_TO_TEN = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_COUNTS = {"a": 1, "single": 1} | {word: count for count, word in enumerate(_TO_TEN, 1)}
_COUNT = rf"(\d{{1,6}}|{'|'.join(_COUNTS)})"
_SENTENCE_COUNT = re.compile(rf"\b{_COUNT}[- ]sentences?\b", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_STOP_WORDS = frozenset(
    _WORD.findall(
        "about after all also and any are because been before being but can could did does during each for from had has have her here his "
        "how into its just may more most not now off one only other our out over own she should some such than that the their them then "
        "there these they this those through too two under until very was were what when where which while who why will with would you your"
    )
)
_SENTENCE_END = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?][\"')\u201d]))(?<!\b[A-Z]\.)(?<!\b[DM]r\.)(?<!\bMrs\.)\s++(?![a-z])|(?<=[\u3002\uff01\uff1f])|\n[^\S\n]*+\n"
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']*[^\s<>\"'.,;:!?)\]]", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?", re.ASCII)
_DAY, _MONTH = r"\d{1,2}(?:st|nd|rd|th)?", r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = re.compile(
    rf"(?<![\w-])(?:\d{{4}}-\d\d-\d\d|\d\d?[./]\d\d?[./](?:\d{{4}}|\d\d)|{_DAY} {_MONTH},? \d{{4}}|{_MONTH} {_DAY},? \d{{4}})(?!\d)",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "\u2018": "\u2019", "«": "»"}
_TEXT_STARTS = re.compile(r":(?!//)|[\n\"`“«]|(?<!\w)['\u2018](?=\S)")

_TextOperation = Callable[[re.Match[str], str], str]


def _text_operation(ask: str) -> str | None:
    instruction, text = _instruction_and_text(ask)
    if not text.strip():
        return None
    matches = ((pattern.search(instruction), operation) for pattern, operation in _TEXT_OPERATIONS)
    return next((operation(found, text) or "Nothing found." for found, operation in matches if found), None)


def _instruction_and_text(ask: str) -> tuple[str, str]:
    """Return what is asked and the text it is asked about: what is quoted, or follows the first colon or line; else no text."""
    start = _TEXT_STARTS.search(ask, 0, INSTRUCTION_CAP)
    if start is None:
        return ask[:INSTRUCTION_CAP], ""
    if start[0] not in _QUOTES:
        return ask[: start.end()], _unquoted(ask[start.end() :].strip())
    end = re.compile(rf"{_QUOTES[start[0]]}(?!\w)").search(ask, start.end())
    if end is None or len(ask) - end.end() > AFTERWORD_CAP:
        return ask[: start.start()], ""
    return ask[: start.start()] + ask[end.end() :], ask[start.end() : end.start()]


def _unquoted(text: str) -> str:
    wrapped = len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]
    return text[1:-1] if wrapped else text


def _counted(word: str | None, otherwise: int) -> int:
    return otherwise if word is None else _COUNTS.get(word.lower()) or int(word)


def _outer_words(found: re.Match[str], text: str) -> str:
    words, count = text.split(), _counted(found[2], 1)
    return " ".join(words[:count] if found[1].lower() == "first" else words[max(len(words) - count, 0) :])


def _items(text: str) -> tuple[str, list[str]]:
    """Return the items of a list and what joins them: lines, else what commas part, else words."""
    joint, parts = next(((joint, text.split(mark)) for mark, joint in (("\n", "\n"), (",", ", ")) if mark in text), (" ", text.split()))
    return joint, [part.strip() for part in parts if part.strip()]


def _sorted(found: re.Match[str], text: str) -> str:
    joint, items = _items(text)
    return joint.join(
        sorted(items, key=_rank, reverse=bool(re.search(r"descending|reverse|largest first|z to a", found.string, re.IGNORECASE)))
    )


def _rank(item: str) -> tuple[bool, Decimal, str]:
    """Return a key that puts numbers first, by value, then the rest by letter, whatever its case."""
    number = _NUMBER.fullmatch(item)
    return not number, Decimal(item.replace(",", "")) if number else Decimal(0), item.casefold()


def _without_duplicates(_: re.Match[str], text: str) -> str:
    joint, items = _items(text)
    return joint.join(dict.fromkeys(items))


def _title_case(_: re.Match[str], text: str) -> str:
    # str.title() would write Don'T.
    return re.sub(r"\S+", lambda word: word[0].capitalize(), text)


def _each(pattern: re.Pattern[str]) -> _TextOperation:
    return lambda _, text: "\n".join(found[0] for found in pattern.finditer(text))


def _summary_as_asked(found: re.Match[str], text: str) -> str:
    count = _SENTENCE_COUNT.search(found.string)
    return summarize(text, _counted(count and count[1], 3))


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def _summary(ask: str) -> str | None:
    """Return a summary where the text stands right behind the verb, or in front of a last line that asks for it."""
    if found := _BARE_SUMMARY.match(ask):
        sentences = _sentences(ask[found.end() :])
        count = _SENTENCE_COUNT.search(found[0])
        # One sentence is a request about a subject ("summarize the war"), not a text to be cut.
        return summarize(ask[found.end() :], _counted(count and count[1], 3)) if len(sentences) > 1 else None
    text, _, last = ask.rpartition("\n")
    asks = _SUMMARY.search(last) if len(last) <= AFTERWORD_CAP else None
    return _summary_as_asked(asks, text) if asks else None


_DO = r"(?:\A|[.!?,]\s*|\b(?:please|you|you to|and|now|then)\s+)"  # a verb that commands: not "what sort of", not "a count of"
_HOW_MANY = rf"(?:{_DO}count|\bhow many|\bnumber of)\b.*"
_EXTRACT = rf"{_DO}(?:extract|find|list|get|pull out|give me)\b.*\b"
_SHORTEN = r"(?:summari[sz]e|sum up|shorten|condense)\b"
_SUMMARY = re.compile(rf"(?:{_DO}{_SHORTEN}|\bsummary\b|\btl;?dr\b)(?:[^.!?]*[.!?]?\s*|.*\n)\Z", re.IGNORECASE | re.DOTALL)
_BARE_SUMMARY = re.compile(
    rf"(?:please,? |(?:can|could) you )?(?:{_SHORTEN}|tl;?dr\b)"
    r"(?:\s{1,3}(?:(?:this|the)\s)?(?:following\s)?(?:text|article|passage|story)\b|\s{1,3}this\b)?(?:\s{1,3}for me\b)?"
    rf"(?:\s{{1,3}}(?:in|to)\s{_COUNT}\ssentences?\b)?[\s.,:;-]*+",
    re.IGNORECASE,
)
_TEXT_OPERATIONS: tuple[tuple[re.Pattern[str], _TextOperation], ...] = (
    *(
        (re.compile(pattern, re.IGNORECASE | re.DOTALL), operation)
        for pattern, operation in (
            (rf"{_HOW_MANY}\bwords?\b", lambda _, text: str(len(text.split()))),
            (rf"{_HOW_MANY}\bcharacters?\b", lambda _, text: str(len(text))),
            (rf"{_HOW_MANY}\blines?\b", lambda _, text: str(len(text.splitlines()))),
            (rf"{_DO}(?:sort|alphabeti[sz]e)\b", _sorted),
            (r"\b(?:remove|drop|without) (?:all |any |the )?duplicate|\bdedup", _without_duplicates),
            (rf"\b(first|last)\s+(?:{_COUNT}\s+)?words?\b", _outer_words),
            (rf"{_EXTRACT}e-?mails?\b", _each(_EMAIL)),
            (rf"{_EXTRACT}(?:url|link)s?\b", _each(_URL)),
            (rf"{_EXTRACT}dates?\b", _each(_DATE)),
            (rf"{_EXTRACT}numbers?\b(?! of)", _each(_NUMBER)),
            (rf"{_EXTRACT}words\b", _each(_WORD)),
            (rf"{_DO}reverse\b.*\bwords\b", lambda _, text: " ".join(reversed(text.split()))),
            (rf"{_DO}reverse\b|\b(?:reversed|backwards?)\b", lambda _, text: text[::-1]),
            (r"\bupper[- ]?case\b", lambda _, text: text.upper()),
            (r"\blower[- ]?case\b", lambda _, text: text.lower()),
            (r"\btitle[- ]?case\b", _title_case),
        )
    ),
    (_SUMMARY, _summary_as_asked),
)


def _as_number(text: str, otherwise: object) -> object:
    """Return the number that the text is, where every JSON reader holds it exactly enough; else the other value."""
    if not re.fullmatch(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,12})?", text):
        return otherwise
    return float(text) if "." in text else int(text)


def _instance(json_schema: str, said: str) -> object:
    """Return a small instance of the schema, with the answer in its first text or, failing that, as a number in its first number."""
    try:
        root = loads(json_schema, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise ValueError("json_schema is not valid JSON; give a JSON Schema as JSON text, such as an object with a `type`.") from None
    try:
        filling = _Filling(root, said)
        instance = filling.fill(root)
        return instance if filling.placed else _Filling(root, _as_number(said, None)).fill(root)
    except (OverflowError, RecursionError):
        raise ValueError("json_schema has a bound too large for a number, or nests too deeply; simplify it.") from None


def _finite(text: str) -> float:
    if isfinite(number := float(text)):
        return number
    raise ValueError("not a finite number")


_Schema = dict[str, Any]
_T = TypeVar("_T")
_ABSENT = object()


class _Filling:
    """One instance in the making; `placed` tells whether what is said has found a place of its type."""

    def __init__(self, root: object, said: object) -> None:
        self._root, self._said, self._left = root, said, WORK_CAP
        self.placed = False

    def fill(self, schema: object, depth: int = 0) -> object:
        if depth > DEPTH_CAP:
            raise ValueError(f"json_schema nests more than {DEPTH_CAP} levels deep; does a required property contain its own parent?")
        known = self._resolved(schema, depth)
        given = _given(known)
        if given is _ABSENT or self._takes(known):
            return _MAKERS[_kind(known)](self, known, depth + 1)
        self._spend(len(dumps(given)))
        return given

    def fill_object(self, schema: _Schema, depth: int) -> _Schema:
        """Return the required properties and the one that takes what is said, which is filled before any below it can."""
        properties, required = _read(schema, "properties", dict, {}), [str(name) for name in _read(schema, "required", list, [])]
        taker = next((name for name, each in properties.items() if each is not False and self._takes(self._resolved(each, depth))), None)
        wanted = {*required, taker}
        names = [name for name in properties | dict.fromkeys(required) if name in wanted]
        filled = {name: self.fill(properties.get(name, True), depth) for name in sorted(names, key=lambda name: name != taker)}
        return {name: filled[name] for name in names}

    def fill_array(self, schema: _Schema, depth: int) -> list[object]:
        return [self.fill(schema.get("items", True), depth) for _ in range(_read(schema, "minItems", int, 0))]

    def fill_string(self, schema: _Schema, _depth: int) -> str:
        least = _read(schema, "minLength", int, 0)
        most = _read(schema, "maxLength", int, max(least, WORK_CAP))
        if least > most:
            raise ValueError("json_schema has a `minLength` above its `maxLength`; no text is both.")
        self._spend(max(least, 0))
        takes = self._takes(schema)
        self.placed |= takes
        return (str(self._said) if takes else "")[: max(most, 0)].ljust(least, ".")

    def fill_number(self, schema: _Schema, _depth: int) -> float:
        said = [self._said] if isinstance(self._said, int | float) and self._takes(schema) else []
        fitting = _fitting_numbers(schema, said)
        if not fitting:
            raise ValueError("json_schema has bounds that leave no number between them.")
        self.placed |= fitting[0] in said
        return fitting[0]

    def _takes(self, known: _Schema) -> bool:
        fixed = self.placed or "const" in known or "enum" in known
        return not fixed and _kind(known) in _PLACES.get(type(self._said), ())

    def _resolved(self, schema: object, depth: int) -> _Schema:
        """Return the schema with its references followed and its branches merged in, so that only plain keywords are left."""
        for _ in range(DEPTH_CAP):
            known = _keywords(schema)
            self._spend(8 + sum(len(value) for value in known.values() if isinstance(value, dict | list | str)))
            key = next((key for key in ("$ref", "allOf", "anyOf", "oneOf") if key in known), None)
            if key is None:
                return known
            rest = {name: known[name] for name in known if name != key}
            schema = reduce(_merged, map(_keywords, self._branches(key, known[key], depth)), rest)
        raise ValueError(f"json_schema has more than {DEPTH_CAP} references in a row; does a `$ref` lead back to itself?")

    def _branches(self, key: str, value: object, depth: int) -> list[object]:
        if key == "$ref":
            return [self._referred(value)]
        if not isinstance(value, list) or not value:
            raise ValueError(f"json_schema has an `{key}` that is no list of schemas.")
        # A node whose `next` is a node or null ends only if the last branch is taken at some depth.
        return value if key == "allOf" else value[:1] if depth < FIRST_BRANCH_DEPTH else value[-1:]

    def _referred(self, reference: object) -> object:
        target = self._root
        first, *steps = str(reference).split("/")
        for step in steps:
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if first != "#" or target is None:
            raise ValueError("json_schema has a `$ref` to something that is not in it; write `#/$defs/<name>`.")
        return target

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise ValueError("json_schema asks for too large an answer; lower its `minItems` and `minLength`, or nest less.")


def _read(schema: _Schema, key: str, kind: type[_T], otherwise: _T) -> _T:
    value = schema.get(key, otherwise)
    if isinstance(value, kind):
        return value
    raise ValueError(f"json_schema has a `{key}` that is no {_JSON_NAMES[kind]}.")


def _keywords(schema: object) -> _Schema:
    if schema is True:
        return {}
    if isinstance(schema, dict):
        return schema
    raise ValueError("json_schema has something that is neither an object nor `true` in the place of a schema; nothing fits it.")


def _merged(outer: _Schema, inner: _Schema) -> _Schema:
    """Return what holds where both do: a keyword replaces its like, save for the two that add up."""
    properties = _read(outer, "properties", dict, {}) | _read(inner, "properties", dict, {})
    required = _read(outer, "required", list, []) + _read(inner, "required", list, [])
    return outer | inner | ({"properties": properties} if properties else {}) | ({"required": required} if required else {})


def _given(schema: _Schema) -> object:
    """Return the value that the schema itself writes down, or _ABSENT."""
    if "const" in schema:
        return schema["const"]
    if "enum" not in schema:
        return schema.get("default", _ABSENT)
    if choices := _read(schema, "enum", list, []):
        return choices[0]
    raise ValueError("json_schema has an `enum` without a choice.")


def _kind(schema: _Schema) -> str:
    named = schema.get("type") or ("object" if "properties" in schema else "null")
    kind = named[0] if isinstance(named, list) else named
    if isinstance(kind, str) and kind in _MAKERS:
        return kind
    raise ValueError(f"json_schema has a `type` that is none of {', '.join(_MAKERS)}.")


def _fitting_numbers(schema: _Schema, first: list[float]) -> list[float]:
    """Return the numbers within the bounds among those given first, 0, the bounds, the whole ones next to them, and the middle."""
    low, high, above, below = bounds = [schema.get(key, far) for key, far in _FAR_BOUNDS.items()]
    if not all(isinstance(bound, int | float) for bound in bounds):
        raise ValueError("json_schema has a bound that is not a number.")
    tried = [*first, 0, ceil(low), floor(high), floor(above) + 1, ceil(below) - 1]
    if _kind(schema) == "number":
        tried += [low, high, above + (below - above) / 2]
    return [number for number in tried if low <= number <= high and above < number < below]


_FAR_BOUNDS = {"minimum": -1e308, "maximum": 1e308, "exclusiveMinimum": -1e308, "exclusiveMaximum": 1e308}
_JSON_NAMES: dict[type, str] = {int: "whole number", dict: "object", list: "array"}
_PLACES: dict[type, tuple[str, ...]] = {str: ("string",), int: ("integer", "number"), float: ("number",)}
_MAKERS: dict[str, Callable[[_Filling, _Schema, int], object]] = {
    "object": _Filling.fill_object,
    "array": _Filling.fill_array,
    "string": _Filling.fill_string,
    "number": _Filling.fill_number,
    "integer": _Filling.fill_number,
    "boolean": lambda *_: False,
    "null": lambda *_: None,
}
