"""Places, as a table by style and as a property; mistakes, one row each; and that nothing makes the reader crash or wait."""

from __future__ import annotations

import os
import re
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.core.diagnostics import Problem
from pointsman.core.yamlnodes import Mapping, Node, Scalar, Sequence, find, key_of, parse, plain
from pointsman.core.yamlnodes.misreadings import COLON_HELP, INDICATOR_HELP, QUOTE_HELP, TAG, TAG_HELP
from pointsman.core.yamlnodes.reader import MAX_BYTES

MARKER = "§"
EXAMPLES = 300 if "POINTSMAN_TEST_SOAK" in os.environ else 100


def read(text: str) -> Node:
    """Return the root of a file without mistakes."""
    root, problems = parse(text.encode(), file="r.yaml")
    assert problems == []
    assert root is not None
    return root


def scalar(text: str, *path: str | int) -> Scalar:
    node = find(read(text), path)
    assert isinstance(node, Scalar)
    return node


def mapping(node: Node | None) -> Mapping:
    assert isinstance(node, Mapping)
    return node


def complaints(text: str | bytes) -> list[tuple[int, int, str]]:
    """Return line, column and message of each problem."""
    raw = text.encode() if isinstance(text, str) else text
    return [(problem.line, problem.column, problem.message) for problem in parse(raw, file="r.yaml")[1]]


def only(text: str | bytes) -> Problem:
    raw = text.encode() if isinstance(text, str) else text
    (problem,) = parse(raw, file="r.yaml")[1]
    return problem


def place(text: str, index: int) -> tuple[int, int]:
    """Return line and column of an index, counted the slow way, for a file that may begin with a byte order mark."""
    before = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")[: index - text.startswith("\ufeff")])
    return len(before), len(before[-1]) + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[(text, None) for text in ("", "~", "null", "Null", "NULL")],
        *[(text, True) for text in ("true", "True", "TRUE")],
        *[(text, False) for text in ("false", "False", "FALSE")],
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("0.1", Decimal("0.1")),
        (".5", Decimal("0.5")),
        ("1.", Decimal(1)),
        ("-1.5e-3", Decimal("-0.0015")),
        ("1e308", Decimal("1e308")),
        *[(text, text) for text in ("no", "on", "yes", "y", "nUll", "12:30:45", "2026-11-01", "1_000", "0b1", "-0x1", ".", "1e", "٣")],
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        ("|-\n  1", "1"),
    ],
)
def test_only_plain_scalars_mean_more_than_text_and_by_the_core_schema(text: str, expected: Any) -> None:
    value = scalar(f"a: {text}\n", "a").value

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".inf", ".inf is not a number that rules can use"),
        ("-.INF", "-.INF is not a number that rules can use"),
        (".nan", ".nan is not a number that rules can use"),
        ("1" * 401, "a number of 401 characters is too long; at most 400 are allowed"),
        ("1e" + "9" * 400, "a number of 402 characters is too long; at most 400 are allowed"),
        ("1e999999999", "the exponent of a number must be between -308 and 308"),
        ("0e-309", "the exponent of a number must be between -308 and 308"),
    ],
)
def test_a_number_that_rules_cannot_use_is_a_problem_and_its_scalar_is_broken(text: str, message: str) -> None:
    root, problems = parse(f"a: {text}\n".encode(), file="r.yaml")

    assert [(p.line, p.column, p.message, p.length) for p in problems] == [(1, 4, message, len(text))]
    node = mapping(root).entries["a"].node
    assert isinstance(node, Scalar)
    assert (node.broken, node.value) == (True, text)


def test_a_key_is_its_text_whatever_it_looks_like() -> None:
    root = mapping(read("1: a\ntrue: b\n~: c\n1e999: d\n'<<': e\n? |-\n  f\n: g\n"))

    assert list(root.entries) == ["1", "true", "~", "1e999", "<<", "f"]
    assert key_of(root, "1").value == "1"


def test_nodes_start_behind_their_anchors() -> None:
    root = read("a: &x 7\nb: &y\n  c: 1\nd: &z # why\n  - 1\ne: &w {f: 1}\ng: &v\n")

    starts = {name: (entry.node.line, entry.node.column) for name, entry in mapping(root).entries.items()}
    assert starts == {"a": (1, 7), "b": (3, 3), "d": (5, 3), "e": (6, 7), "g": (7, 6)}


