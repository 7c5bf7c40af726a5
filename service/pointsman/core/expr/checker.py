"""Checks an expression against the facts: types, names, ranges, and that optional facts are asked for before they are read.

All flaws are found in one pass; whatever already has one takes the type `any`, which agrees with everything, so that it is reported once.
What passes cannot fail when it is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.diagnostics import did_you_mean
from pointsman.core.expr.growth import LARGEST, growth
from pointsman.core.expr.guards import NOTHING, Present, proves
from pointsman.core.expr.patterns import flaw_of_pattern
from pointsman.core.expr.syntax import FLIPPED, Binary, Call, Conditional, Flaw, ListOf, Literal, Logical, Name, Node, Unary, Value
from pointsman.core.expr.types import ANY, BOOL, DOUBLE, INT, NULL, STRING, Type, agree, list_of
from pointsman.core.facts import FACTS, LABELS, FactSpec

_STRING_METHODS = ("startsWith", "endsWith", "contains", "matches")
_FUNCTIONS = ("has", "size", *_STRING_METHODS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names that an expression may use beside facts."""

    vars: Mapping[str, Type] = field(default_factory=dict)
    lists: Mapping[str, Type] = field(default_factory=dict)
    values: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """Of lists."""
    growths: Mapping[str, int] = field(default_factory=dict)
    """Of vars, as `growth` counts; 1 for those that are not here."""


@dataclass(slots=True)
class Checked:
    """What a check found: the flaws, the type of every node, and which optional facts a true result proves."""

    flaws: list[Flaw]
    types: dict[Node, Type]
    when_true: Present = NOTHING
    growth: int = 1

    def type_of(self, node: Node) -> Type:
        return self.types.get(node, ANY)


def check(node: Node, scope: Scope, *, expected: Type | None, present: Present = NOTHING) -> Checked:
    """Return what is wrong with an expression that must be of type `expected`, None for any.

    The optional facts `present` are known to be there.
    """
    checker = _Checker(scope)
    found = checker.visit(node, present)
    if expected is not None and not agree(found, expected):
        checker.flaw(node, f"this is {found.described}, but {expected.described} is expected", _expected_help(found, expected))
    grown = growth(node, scope.growths)
    if grown > LARGEST:
        checker.flaw(node, f"the result may be made of {grown} values; {LARGEST} are allowed", "vars within vars add up")
    return Checked(checker.flaws, checker.types, proves(node)[0], grown)


def _expected_help(found: Type, expected: Type) -> str:
    return "a condition compares something: add '== ...'" if expected == BOOL and found != BOOL else ""


