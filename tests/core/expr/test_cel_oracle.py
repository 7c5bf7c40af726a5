"""Whatever the language accepts means the same in CEL: Google's CEL is asked, on random expressions and facts, and answers alike.

Known differences, each with a test: `has(x.labels["k"])` (CEL wants a dotted key there; it is asked `"k" in x.labels` instead), integers that outgrow
64 bits (an error in CEL), integers from 2^53 on compared with doubles (Google's CEL rounds them, we do not), and raw strings that end with a
backslash (Google's CEL lexes and then refuses them). CEL's checker refuses to compare an int with a double where it can see both types; its
evaluator compares them as numbers, so there it is asked without its checker.
"""

from __future__ import annotations

import ast
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from msgspec import structs

from fakes import facts_of
from pointsman.core.expr.checker import Scope, check
from pointsman.core.expr.codegen import Code, Expression, _quotient, _remainder
from pointsman.core.expr.lexer import tokenize
from pointsman.core.expr.parser import parse
from pointsman.core.expr.syntax import Binary, Call, Logical, Name, Node, SyntaxFlaw, Unary, children
from pointsman.core.expr.types import ANY, BOOL, DOUBLE, INT, STRING, Type, agree, list_of
from pointsman.core.facts import FACTS, LABELS, Facts, FactSpec, everything

cel = pytest.importorskip(
    "cel_expr_python.cel",
    exc_type=ImportError,
    reason="cel-expr-python, Google's CEL, has no wheel for this machine: nothing to compare with",
)

SOAK = "POINTSMAN_TEST_SOAK" in os.environ
PAIRS = 200_000 if SOAK else 2_000
MUTANTS = 150_000 if SOAK else 3_000
SEED = 20261123

TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "data/expr/evaluations.yaml").read_text())

TABLE_LISTS = {name: tuple(items) for name, items in TABLE["lists"].items()}

LISTS: Mapping[str, tuple[object, ...]] = {
    "names": ("a", "ads", "é", ""),
    "sizes": (0, 1, 7, 8000, -1),
    "prices": (0.0, 0.5, 1.0, 2.5),
    "flags": (True,),
    "none": (),
    "twice": ("a", "a"),
}
TYPES: dict[type, Type] = {bool: BOOL, int: INT, float: DOUBLE, str: STRING}


def types_of(lists: Mapping[str, tuple[object, ...]]) -> dict[str, Type]:
    return {name: list_of(TYPES[type(items[0])] if items else ANY) for name, items in lists.items()}


LIST_TYPES = types_of(LISTS)
LABEL_KEYS = ("data", "team", "for", "data-class", "a b")
OPTIONALS = [name for name, spec in FACTS.items() if spec.optional] + [f"{group}.{key}" for group in LABELS for key in LABEL_KEYS]

INTS = (0, 1, 2, 3, 7, 12, 23, 100, 101, 8000, -1, -7, 2**31, 2**53, 2**63 - 1, -(2**63))
DOUBLES = (0.0, 0.5, 1.0, 0.25, 0.1, 0.7, 2.5, 7.0, 100.0, 1e9, 1e-9, 1e308, -1.5, -0.0)
STRINGS = ("", "a", "b", "ab", "ads", "search", "en", "é", "😀", "it's", 'a"b', "\\", "a\tb\n", "aaaa", "\uffff", "r'", "//", "in")
"""Without NUL: CEL's Python module cuts a string of the facts off there."""
PATTERNS = ("a", "^a+$", "(a|b)*s$", "[^a]", ".", "", r"\d", r"^.$", r"(?i)ADS|EN", r"\\", "é", r"\pL+", "a{2,3}")


# Two ways to ask one question


@dataclass(frozen=True, slots=True)
class Ours:
    """An expression, accepted and compiled by us."""

    expression: Expression
    code: Code
    evaluate: Callable[[Facts], object]

    @property
    def type(self) -> Type:
        return self.expression.checked.type_of(self.expression.node)


def ours(text: str, vars: Mapping[str, Expression], lists: Mapping[str, tuple[object, ...]] = LISTS) -> Ours | None:
    """Return None for an expression with flaws. Raises SyntaxFlaw."""
    node = parse(text)
    types = {name: var.checked.type_of(var.node) for name, var in vars.items()}
    checked = check(node, Scope(vars=types, lists=types_of(lists)), expected=None)
    if checked.flaws:
        return None
    code = Code(vars=vars, lists=lists)
    name = code.value(expression := Expression(node, checked))
    return Ours(expression, code, code.compile()(name))