def test_a_scalar_knows_where_it_ends_and_does_not_show_its_source() -> None:
    node = scalar("a: 'x\n  y' # secret\n", "a")

    assert (node.line, node.column, node.end_line, node.end_column) == (1, 4, 2, 5)
    assert not node.plain
    assert "secret" not in repr(node)


def test_plain_gives_python_values_and_an_alias_gives_its_anchors_node() -> None:
    root = mapping(read("a: &x {b: [1, 0.5, no]}\nc: *x\n"))

    assert plain(root) == {"a": {"b": [1, Decimal("0.5"), "no"]}, "c": {"b": [1, Decimal("0.5"), "no"]}}
    assert root.entries["c"].node is root.entries["a"].node


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), (1, 1)),
        (("routes", 1, "use"), (3, 10)),
        (("routes", 1, "use", "by-name", "candidates", 0), (3, 24)),
        (("routes", 1, "use", "candidates", 7), (3, 23)),
        (("routes", -1), (2, 3)),
        (("routes", "x", 0, "y"), (2, 5)),
    ],
)
def test_find_goes_as_deep_as_the_path_does_and_skips_what_pydantic_adds(path: tuple[str | int, ...], expected: tuple[int, int]) -> None:
    node = find(read("routes:\n  - id: a\n  - use: {candidates: [x]}\n"), path)

    assert (node.line, node.column) == expected


def test_key_of_gives_the_place_of_the_key() -> None:
    root = mapping(read("a: 1\n  \n'b' : 2\n"))

    assert (key_of(root, "b").line, key_of(root, "b").column) == (3, 1)
    with pytest.raises(KeyError):
        key_of(root, "c")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: x § y\n", id="plain"),
        pytest.param("a: &b  x § y\n", id="plain behind an anchor"),
        pytest.param("a: x\n  y  \n  § z # not this\n", id="plain, folded"),
        pytest.param("a: x\n\n\n  y §\n", id="plain over blank lines"),
        pytest.param("a: x\r\n  y\r\n\r\n  §\r\n", id="plain with CRLF"),
        pytest.param("a: [x, 'y', {b: c §}]\n", id="plain in flow"),
        pytest.param("a: \u00a0§\n", id="plain behind a no-break space"),
        pytest.param("a: &b \u00a0§\n", id="plain behind an anchor and a no-break space"),
        pytest.param("a: '§'\n", id="single quotes"),
        pytest.param("a: '''x'' §'\n", id="single quotes with quotes"),
        pytest.param("a: ' x  \n\n   ''y'' \n §'\n", id="single quotes, folded"),
        pytest.param("a: 'x\r\n\r\n  y\r\n  §'\r\n", id="single quotes with CRLF"),
        pytest.param('a: "§"\n', id="double quotes"),
        pytest.param(r'a: "\" \n \x41 \u00e4 \U0001F600 \\ \/ \  \t §"' + "\n", id="double quotes with escapes"),
        pytest.param('a: "x \\\n   y\\\n\n  \\ z\n\n  § "\n', id="double quotes with escaped line breaks"),
        pytest.param('a: "x \\\r\n  y\r\n\r\n  §"\r\n', id="double quotes with CRLF"),
        pytest.param("a: |\n  x\n    y\n\n  § z\n", id="literal"),
        pytest.param("a: |2-\n    x\n  §\n\n", id="literal with an indentation digit"),
        pytest.param("a:\n  - - b: |+1 # why\n        x\n       §\n\n\n", id="literal that keeps, nested"),
        pytest.param("a: |\r\n  x\r\n\r\n  §\r\n", id="literal with CRLF"),
        pytest.param("a: |\n\n \n  §", id="literal without a last line break"),
        pytest.param("a: |\n  x\n  \t§\n", id="literal with a tab"),
        pytest.param("a: &b |\n  §\n", id="literal behind an anchor"),
        pytest.param("a: &b # x\n  |\n  §\n", id="literal below its anchor"),
        pytest.param("a: >\n  x\n  §\n", id="folded"),
        pytest.param("a: >-\n\n  x\n\n\n  y\n  §\n", id="folded with blank lines"),
        pytest.param("a: >-\n  x\n    y\n\n    z\n  w\n  §\n", id="folded with deeper lines"),
        pytest.param("a: >2-\n     x\n  y\n  §\n", id="folded with an indentation digit"),
        pytest.param("a: >3+\n     \n   x\n   y §\n\n", id="folded after a line of blanks"),
        pytest.param("a: >\r\n  x\r\n\r\n  y\r\n  §\r\n", id="folded with CRLF"),
    ],
)
@pytest.mark.parametrize("before", ["", "\ufeff", "# 😀\n", "\ufeff'😀': x\r\n"])
def test_each_style_maps_a_character_back_to_its_place_in_the_file(before: str, text: str) -> None:
    file = before + text
    node = next(leaf for leaf in leaves(read(file)) if MARKER in leaf.text)

    assert node.position(node.text.index(MARKER)) == place(file, file.index(MARKER))


