"""Turns checked expressions into Python code: a syntax tree built node by node, never source text, compiled once per ruleset.

An expression reads facts as attributes of one argument, so thirty rules cost some two microseconds. The tree holds only the node types of
WHITELIST and only names made here; a test walks what is generated. `exec` of that tree is the price; a tree of closures is 15 times slower.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pointsman.core.expr.checker import Checked
from pointsman.core.expr.patterns import searcher
from pointsman.core.expr.syntax import Binary, Call, Conditional, ListOf, Literal, Logical, Name, Node, Unary, names
from pointsman.core.expr.types import INT
from pointsman.core.facts import Facts
from pointsman.core.ruleset import Matched

WHITELIST: tuple[type[ast.AST], ...] = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.If,
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.IsNot,
    ast.IfExp, ast.Call, ast.Attribute, ast.Subscript, ast.Name, ast.Load, ast.Store, ast.Constant,
)  # fmt: skip

_COMPARE: dict[str, ast.cmpop] = {
    "==": ast.Eq(), "!=": ast.NotEq(), "<": ast.Lt(), "<=": ast.LtE(), ">": ast.Gt(), ">=": ast.GtE(), "in": ast.In(),
}  # fmt: skip
_ARITHMETIC: dict[str, ast.operator] = {"+": ast.Add(), "-": ast.Sub(), "*": ast.Mult(), "/": ast.Div()}
_METHODS = {"startsWith": "startswith", "endsWith": "endswith"}

_FACTS = "facts"


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression with what the code generator needs to know of it."""

    node: Node
    checked: Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several of which the first that holds is taken."""

    condition: Expression | None
    """None holds always."""
    admits: Callable[[Facts], bool] | None = None
    """Asked where the condition holds."""
    shadow: bool = False
    """Noted and passed by."""


def _quotient(dividend: int, divisor: int) -> int:
    """Integer division as in CEL: towards zero."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _remainder(dividend: int, divisor: int) -> int:
    """The remainder as in CEL: its sign is that of the dividend."""
    return dividend - divisor * _quotient(dividend, divisor)


