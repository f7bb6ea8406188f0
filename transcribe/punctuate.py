"""Punctuation from pauses: where the voice rests is a comma or the end of a sentence.

A pause is measured in syllables of the same speaker, because slow speakers rest longer. In 20
texts of 57 clauses (machine's voice at 150-190 words a minute, 8 kHz, heard by the starter model)
no pause within a clause was longer than 0.1 syllables, those at commas were 0.49-0.95 and those
between sentences 1.03-1.60 syllables long. People rest less regularly; no recording of people with
known punctuation was at hand to measure that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import median
from typing import Protocol

COMMA_SYLLABLES = 0.3
STOP_SYLLABLES = 1.0
SYLLABLE_MS = range(120, 401)
"""A syllable counts as no shorter and no longer: two words alone would be an odd measure."""

COMMA, STOP, QUESTION = "，", "。", "？"
_ASKS_AT_THE_END = ("吗", "么")
_ASKS = (
    "什么", "怎么", "怎样", "多少", "哪里", "哪儿", "哪个", "谁", "为何", "几点", "几号",
    "能不能", "是不是", "有没有", "可不可以", "管不管", "行不行", "好不好", "要不要", "会不会",
    "对不对",
)  # fmt: skip
_TELLS = ("不知道", "没什么", "无论", "随便")
_NEVER_BEFORE_A_MARK = ("的", "和", "把", "被", "跟", "从")


class Timed(Protocol):
    """A word with its time."""

    @property
    def text(self) -> str: ...

    @property
    def start_ms(self) -> int: ...

    @property
    def end_ms(self) -> int: ...


def marks(words: Sequence[Timed], utterance_ends: Collection[int] = ()) -> list[str]:
    """The mark after each word ("" for none). ``utterance_ends``: indices after an utterance."""
    ends = {index - 1 for index in utterance_ends}
    syllable_ms = _syllable_ms(words)
    found: list[str] = []
    begun = 0
    for index, word in enumerate(words):
        last = index == len(words) - 1
        pause = 0.0 if last else (words[index + 1].start_ms - word.end_ms) / syllable_ms
        if last or index in ends or pause >= STOP_SYLLABLES:
            found.append(_end("".join(one.text for one in words[begun : index + 1])))
            begun = index + 1
        elif pause >= COMMA_SYLLABLES and word.text not in _NEVER_BEFORE_A_MARK:
            found.append(COMMA)
        else:
            found.append("")
    return found


def _syllable_ms(words: Sequence[Timed]) -> float:
    lengths = [(word.end_ms - word.start_ms) / len(word.text) for word in words if word.text]
    usual = median(lengths) if lengths else SYLLABLE_MS.start
    return min(max(usual, SYLLABLE_MS.start), SYLLABLE_MS.stop)


def _end(sentence: str) -> str:
    """？ after a question: 吗, or a word that asks in what is not "I do not know what"."""
    plain = sentence.rstrip("呢啊呀吧的")
    asks = any(word in plain for word in _ASKS) and not any(word in plain for word in _TELLS)
    return QUESTION if asks or plain.endswith(_ASKS_AT_THE_END) else STOP