def leaves(node: Node) -> list[Scalar]:
    match node:
        case Scalar():
            return [node]
        case Sequence():
            return [leaf for item in node.items for leaf in leaves(item)]
        case Mapping():
            return [leaf for entry in node.entries.values() for leaf in [entry.key, *leaves(entry.node)]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: xyz # no\n", (1, 7)),
        ("a: 'xyz'\n", (1, 8)),
        ('a: "xy\\n"\n', (1, 9)),
        ("a: >-\n  xyz\n\n", (2, 6)),
        ("a: |\n  xyz\n", (3, 1)),
        ("a:\n", (1, 3)),
        ("a: ''\n", (1, 5)),
        ("a: |\n", (2, 1)),
        ("a: |", (1, 5)),
    ],
)
def test_the_place_past_the_end_of_a_scalar(text: str, expected: tuple[int, int]) -> None:
    node = scalar(text, "a")

    assert node.position(len(node.text)) == expected


words = st.text(st.sampled_from(["a", "B", "ä", "😀", "7", "'", '"', "\\", "(", "."]), min_size=1, max_size=4).map(lambda word: "w" + word)
folds = st.sampled_from([" ", "  ", "\n", "\n\n", "\n\n\n"])
escapes = st.sampled_from(["\\n", '\\"', "\\x41", "\\u00e4", "\\U0001F600", "\\\\", "\\\n  ", "\\\n\n  "])


@st.composite
def written(draw: st.DrawFn) -> str:
    """A file with one value, in any style, of words of which one is the marker."""
    style = draw(st.sampled_from(["", "'", '"', "|", ">"]))
    parts = draw(st.lists(st.tuples(words, folds), max_size=6))
    parts.insert(draw(st.integers(0, len(parts))), (MARKER, draw(folds)))
    indent = " " * draw(st.integers(1, 4))
    raw = "".join(escaped(draw, word, style) + gap for word, gap in parts) + "."
    if style in ("|", ">"):
        raw = block(draw, style, raw, indent) + draw(st.sampled_from(["", "\n", "\n\n"]))
    else:
        raw = style + raw.replace("\n", draw(st.sampled_from(["\n", " \n"])) + indent) + style
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return (draw(st.sampled_from(["", "\ufeff", "# 😀\n", "b: 😀\n"])) + f"a: {raw}\nc: d\n").replace("\n", newline)


def escaped(draw: st.DrawFn, word: str, style: str) -> str:
    if style == "'":
        return word.replace("'", "''")
    if style == '"':
        return word.replace("\\", "\\\\").replace('"', '\\"') + draw(st.sampled_from(["", draw(escapes)]))
    return word


def block(draw: st.DrawFn, style: str, raw: str, indent: str) -> str:
    """Return the lines below a header, some of them indented further, which only a digit allows for the first."""
    digit = draw(st.sampled_from(["", str(len(indent))]))
    chomping = draw(st.sampled_from(["", "-", "+"]))
    lines = [draw(st.sampled_from(["", " ", "   "])) * bool(number or digit) + line for number, line in enumerate(raw.split("\n"))]
    return f"{style}{digit}{chomping}\n" + "\n".join(indent + line for line in lines)


