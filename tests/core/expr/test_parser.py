"""What the texts of conditions mean, as a table of trees; what is wrong with others, with the place and the help; and the caps."""

from __future__ import annotations

import json
import re

import pytest

from pointsman.core.expr.lexer import LONGEST
from pointsman.core.expr.parser import DEEPEST, LARGEST_INT, TALLEST, parse
from pointsman.core.expr.syntax import (
    Binary,
    Call,
    Conditional,
    Flaw,
    ListOf,
    Literal,
    Logical,
    Name,
    Node,
    SyntaxFlaw,
    Unary,
    children,
)

INT_MIN = -(2**63)


def shape(node: Node) -> str:
    """Return the tree as an s-expression: operators in front, names dotted (keys that are no words in quotes), literals as they are in JSON."""
    inner = "".join(f" {shape(child)}" for child in children(node))
    match node:
        case Literal(value=value):
            return json.dumps(value, ensure_ascii=False)
        case Name(parts=parts):
            return ".".join(part if re.fullmatch(r"\w+", part) else json.dumps(part) for part in parts)
        case ListOf():
            return f"[{inner[1:]}]"
        case Unary(operator=operator) | Binary(operator=operator) | Logical(operator=operator):
            return f"({operator}{inner})"
        case Conditional():
            return f"(?{inner})"
        case Call(function=function, method=method):
            return f"({'.' * method}{function}{inner})"


def flaw_of(text: str) -> Flaw:
    with pytest.raises(SyntaxFlaw) as raised:
        parse(text)
    return raised.value.flaw


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("true", "true", id="true"),
        pytest.param("[true, false, null]", "[true false null]", id="the three constants"),
        pytest.param("features.task", "features.task", id="a fact"),
        pytest.param("features . task", "features.task", id="blanks around a dot"),
        pytest.param("vars.x || lists.y", "(|| vars.x lists.y)", id="a var and a list"),
        pytest.param("inside", "inside", id="a name that begins like an operator"),
        pytest.param("true_", "true_", id="a name that begins like a constant"),
        pytest.param("[]", "[]", id="an empty list"),
        pytest.param("[1, 'a', [2,],]", '[1 "a" [2]]', id="lists, nested, with commas at the end"),
        pytest.param("((a))", "a", id="parentheses leave no trace"),
        pytest.param("has(a.b)", "(has a.b)", id="a function"),
        pytest.param("f()", "(f)", id="a function of nothing"),
        pytest.param("f(a ? b : c, [1])", "(f (? a b c) [1])", id="whole expressions as arguments"),
        pytest.param("a.b.startsWith('x')", '(.startsWith a.b "x")', id="a method of a fact"),
        pytest.param("'x'.f().g(1)", '(.g (.f "x") 1)', id="methods in a row"),
        pytest.param("(a + b).f()", "(.f (+ a b))", id="a method of a parenthesis"),
        pytest.param("[1].f()", "(.f [1])", id="a method of a list"),
    ],
)
def test_texts_become_trees(text: str, expected: str) -> None:
    assert shape(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a || b && c", "(|| a (&& b c))", id="and before or"),
        pytest.param("a && b || c && d", "(|| (&& a b) (&& c d))", id="or of ands"),
        pytest.param("a && b == c", "(&& a (== b c))", id="relation before and"),
        pytest.param("a < b + c", "(< a (+ b c))", id="sum before relation"),
        pytest.param("a + b * c - d / e % f", "(- (+ a (* b c)) (% (/ d e) f))", id="product before sum"),
        pytest.param("-a * b", "(* (- a) b)", id="sign before product"),
        pytest.param("!a == b", "(== (! a) b)", id="negation before relation"),
        pytest.param("!a.b", "(! a.b)", id="member before negation"),
        pytest.param("-a.f()", "(- (.f a))", id="member before sign"),
        pytest.param("a - b - c", "(- (- a b) c)", id="sums group to the left"),
        pytest.param("a - (b - c)", "(- a (- b c))", id="parentheses group as written"),
        pytest.param("a / b * c", "(* (/ a b) c)", id="products group to the left"),
        pytest.param("a == b != c", "(!= (== a b) c)", id="relations group to the left"),
        pytest.param("a < b == c", "(== (< a b) c)", id="all relations bind alike"),
        pytest.param("a in b == c", "(== (in a b) c)", id="in is a relation"),
        pytest.param("a + b in c", "(in (+ a b) c)", id="sum before in"),
        pytest.param("!a in b", "(in (! a) b)", id="negation before in"),
        pytest.param("a<=b&&c>=d&&e!=f&&g>h", "(&& (<= a b) (>= c d) (!= e f) (> g h))", id="operators without blanks"),
        pytest.param("(a || b) && c", "(&& (|| a b) c)", id="parentheses against precedence"),
        pytest.param("a || b ? c : d", "(? (|| a b) c d)", id="or before the ternary"),
        pytest.param("a ? b : c ? d : e", "(? a b (? c d e))", id="ternaries group to the right"),
        pytest.param("(a ? b : c) ? d : e", "(? (? a b c) d e)", id="a ternary as condition"),
        pytest.param("a ? (b ? c : d) : e", "(? a (? b c d) e)", id="a ternary inside a ternary"),
        pytest.param("a ? b || c : d || e", "(? a (|| b c) (|| d e))", id="ors inside a ternary"),
        pytest.param("!!a", "(! (! a))", id="negated twice"),
        pytest.param("a - -b", "(- a (- b))", id="minus a negative"),
    ],
)
def test_operators_bind_as_in_cel(text: str, expected: str) -> None:
    assert shape(parse(text)) == expected


