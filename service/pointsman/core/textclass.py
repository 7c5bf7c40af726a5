"""The class of a text, by which tokenisers of other families differ from the reference: what script it is in, and whether it is prose.

A sample of characters spread over the whole text is looked at, since a long one may hold other things in its middle than at its ends.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

TextClass = Literal["english", "code", "data", "latin", "cjk", "script", "unknown"]
TEXT_CLASSES: tuple[TextClass, ...] = get_args(TextClass)
"""English prose; program text; numbers, logs and JSON; other languages in Latin letters; Chinese, Japanese and Korean; other scripts;
Latin letters of a language that is not known, as in a few words."""

SAMPLED = 400
"""Characters."""

TELLING = 0.1
"""Share of the letters of a script, from which on they decide: a tenth of the text can be half of the tokens."""

_DATA = 0.2
"""Share of digits and the signs of data: prose has 2 % of them, JSON and logs 25 % and more."""

_LATIN_ENDS = "\u0250"
_CJK = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0010ffff]+")
_DATA_SIGNS = b'0123456789{}[]":|='


def text_class(text: str, language: str, *, has_code: bool) -> TextClass:
    """Return the class of a text whose language, as a BCP 47 tag or `unknown`, was told by its words."""
    sample = text[:: max(1, len(text) // SAMPLED)]
    least = len(sample) * TELLING
    if not sample.isascii() and len(sample) - len(sample.encode("latin-1", "ignore")) > least:  # a quick count of all that may be foreign
        if len(sample) - len(_CJK.sub("", sample)) > least:
            return "cjk"
        if sum(map(str.isalpha, filter(_LATIN_ENDS.__le__, sample))) > least:
            return "script"
    written = sample.encode("ascii", "ignore")
    if len(written) - len(written.translate(None, _DATA_SIGNS)) > len(sample) * _DATA:
        return "data"
    if has_code:
        return "code"
    if language == "unknown":
        return "unknown"
    return "english" if language == "en" else "latin"