def outgrows_int64(code: Code, facts: Facts) -> bool:
    """Return whether an integer that is computed on the way does not fit in 64 bits."""
    seen: list[int] = []

    def noted(value: object) -> object:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            seen.append(value)
        return value

    def remainder(dividend: int, divisor: int) -> int:
        noted(_quotient(dividend, divisor))  # the one of the smallest integer and -1 does not fit, although the remainder does
        return _remainder(dividend, divisor)

    class Noting(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            node = super().generic_visit(node)
            if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call):
                return ast.Call(ast.Name("_noted", ast.Load()), [node], [])
            return node

    tree = ast.fix_missing_locations(Noting().visit(code.tree()))
    names = {**code._globals, "_noted": noted, "_remainder": remainder}
    exec(compile(tree, "<noted>", "exec"), names)  # noqa: S102  # the tree under test
    names["rule_0"](facts)  # type: ignore[operator]
    return bool(seen)


class CelError(Exception):
    """CEL refuses an expression, or fails to evaluate it."""


def _declared() -> DescriptorPool:
    """Return a message of every group of facts, so that CEL's checker knows their types."""
    file = FileDescriptorProto(name="facts.proto", package="facts", syntax="proto3")
    types = {
        BOOL: FieldDescriptorProto.TYPE_BOOL,
        INT: FieldDescriptorProto.TYPE_INT64,
        DOUBLE: FieldDescriptorProto.TYPE_DOUBLE,
        STRING: FieldDescriptorProto.TYPE_STRING,
    }
    for group in Facts.__struct_fields__:
        message = file.message_type.add(name=group)
        for name, spec in FACTS.items():
            if name.startswith(f"{group}."):
                message.field.add(name=name.partition(".")[2], number=len(message.field) + 1, type=types[spec.type], label=1)
        if f"{group}.labels" in LABELS:
            entry = message.nested_type.add(name="LabelsEntry", options={"map_entry": True})
            for number, name in enumerate(("key", "value"), 1):
                entry.field.add(name=name, number=number, type=FieldDescriptorProto.TYPE_STRING, label=1)
            type_name = f".facts.{group}.LabelsEntry"
            message.field.add(name="labels", number=1000, type=FieldDescriptorProto.TYPE_MESSAGE, type_name=type_name, label=3)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


T = cel.Type
OWN = {"vars": T.Map(T.STRING, T.DYN), "lists": T.Map(T.STRING, T.List(T.DYN))}
CHECKER = cel.NewEnv(descriptor_pool=_declared(), variables={group: T(f"facts.{group}") for group in Facts.__struct_fields__} | OWN)
"""Knows the type of every fact. In messages nothing is ever absent, so it does not evaluate."""
EVALUATOR = cel.NewEnv(variables=dict.fromkeys(Facts.__struct_fields__, T.Map(T.STRING, T.DYN)) | OWN)
"""Sees maps, in which what is absent is absent: reading it is an error."""

HAS_IN_BRACKETS = re.compile(
    r"""has\s*\((\s*\w+\s*\.\s*labels\s*)\[\s*([rR]"[^"]*"|[rR]'[^']*'|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\]\s*\)"""
)
INT_WITH_DOUBLE = re.compile(
    r"no matching overload for '(?:_[=!<>]=?_|@in)' applied to '\((?:int, (?:list\()?double|double, (?:list\()?int)\)?\)'"
)


def for_cel(text: str) -> str:
    return HAS_IN_BRACKETS.sub(r"(\2 in \1)", text)


def cel_type(text: str) -> str:
    """Return the type that CEL's checker finds, "dyn" where it cannot tell or where ints are compared with doubles."""
    try:
        return str(CHECKER.compile(for_cel(text)).return_type().name()).lower().partition("<")[0].removesuffix("_type")
    except RuntimeError as error:
        wrong = [line for line in str(error).splitlines() if "ERROR: " in line]
        if all(map(INT_WITH_DOUBLE.search, wrong)):
            return "dyn"
        raise CelError(str(error)) from error