@given(written())
@settings(max_examples=EXAMPLES, deadline=None)
def test_however_a_value_is_written_its_characters_are_found_where_they_stand(file: str) -> None:
    node = scalar(file, "a")

    assert node.position(node.text.index(MARKER)) == place(file, file.index(MARKER))
    lines = re.split(r"\r\n|\r|\n", file.removeprefix("\ufeff"))
    found = [(char, node.position(offset)) for offset, char in enumerate(node.text) if char not in " \n"]
    assert all(lines[line - 1][column - 1] in (char, "\\") for char, (line, column) in found)
    ordered = [node.position(offset) for offset in range(len(node.text) + 1)]
    assert ordered == sorted(ordered)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [(1, 1, "the file is empty")], id="empty"),
        pytest.param("# only a comment\n", [(1, 1, "the file is empty")], id="only a comment"),
        pytest.param("---\n", [(1, 1, "the file is empty")], id="only a start of document"),
        pytest.param("a: 1\nb: 2\na: 3\n'a': 4\n", [(3, 1, "duplicate key 'a'"), (4, 1, "duplicate key 'a'")], id="duplicates"),
        pytest.param("&k a: 1\n*k : 2\n", [(2, 1, "duplicate key 'a'")], id="a duplicate by alias"),
        pytest.param("a: 1\n---\nb: 2\n", [(2, 1, "a second document starts here")], id="two documents"),
        pytest.param("b: {<<: {a: 1}}\n", [(1, 5, "merge keys are not used in rule files")], id="merge key"),
        pytest.param("a: {{ .Values.a }}\n", [(1, 5, "a list or mapping cannot be a key")], id="template"),
        pytest.param("? [a]\n: b\n", [(1, 3, "a list or mapping cannot be a key")], id="list as a key"),
        pytest.param("a: *b\n", [(1, 4, "no anchor '&b' before this alias")], id="alias of nothing"),
        pytest.param("a: *b == 1\n", [(1, 4, "no anchor '&b' before this alias")], id="alias of nothing, and more: said once"),
        pytest.param("a: &b\n  - *b\n", [(2, 5, "alias '*b' stands inside its own anchor")], id="alias of itself"),
        pytest.param("a: &b 1\nc: &b [*b]\n", [(2, 8, "alias '*b' stands inside its own anchor")], id="alias of itself by an old name"),
        pytest.param(b"a: 1\nb: \xc3\xa4 \xe4", [(2, 6, "byte 0xE4 is not UTF-8")], id="Latin-1"),
        pytest.param(b"\xff\xfea\x00", [(1, 1, "byte 0xFF is not UTF-8")], id="UTF-16"),
        pytest.param(b"\xef\xbb\xbfa: 1\n\xff", [(2, 1, "byte 0xFF is not UTF-8")], id="bad byte after a byte order mark"),
        pytest.param(b"\xef\xbb\xbfa: @\n", [(1, 4, "found character that cannot start any token")], id="byte order mark, first line"),
        pytest.param("'😀': @\n", [(1, 6, "found character that cannot start any token")], id="emoji before"),
        pytest.param("a: 1\r\n\r\nb: @\r\n", [(3, 4, "found character that cannot start any token")], id="CRLF before"),
        pytest.param(
            "# \u2028\u0085\na: ]\n", [(1, 3, "odd character U+2028"), (2, 4, "did not find expected node content")], id="odd breaks"
        ),
        pytest.param(b" " * (MAX_BYTES + 1), [(1, 1, "the file is larger than 256 KiB")], id="too large"),
        pytest.param("[" * 33 + "]" * 33, [(1, 33, "nested deeper than 32 levels")], id="too deep"),
        pytest.param(
            f"- &a {'[' * 20}{']' * 20}\n- {'[' * 12}*a{']' * 12}", [(2, 15, "nested deeper than 32 levels")], id="too deep by alias"
        ),
        pytest.param("- 1\n" * 20_000, [(20_000, 3, "more than 20000 values, with every alias written out")], id="too many"),
    ],
)
def test_each_mistake_is_reported_where_it_is(text: str | bytes, expected: list[tuple[int, int, str]]) -> None:
    assert complaints(text) == expected


def test_a_duplicate_names_the_line_of_the_first_which_stays() -> None:
    root, (problem,) = parse(b"x: 1\nab: 1\nab: 2\n", file="r.yaml")

    assert (problem.help, problem.length) == ("first used at line 2", 2)
    assert plain(mapping(root)) == {"x": 1, "ab": 1}
    assert not mapping(root).broken


