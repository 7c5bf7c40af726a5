"""Reads the expressions of rule files: text of a YAML value -> checked tree, with every flaw at its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pointsman.core.diagnostics import Problem, Severity
from pointsman.core.expr.checker import Checked, Scope, check
from pointsman.core.expr.codegen import Expression
from pointsman.core.expr.guards import Present
from pointsman.core.expr.parser import parse
from pointsman.core.expr.syntax import Flaw, Logical, SyntaxFlaw, names
from pointsman.core.expr.types import BOOL, Type
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.yamlnodes import Node, Scalar

COMMENT_HELP = "a ' #' ends the value in YAML; put the expression in single quotes, or the comment on its own line"

_COMMENT = re.compile(r"[ \t]+#")


@dataclass(frozen=True, slots=True)
class Written:
    """An expression with the value in which it is written."""

    scalar: Scalar
    expression: Expression


class ExpressionReader:
    """Reads the expressions of one file; problems gather in `problems`."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems

    def conditions(self, node: Node, scope: Scope) -> list[Written]:
        """Return the conditions of a `when`: one expression, or a list of which each may rely on those above it."""
        items = (node,) if isinstance(node, Scalar) else getattr(node, "items", ())
        found: list[Written] = []
        present: Present = frozenset()
        for item in items:
            if isinstance(item, Scalar) and (written := self.expression(item, scope, expected=BOOL, present=present)):
                found.append(written)
                present |= written.expression.checked.when_true
        return found

    def expression(self, scalar: Scalar, scope: Scope, *, expected: Type | None, present: Present = frozenset()) -> Written | None:
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
        line, column = scalar.position(min(flaw.start, len(scalar.text)))
        end_line, end_column = scalar.position(min(flaw.end, len(scalar.text)))
        length = end_column - column if end_line == line else 1
        self._problems.append(
            Problem(
                file=self._file,
                line=line,
                column=column,
                severity=Severity.ERROR,
                message=flaw.message,
                help=flaw.help,
                length=max(1, length),
            )
        )


def conjunction(conditions: Iterable[Written]) -> Expression:
    """Return the expression that holds when all of at least one condition hold."""
    expressions = [written.expression for written in conditions]
    if len(expressions) == 1:
        return expressions[0]
    node = Logical(0, 0, "&&", tuple(expression.node for expression in expressions))
    types = {inner: found for expression in expressions for inner, found in expression.checked.types.items()}
    return Expression(node, Checked([], types))


def facts_in(expression: Expression, vars: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of the facts in an expression, in order, those of its vars included (`vars` holds theirs)."""
    found: dict[str, None] = {}
    for name in names(expression.node):
        own = vars.get(name.parts[1], ()) if name.parts[0] == "vars" else (name.dotted,)
        found |= dict.fromkeys(own if name.parts[0] != "lists" else ())
    return tuple(found)