@lru_cache(64)  # for vars, which are asked again and again
def _program(text: str) -> Any:
    try:
        return EVALUATOR.compile(for_cel(text), disable_check=True)
    except RuntimeError as error:
        raise CelError(str(error)) from error


def cel_value(text: str, data: dict[str, Any]) -> Any:
    """Return the value. An error of CEL is a value, too, and a true one: its type tells."""
    value = _program(text).eval(data=data)
    if value.type() == T.ERROR:
        raise CelError(str(value.value()))
    return value.plain_value()


def cel_data(facts: Facts, vars: Mapping[str, str], lists: Mapping[str, tuple[object, ...]] = LISTS) -> dict[str, Any]:
    """Return facts, vars and lists as CEL sees them: maps of maps, in which absent facts are absent."""
    data: dict[str, Any] = {group: {"labels": {}} if f"{group}.labels" in LABELS else {} for group in Facts.__struct_fields__}
    for name, value in everything(facts).items():
        group, field_name, *key = name.split(".", 2)
        if key:
            data[group][field_name][key[0]] = value
        else:
            data[group][field_name] = value
    data |= {"lists": {name: list(items) for name, items in lists.items()}, "vars": {}}
    for name, text in vars.items():
        with suppress(CelError):  # an overflow, which matters only to those who use the var: they find none
            data["vars"][name] = cel_value(text, data)
    return data


def same(mine: object, theirs: object) -> bool:
    """Return whether two values are equal, of one type, and for doubles equal to the bit."""
    if isinstance(mine, tuple) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    return type(mine) is type(theirs) and repr(mine) == repr(theirs)


# An author of random expressions


class Written(NamedTuple):
    """A part of an expression; `level` says how tightly its outermost operator binds, 0 for a ternary, 7 for a single thing."""

    text: str
    level: int = 7
    literal: bool = False
    fact: str = ""


ADD, MULTIPLY, SIGN, WHOLE = 4, 5, 6, 7
SCALARS = (BOOL, INT, DOUBLE, STRING)