def test_thirty_two_levels_are_not_too_deep() -> None:
    read("[" * 32 + "]" * 32)


ODD = "\x00\x1b\x7f\x80\x85\u061c\u200b\u200d\u200e\u2028\u2029\u202a\u202e\u2060\u2066\u2069\ufeff\ufffd\ufffe\uffff"


@pytest.mark.parametrize("char", [*ODD])
def test_an_odd_character_is_reported_once_a_line_and_spoils_its_scalar_only(char: str) -> None:
    root, problems = parse(f"a: 😀{char}{char}\nb: x\nc: y # {char}\n".encode(), file="r.yaml")

    message = f"odd character U+{ord(char):04X}"
    assert [(p.line, p.column, p.message) for p in problems] == [(1, 5, message), (3, 8, message)]
    assert [leaf.broken for leaf in leaves(mapping(root)) if not leaf.text.isalpha() or leaf.text in "xy"] == [True, False, False]


def test_an_odd_character_may_be_written_as_an_escape() -> None:
    assert scalar('a: "\\u2028\\uFFFD"\n', "a").value == "\u2028\ufffd"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("when: !has(x)\n", (1, 7)),
        ("when: !has(x) && y\n", (1, 7)),
        ("when: !has(x) == y[\n", (1, 7)),
        ("when: !has(x.y[0])\n", (1, 7)),
        ("when: !e!x y\n", (1, 7)),
        ("when: !!str 1\n", (1, 7)),
        ("when: ! x\n", (1, 7)),
        ("when: &a !t x\n", (1, 7)),
        ("when:\n  - !a\n", (2, 5)),
        ("when: !a {b: c}\n", (1, 7)),
        ("when: !a\n  b: c\n", (1, 7)),
        ("- {when: !a , use: b}\n", (1, 10)),
        ("!a when: b\n", (1, 1)),
    ],
)
def test_a_tag_is_reported_once_at_the_first_column_of_the_value(text: str, place: tuple[int, int]) -> None:
    problem = only(text)

    assert (problem.line, problem.column, problem.message, problem.help) == (*place, TAG, TAG_HELP)


def test_a_tag_leaves_a_broken_scalar_and_a_refused_key_leaves_a_broken_mapping() -> None:
    root, _ = parse(b"a: !has(x)\nb: !t {c: d}\ne: {!t f: g, h: i}\n", file="r.yaml")

    broken = [mapping(root).entries[name].node for name in "ab"]
    assert all(isinstance(node, Scalar) and node.broken and node.text == "" for node in broken)
    inner = mapping(mapping(root).entries["e"].node)
    assert (inner.broken, plain(inner)) == (True, {"h": "i"})


@pytest.mark.parametrize(
    ("text", "place", "help"),
    [
        ('when: "ads" in request.tenants\n', (1, 7), QUOTE_HELP),
        ('- when: "ads" && x\n  use: y\n', (1, 9), QUOTE_HELP),
        ("a: 1\nwhen: 'a' : b\n", (2, 7), QUOTE_HELP),
        ("- 'a' in b\n", (1, 3), QUOTE_HELP),
        ('- {id: a, when: "ads" in x, use: y}\n', (1, 17), QUOTE_HELP),
        ('when: ["a", "b" in c]\n', (1, 13), QUOTE_HELP),
        ("when: a ? b : c\n", (1, 7), COLON_HELP),
        ("- when: x in ['a: b']\n", (1, 9), COLON_HELP),
        ("{when: a ? b : c}\n", (1, 8), COLON_HELP),
        ("when: &x a ? b : c\n", (1, 10), COLON_HELP),
        ("when: [a] in b\nuse: c\n", (1, 7), INDICATOR_HELP.format("[")),
        ("when: {a} && b\n", (1, 7), INDICATOR_HELP.format("{")),
        ("when: & b\n", (1, 7), INDICATOR_HELP.format("&")),
        ("when: *a == 'b'\n", (1, 7), INDICATOR_HELP.format("*")),
        ("when: * b\n", (1, 7), INDICATOR_HELP.format("*")),
        ("when: > 5\n", (1, 7), INDICATOR_HELP.format(">")),
        ("when: | 5\n", (1, 7), INDICATOR_HELP.format("|")),
        ("when: %a\n", (1, 7), INDICATOR_HELP.format("%")),
        ("when: @a\n", (1, 7), INDICATOR_HELP.format("@")),
        ("when: `a\n", (1, 7), INDICATOR_HELP.format("`")),
        ("a: b\n  c: d\n", (2, 4), "check the indentation, here and in the line above; a key is followed by ': ', with the space"),
        ("a: [1, 2\nb: c\n", (2, 2), "while parsing a flow sequence that starts at line 1, column 4"),
        ("a:\n\tb: c\n", (2, 1), "indent with spaces, not with tabs"),
        ('a: "\\d"\n', (1, 5), "a backslash in double quotes begins an escape; in single quotes it stands for itself"),
        ("a: 'b\n", (2, 1), "while scanning a quoted scalar that starts at line 1, column 4"),
        ("a: ]\n", (1, 4), ""),
        ("%YAML 3.0\n---\na: b\n", (1, 1), ""),
    ],
)
def test_a_syntax_error_is_reported_at_the_value_that_was_misread_with_the_way_out(text: str, place: tuple[int, int], help: str) -> None:
    root, (problem,) = parse(text.encode(), file="r.yaml")

    assert root is None
    assert (problem.line, problem.column, problem.help) == (*place, help)


