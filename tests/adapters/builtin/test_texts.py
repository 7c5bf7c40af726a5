"""Edited texts: each operation, on the text that is meant, and only where it is asked for."""

from __future__ import annotations

import pytest

from pointsman.adapters.builtin.answers import ECHO, answer


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param("Uppercase: hello", "HELLO", id="upper case"),
        pytest.param("Make 'hello world' uppercase", "HELLO WORLD", id="instruction around the text"),
        pytest.param("What is “abc” in upper case?", "ABC", id="typographic quotes"),
        pytest.param("Uppercase 'what is 2+2'", "WHAT IS 2+2", id="arithmetic in quotes is text"),
        pytest.param('lowercase this: "ABC"', "abc", id="lower case, colon and quotes"),
        pytest.param("Convert to title case: don't panic now", "Don't Panic Now", id="title case"),
        pytest.param("Reverse the word 'stressed'", "desserts", id="reverse"),
        pytest.param("Reverse the word 'don't'", "t'nod", id="apostrophe in quotes"),
        pytest.param("Reverse the words: a b c", "c b a", id="reverse words"),
        pytest.param("How many words are in: a b c", "3", id="count words"),
        pytest.param("Count the characters in 'abc d'", "5", id="count characters"),
        pytest.param("How many lines are in:\na\nb\n", "2", id="count lines"),
        pytest.param("Sort: pear, apple, Fig", "apple, Fig, pear", id="sort by comma"),
        pytest.param("Sort these numbers: 10, 9, 2.5, -3", "-3, 2.5, 9, 10", id="sort numbers by value"),
        pytest.param("Sort the lines:\nb c\na", "a\nb c", id="sort lines"),
        pytest.param("Sort descending: b a c", "c b a", id="sort downwards"),
        pytest.param("Remove duplicates: a, b, a", "a, b", id="dedupe by comma"),
        pytest.param("dedupe:\nx\ny\nx", "x\ny", id="dedupe lines"),
        pytest.param("First 3 words of: one two three four", "one two three", id="first words"),
        pytest.param("Give me the last two words of 'one two three'", "two three", id="last words, count in words"),
        pytest.param("last 9 words: a b", "a b", id="more words than there are"),
        pytest.param(
            "Extract the email addresses from: a@b.co, x.y+z@foo.example.org. And bad@", "a@b.co\nx.y+z@foo.example.org", id="emails"
        ),
        pytest.param("Extract URLs from: see https://a.b/c?d=e. (http://x.y/z)", "https://a.b/c?d=e\nhttp://x.y/z", id="urls"),
        pytest.param("Extract all numbers: 3.5 apples, -2, 1,000; 2024-2025", "3.5\n-2\n1,000\n2024\n2025", id="numbers"),
        pytest.param("Find the dates in: 2024-01-15, 3 March 2021, Jan 5, 2020", "2024-01-15\n3 March 2021\nJan 5, 2020", id="dates"),
        pytest.param("List the words: don't stop, me-now", "don't\nstop\nme-now", id="list words"),
        pytest.param("Extract emails from: none here", "Nothing found.", id="nothing to extract"),
    ],
)
def test_text_operations_work_on_what_is_quoted_or_follows_the_colon(ask: str, expected: str) -> None:
    assert answer(ask) == expected


@pytest.mark.parametrize("ask", ["What sort of animal is: a cat", "How do I reverse a list: ask", "Reverse:   ", "Uppercase http://x"])
def test_an_operation_that_is_only_mentioned_or_has_no_text_is_echoed(ask: str) -> None:
    assert answer(ask).startswith(ECHO)
