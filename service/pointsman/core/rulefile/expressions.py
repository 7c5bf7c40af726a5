"""Reads the expressions of rule files: text of a YAML value -> checked tree, with every flaw at its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Sequenced
from dataclasses import dataclass

from pointsman.core.diagnostics import Problem, Severity
from pointsman.core.expr.checker import Checked, Scope, check
from pointsman.core.expr.codegen import Expression
from pointsman.core.expr.guards import NOTHING, Present, proves
from pointsman.core.expr.parser import parse
from pointsman.core.expr.syntax import Flaw, Logical, SyntaxFlaw, Unary, names
from pointsman.core.expr.types import BOOL, Type
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.yamlnodes import Mapping, Node, Scalar, Sequence

COMMENT_HELP = "a ' #' ends the value in YAML; put the expression in single quotes, or the comment on its own line"

_COMMENT = re.compile(r"[ \t]+#")


MOST_CONDITIONS = 500
"""Of one list: more are no work of people, and would take long to check."""

GROUPS = ("any", "all", "none")
"""Keys of a mapping that joins conditions otherwise than by "all of these"."""


@dataclass(frozen=True, slots=True)
class Written:
    """A condition with the value in which it is written, or a group of them with its key."""

    scalar: Scalar
    expression: Expression
    items: tuple[Written, ...] = ()
    """Of a group."""

    @property
    def text(self) -> str:
        """The condition as written, on one line; of a group its key."""
        return f"{self.scalar.text}:" if self.items else " ".join(self.scalar.text.split())


class ExpressionReader:
    """Reads the expressions of one file; problems gather in `problems`."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems

    def conditions(self, node: Node, scope: Scope, present: Present = NOTHING, *, joined_by: str = "all") -> list[Written]:
        """Return the conditions of a `when` or of a group: one, or a list of which each may rely on what those above it prove.

        In `any` and `none` a condition is asked only where those above it do not hold.
        """
        items = node.items if isinstance(node, Sequence) else (node,)
        if len(items) > MOST_CONDITIONS:
            help_ = "name sets under lists: and compare with 'in'"
            self._problems.append(problem_at(node, self._file, f"{len(items)} conditions; at most {MOST_CONDITIONS} are allowed", help_))
            return []
        found: list[Written] = []
        for item in items:
            for written in self._condition(item, scope, present):
                found.append(written)
                on_true, on_false = proves(written.expression.node)
                present |= on_true if joined_by == "all" else on_false
        return found

    def _condition(self, item: Node, scope: Scope, present: Present) -> Iterator[Written]:
        if isinstance(item, Scalar):
            if written := self.expression(item, scope, expected=BOOL, present=present):
                yield written
        elif isinstance(item, Mapping):
            for name, entry in item.entries.items():
                if name in GROUPS and (parts := self.conditions(entry.node, scope, present, joined_by=name)):
                    group = Written(entry.key, _joined(parts, name), tuple(parts))
                    present |= proves(group.expression.node)[0]
                    yield group

    def expression(self, scalar: Scalar, scope: Scope, *, expected: Type | None, present: Present = NOTHING) -> Written | None:
        """Return the expression, or None where it has a flaw, which is then among the problems."""
        if scalar.broken or self._eaten_by_yaml(scalar):
            return None
        try:
            node = parse(scalar.text)
        except SyntaxFlaw as found:
            self._add(scalar, found.flaw)
            return None
        checked = check(node, scope, expected=expected, present=present)
        for flaw in checked.flaws:
            self._add(scalar, flaw)
        return None if checked.flaws else Written(scalar, Expression(node, checked))

    def _eaten_by_yaml(self, scalar: Scalar) -> bool:
        """Note a value that YAML read otherwise than its author meant."""
        if not scalar.text.strip():
            self._problems.append(problem_at(scalar, self._file, "the condition is empty", "write a condition, or remove the key"))
            return True
        if scalar.plain and _COMMENT.match(scalar.source.text, scalar.end):
            self._problems.append(problem_at(scalar, self._file, "a comment follows an expression on its line", COMMENT_HELP))
            return True
        return False

    def _add(self, scalar: Scalar, flaw: Flaw) -> None:
        self._problems.append(problem_in(scalar, self._file, flaw))


def problem_in(scalar: Scalar, file: str, flaw: Flaw, *, severity: Severity = Severity.ERROR) -> Problem:
    """Return a problem that underlines part of an expression, on one line."""
    line, column = scalar.position(min(flaw.start, len(scalar.text)))
    end_line, end_column = scalar.position(min(flaw.end, len(scalar.text)))
    length = end_column - column if end_line == line else 1
    return Problem(file=file, line=line, column=column, severity=severity, message=flaw.message, help=flaw.help, length=max(1, length))


def conjunction(conditions: Iterable[Written]) -> Expression:
    """Return the expression that holds when all of at least one condition hold."""
    return _joined(tuple(conditions), "all")


def _joined(conditions: Sequenced[Written], by: str) -> Expression:
    expressions = [written.expression for written in conditions]
    operator = "&&" if by == "all" else "||"
    node = expressions[0].node if len(expressions) == 1 else Logical(0, 0, operator, tuple(part.node for part in expressions))
    types = {inner: found for expression in expressions for inner, found in expression.checked.types.items()}
    return Expression(Unary(0, 0, "!", node) if by == "none" else node, Checked([], types))


def facts_in(expression: Expression, vars: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of the facts in an expression, in order, those of its vars included (`vars` holds theirs)."""
    found: dict[str, None] = {}
    for name in names(expression.node):
        own = vars.get(name.parts[1], ()) if name.parts[0] == "vars" else (name.dotted,)
        found |= dict.fromkeys(own if name.parts[0] != "lists" else ())
    return tuple(found)
