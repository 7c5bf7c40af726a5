"""The language of a text: by script, by small words, and `unknown` where it is not clear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.estimator.language import language_of
from pointsman.core.estimator.wording import LOOKED_AT, wording_of


def told(text: str) -> str:
    return language_of(wording_of(text))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France?", "en"),
        ("Write a function that sorts a list of numbers and returns the median.", "en"),
        ("Wie heißt die Hauptstadt von Frankreich?", "de"),
        ("Schreibe ein Gedicht über das Meer, das nicht zu lang ist.", "de"),
        ("Quelle est la capitale de l'Allemagne ?", "fr"),
        ("Écris une lettre pour mon voisin, avec des excuses.", "fr"),
        ("¿Cuál es la capital de Alemania y cómo se llega?", "es"),
        ("Resume el texto en dos frases, por favor, y no cambies los nombres.", "es"),
        ("Qual è la capitale della Germania?", "it"),
        ("Scrivi una lettera di scuse per il mio vicino.", "it"),
        ("Qual é a capital da Alemanha e quem a fundou?", "pt"),
        ("Escreva uma carta para o meu vizinho, não muito longa.", "pt"),
        ("Wat is de hoofdstad van Duitsland?", "nl"),
        ("Schrijf een brief voor mijn buurman, niet te lang.", "nl"),
        ("Vad är huvudstaden i Tyskland och hur kommer jag dit?", "sv"),
        ("Jaka jest stolica Niemiec i jak się tam dostać?", "pl"),
        ("Almanya'nın başkenti nedir ve nasıl gidilir?", "tr"),
        ("德国的首都是哪里？", "zh"),
        ("ドイツの首都はどこですか？", "ja"),
        ("독일의 수도는 어디입니까?", "ko"),
        ("Какой город является столицей Германии?", "unknown"),
        ("Почему небо голубое и кто это объяснил?", "ru"),
        ("Какая столица у этой страны?", "ru"),
        ("Яке місто є столицею Німеччини?", "uk"),
        ("ما هي عاصمة ألمانيا؟", "ar"),
        ("پایتخت آلمان چیست؟", "fa"),
        ("जर्मनी की राजधानी क्या है?", "hi"),
        ("מהי בירת גרמניה?", "he"),
        ("Ποια είναι η πρωτεύουσα της Γερμανίας;", "el"),
        ("เมืองหลวงของเยอรมนีคือที่ใด", "th"),
        ("", "unknown"),
        ("Hello!", "unknown"),
        ("17 * 23 = ?", "unknown"),
        ("SELECT id, name INTO t0 JOIN t1 USING (k)", "unknown"),
        ("Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "unknown"),
    ],
)
def test_languages_are_told_by_script_and_small_words(text: str, language: str) -> None:
    assert told(text) == language


def test_the_language_of_most_letters_is_told() -> None:
    assert told("Translate the following to English, and keep the names as they are: 你好") == "en"
    assert told("你好，请把下面的文章翻译成英文，并且保留所有的名字：OK") == "zh"


def test_long_texts_are_looked_at_at_both_ends_alone() -> None:
    asked = "What is the point of this text, and who was it written for? " * (LOOKED_AT // 60 + 1)
    middle = "ich kann die Frage nicht, wie sie im Text steht, mit einem Wort auf der Stelle und für alle beantworten, es ist das zu viel "

    assert told(asked + middle * 1_000 + asked) == "en"
    assert told(f"What is the point? {middle}") == "de"


@given(st.text(max_size=600))
def test_every_text_has_a_tag(text: str) -> None:
    assert told(text).islower()
    assert 2 <= len(told(text)) <= len("unknown")
