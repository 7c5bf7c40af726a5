"""Summarizes a text by its own sentences: those whose words it uses most."""

from __future__ import annotations

import re
from collections import Counter

from pointsman.adapters.builtin.texts import AFTERWORD_CAP, COUNT, DO, WORD, counted, instruction_and_text, shortened

SENTENCE_CAP = 400  # characters

_STOP_WORDS = frozenset(
    WORD.findall(
        "about after all also and any are because been before being but can could did does during each for from had has have her here his "
        "how into its just may more most not now off one only other our out over own she should some such than that the their them then "
        "there these they this those through too two under until very was were what when where which while who why will with would you your"
    )
)
_SENTENCE_END = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?][\"')\u201d]))(?<!\b[A-Z]\.)(?<!\b[DM]r\.)(?<!\bMrs\.)\s++(?![a-z])|(?<=[\u3002\uff01\uff1f])|\n[^\S\n]*+\n"
)
_SENTENCE_COUNT = re.compile(rf"\b{COUNT}[- ]sentences?\b", re.IGNORECASE)
_SHORTEN = r"(?:summari[sz]e|sum up|shorten|condense)\b"
_ASKED = re.compile(rf"(?:{DO}{_SHORTEN}|\bsummary\b|\btl;?dr\b)(?:[^.!?]*[.!?]?\s*|.*\n)\Z", re.IGNORECASE | re.DOTALL)
_BARE_VERB = re.compile(
    rf"(?:please,? |(?:can|could) you )?(?:{_SHORTEN}|tl;?dr\b)"
    r"(?:\s{1,3}(?:(?:this|the)\s)?(?:following\s)?(?:text|article|passage|story)\b|\s{1,3}this\b)?(?:\s{1,3}for me\b)?"
    rf"(?:\s{{1,3}}(?:in|to)\s{COUNT}\ssentences?\b)?[\s.,:;-]*+",
    re.IGNORECASE,
)


def summary_answer(ask: str) -> str | None:
    """Return a summary where an instruction beside a text, the verb in front of it or a last line below it asks for one; else None."""
    instruction, text = instruction_and_text(ask)
    if text.strip() and _ASKED.search(instruction):
        return summarize(text, _length(instruction))
    if verb := _BARE_VERB.match(ask):
        text = ask[verb.end() :]
        # One sentence is a request about a subject ("summarize the war"), not a text to be cut.
        return summarize(text, _length(verb[0])) if len(_sentences(text)) > 1 else None
    text, _, last = ask.rpartition("\n")
    return summarize(text, _length(last)) if len(last) <= AFTERWORD_CAP and _ASKED.search(last) else None


def summarize(text: str, sentences: int) -> str:
    """Return the sentences, at most so many, whose words the text uses most, in the order of the text."""
    candidates = list(dict.fromkeys(_sentences(text)))
    contents = [{word for word in WORD.findall(each.casefold()) if len(word) > 2} - _STOP_WORDS for each in candidates]
    uses = Counter(word for content in contents for word in content)

    def score(at: int) -> float:
        # The 3 keeps a two-word sentence from winning on its mean alone; the lead is worth a quarter at most.
        return sum(uses[word] for word in contents[at]) / (len(contents[at]) + 3) * (1 + 0.25 / (at + 1))

    best = sorted(range(len(candidates)), key=score, reverse=True)[: max(sentences, 1)]
    return " ".join(shortened(candidates[at], SENTENCE_CAP) for at in sorted(best))


def _length(instruction: str) -> int:
    """Return how many sentences are asked for; three where nothing is said."""
    count = _SENTENCE_COUNT.search(instruction)
    return counted(count and count[1], 3)


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]