class _Checker:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.flaws: list[Flaw] = []
        self.types: dict[Node, Type] = {}

    def flaw(self, node: Node, message: str, help_: str = "") -> Type:
        self.flaws.append(Flaw(start=node.start, end=node.end, message=message, help=help_))
        return ANY

    def visit(self, node: Node, present: Present) -> Type:
        """Return the type of `node`, and note it."""
        match node:
            case Literal():
                found = _type_of_value(node.value)
            case Name():
                found = self._name(node, present)
            case ListOf():
                found = self._list(node, present)
            case Unary():
                found = self._unary(node, present)
            case Logical():
                found = self._logical(node, present)
            case Conditional():
                found = self._conditional(node, present)
            case Binary():
                found = self._binary(node, present)
            case Call():
                found = self._call(node, present)
        self.types[node] = found
        return found

    # Names

    def _name(self, node: Name, present: Present) -> Type:
        group, rest = node.parts[0], node.parts[1:]
        if group in ("vars", "lists"):
            return self._own_name(node, self._scope.vars if group == "vars" else self._scope.lists)
        if ".".join(node.parts[:2]) in LABELS:
            return self._label(node, present)
        spec = FACTS.get(node.dotted)
        if spec is None:
            return self._unknown_fact(node, rest)
        if spec.optional and node.dotted not in present:
            return self._unguarded(node)
        return spec.type

    def _own_name(self, node: Name, known: Mapping[str, Type]) -> Type:
        found = known.get(node.parts[1]) if len(node.parts) == 2 else None
        if found is None:
            kind = "var" if node.parts[0] == "vars" else "list"
            name = ".".join(node.parts[1:])
            return self.flaw(
                node, f"unknown {kind} '{node.dotted}'", did_you_mean(name, known) or f"no {node.parts[0]} are defined above it"
            )
        return found

    def _label(self, node: Name, present: Present) -> Type:
        if len(node.parts) != 3:
            group = ".".join(node.parts[:2])
            return self.flaw(
                node, f"'{node.dotted}' is no fact; a label is named by one key", f'as in {group}.data or {group}["data-class"]'
            )
        return STRING if node.dotted in present else self._unguarded(node)

    def _unguarded(self, node: Name) -> Type:
        return self.flaw(node, f"'{node.written}' may be absent", f"ask for it first: has({node.written}) && ...")

    def _unknown_fact(self, node: Name, rest: tuple[str, ...]) -> Type:
        if not rest:
            in_groups = [name for name in FACTS if name.endswith(f".{node.dotted}")]
            help_ = f"did you mean '{in_groups[0]}'?" if in_groups else "facts are written group.name; strings are written in quotes"
            return self.flaw(node, f"unknown name '{node.dotted}'", help_)
        same_group = [name for name in FACTS if name.startswith(f"{node.parts[0]}.")]
        return self.flaw(node, f"unknown fact '{node.dotted}'", did_you_mean(node.dotted, same_group) or did_you_mean(node.dotted, FACTS))

    # Operators

    def _list(self, node: ListOf, present: Present) -> Type:
        types = [self.visit(item, present) for item in node.items]
        for item, found in zip(node.items, types, strict=True):
            if not isinstance(item, Literal):
                self.flaw(item, "a list holds literals only")
            elif not agree(found, types[0]):
                self.flaw(item, f"the list mixes {types[0]} and {found}", "all items must be of one type")
        return list_of(types[0] if types else ANY)

    def _unary(self, node: Unary, present: Present) -> Type:
        found = self.visit(node.operand, present)
        fits = found == BOOL if node.operator == "!" else found.is_number
        if found != ANY and not fits:
            wanted = "a bool" if node.operator == "!" else "a number"
            return self.flaw(node.operand, f"'{node.operator}' needs {wanted}, this is {found.described}")
        return found

    def _logical(self, node: Logical, present: Present) -> Type:
        for operand in node.operands:
            found = self.visit(operand, present)
            if found not in (BOOL, ANY):
                self.flaw(operand, f"'{node.operator}' joins conditions, this is {found.described}", _expected_help(found, BOOL))
            if_true, if_false = proves(operand)
            present |= if_true if node.operator == "&&" else if_false
        return BOOL

    def _conditional(self, node: Conditional, present: Present) -> Type:
        test = self.visit(node.test, present)
        if test not in (BOOL, ANY):
            self.flaw(node.test, f"'?' needs a condition before it, this is {test.described}")
        if_true, if_false = proves(node.test)
        then, otherwise = self.visit(node.then, present | if_true), self.visit(node.otherwise, present | if_false)
        if ANY in (then, otherwise):
            return otherwise if then == ANY else then
        if then != otherwise:
            return self.flaw(node, f"the two values of '? :' differ in type: {then} and {otherwise}")
        return then

    def _binary(self, node: Binary, present: Present) -> Type:
        left, right = self.visit(node.left, present), self.visit(node.right, present)
        if node.operator == "in":
            return self._in(node, left, right)
        if node.operator in FLIPPED:
            return self._comparison(node, left, right)
        return self._arithmetic(node, left, right)

    def _in(self, node: Binary, left: Type, right: Type) -> Type:
        if right != ANY and right.name != "list":
            self.flaw(node.right, f"'in' needs a list, this is {right.described}", 'as in ["a", "b"] or lists.NAME')
        elif right.item is not None and not agree(left, right.item):
            self.flaw(node, f"{left.described} is never in {right.described}")
        elif isinstance(node.right, ListOf):
            for item in node.right.items:
                self._against_range(node.left, "in", item)
        elif isinstance(node.right, Name):
            for value in self._scope.values.get(node.right.parts[-1], ()) if node.right.parts[0] == "lists" else ():
                self._against_range(node.left, "in", Literal(node.right.start, node.right.end, value))
        return BOOL

    def _comparison(self, node: Binary, left: Type, right: Type) -> Type:
        ordered = node.operator not in ("==", "!=")
        if not agree(left, right):
            return self._clash(node, left, right)
        if ordered and not all(side.is_number or side in (STRING, ANY) for side in (left, right)):
            return self.flaw(node, f"'{node.operator}' orders numbers and strings, not {left}")
        if "list" in (left.name, right.name):
            return self.flaw(node, "lists are not compared", "use 'in'")
        self._against_range(node.left, node.operator, node.right)
        self._against_range(node.right, FLIPPED[node.operator], node.left)
        return BOOL

    def _clash(self, node: Binary, left: Type, right: Type) -> Type:
        help_ = "facts are never null; ask has(...)" if NULL in (left, right) else ""
        return self.flaw(node, f"'{node.operator}' compares {left.described} with {right.described}", help_)

    def _arithmetic(self, node: Binary, left: Type, right: Type) -> Type:
        if ANY in (left, right):
            return right if left == ANY else left
        if left != right or not (left.is_number or (left == STRING and node.operator == "+")):
            return self.flaw(node, f"'{node.operator}' does not join {left.described} and {right.described}", _arithmetic_help(left, right))
        if node.operator in "/%":
            return self._division(node, left)
        return left

    def _division(self, node: Binary, found: Type) -> Type:
        if node.operator == "%" and found != INT:
            return self.flaw(node, "'%' needs two integers")
        if not isinstance(node.right, Literal) or not node.right.value:
            return self.flaw(
                node.right, f"'{node.operator}' needs a literal other than zero on its right", "multiply instead, where you can"
            )
        return found

    def _against_range(self, fact: Node, operator: str, literal: Node) -> None:
        """Note a literal that the fact can never be equal to, or that lies beyond its range."""
        if not isinstance(fact, Name) or not isinstance(literal, Literal) or (spec := FACTS.get(fact.dotted)) is None:
            return
        value = literal.value
        if spec.choices and isinstance(value, str) and value not in spec.choices and operator in ("==", "!=", "in"):
            self.flaw(literal, f"{spec.name} is never {value!r}", did_you_mean(value, spec.choices))
        if outside := _outside(spec, value):
            holds = operator == "!=" or operator.startswith("<" if outside > 0 else ">")
            always = "" if operator == "in" else f"; this is always {'true' if holds else 'false'}"
            self.flaw(literal, f"{value} is outside the range of {spec.name} ({spec.range}){always}")

    # Functions

    def _call(self, node: Call, present: Present) -> Type:
        if node.function == "has" and not node.method:
            return self._has(node)
        types = [self.visit(argument, present) for argument in node.arguments]
        if node.function == "size" and not node.method:
            return self._size(node, types)
        if node.function in _STRING_METHODS and node.method:
            return self._string_method(node, types)
        if node.function in _FUNCTIONS:
            written = "x.{}('...')" if node.function in _STRING_METHODS else "{}(x)"
            return self.flaw(node, f"'{node.function}' is written differently", f"write {written.format(node.function)}")
        return self.flaw(node, f"unknown function '{node.function}'", did_you_mean(node.function, _FUNCTIONS))

    def _has(self, node: Call) -> Type:
        match node.arguments:
            case (Name() as name,) if ".".join(name.parts[:2]) in LABELS:
                self._label(name, frozenset({name.dotted}))
            case (Name() as name,) if name.dotted in FACTS:
                if not FACTS[name.dotted].optional:
                    self.flaw(node, f"'{name.dotted}' is always there", "has(...) is for optional facts and labels; leave it out")
            case (Name() as name,) if name.parts[0] not in ("vars", "lists"):
                self._unknown_fact(name, name.parts[1:])
            case _:
                self.flaw(node, "'has' asks for one fact", "as in has(request.session)")
        return BOOL

    def _size(self, node: Call, types: list[Type]) -> Type:
        if len(types) != 1 or (types[0] not in (STRING, ANY) and types[0].name != "list"):
            self.flaw(node, "'size' needs one string or list")
        return INT

    def _string_method(self, node: Call, types: list[Type]) -> Type:
        if len(types) != 2 or any(found not in (STRING, ANY) for found in types):
            self.flaw(node, f"'{node.function}' is asked of a string with one string", f"as in features.language.{node.function}('en')")
        elif node.function == "matches":
            self._matches(node.arguments[1])
        return BOOL

    def _matches(self, pattern: Node) -> None:
        if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
            self.flaw(pattern, "'matches' needs a literal pattern")
        elif wrong := flaw_of_pattern(pattern.value):
            self.flaw(pattern, f"the pattern is no RE2 regular expression: {wrong}")


def _type_of_value(value: object) -> Type:
    types: dict[type, Type] = {type(None): NULL, bool: BOOL, int: INT, float: DOUBLE, str: STRING}
    return types[type(value)]


def _outside(spec: FactSpec, value: object) -> int:
    """Return -1 for a number below the fact's range, 1 for one above it, else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    if spec.about.low is not None and value < spec.about.low:
        return -1
    return 1 if spec.about.high is not None and value > spec.about.high else 0


def _arithmetic_help(left: Type, right: Type) -> str:
    return "write the integer as a double, as in 2.0" if {left, right} == {INT, DOUBLE} else ""