@dataclass
class Author:
    """Writes expressions without flaws, with as few parentheses as CEL's precedence allows, and now and then one more."""

    rng: random.Random
    vars: dict[str, Type] = field(default_factory=dict)

    def expression(self, wanted: Type, depth: int, present: frozenset[str] = frozenset()) -> Written:
        write = {BOOL: self._bool, INT: self._int, DOUBLE: self._double, STRING: self._string}[wanted]
        if depth <= 0 or self.rng.random() < 0.08:
            return self._leaf(wanted, present)
        if self.rng.random() < 0.1:
            return self._ternary(wanted, depth, present)
        return write(depth - 1, present)

    # Text

    def _blank(self) -> str:
        return self.rng.choice(("", " ", " ", " ", "\n", "\t ", " // ' \" why?\n"))

    def _fit(self, part: Written, level: int) -> str:
        if part.level < level or self.rng.random() < 0.04:
            return f"({self._blank()}{part.text}{self._blank()})"
        return part.text

    def _joined(self, left: Written, operator: str, right: Written, level: int) -> Written:
        before, after = (" ", " ") if operator == "in" else (self._blank(), self._blank())
        return Written(f"{self._fit(left, level)}{before}{operator}{after}{self._fit(right, level + 1)}", level)

    # Single things

    def _leaf(self, wanted: Type, present: frozenset[str]) -> Written:
        choice = self.rng.random()
        vars = [name for name, type_ in self.vars.items() if type_ == wanted]
        if vars and choice < 0.3:
            return Written(f"vars.{self.rng.choice(vars)}")
        facts = self._facts(wanted, present)
        if facts and choice < 0.75:
            name = self.rng.choice(facts)
            return Written(self._name(name), fact=name)
        return self._literal(wanted)

    def _facts(self, wanted: Type, present: frozenset[str]) -> list[str]:
        """Return the facts of a type that can be read; three times as often those that were asked for."""
        always = [name for name, spec in FACTS.items() if spec.type == wanted and not spec.optional]
        asked = [name for name in sorted(present) if (FACTS[name].type if name in FACTS else STRING) == wanted]
        return always + asked * 3

    def _name(self, name: str) -> str:
        group, field_name, *key = name.split(".", 2)
        if not key or (re.fullmatch(r"\w+", key[0]) and self.rng.random() < 0.7):
            return name
        return f"{group}.{field_name}[{self._quoted(key[0])}]"

    def _literal(self, wanted: Type) -> Written:
        match wanted.name:
            case "bool":
                text = self.rng.choice(("true", "false"))
            case "int":
                text = self._int_text(self.rng.choice(INTS))
            case "double":
                text = self._double_text(self.rng.choice(DOUBLES))
            case _:
                text = self._quoted(self.rng.choice(STRINGS))
        return Written(text, SIGN if text.startswith("-") else WHOLE, literal=True)

    def _int_text(self, value: int) -> str:
        return self.rng.choice((str(value), str(value), f"{'-' * (value < 0)}0x{abs(value):x}"))

    def _double_text(self, value: float) -> str:
        text = repr(value)
        return self.rng.choice((text, f"{value:.17e}", text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text))

    def _quoted(self, value: str) -> str:
        quote = self.rng.choice("'\"")
        if self.rng.random() < 0.2 and not set(value) & {quote, "\\", "\n"}:
            return f"{self.rng.choice('rR')}{quote}{value}{quote}"
        return quote + "".join(self._char(char, quote) for char in value) + quote

    def _char(self, char: str, quote: str) -> str:
        forms = {"\n": [r"\n"], "\t": [r"\t", "\t"], "\\": [r"\\"], quote: [f"\\{quote}"]}.get(char, [char] * 6)
        code = ord(char)
        forms = [*forms, *([f"\\x{code:02x}", f"\\{code:03o}"] if code < 256 else []), *([f"\\u{code:04X}"] if code < 0x10000 else [])]
        return self.rng.choice([*forms, f"\\U{code:08x}"])

    # Numbers and strings

    def _int(self, depth: int, present: frozenset[str]) -> Written:
        match self.rng.randrange(8):
            case 0:
                return Written(f"size({self.expression(STRING, depth, present).text})")
            case 1:
                return Written(f"size({self._any_list().text})")
            case 2:
                divisor = Written(self._int_text(self.rng.choice((1, 2, 3, 7, 100, -1, -2, -7))), SIGN)
                return self._joined(self.expression(INT, depth, present), self.rng.choice("/%"), divisor, MULTIPLY)
            case _:
                return self._arithmetic(INT, depth, present)

    def _double(self, depth: int, present: frozenset[str]) -> Written:
        if self.rng.random() < 0.2:
            divisor = Written(self._double_text(self.rng.choice((0.5, 2.0, -3.0, 0.1, 1e-9))), SIGN)
            return self._joined(self.expression(DOUBLE, depth, present), "/", divisor, MULTIPLY)
        return self._arithmetic(DOUBLE, depth, present)

    def _arithmetic(self, wanted: Type, depth: int, present: frozenset[str]) -> Written:
        left = self.expression(wanted, depth, present)
        if self.rng.random() < 0.2:
            # Google's CEL cannot read --9223372036854775808: it takes both signs off first. So numbers get parentheses.
            operand = f"({left.text})" if left.literal else self._fit(left, SIGN)
            return Written(f"-{' ' * self.rng.randrange(2)}{operand}", SIGN)
        operator = self.rng.choice("+-*")
        return self._joined(left, operator, self.expression(wanted, depth, present), MULTIPLY if operator == "*" else ADD)

    def _string(self, depth: int, present: frozenset[str]) -> Written:
        return self._joined(self.expression(STRING, depth, present), "+", self.expression(STRING, depth, present), ADD)

    def _ternary(self, wanted: Type, depth: int, present: frozenset[str]) -> Written:
        if self.rng.random() < 0.4:
            name = self._absentee()
            test, swapped = self._guard(name)
            then, otherwise = self.expression(wanted, depth - 1, present | {name}), self.expression(wanted, depth - 1, present)
            if swapped:
                then, otherwise = otherwise, then
        else:
            test = self.expression(BOOL, depth - 1, present)
            then, otherwise = (self.expression(wanted, depth - 1, present) for _ in range(2))
        blank = self._blank
        return Written(f"{self._fit(test, 1)}{blank()}?{blank()}{self._fit(then, 1)}{blank()}:{blank()}{self._fit(otherwise, 0)}", 0)

    # Conditions

    def _bool(self, depth: int, present: frozenset[str]) -> Written:
        often = (self._comparison, self._logical, self._guarded)
        choices = (*often, *often, self._in, self._method, self._not, self._has)
        return self.rng.choice(choices)(depth, present)

    def _has(self, *_: object) -> Written:
        return Written(f"has({self._name(self._absentee())})")

    def _not(self, depth: int, present: frozenset[str]) -> Written:
        return Written(f"!{self._fit(self.expression(BOOL, depth, present), SIGN)}", SIGN)

    def _logical(self, depth: int, present: frozenset[str]) -> Written:
        operator, level = self.rng.choice((("&&", 2), ("||", 1)))
        result = self.expression(BOOL, depth, present)
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            result = self._joined(result, operator, self.expression(BOOL, depth, present), level)
        return result

    def _comparison(self, depth: int, present: frozenset[str]) -> Written:
        kind = self.rng.choice(SCALARS)
        other = {INT: DOUBLE, DOUBLE: INT}.get(kind, kind) if self.rng.random() < 0.3 else kind
        operator = self.rng.choice(("==", "!=") if kind == BOOL else ("==", "!=", "<", "<=", ">", ">="))
        left, right = self.expression(kind, depth, present), self.expression(other, depth, present)
        if left.fact and right.literal:
            right = self._in_range(left.fact)
        elif right.fact and left.literal:
            left = self._in_range(right.fact)
        elif other != kind and left.literal and right.literal:
            left, right = Written("1", literal=True), Written("1.0", literal=True)
        return self._joined(left, operator, right, 3)

    def _in_range(self, fact: str) -> Written:
        """Return a literal that the fact may be equal to."""
        spec = FACTS.get(fact)
        if spec is None or spec.type == BOOL:
            return self._literal(STRING if spec is None else BOOL)
        if spec.type == STRING:
            return Written(self._quoted(self.rng.choice(spec.choices or STRINGS)), literal=True)
        value = random_value(self.rng, spec)
        assert isinstance(value, int | float)
        text = self._double_text(value) if isinstance(value, float) else self.rng.choice((self._int_text(value), f"{value}.0"))
        return Written(text, literal=True)

    def _in(self, depth: int, present: frozenset[str]) -> Written:
        kind = self.rng.choice(SCALARS)
        left = self.expression(kind, depth, present)
        fitting = [f"lists.{name}" for name, type_ in LIST_TYPES.items() if agree(kind, type_.item or ANY)]
        if self.rng.random() < 0.4:
            return self._joined(left, "in", Written(self.rng.choice(fitting)), 3)
        if self.rng.random() < 0.2:
            pairs = (
                [("lists.names", "lists.twice"), ("lists.twice", "lists.names")] if kind == STRING else [(name, name) for name in fitting]
            )
            then, otherwise = self.rng.choice(pairs)
            test = self._fit(self.expression(BOOL, depth, present), 1)
            return self._joined(left, "in", Written(f"({test} ? {then} : {otherwise})"), 3)
        items = [self._in_range(left.fact) if left.fact else self._literal(kind) for _ in range(self.rng.randrange(5))]
        return self._joined(left, "in", self._list(items), 3)

    def _list(self, items: list[Written]) -> Written:
        comma = "," if items and self.rng.random() < 0.1 else ""
        return Written(f"[{', '.join(item.text for item in items)}{comma}]")

    def _any_list(self) -> Written:
        if self.rng.random() < 0.5:
            return Written(f"lists.{self.rng.choice(list(LISTS))}")
        kind = self.rng.choice(SCALARS)
        return self._list([self._literal(kind) for _ in range(self.rng.randrange(4))])

    def _method(self, depth: int, present: frozenset[str]) -> Written:
        method = self.rng.choice(("startsWith", "endsWith", "contains", "matches"))
        receiver = self._fit(self.expression(STRING, depth, present), WHOLE)
        pattern = self._quoted(self.rng.choice(PATTERNS))
        argument = pattern if method == "matches" else self.expression(STRING, depth, present).text
        return Written(f"{receiver}.{method}({argument})")

    # Guards

    def _absentee(self) -> str:
        return self.rng.choice(OPTIONALS)

    def _guard(self, name: str) -> tuple[Written, bool]:
        """Return a condition that tells whether a fact is there, and whether it does so when it is False."""
        has = f"has({self._name(name)})"
        forms = ((has, WHOLE, False), (f"!{has}", SIGN, True), (f"!!{has}", SIGN, False), (f"!(!{has})", SIGN, False))
        text, level, swapped = self.rng.choice(forms)
        return Written(text, level), swapped

    def _guarded(self, depth: int, present: frozenset[str]) -> Written:
        name, other = self._absentee(), self._absentee()
        guard, swapped = self._guard(name)
        inside = self.expression(BOOL, depth, present | {name})
        plain = self._joined(guard, "||", inside, 1) if swapped else self._joined(guard, "&&", inside, 2)
        both = self.expression(BOOL, depth, present | {name, other})
        has, has_other = f"has({self._name(name)})", f"has({self._name(other)})"
        match self.rng.randrange(6):
            case 0:
                return self._joined(Written(f"{has} && {has_other}", 2), "&&", both, 2)
            case 1:
                return self._joined(Written(f"!({has} && {has_other})", SIGN), "||", both, 1)
            case 2:
                return self._joined(Written(f"!(!{has} || !{has_other})", SIGN), "&&", both, 2)
            case _:
                return plain


