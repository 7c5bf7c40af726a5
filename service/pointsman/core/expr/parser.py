"""Parses the text of an expression into a tree, by precedence climbing with CEL's precedences."""

from __future__ import annotations

from pointsman.core.expr.lexer import Token, tokenize
from pointsman.core.expr.syntax import (
    RESERVED,
    Binary,
    Call,
    Conditional,
    ListOf,
    Literal,
    Logical,
    Name,
    Node,
    SyntaxFlaw,
    Unary,
    children,
)

DEEPEST = 64
"""Nesting of parentheses and operators: keeps recursion here, in the checker and in Python's own compiler far from its limit."""

TALLEST = 96
"""Levels of the finished tree."""

LARGEST_INT = 2**63 - 1

_PRECEDENCE = {"||": 1, "&&": 2}
_PRECEDENCE |= dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3)
_PRECEDENCE |= dict.fromkeys("+-", 4) | dict.fromkeys("*/%", 5)

_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_WORDS = {"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!", "True": "true", "False": "false", "None": "null"}


def parse(text: str) -> Node:
    """Return the tree of `text`. Raises SyntaxFlaw at the first thing that does not fit."""
    parser = _Parser(tokenize(text))
    node = parser.conditional()
    parser.expect_end()
    _check_height(node)
    return node


def _check_height(node: Node) -> None:
    """Refuse a tree that is too tall. Parentheses and rows of operators each keep to their cap and can still multiply."""
    level: tuple[Node, ...] = (node,)
    for _ in range(TALLEST):
        level = tuple(child for parent in level for child in children(parent))
    if level:
        raise SyntaxFlaw(level[0].start, level[0].end, f"nested deeper than {TALLEST} levels", "name parts of it under 'vars'")