@pytest.mark.parametrize("operator", ["&&", "||"])
def test_a_chain_of_one_logical_operator_stays_flat(operator: str) -> None:
    assert shape(parse(f" {operator} ".join("abcd"))) == f"({operator} a b c d)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("007", 7),
        ("0x1F", 31),
        ("0xfF", 255),
        (str(LARGEST_INT), LARGEST_INT),
        ("-7", -7),
        ("- 7", -7),
        (str(INT_MIN), INT_MIN),
        ("-0x8000000000000000", INT_MIN),
        ("0.5", 0.5),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("1.5e-3", 0.0015),
        (".5e1", 5.0),
        ("-0.0", -0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
    ],
)
def test_numbers_are_literals_with_their_sign(text: str, expected: float) -> None:
    node = parse(text)

    assert isinstance(node, Literal)
    assert repr(node.value) == repr(expected)
    assert (node.start, node.end) == (0, len(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("--7", "(- -7)", id="only the inner minus belongs to the number"),
        pytest.param("-(7)", "(- 7)", id="not through a parenthesis"),
        pytest.param("1-1", "(- 1 1)", id="a minus between numbers joins them"),
        pytest.param("1 - -1", "(- 1 -1)", id="a second minus is a sign"),
        pytest.param("a -1", "(- a 1)", id="a minus after a name joins, too"),
    ],
)
def test_a_minus_is_a_sign_where_no_value_stands_before_it(text: str, expected: str) -> None:
    assert shape(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("''", "", id="empty"),
        pytest.param("'a \"b\"'", 'a "b"', id="double quotes inside single ones"),
        pytest.param('"it\'s"', "it's", id="a single quote inside double ones"),
        pytest.param(r"'it\'s'", "it's", id="an escaped quote"),
        pytest.param(r"'\\'", "\\", id="a backslash at the end"),
        pytest.param(r"'\a\b\f\n\r\t\v'", "\a\b\f\n\r\t\v", id="control characters"),
        pytest.param(r"""'\"\'\`\?\\'""", "\"'`?\\", id="escaped punctuation"),
        pytest.param(r"'\x41\xe9'", "Aé", id="two hexadecimal digits are a code point"),
        pytest.param(r"'\u20ac\U0001F600'", "€😀", id="four and eight hexadecimal digits"),
        pytest.param(r"'\000\101\377'", "\0Aÿ", id="three octal digits"),
        pytest.param(r"'\1012'", "A2", id="no more than three"),
        pytest.param(r"'\\n'", r"\n", id="an escaped backslash escapes nothing"),
        pytest.param("'ä😀\u2028'", "ä😀\u2028", id="characters that are not ASCII"),
        pytest.param("'a\tb'", "a\tb", id="a tab as such"),
        pytest.param("'// no comment'", "// no comment", id="no comments in strings"),
        pytest.param("'a && b'", "a && b", id="no operators in strings"),
        pytest.param("'in'", "in", id="the word in"),
        pytest.param(r"r'\d+\.'", r"\d+\.", id="raw: backslashes stay"),
        pytest.param(r'R"\x41"', r"\x41", id="raw: a capital R, no escapes"),
        pytest.param("r''", "", id="raw and empty"),
    ],
)
def test_strings(text: str, expected: str) -> None:
    node = parse(text)

    assert isinstance(node, Literal)
    assert node.value == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("request.labels.data", ("request", "labels", "data"), id="dotted"),
        pytest.param('request.labels["data"]', ("request", "labels", "data"), id="in brackets"),
        pytest.param("request.labels[ 'data-class' ]", ("request", "labels", "data-class"), id="other characters"),
        pytest.param("request.labels['']", ("request", "labels", ""), id="the empty key"),
        pytest.param(r"request.labels[r'\d']", ("request", "labels", r"\d"), id="a raw key"),
        pytest.param("request.labels['a.b']", ("request", "labels", "a.b"), id="a dot inside is no step"),
        pytest.param("request.labels.for", ("request", "labels", "for"), id="a word that is reserved for names, not for keys"),
        pytest.param("request.labels.and", ("request", "labels", "and"), id="a word that is no operator here"),
    ],
)
def test_a_label_is_a_name_with_its_key_as_last_part(text: str, expected: tuple[str, ...]) -> None:
    node = parse(text)

    assert isinstance(node, Name)
    assert node.parts == expected
    assert (node.start, node.end) == (0, len(text))