def random_value(rng: random.Random, spec: FactSpec) -> object:
    """Return a value that the fact may have."""
    if spec.choices:
        return rng.choice(spec.choices)
    match spec.type.name:
        case "bool":
            return rng.random() < 0.5
        case "string":
            return rng.choice(STRINGS)
    low, high = spec.about.low or 0, spec.about.high
    top = 2**53 if high is None else high
    fits = [value for value in (INTS if spec.type == INT else DOUBLES) if low <= value <= top]
    return rng.choice(fits) if rng.random() < 0.8 else type(fits[0])(low + rng.random() * ((high or 1000) - low))


def random_facts(rng: random.Random) -> Facts:
    groups: dict[str, dict[str, object]] = {group: {} for group in Facts.__struct_fields__}
    for name, spec in FACTS.items():
        group, _, field_name = name.partition(".")
        groups[group][field_name] = None if spec.optional and rng.random() < 0.5 else random_value(rng, spec)
    for name in LABELS:
        groups[name.partition(".")[0]]["labels"] = {key: rng.choice(STRINGS) for key in LABEL_KEYS if rng.random() < 0.5}
    plain = facts_of()
    return structs.replace(plain, **{group: structs.replace(getattr(plain, group), **values) for group, values in groups.items()})


# What is compared


@dataclass
class Comparison:
    """Asks both, and keeps what became of it."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.author = Author(random.Random(self.seed))  # noqa: S311  # no secret
        self._vars: dict[str, Expression] = {}
        self._texts: dict[str, str] = {}

    def expressions(self, count: int) -> Iterator[str]:
        """Yield random expressions. Now and then the vars change that they may use."""
        rng = self.author.rng
        for number in range(count):
            if number % 20 == 0:
                self._renew_vars()
            yield self.author.expression(rng.choice((BOOL, BOOL, BOOL, INT, DOUBLE, STRING)), rng.randrange(1, 5)).text

    def _renew_vars(self) -> None:
        """Write other vars, each of which may use those before it."""
        self.author.vars, self._vars, self._texts = {}, {}, {}
        for name, wanted in zip(("b", "a", "c"), self.author.rng.sample(SCALARS, 3), strict=True):
            text = self.author.expression(wanted, 2).text
            found = ours(text, self._vars)
            assert found is not None, text
            self._vars[name], self._texts[name], self.author.vars[name] = found.expression, text, wanted

    def compare(self, text: str) -> None:
        """Ask both for the value of an expression, unless it is refused here."""
        found = ours(text, self._vars)
        if found is None:
            self.counts["flawed"] += 1
            return
        facts = random_facts(self.author.rng)
        mine, theirs = found.evaluate(facts), self._theirs(text, facts, found.type)
        if same(mine, theirs):
            self.counts["equal"] += 1
            self.counts["true"] += mine is True
            self.counts["false"] += mine is False
        elif outgrows_int64(found.code, facts) or "invalid int literal" in str(theirs):
            self.counts["outgrows int64"] += 1
        else:
            self.differences.append(f"{text!r} is {mine!r} here, in CEL {theirs!r}; vars: {self._texts}; facts: {everything(facts)}")

    def _theirs(self, text: str, facts: Facts, our_type: Type) -> object:
        """Return the value in CEL, or why there is none of our type."""
        try:
            their_type, value = cel_type(text), cel_value(text, cel_data(facts, self._texts))
        except CelError as error:
            return error
        self.counts["untyped"] += their_type == "dyn"
        return value if their_type in (our_type.name, "dyn") else f"of type {their_type}: {value!r}"


@pytest.mark.timeout(1800)
def test_random_expressions_mean_the_same_in_cel() -> None:
    comparison = Comparison(SEED)
    for text in comparison.expressions(PAIRS):
        comparison.compare(text)

    counts = comparison.counts
    print(dict(counts))
    assert not comparison.differences, "\n".join(comparison.differences[:30])
    assert counts["flawed"] == 0, "the author writes nothing that is refused"
    assert counts["outgrows int64"] < PAIRS * 0.03
    assert counts["untyped"] < PAIRS * 0.15, "CEL's checker sees the type of nearly all"
    assert min(counts["true"], counts["false"]) > PAIRS * 0.15


def test_the_author_uses_all_of_the_language() -> None:
    """Else the comparison says less than it seems to."""
    written = Counter[str]()
    for text in Comparison(SEED + 1).expressions(600):
        waiting = [parse(text)]
        while waiting:
            node = waiting.pop()
            written[noun(node)] += 1
            waiting += children(node)

    operators = {"!", "-", "+", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"}
    functions = {"has", "size", "startsWith", "endsWith", "contains", "matches"}
    wanted = operators | functions | {"Literal", "ListOf", "Conditional", *FACTS, *LABELS, "vars.a", *(f"lists.{name}" for name in LISTS)}
    assert {what for what in wanted if written[what] < 3} == set()


def noun(node: Node) -> str:
    match node:
        case Unary(operator=word) | Binary(operator=word) | Logical(operator=word) | Call(function=word):
            return word
        case Name(parts=parts):
            return ".".join(parts[:2])
        case _:
            return type(node).__name__


ODD_TOKENS = (
    *", ? : . ( ) [ ] ! - + / % == < && || in true null 1 -1 2.0 .5 1. 0X1f 012 1u 'code' '' ''' [] [1,2.5] vars.a vars.in lists.none".split(),
    *"request.stream request.session request.labels request.labels.in request.labels.true request.labels.data features.task time".split(),
    *"has size has(request.user) size('a',) .startsWith( .size() .matches('(a+)+$') true?1:2 b'a' 9223372036854775807 // & = and not".split(),
    *("'a\rb'", "'a\nb'", r"r'\''", r"'\X41'", r"'\/'", '"""a"""', "\f", "\u00a0"),
)


SIMILAR = (
    "&& ||".split(),
    "== != < <= > >= in + - * / %".split(),
    "( ) [ ] , . ? : !".split(),
    "0 1 7 -1 0x7 2.5 .5 1e3 'a' 'code' true false null [] [1,2.5] ['a',] lists.sizes lists.none lists.names vars.a vars.b".split(),
    "startsWith endsWith contains matches size has".split(),
)


def garbled(rng: random.Random, text: str) -> str:
    """Return the text with one or two tokens missing, doubled, exchanged or replaced, most often by their like."""
    tokens = [text[token.start : token.end] for token in tokenize(text)[:-1]]
    for _ in range(rng.choice((1, 1, 2))):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(9):
            case 0 if len(tokens) > 1:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[other])
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = rng.choice(ODD_TOKENS)
            case 4:
                tokens.insert(at, rng.choice(ODD_TOKENS))
            case _:
                tokens[at] = rng.choice(next((words for words in SIMILAR if tokens[at] in words), SIMILAR[3]))
    return " ".join(tokens)


@pytest.mark.timeout(1800)
def test_what_is_accepted_of_garbled_expressions_means_the_same_in_cel() -> None:
    """The author writes what he knows to be right; this finds what is accepted beyond."""
    comparison = Comparison(SEED + 2)
    rng = random.Random(SEED)  # noqa: S311  # no secret
    for text in comparison.expressions(MUTANTS):
        with suppress(SyntaxFlaw):
            comparison.compare(garbled(rng, text))

    counts = comparison.counts
    print(dict(counts))
    assert not comparison.differences, "\n".join(comparison.differences[:30])
    assert MUTANTS * 0.04 < counts["equal"] < MUTANTS * 0.5


# What is asked of both one by one


@cache
def table_vars() -> dict[str, Expression]:
    vars: dict[str, Expression] = {}
    for name, text in TABLE["vars"].items():
        found = ours(text, vars, TABLE_LISTS)
        assert found is not None
        vars[name] = found.expression
    return vars


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in TABLE["cases"]])
def test_the_table_of_values_holds_in_cel(case: dict[str, Any]) -> None:
    data = cel_data(facts_of(**case.get("facts", {})), TABLE["vars"], TABLE_LISTS)
    found = ours(case["expr"], table_vars(), TABLE_LISTS)

    assert found is not None
    assert cel_type(case["expr"]) in (found.type.name, "dyn")
    assert same(case["value"], cel_value(case["expr"], data))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("size('a',) == 1", id="a comma after the last argument"),
        pytest.param("has(request.session,)", id="a comma after the argument of has"),
        pytest.param("has(request.labels.in)", id="the key in"),
        pytest.param("has(request.labels.true)", id="the key true"),
        pytest.param("has(request.labels.false)", id="the key false"),
        pytest.param("has(request.labels.null) && request.labels.null == 'a'", id="the key null"),
        pytest.param("true ? true ? 1 : 2 : 3", id="a ternary in the middle of another"),
        pytest.param("request.tenant == 'a\rb'", id="a carriage return in a string"),
        pytest.param('request.tenant == "a\rb"', id="a carriage return in double quotes"),
        pytest.param("request.tenant == r'a\rb'", id="a carriage return in a raw string"),
        pytest.param('request.tenant == r"a\rb"', id="a carriage return in a raw string, double quotes"),
        pytest.param("tokens.input > 0X1F", id="hexadecimal with a capital X"),
        pytest.param(r"request.tenant == r'\''", id="an escaped quote in a raw string"),
    ],
)
def test_what_cel_cannot_read_is_refused_here(text: str) -> None:
    with pytest.raises(CelError):
        cel_type(text)

    with pytest.raises(SyntaxFlaw):
        parse(text)


# Known differences


def test_has_of_a_label_in_brackets_is_ours_alone() -> None:
    text = "has(request.labels['data-class'])"

    with pytest.raises(RuntimeError, match=r"has\(\) argument must be a field selection"):
        CHECKER.compile(text)
    for labels, expected in (({}, False), ({"data-class": ""}, True)):
        facts = facts_of(request_labels=labels)
        found = ours(text, {})
        assert found is not None
        assert found.evaluate(facts) is cel_value(text, cel_data(facts, {})) is expected


@pytest.mark.parametrize("text", ["9223372036854775807 + tokens.input", "-(-9223372036854775808)", "-9223372036854775808 / -1"])
def test_integers_that_outgrow_64_bits_go_on_here_and_end_in_an_error_in_cel(text: str) -> None:
    facts = facts_of()
    found = ours(text, {})

    assert found is not None
    assert outgrows_int64(found.code, facts)
    with pytest.raises(CelError, match="integer overflow"):
        cel_value(text, cel_data(facts, {}))


def test_large_integers_are_compared_with_doubles_exactly_here_and_rounded_in_cel() -> None:
    text = "9007199254740993 == 9007199254740992.0"
    found = ours(text, {})

    assert found is not None
    assert found.evaluate(facts_of()) is False
    assert cel_value(text, cel_data(facts_of(), {})) is True


def test_a_raw_string_may_end_with_a_backslash_here_which_googles_cel_takes_for_a_mistake() -> None:
    r"""By CEL's grammar `r'\'` is a backslash, and what follows in `r'\'//'` a comment."""
    for text in (r"r'\'", r"r'\'//'"):
        found = ours(text, {})

        assert found is not None
        assert found.evaluate(facts_of()) == "\\"
        with pytest.raises(CelError, match="Invalid string literal: String must end with '"):
            cel_value(text, {})


def test_an_error_of_cel_is_told_from_a_value() -> None:
    """Its `bool()` is True: an oracle that forgot this would agree with everything true."""
    with pytest.raises(CelError, match="Key not found"):
        cel_value("request.session == 'a'", cel_data(facts_of(), {}))