class _Parser:
    """Reads tokens from left to right; each method returns the tree of what its name says."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def conditional(self) -> Node:
        self._enter()
        start = self._next.start
        test = self._binary(1)
        if self._take("?"):
            then = self._binary(1)  # as in CEL: another '? :' in the middle needs parentheses
            self._expect(":", "between the two values of '? :'")
            otherwise = self.conditional()
            test = Conditional(start, self._end, test, then, otherwise)
        self._depth -= 1
        return test

    def _binary(self, lowest: int) -> Node:
        start = self._next.start  # with a parenthesis that opens before the left operand, which that itself does not know
        left = self._unary()
        chain = 0
        while (precedence := self._precedence(self._next)) >= lowest:
            token = self._advance()
            operator = str(token.value)
            right = self._binary(precedence + 1)
            if operator in ("&&", "||"):
                left = _joined(operator, left, right, start, self._end)
                continue
            chain += 1
            if chain > DEEPEST:
                raise SyntaxFlaw(token.start, token.end, f"more than {DEEPEST} operators in a row", "name parts of it under 'vars'")
            left = Binary(start, self._end, operator, left, right)
        return left

    def _precedence(self, token: Token) -> int:
        is_operator = token.kind == "operator" or token.value == "in"
        return _PRECEDENCE.get(str(token.value), 0) if is_operator and token.kind != "string" else 0

    def _unary(self) -> Node:
        token = self._next
        if token.kind != "operator" or token.value not in ("!", "-"):
            return self._member(self._primary())
        self._enter()
        self._advance()
        node = self._negative(token)
        if node is None:
            operand = self._unary()
            node = Unary(token.start, self._end, str(token.value), operand)
        self._depth -= 1
        return node

    def _negative(self, minus: Token) -> Node | None:
        """Return the literal after a minus as one negative literal, so that the smallest integer can be written."""
        number = self._next
        if minus.value != "-" or number.kind not in ("int", "double"):
            return None
        self._advance()
        value = number.value
        assert not isinstance(value, str)
        if isinstance(value, int) and value > LARGEST_INT + 1:
            raise _too_large(minus.start, number.end)
        return Literal(minus.start, number.end, -value)

    def _primary(self) -> Node:
        token = self._advance()
        if token.kind in ("int", "double", "string"):
            if isinstance(token.value, int) and token.value > LARGEST_INT:
                raise _too_large(token.start, token.end)
            return Literal(token.start, token.end, token.value)
        if token.kind == "name":
            return self._named(token)
        if token.value == "(":
            inner = self.conditional()
            self._expect(")", "to close the parenthesis")
            return inner
        if token.value == "[":
            items, end = self._list_until("]")
            return ListOf(token.start, end, items)
        raise self._unexpected(token)

    def _named(self, token: Token) -> Node:
        word = str(token.value)
        if word in _CONSTANTS:
            return Literal(token.start, token.end, _CONSTANTS[word])
        if word in _WORDS:
            raise SyntaxFlaw(token.start, token.end, f"'{word}' is not part of the language", f"write '{_WORDS[word]}'")
        if self._take("("):
            arguments, end = self._list_until(")")
            return Call(token.start, end, word, arguments, method=False)
        return Name(token.start, token.end, (word,))

    def _member(self, node: Node) -> Node:
        while self._next.kind == "operator" and self._next.value in (".", "["):
            node = self._field(node) if self._take(".") else self._label(node)
        return node

    def _field(self, node: Node) -> Node:
        token = self._advance()
        if token.kind != "name" or token.value in RESERVED:
            raise SyntaxFlaw(token.start, max(token.end, token.start + 1), "a name is expected after '.'", _label_help(token))
        if self._take("("):
            arguments, end = self._list_until(")")
            return Call(node.start, end, str(token.value), (node, *arguments), method=True)
        if not isinstance(node, Name):
            raise SyntaxFlaw(token.start, token.end, f"'.{token.value}' follows something that has no fields")
        return Name(node.start, token.end, (*node.parts, str(token.value)))

    def _label(self, node: Node) -> Node:
        bracket = self._advance()
        key = self._advance()
        close = self._expect("]", "after the key")
        if not isinstance(node, Name) or node.parts[-1] != "labels" or key.kind != "string":
            raise SyntaxFlaw(
                bracket.start, close.end, "only labels can be looked up with [ ], by a literal key", 'as in request.labels["data-class"]'
            )
        return Name(node.start, close.end, (*node.parts, str(key.value)))

    def _list_until(self, closing: str) -> tuple[tuple[Node, ...], int]:
        items: list[Node] = []
        while not (self._next.kind == "operator" and self._next.value == closing):
            items.append(self.conditional())
            if not self._take(","):
                break
            if closing == ")" and self._next.value == ")":
                raise self._unexpected(self._next)  # as in CEL: a list may end with a comma, a call may not
        return tuple(items), self._expect(closing, "to close the list").end

    @property
    def _end(self) -> int:
        """Where the last token ends that was read."""
        return self._tokens[self._at - 1].end

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._at += 1
        return token

    def _take(self, operator: str) -> bool:
        found = self._next.kind == "operator" and self._next.value == operator
        if found:
            self._at += 1
        return found

    def _expect(self, operator: str, why: str) -> Token:
        token = self._next
        if not self._take(operator):
            raise SyntaxFlaw(token.start, max(token.end, token.start + 1), f"'{operator}' is expected {why}, {_found(token)}", _help(token))
        return token

    def expect_end(self) -> None:
        token = self._next
        if token.kind != "end":
            raise self._unexpected(token)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            token = self._next
            raise SyntaxFlaw(token.start, token.start + 1, f"nested deeper than {DEEPEST} levels", "name parts of it under 'vars'")

    def _unexpected(self, token: Token) -> SyntaxFlaw:
        if token.kind == "end":
            return SyntaxFlaw(token.start, token.start + 1, "the expression ends where a value is expected")
        return SyntaxFlaw(token.start, token.end, f"unexpected {_described(token)}", _help(token))


def _joined(operator: str, left: Node, right: Node, start: int, end: int) -> Node:
    """Return `left operator right`, a chain of one operator kept flat, so that a long one is not a deep one."""
    operands = left.operands if isinstance(left, Logical) and left.operator == operator else (left,)
    return Logical(start, end, operator, (*operands, right))


def _described(token: Token) -> str:
    return f"{token.kind} literal" if token.kind in ("string", "int", "double") else f"'{token.value}'"


def _found(token: Token) -> str:
    return "but the expression ends" if token.kind == "end" else f"found {_described(token)}"


def _help(token: Token) -> str:
    word = _WORDS.get(str(token.value)) if token.kind == "name" else None
    return f"did you mean '{word}'?" if word else ""


def _label_help(token: Token) -> str:
    return 'a key with other characters goes in brackets: request.labels["data-class"]' if token.kind != "end" else ""


def _too_large(start: int, end: int) -> SyntaxFlaw:
    return SyntaxFlaw(start, end, "the number does not fit in 64 bits", "a double such as 1e30 may be meant")
