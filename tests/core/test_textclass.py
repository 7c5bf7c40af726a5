"""Classes of text, by which tokenisers differ."""

from __future__ import annotations

import json

import pytest

from pointsman.core.estimator.language import language_of
from pointsman.core.estimator.wording import wording_of
from pointsman.core.textclass import TextClass, text_class

PROSE = "The plan of the project is what we have to agree on with all of the teams before it can go to the customers. "
LOG = "2026-11-26T01:02:03.456Z 10.0.0.1 200 1234 5678 0.0123 id=77812 "
JSON = json.dumps([{"id": n, "total": n * 17.5, "ok": True} for n in range(40)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(PROSE, "english", id="prose"),
        pytest.param(PROSE * 500, "english", id="long prose"),
        pytest.param(
            "It costs 25 dollars, and is due on the 3rd of May 2027, as you know from what I wrote.", "english", id="a few numbers"
        ),
        pytest.param(
            "Wie ist das Wetter in den Bergen, und was soll ich für die Wanderung mit meinen Kindern einpacken?", "latin", id="German"
        ),
        pytest.param("¿Cuál es la mejor forma de llegar al aeropuerto y cuánto cuesta el taxi para los dos?", "latin", id="Spanish"),
        pytest.param("brauche hilfe", "unknown", id="a few words"),
        pytest.param("", "unknown", id="nothing"),
        pytest.param("请总结以下会议记录", "cjk", id="Chinese"),
        pytest.param("次の文章を要約してください", "cjk", id="Japanese"),
        pytest.param("다음 글을 요약해 주세요", "cjk", id="Korean"),
        pytest.param("Как приготовить борщ для восьми человек?", "script", id="Russian"),
        pytest.param("कृपया इस लेख का सारांश लिखें", "script", id="Hindi"),
        pytest.param(
            f"Translate this into English, please, it is what they wrote to us: {'请总结以下会议记录' * 3}",
            "cjk",
            id="some Chinese in English",
        ),
        pytest.param(LOG * 20, "data", id="a log"),
        pytest.param(JSON, "data", id="JSON"),
        pytest.param(f"{PROSE}{JSON * 4}{PROSE}", "data", id="JSON between what is asked"),
        pytest.param("1234567890 4567", "data", id="numbers"),
    ],
)
def test_class_of_a_text(text: str, expected: TextClass) -> None:
    assert text_class(text, language_of(wording_of(text)), has_code=False) == expected


def test_program_text_is_told_by_whoever_knows_programs() -> None:
    assert text_class("def f(of, the): return the", "en", has_code=True) == "code"