def test_a_method_can_be_asked_of_a_label_in_brackets() -> None:
    assert shape(parse('a.labels["x-y"].f("z")')) == '(.f a.labels."x-y" "z")'


@pytest.mark.parametrize(
    "text", ["a&&b", "a\n  && b", "\ta\r\n&&\tb ", "a // && c\n&& b", "// first\na && b // last", "a && // 'x\n// \"y\n b", "a &&//\nb"]
)
def test_blanks_line_breaks_and_comments_change_nothing(text: str) -> None:
    assert shape(parse(text)) == "(&& a b)"


@pytest.mark.parametrize(
    "text",
    [
        "features.task",
        "-7",
        "!a.b",
        "- a",
        "a.labels['x']",
        "has(a.b)",
        "a.f('x', 1 )",
        "[1, 2 ]",
        "a + b * -3",
        "a || b || c",
        "a ? b : c ? d : 'e'",
        "a.b in ['x']",
    ],
)
def test_every_node_knows_where_its_text_stands(text: str) -> None:
    """The text of a node, parsed on its own, is the node again."""
    before = "  x == y && //\n"
    whole = parse(before + text)
    assert isinstance(whole, Logical | Conditional)
    waiting: list[Node] = [whole]
    while waiting:
        node = waiting.pop()
        own = (before + text)[node.start : node.end]
        assert own == own.strip()
        assert shape(parse(own)) == shape(node)
        waiting += children(node)


@pytest.mark.parametrize(("text", "expected"), [("(a + b) * c", "(a + b) * c"), ("a * (b + c)", "a * (b + c)"), ("!(a)", "!(a)")])
def test_an_operator_reaches_over_the_parentheses_of_its_operands(text: str, expected: str) -> None:
    """Otherwise a flaw is underlined from behind the first parenthesis, as in `a + b) * c`."""
    node = parse(f"x || {text} || y")

    assert isinstance(node, Logical)
    operand = node.operands[1]
    assert f"x || {text} || y"[operand.start : operand.end] == expected