def test_problems_before_a_syntax_error_are_reported_too_in_the_order_of_the_file() -> None:
    assert [line for line, _, _ in complaints("a: 1\na: !b\nc: .inf\nd: [\n")] == [2, 2, 3, 5]


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[" * 100_000, id="nested lists"),
        pytest.param(b"- " * 100_000, id="nested block lists"),
        pytest.param(b"{a: " * 60_000, id="nested mappings"),
        pytest.param(b"? " * 100_000, id="nested keys"),
        pytest.param(LAUGHS.encode(), id="billion laughs"),
        pytest.param(b"a: x" + b' "\\"' * 60_000 + b": ", id="quotes that do not end"),
        pytest.param(b"\x01\n" * 20_000, id="odd lines"),
        pytest.param(b"a: 1\n" * 9_000, id="duplicates"),
    ],
)
def test_no_file_makes_the_reader_crash_or_wait(text: bytes) -> None:
    started = time.process_time()
    _, problems = parse(text, file="r.yaml")

    assert problems
    assert time.process_time() - started < 0.8


SAMPLE = """\
# yaml-language-server: $schema=schema/routing.schema.json
version: 1
lists: &l {premium: [ads, "search", 'x''y'], on: no}
routes:
  - id: code-hard
    when: >-
      features.task == "code"
        && features.complexity > 0.7

      || request.tenant in lists.premium
    use: {candidates: [codr, *l], min_quality: .9}
    why: |2+
        literal
      text

  - {id: default, when: "true \\u00e4\\
      and", rollout: 1e-3}
"""
marks = ["\n", "\r", "\t", " ", ": ", "- ", "? ", "[", "]", "{", "}", ",", "'", '"', "\\", "|", ">", "&l ", "*l", "!t ", "#", "%", "@"]
fragments = st.sampled_from([*marks, "---\n", "😀", "\ufeff", "\u2028", "\x00", "<<: ", "1e999"])


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = SAMPLE
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(fragments) + text[start + draw(st.integers(0, 3)) :]
    return text


@given(mutated() | st.text(max_size=60) | st.lists(fragments, max_size=30).map("".join))
@settings(max_examples=EXAMPLES, deadline=None)
@example(SAMPLE)
@example("\udcff")
def test_whatever_the_text_there_is_a_node_or_a_problem_and_problems_lie_inside_the_file(text: str) -> None:
    root, problems = parse(text.encode("utf-8", "surrogateescape"), file="r.yaml")

    lines = len(re.split(r"\r\n|\r|\n", text))
    assert root is not None or problems
    assert all(1 <= problem.line <= lines + 1 and problem.column >= 1 and problem.length >= 1 for problem in problems)
    for leaf in [] if root is None else leaves(root):
        assert leaf.position(0) >= (leaf.line, leaf.column)
        assert leaf.position(len(leaf.text)) <= (leaf.end_line, leaf.end_column)


@given(st.binary(max_size=80))
def test_bytes_of_any_kind_give_a_node_or_a_problem(text: bytes) -> None:
    root, problems = parse(text, file="r.yaml")

    assert root is not None or problems