class Code:
    """Collects functions of one ruleset and compiles them together.

    `vars` are in file order, each may use those before it; `lists` are constants.
    """

    def __init__(self, *, vars: Mapping[str, Expression], lists: Mapping[str, tuple[object, ...]]) -> None:
        self._vars = vars
        self._lists = lists
        self._functions: list[ast.stmt] = []
        self._globals: dict[str, object] = {
            "__builtins__": {"len": len},
            "_quotient": _quotient,
            "_remainder": _remainder,
            "_Matched": Matched,
        }

    def value(self, expression: Expression) -> str:
        """Add a function `(facts) -> value of the expression`; return its name."""
        result = ast.Return(self._expr(expression.node, expression.checked))
        return self._function([*self._prologue([expression]), result])

    def match(self, collected: Iterable[Expression], first: Iterable[Choice]) -> str:
        """Add a function `(facts) -> (collected, first, shadows)`; return its name.

        It returns the indices of all of `collected` that hold, the index of the first of `first` that holds, -1 if none does, and the
        indices of the shadows that hold before it.
        """
        collected, first = tuple(collected), tuple(first)
        body = self._prologue([*collected, *(choice.condition for choice in first if choice.condition is not None)])
        body += [ast.Assign([ast.Name(name, ast.Store())], _constant(())) for name in ("fired", "shadows")]
        for index, expression in enumerate(collected):
            body.append(ast.If(self._expr(expression.node, expression.checked), [_note("fired", index)], []))
        for index, choice in enumerate(first):
            then = _note("shadows", index) if choice.shadow else _matched(index)
            tests = self._tests(choice)
            body.append(ast.If(tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests), [then], []) if tests else then)
            if not tests and not choice.shadow:
                return self._function(body)
        return self._function([*body, _matched(-1)])

    def _tests(self, choice: Choice) -> list[ast.expr]:
        tests = [] if choice.condition is None else [self._expr(choice.condition.node, choice.condition.checked)]
        if choice.admits is not None:
            name = f"_admits_{len(self._globals)}"
            self._globals[name] = choice.admits
            tests.append(ast.Call(_load(name), [_load(_FACTS)], []))
        return tests

    def compile(self) -> Callable[[str], Callable[[Facts], object]]:
        """Return a look-up of the compiled functions by name."""
        module = ast.fix_missing_locations(self.tree())
        exec(compile(module, "<rules>", "exec"), self._globals)  # noqa: S102  # a tree of WHITELIST, no text: see above
        functions: dict[str, Callable[[Facts], object]] = dict(self._globals)  # type: ignore[arg-type]  # the functions added above
        return functions.__getitem__

    def tree(self) -> ast.Module:
        """Return the tree that `compile` compiles, for the test of the whitelist."""
        return ast.Module(self._functions, [])

    def _function(self, body: list[ast.stmt]) -> str:
        name = f"rule_{len(self._functions)}"
        arguments = ast.arguments([], [ast.arg(_FACTS)], None, [], [], None, [])
        self._functions.append(ast.FunctionDef(name, arguments, body, []))
        return name

    def _prologue(self, expressions: list[Expression]) -> list[ast.stmt]:
        """Return the assignments that every expression here relies on: the groups of facts and the vars that are used."""
        used = self._used_vars(expressions)
        sources = [*expressions, *(self._vars[name] for name in used)]
        groups = {name.parts[0] for source in sources for name in names(source.node)} - {"vars", "lists"}
        body: list[ast.stmt] = [
            ast.Assign([ast.Name(group, ast.Store())], ast.Attribute(_load(_FACTS), group, ast.Load())) for group in sorted(groups)
        ]
        for name in used:
            value = self._expr(self._vars[name].node, self._vars[name].checked)
            body.append(ast.Assign([ast.Name(_var(name), ast.Store())], value))
        return body

    def _used_vars(self, expressions: list[Expression]) -> list[str]:
        used: set[str] = set()
        waiting = [expression.node for expression in expressions]
        while waiting:
            fresh = {name.parts[1] for name in names(waiting.pop()) if name.parts[0] == "vars"} - used
            used |= fresh
            waiting += [self._vars[name].node for name in fresh]
        return [name for name in self._vars if name in used]

    def _expr(self, node: Node, checked: Checked) -> ast.expr:
        match node:
            case Literal(value=value):
                return ast.Constant(value)
            case Name():
                return self._read(node)
            case ListOf(items=items):
                return _constant(tuple(item.value for item in items if isinstance(item, Literal)))
            case Unary(operator=operator, operand=operand):
                return ast.UnaryOp(ast.Not() if operator == "!" else ast.USub(), self._expr(operand, checked))
            case Logical(operator=operator, operands=operands):
                return ast.BoolOp(ast.And() if operator == "&&" else ast.Or(), [self._expr(operand, checked) for operand in operands])
            case Conditional(test=test, then=then, otherwise=otherwise):
                return ast.IfExp(self._expr(test, checked), self._expr(then, checked), self._expr(otherwise, checked))
            case Binary():
                return self._binary(node, checked)
            case Call():
                return self._call(node, checked)

    def _read(self, name: Name) -> ast.expr:
        if name.parts[0] == "vars":
            return _load(_var(name.parts[1]))
        if name.parts[0] == "lists":
            return _constant(self._lists[name.parts[1]])
        group, field, *key = name.parts
        read = ast.Attribute(_load(group), field, ast.Load())
        return ast.Subscript(read, ast.Constant(key[0]), ast.Load()) if key else read

    def _binary(self, node: Binary, checked: Checked) -> ast.expr:
        left, right = self._expr(node.left, checked), self._expr(node.right, checked)
        if node.operator in _COMPARE:
            if node.operator == "in" and isinstance(right, ast.Constant):
                right = _constant(frozenset(right.value))  # type: ignore[arg-type]  # the tuple of a list
            return ast.Compare(left, [_COMPARE[node.operator]], [right])
        if node.operator in "/%" and checked.type_of(node) == INT:
            return ast.Call(_load("_quotient" if node.operator == "/" else "_remainder"), [left, right], [])
        return ast.BinOp(left, _ARITHMETIC[node.operator], right)

    def _call(self, node: Call, checked: Checked) -> ast.expr:
        if node.function == "has":
            return self._has(node.arguments[0])
        arguments = [self._expr(argument, checked) for argument in node.arguments]
        if node.function == "size":
            return ast.Call(_load("len"), arguments, [])
        if node.function == "contains":
            return ast.Compare(arguments[1], [ast.In()], [arguments[0]])
        if node.function == "matches":
            return ast.Call(_load(self._pattern(node.arguments[1])), [arguments[0]], [])
        return ast.Call(ast.Attribute(arguments[0], _METHODS[node.function], ast.Load()), [arguments[1]], [])

    def _has(self, fact: Node) -> ast.expr:
        assert isinstance(fact, Name)  # the checker lets nothing else pass
        if len(fact.parts) == 3:
            group, labels, key = fact.parts
            return ast.Compare(ast.Constant(key), [ast.In()], [ast.Attribute(_load(group), labels, ast.Load())])
        return ast.Compare(self._read(fact), [ast.IsNot()], [ast.Constant(None)])

    def _pattern(self, literal: Node) -> str:
        assert isinstance(literal, Literal)  # the checker lets nothing else pass
        name = f"_pattern_{len(self._globals)}"
        self._globals[name] = searcher(str(literal.value))
        return name


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _constant(value: tuple[object, ...] | frozenset[object]) -> ast.Constant:
    return ast.Constant(value)  # type: ignore[arg-type]  # the compiler takes tuples and sets of constants, its stub does not say so


def _var(name: str) -> str:
    return f"var_{name}"


def _matched(index: int) -> ast.Return:
    return ast.Return(ast.Call(_load("_Matched"), [_load("fired"), ast.Constant(index), _load("shadows")], []))


def _note(name: str, index: int) -> ast.AugAssign:
    return ast.AugAssign(ast.Name(name, ast.Store()), ast.Add(), _constant((index,)))