@pytest.mark.parametrize(
    ("text", "offset", "message", "help_"),
    [
        # Habits from elsewhere
        pytest.param("a = b", 2, "'=' is no operator here", "did you mean '=='?", id="single ="),
        pytest.param("a === b", 4, "'=' is no operator here", "did you mean '=='?", id="triple ="),
        pytest.param("a & b", 2, "'&' is no operator here", "did you mean '&&'?", id="single &"),
        pytest.param("a | b", 2, "'|' is no operator here", "did you mean '||'?", id="single |"),
        pytest.param("a and b", 2, "unexpected 'and'", "did you mean '&&'?", id="and"),
        pytest.param("a or b", 2, "unexpected 'or'", "did you mean '||'?", id="or"),
        pytest.param("a OR b", 2, "unexpected 'OR'", "did you mean '||'?", id="OR"),
        pytest.param("not a", 0, "'not' is not part of the language", "write '!'", id="not"),
        pytest.param("a && not b", 5, "'not' is not part of the language", "write '!'", id="not, later"),
        pytest.param("a not in b", 2, "unexpected 'not'", "did you mean '!'?", id="not in"),
        pytest.param("a == True", 5, "'True' is not part of the language", "write 'true'", id="True"),
        pytest.param("False", 0, "'False' is not part of the language", "write 'false'", id="False"),
        pytest.param("a != None", 5, "'None' is not part of the language", "write 'null'", id="None"),
        pytest.param("a <> b", 3, "unexpected '>'", "", id="<>"),
        pytest.param("a ^ b", 2, "unexpected character '^'", "", id="^"),
        pytest.param("{'a': 1}", 0, "unexpected character '{'", "", id="a map"),
        pytest.param("a; b", 1, "unexpected character ';'", "", id="a semicolon"),
        pytest.param("a \u00a0b", 2, "unexpected character '\u00a0'", "", id="a no-break space"),
        pytest.param("a == “b”", 5, "unexpected character '“'", "", id="typographic quotes"),
        pytest.param("größe", 2, "unexpected character 'ö'", "", id="a letter that is not ASCII"),
        # Strings
        pytest.param("a == 'b", 5, "the string that begins here does not end", "close it with ' on the same line", id="unterminated"),
        pytest.param("a == \"b'", 5, "the string that begins here does not end", 'close it with " on the same line', id="other quote"),
        pytest.param("'it's'", 5, "the string that begins here does not end", "close it with '", id="an apostrophe inside"),
        pytest.param("'a\nb'", 0, "the string that begins here does not end", "on the same line", id="a line break inside"),
        pytest.param(r"'a\'", 0, "the string that begins here does not end", "close it with '", id="the closing quote escaped"),
        pytest.param(r"'ab\d'", 3, r"unknown escape '\d'", "a raw string: r'...'", id="an unknown escape"),
        pytest.param(r"'\x4'", 1, r"unknown escape '\x'", "write '\\\\' for a backslash", id="a hexadecimal digit short"),
        pytest.param(r"'\400'", 1, r"unknown escape '\4'", "", id="an octal number too large"),
        pytest.param(r"'a\ud800'", 2, r"\ud800 is no character", "", id="half of a surrogate pair"),
        pytest.param(r"'\U00110000'", 1, r"\U00110000 is no character", "", id="beyond Unicode"),
        pytest.param("'a' 'b'", 4, "unexpected string literal", "", id="two strings"),
        pytest.param("b'a'", 1, "unexpected string literal", "", id="bytes"),
        pytest.param("'''a'''", 2, "unexpected string literal", "", id="triple quotes"),
        # Numbers
        pytest.param("1.", 2, "a name is expected after '.'", "", id="a dot without digits"),
        pytest.param("1..5", 2, "a name is expected after '.'", "", id="two dots"),
        pytest.param("1.x", 2, "'.x' follows something that has no fields", "", id="a field of a number"),
        pytest.param("1u", 1, "unexpected 'u'", "", id="an unsigned number"),
        pytest.param("10ms", 2, "unexpected 'ms'", "", id="a unit"),
        pytest.param("1_000", 1, "unexpected '_000'", "", id="an underscore"),
        pytest.param("0x", 1, "unexpected 'x'", "", id="no hexadecimal digits"),
        pytest.param("1e", 1, "unexpected 'e'", "", id="no exponent"),
        pytest.param("a < 9223372036854775808", 4, "does not fit in 64 bits", "a double such as 1e30", id="over the largest int"),
        pytest.param("-9223372036854775809", 0, "does not fit in 64 bits", "a double such as 1e30", id="under the smallest int"),
        pytest.param("-(9223372036854775808)", 2, "does not fit in 64 bits", "", id="the smallest int in parentheses"),
        pytest.param("a-9223372036854775808", 2, "does not fit in 64 bits", "", id="a minus that joins is no sign"),
        pytest.param("0x8000000000000000", 0, "does not fit in 64 bits", "", id="hexadecimal too large"),
        pytest.param("9" * 400, 0, "does not fit in 64 bits", "", id="a very long int"),
        pytest.param("a > 1e309", 4, "1e309 is too large for a double", "", id="over the largest double"),
        # Shape
        pytest.param("", 0, "the expression ends where a value is expected", "", id="empty"),
        pytest.param(" // why", 7, "the expression ends where a value is expected", "", id="only a comment"),
        pytest.param("a &&", 4, "the expression ends where a value is expected", "", id="an operator at the end"),
        pytest.param("a == == b", 5, "unexpected '=='", "", id="two operators"),
        pytest.param("a + + b", 4, "unexpected '+'", "", id="no sign but the minus"),
        pytest.param("&& a", 0, "unexpected '&&'", "", id="an operator at the beginning"),
        pytest.param("a b", 2, "unexpected 'b'", "", id="a token too many"),
        pytest.param("true false", 5, "unexpected 'false'", "", id="a constant too many"),
        pytest.param("a 1", 2, "unexpected int literal", "", id="a number too many"),
        pytest.param("a.b 1.5", 4, "unexpected double literal", "", id="a double too many"),
        pytest.param("a)", 1, "unexpected ')'", "", id="a parenthesis too many"),
        pytest.param("(a", 2, "')' is expected to close the parenthesis, but the expression ends", "", id="a parenthesis too few"),
        pytest.param("(a and b)", 3, "')' is expected to close the parenthesis, found 'and'", "did you mean '&&'?", id="and in one"),
        pytest.param("()", 1, "unexpected ')'", "", id="empty parentheses"),
        pytest.param("[1, 2", 5, "']' is expected", "", id="a bracket too few"),
        pytest.param("[1 2]", 3, "']' is expected to close the list, found int literal", "", id="a comma too few"),
        pytest.param("[,]", 1, "unexpected ','", "", id="only a comma"),
        pytest.param("f(1", 3, "')' is expected", "but the expression ends", id="a call that does not end"),
        pytest.param("f(,)", 2, "unexpected ','", "", id="an argument too few"),
        pytest.param("a.", 2, "a name is expected after '.'", "", id="a dot at the end"),
        pytest.param("a.'b'", 2, "a name is expected after '.'", 'request.labels["data-class"]', id="a string as field"),
        pytest.param("'a'.b", 4, "'.b' follows something that has no fields", "", id="a field of a string"),
        pytest.param("f().b", 4, "'.b' follows something that has no fields", "", id="a field of a result"),
        pytest.param("a ? b", 5, "':' is expected between the two values of '? :', but the expression ends", "", id="half a ternary"),
        pytest.param("a ? b : ", 8, "the expression ends where a value is expected", "", id="a ternary without its end"),
        pytest.param("a ? : b", 4, "unexpected ':'", "", id="a ternary without its middle"),
        pytest.param("a : b", 2, "unexpected ':'", "", id="a colon alone"),
        pytest.param("a[0]", 1, "only labels can be looked up with [ ]", 'as in request.labels["data-class"]', id="an index"),
        pytest.param("request.labels[0]", 14, "only labels can be looked up with [ ], by a literal key", "", id="a label by number"),
        pytest.param("request.labels[a]", 14, "only labels can be looked up with [ ], by a literal key", "", id="a label by name"),
        pytest.param("request['tenant']", 7, "only labels can be looked up with [ ]", "", id="a fact in brackets"),
        pytest.param("['a']['b']", 5, "only labels can be looked up with [ ]", "", id="a key of a list"),
        pytest.param("request.labels['a'", 18, "']' is expected after the key, but the expression ends", "", id="a key that does not end"),
        pytest.param("request.labels['a', 'b']", 18, "']' is expected after the key, found ','", "", id="two keys"),
        # What CEL cannot read either
        pytest.param("f(1,)", 4, "unexpected ')'", "", id="a comma behind the last argument"),
        pytest.param(
            "request.labels.in", 15, "a name is expected after '.'", 'request.labels["data-class"]', id="a key that is an operator"
        ),
        pytest.param("request.labels.true == 'a'", 15, "a name is expected after '.'", "in brackets", id="a key that is a constant"),
        pytest.param(
            "a ? b ? c : d : e", 6, "':' is expected between the two values of '? :', found '?'", "", id="a ternary in the middle"
        ),
        pytest.param("0X1F", 1, "unexpected 'X1F'", "", id="a capital X"),
        pytest.param("'a\rb'", 0, "the string that begins here does not end", "", id="a carriage return inside"),
        pytest.param(r"r'it\'s'", 7, "the string that begins here does not end", "", id="a quote in a raw string"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_a_way_out(text: str, offset: int, message: str, help_: str) -> None:
    flaw = flaw_of(text)

    assert message in flaw.message
    assert flaw.start == offset
    assert flaw.end > flaw.start
    assert help_ in f"{flaw.help} {flaw.message}"


@pytest.mark.parametrize(
    ("text", "underlined"),
    [
        ("a and b", "and"),
        ("a == == b", "=="),
        ("a 'b c'", "'b c'"),
        ("a < 9223372036854775808 || b", "9223372036854775808"),
        ("b || -9223372036854775809 > a", "-9223372036854775809"),
        (r"a == 'x\U00110000y'", r"\U00110000"),
        ("b && request.labels[ 1 ] == a", "[ 1 ]"),
    ],
)
def test_a_flaw_underlines_the_whole_token(text: str, underlined: str) -> None:
    flaw = flaw_of(text)

    assert text[flaw.start : flaw.end] == underlined


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        pytest.param("(" * DEEPEST + "a" + ")" * DEEPEST, DEEPEST, id="parentheses"),
        pytest.param("!" * DEEPEST + "a", DEEPEST - 1, id="negations"),
        pytest.param("-" * DEEPEST + "a", DEEPEST - 1, id="signs"),
        pytest.param("[" * DEEPEST + "a" + "]" * DEEPEST, DEEPEST, id="lists"),
        pytest.param("f(" * DEEPEST + "a" + ")" * DEEPEST, 2 * DEEPEST, id="calls"),
        pytest.param("a ? b : " * DEEPEST + "c", 8 * DEEPEST, id="ternaries"),
    ],
)
def test_nesting_is_capped(text: str, offset: int) -> None:
    flaw = flaw_of(text)

    assert flaw.message == f"nested deeper than {DEEPEST} levels"
    assert flaw.help == "name parts of it under 'vars'"
    assert flaw.start == offset


@pytest.mark.parametrize(
    ("opening", "closing"),
    [pytest.param("(", ")", id="parentheses"), pytest.param("!", "", id="negations"), pytest.param("a ? b : ", "", id="ternaries")],
)
def test_nesting_up_to_the_cap_is_fine(opening: str, closing: str) -> None:
    parse(opening * (DEEPEST - 1) + "a" + closing * (DEEPEST - 1))


def test_what_stands_side_by_side_is_not_nested() -> None:
    for operand in ("(a)", "!a", "f(a)", "[a]", "(a ? b : c)"):
        parse(" && ".join([operand] * 2 * DEEPEST))


def test_operators_in_a_row_are_capped() -> None:
    parse("a" + "+a" * DEEPEST)

    flaw = flaw_of("a" + "+a" * (DEEPEST + 1))

    assert flaw.message == f"more than {DEEPEST} operators in a row"
    assert flaw.help == "name parts of it under 'vars'"
    assert (flaw.start, flaw.end) == (1 + 2 * DEEPEST, 2 + 2 * DEEPEST)


def test_rows_and_parentheses_cannot_multiply_to_a_taller_tree() -> None:
    """Each keeps to its cap; the height of the tree has its own."""
    parse("(" + "a" + "+a" * DEEPEST + ")" + "*a" * (TALLEST - DEEPEST - 1))

    flaw = flaw_of("b || (" + "a" + "+a" * DEEPEST + ")" + "*a" * (TALLEST - DEEPEST - 1))

    assert flaw.message == f"nested deeper than {TALLEST} levels"
    assert flaw.help == "name parts of it under 'vars'"


def test_each_operand_of_a_logical_chain_counts_its_own_operators() -> None:
    parse(" && ".join(["a + b + c == d"] * 100))


def test_the_caps_are_those_that_are_documented() -> None:
    assert (LONGEST, DEEPEST) == (4096, 64)


def test_text_is_capped() -> None:
    parse("a".ljust(LONGEST))

    flaw = flaw_of("a".ljust(LONGEST + 1))

    assert flaw.message == f"the expression has {LONGEST + 1} characters; {LONGEST} are allowed"
    assert "vars" in flaw.help
    assert (flaw.start, flaw.end) == (0, 1)


def test_a_long_chain_of_ors_is_neither_deep_nor_slow() -> None:
    node = parse("||".join(["a"] * 1300))

    assert isinstance(node, Logical)
    assert len(node.operands) == 1300
