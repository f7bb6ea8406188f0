"""Keeps numbers out of lists, interfaces and logs: in digits or as speech recognition writes them.

A run of seven and more digits (0-9, full width, 零一二 … 幺两洞, blanks and dashes between) becomes
stars except its last two. Shorter numbers (sums, house numbers, dates) stay readable.
"""

from __future__ import annotations

import re
from typing import Any

_DIGIT = "0-9０-９零〇一二三四五六七八九幺两洞壹贰叁肆伍陆柒捌玖"
_RUN = re.compile(rf"[{_DIGIT}](?:[\s\-－·.]*[{_DIGIT}]){{6,}}(?:[\s\-－]*[xXＸ])?")
_KEEP = 2


def hide_numbers(text: str) -> str:
    """``text`` with long numbers starred; its length does not change."""
    hidden = list(text)
    for run in _RUN.finditer(text):
        places = [i for i in range(*run.span()) if not text[i].isspace() and text[i] not in "-－·."]
        for place in places[:-_KEEP]:
            hidden[place] = "*"
    return "".join(hidden)


def hide_in_words(words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for a transcript's words, where one number runs through several of them."""
    hidden = hide_numbers("".join(str(word["text"]) for word in words))
    cleaned, start = [], 0
    for word in words:
        end = start + len(str(word["text"]))
        cleaned.append({**word, "text": hidden[start:end]})
        start = end
    return cleaned
