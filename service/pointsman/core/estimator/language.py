"""The language of a text: told by its script, or by the small words that only one language uses; `unknown` where neither is clear.

Not a classifier: no words of content, no letter statistics.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from pointsman.core.estimator.wording import Wording

LOOKED_AT = 128
"""Characters at either end of a text whose script is looked at."""

SAMPLED = 64
"""Characters that are counted of these."""

FEWEST = 2
"""Small words, each counted once, that must speak for a language."""

_SMALL_WORDS = {
    "en": "the of and to is what how are you this that it for with which does my write give not when who where why was be your an by from"
    " at or than have has can about if all these they there each find best"
    " i do on in can me my we our us he she her his should will so no as up get any some need make explain",
    "de": "der die das und ist ich nicht ein eine wie was mit für auf den dem sind sie wir es zu von wird welche warum bitte kann mein im",
    "fr": "le la les des et est une un du dans pour que qui quelle quel comment je vous nous pas sur avec il elle ce cette sont au",
    "es": "el la los las y es una un del en para que qué cómo cuál por con no se yo su está son al cuántos escribe quién donde dónde mi"
    " como o esta este pero más muy también",
    "it": "la dell qual"
    " il lo gli e è una un di della che per con non come quale sono perché cosa nel dei delle mi questo questa quanto quanti chi dove",
    "pt": "o os as e é uma um do da dos das em para que não com como qual por são você na no quanto quantos quem onde meu escreva está ao"
    " ou esta este mais muito também mas",
    "nl": "de het een en is van ik niet wat hoe met voor op zijn dat die te er aan waarom welke schrijf jij mijn wordt naar kan deze bij",
    "sv": "och är en ett det att som på för inte vad hur med av jag den till varför vilken kan har skriv mitt du från vem när",
    "pl": "i w na nie jest się z do że to jak co dla jaki jaka czy ile są od po przez który gdzie kto dlaczego napisz mój proszę oraz",
    "tr": "ve bir bu ne için ile mi da de çok var neden hangi kim nerede kaç olarak daha gibi nedir bana lütfen değil",
}
_LANGUAGES = tuple(_SMALL_WORDS)
_HITS: dict[str, int] = {}
"""What each word adds to a number whose bytes count the hits of the languages: one sum counts for all of them."""
for _at, _words in enumerate(_SMALL_WORDS.values()):
    for _word in _words.split():
        _HITS[_word] = _HITS.get(_word, 0) + (1 << 8 * _at)

_SMALL = frozenset(_HITS)

# First and last code points of scripts, rising, and the language that a script alone tells.
_SCRIPTS = (
    (0x0370, 0x03FF, "el"), (0x0400, 0x04FF, "Cyrillic"), (0x0530, 0x058F, "hy"), (0x0590, 0x05FF, "he"), (0x0600, 0x06FF, "Arabic"),
    (0x0900, 0x097F, "Devanagari"), (0x0B80, 0x0BFF, "ta"), (0x0C00, 0x0C7F, "te"), (0x0E00, 0x0E7F, "th"), (0x10A0, 0x10FF, "ka"),
    (0x1100, 0x11FF, "ko"), (0x3040, 0x30FF, "ja"), (0x4E00, 0x9FFF, "Han"), (0xAC00, 0xD7AF, "ko"),
)  # fmt: skip
_STARTS = [start for start, _, _ in _SCRIPTS]
_AFTER_LATIN = chr(_STARTS[0])

# Scripts that several languages share: letters or words that only one of them has. The first that shows tells; none shows, none is told.
_TELLING = {
    "Cyrillic": (("uk", "іїєґ"), ("be", "ў"), ("sr", "ђјљњћџ"), ("ru", "ыэё")),
    "Arabic": (("ur", "ٹڈڑے"), ("fa", "پچژگ"), ("ar", "ةىأإ")),
}
_SMALL_WORDS_OF_SCRIPTS = {
    "Cyrillic": {"ru": "как что это не на для или где кто сколько почему привет", "bg": "какво как на за със това кой къде колко защо"},
    "Arabic": {"ar": "من في ما هو هي على كيف هل إلى عن هذا", "fa": "از در به که را این است چه چیست"},
    "Devanagari": {"hi": "है हैं का की के में क्या और से को कैसे कौन", "mr": "आहे आहेत आणि काय कसे मध्ये", "ne": "छ छन् हो के र मा"},
}


def language_of(text: Wording) -> str:
    """Return the BCP 47 primary tag of the language, or `unknown`."""
    lower = text.lower
    if not lower.isascii():
        near = lower if len(lower) <= 2 * LOOKED_AT else f"{lower[:LOOKED_AT]} {lower[-LOOKED_AT:]}"
        if script := _script(near):
            return _of_script(script, near)
    hits = sum(map(_HITS.__getitem__, _SMALL & text.distinct))
    return _clearest(_LANGUAGES, hits.to_bytes(len(_LANGUAGES), "little"))


def _script(text: str) -> str:
    """Return the script of most letters, other than Latin; empty if there is none."""
    if not any(map(str.isalpha, filter(_AFTER_LATIN.__le__, set(text)))):  # as where quotes and signs alone are not ASCII
        return ""
    found: Counter[str] = Counter()
    for letter, count in Counter(filter(str.isalpha, text[:: max(1, len(text) // SAMPLED)])).items():
        start, end, script = _SCRIPTS[max(bisect_right(_STARTS, ord(letter)) - 1, 0)]
        found[script if start <= ord(letter) <= end else ""] += count
    if found["ja"] and found["Han"]:  # Japanese is written in both; Chinese has no kana
        found["ja"] += found.pop("Han")
    return max(found, key=found.__getitem__, default="")


def _of_script(script: str, text: str) -> str:
    if script == "Han":
        return "zh"
    if script not in _SMALL_WORDS_OF_SCRIPTS:
        return script
    for language, letters in _TELLING.get(script, ()):
        if any(letter in text for letter in letters):
            return language
    words = set(text.replace("?", " ").replace(",", " ").split())
    known = _SMALL_WORDS_OF_SCRIPTS[script]
    return _clearest(tuple(known), [len(words & set(small.split())) for small in known.values()], fewest=1)


def _clearest(languages: Sequence[str], hits: Sequence[int], *, fewest: int = FEWEST) -> str:
    """Return the language with the most hits, if they are enough and no other has as many."""
    most = max(hits)
    return languages[hits.index(most)] if most >= fewest and hits.count(most) == 1 else "unknown"
