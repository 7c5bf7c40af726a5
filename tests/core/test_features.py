"""What is guessed of a prompt: the task by its words, complexity near the base rate, and never with much confidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import ESTIMATE
from pointsman.core.features import features
from pointsman.core.quality import BASE_RATE
from pointsman.core.request import Message, Prompt, Request
from pointsman.core.vocabulary import Role


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Hello there!", "chat"),
        ("Summarize the following notes.", "summarize"),
        ("TL;DR please: it rained.", "summarize"),
        ("Translate to German: good morning", "translate"),
        ("Extract all names from this text.", "extract"),
        ("Is the sentiment of this review positive?", "classify"),
        ("Write a Python function that sorts a list.", "code"),
        ("```\ndef f(): return 1\n```\nWhat does this python code do?", "code"),
        ("What is 17*23?", "math"),
        ("How many apples are left?", "math"),
        ("Prove that there is no largest prime.", "reason"),
        ("Write a poem about the sea.", "write"),
        ("Who wrote Hamlet?", "knowledge"),
        ("zzz qqq", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_task_is_known_by_its_words(text: str, task: str) -> None:
    assert features(Request.of(text).prompt, ESTIMATE).task == task


def test_thanks_make_no_small_talk_of_a_question() -> None:
    asked = "Find the value of x such that log_2(x) + log_2(x-2) = 3, and show each step of the way to it. Thank you very much!"

    assert features(Request.of(asked).prompt, ESTIMATE).task == "math"
    assert features(Request.of("Thank you very much!").prompt, ESTIMATE).task == "chat"


def test_what_is_fenced_is_code_whatever_the_task() -> None:
    assert features(Request.of("```\nx = 1\n```").prompt, ESTIMATE).has_code


def test_a_fence_of_json_alone_is_no_code() -> None:
    answer = 'Name two colours, as in\n```json\n{"colours": ["___"]}\n```'

    assert not features(Request.of(answer).prompt, ESTIMATE).has_code
    assert features(Request.of(f"{answer}\n```\nx = 1\n```").prompt, ESTIMATE).has_code


def test_the_language_is_that_of_what_is_asked() -> None:
    turns = (
        Message(role=Role.USER, parts=("What is the capital of France?",)),
        Message(role=Role.USER, parts=("Und wie heißt die von Italien?",)),
    )

    assert features(Prompt(messages=turns), ESTIMATE).language == "de"


@pytest.mark.parametrize(
    ("system", "asked", "task", "language"),
    [
        ("You are an expert Python programmer. Translate when needed.", "What is the capital of France?", "knowledge", "en"),
        ("Translate what the user says into French.", "Mind the gap", "translate", "en"),
        (
            "You are a helpful assistant of the bank. Be brief. " * 5,
            "Wie heißt die Hauptstadt von Italien?",
            "unknown",
            "de",
        ),
    ],
)
def test_a_system_text_tells_task_and_language_only_where_what_is_asked_does_not(system: str, asked: str, task: str, language: str) -> None:
    prompt = Prompt(messages=(Message(role=Role.SYSTEM, parts=(system,)), Message(role=Role.USER, parts=(asked,))))

    seen = features(prompt, ESTIMATE)

    assert (seen.task, seen.language) == (task, language)


def test_no_evidence_is_the_base_rate_without_confidence() -> None:
    seen = features(Request.of("zzz qqq").prompt, ESTIMATE)

    assert (seen.complexity, seen.confidence) == (BASE_RATE, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "Кто был президентом США в 1990 году?",
        "Bitte buche einen Tisch für 4 Personen um 19 Uhr.",
        "asdf 7 qwer",
        "iPhone 17",
        "ok b",
        "C#",
        " ".join(f"zq{letter}x" for letter in "abcdefghijklmnopqrst") + " 17 * 3",
    ],
)
def test_a_number_or_a_letter_among_words_that_nobody_taught_is_no_evidence(text: str) -> None:
    """Whatever is known of them, they are most of what is said."""
    seen = features(Request.of(text).prompt, ESTIMATE)

    assert (seen.task, seen.subject) == ("unknown", "unknown")
    assert seen.confidence < 0.25
    assert abs(seen.complexity - BASE_RATE) < 0.1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I install Docker on Ubuntu?", "en"),
        ("how do i reset my password", "en"),
        ("Should I do a PhD?", "en"),
        ("Clasifica esta reseña como positiva o negativa: La comida estaba fría.", "es"),
        ("Vad är huvudstaden i Australien?", "sv"),
    ],
)
def test_small_words_that_languages_share_do_not_mislead(text: str, language: str) -> None:
    assert features(Request.of(text).prompt, ESTIMATE).language == language


def test_the_class_of_a_text_is_that_of_all_that_is_sent() -> None:
    told = Message(role=Role.USER, parts=("भारत की राजधानी क्या है और वह कहाँ है? " * 20,))
    asked = Message(role=Role.USER, parts=("What is the capital of France?",))

    assert features(Prompt(messages=(told, asked)), ESTIMATE).text_class == "script"
    assert features(Prompt(messages=(asked,)), ESTIMATE).text_class == "english"


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        ("What is 2 + 2?", "Solve the integral of x^2 sin x."),
        ("Hello!", "Prove the theorem rigorously."),
        ("Summarize: it rained.", "Write a lock-free concurrent queue in Rust."),
    ],
)
def test_harder_asks_are_scored_higher(easier: str, harder: str) -> None:
    assert features(Request.of(easier).prompt, ESTIMATE).complexity < features(Request.of(harder).prompt, ESTIMATE).complexity


@given(st.text(max_size=200))
def test_every_text_gives_facts_within_their_ranges(text: str) -> None:
    seen = features(Request.of(text).prompt, ESTIMATE)

    assert 0 <= seen.complexity <= 1
    assert 0 <= seen.gain <= 1
    assert 0 <= seen.confidence <= 1


def test_only_system_text_and_the_last_turn_of_the_user_are_looked_at() -> None:
    turns = [(Role.USER, "Prove the theorem."), (Role.ASSISTANT, "def f(): pass"), (Role.USER, "Hello")]
    prompt = Prompt(messages=tuple(Message(role=role, parts=(text,)) for role, text in turns))

    seen = features(prompt, ESTIMATE)

    assert (seen.task, seen.turns, seen.has_code) == ("chat", 3, False)


def test_the_ask_at_either_end_of_a_long_text_is_seen() -> None:
    filler = "lorem ipsum " * 400

    assert features(Request.of(f"Summarize: {filler}").prompt, ESTIMATE).task == "summarize"
    assert features(Request.of(f"{filler}\nTranslate this.").prompt, ESTIMATE).task == "translate"
