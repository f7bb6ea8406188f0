"""Readable text beside the raw words: digits, dates, punctuation, and a way back to each word."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from transcribe import numerals, punctuate
from transcribe.numerals import Rewrite
from transcribe.punctuate import Timed

MAX_PASSES = 8
"""What is written in digits can only make numerals fewer, so passes end; this is a belt."""

_SPACES = re.compile(r"\s+")
_NEEDLESS_SPACE = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")
_LATIN = re.compile(r"[A-Za-z0-9]")


@dataclass(frozen=True)
class Readable:
    """``spans``: (start, end, first word, word after the last) of ``text``, in order.

    Together the spans cover every word once; what lies between two spans is punctuation or space.
    A click at a character finds its words, and so its time.
    """

    text: str
    spans: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class Correction:
    """``heard``, somewhere in ``words[first:after]``, is to be read as ``name``."""

    first: int
    after: int
    heard: str
    name: str


@dataclass(frozen=True)
class _Piece:
    """Text with the words behind it (punctuation and spaces have none) and the mark after it."""

    text: str
    first: int
    after: int
    mark: str = ""


def readable(
    words: Sequence[Timed],
    utterance_ends: Collection[int] = (),
    *,
    names: Sequence[str] = (),
    corrections: Sequence[Correction] = (),
) -> Readable:
    """What was heard, as people write it; never raises, whatever the words are.

    ``utterance_ends``: index after each utterance's last word. ``names`` of places are no numbers
    (五里村); ``corrections`` are written instead of what was heard. Reading what comes out again
    (``of_text``) changes nothing.
    """
    pieces = _corrected(_pieces(words, utterance_ends), corrections)
    if not pieces:
        return Readable("", ((0, 0, 0, len(words)),) if words else ())
    return _joined(_in_digits(_apart(pieces), names))


def of_text(text: str, names: Sequence[str] = ()) -> str:
    """Typed text with its numbers in digits and without spaces between Chinese characters."""
    tidy = "\n".join(_tidy(line) for line in text.split("\n"))
    pieces = [_Piece(char, place, place + 1) for place, char in enumerate(tidy)]
    return "".join(piece.text for piece in _in_digits(pieces, names))


def _tidy(text: str) -> str:
    """Without blanks, except single ones between Latin letters or digits."""
    return _NEEDLESS_SPACE.sub("", _SPACES.sub(" ", text))


def _pieces(words: Sequence[Timed], utterance_ends: Collection[int]) -> list[_Piece]:
    """A piece per word; words without text go to the piece before them (or to the first)."""
    said = [index for index, word in enumerate(words) if _tidy(word.text)]
    ends = {bisect_left(said, index) for index in utterance_ends}
    marks = punctuate.marks([words[index] for index in said], ends)
    afters = [*said[1:], len(words)]
    firsts = [0, *said[1:]]
    return [
        _Piece(_tidy(words[index].text), first, after, mark)
        for index, first, after, mark in zip(said, firsts, afters, marks, strict=False)
    ]


def _corrected(pieces: list[_Piece], corrections: Sequence[Correction]) -> list[_Piece]:
    for wrong in corrections:
        touched = [p for p in pieces if p.first < wrong.after and p.after > wrong.first]
        heard = "".join(piece.text for piece in touched)
        if touched and wrong.heard and wrong.heard in heard:
            at = pieces.index(touched[0])
            mended = heard.replace(wrong.heard, wrong.name, 1)
            last = touched[-1]
            whole = _Piece(mended, touched[0].first, last.after, last.mark)
            pieces[at : at + len(touched)] = [whole]
    return pieces


def _apart(pieces: list[_Piece]) -> list[_Piece]:
    """Marks, and the spaces between Latin words, as pieces of their own.

    No mark parts a number: people rest between the groups of a telephone number.
    """
    apart: list[_Piece] = []
    for piece, following in zip(pieces, [*pieces[1:], _Piece("", 0, 0)], strict=True):
        mark = piece.mark
        if _within_number(piece.text[-1], following.text[:1], mark):
            mark = ""
        elif not mark and _LATIN.match(piece.text[-1]) and _LATIN.match(following.text):
            mark = " "
        apart.append(piece)
        if mark:
            apart.append(_Piece(mark, piece.after, piece.after))
    return apart


def _within_number(before: str, after: str, mark: str) -> bool:
    figures = before in numerals.DIGITS and after in numerals.DIGITS
    return figures or (
        mark == punctuate.COMMA and before in numerals.NUMERALS and after in numerals.NUMERALS
    )


def _in_digits(pieces: list[_Piece], names: Sequence[str]) -> list[_Piece]:
    for _ in range(MAX_PASSES):
        found = numerals.rewrites("".join(piece.text for piece in pieces), names)
        if not found:
            break
        pieces = _written(_merged(pieces, found), found)
    return pieces


def _merged(pieces: list[_Piece], found: Sequence[Rewrite]) -> list[_Piece]:
    """Pieces that one rewrite touches become one piece."""
    inner = {place for one in found for place in range(one.start + 1, one.end)}
    merged: list[_Piece] = []
    start = 0
    for piece in pieces:
        if start in inner:
            last = merged.pop()
            merged.append(_Piece(last.text + piece.text, last.first, piece.after))
        else:
            merged.append(piece)
        start += len(piece.text)
    return merged


def _written(pieces: list[_Piece], found: Sequence[Rewrite]) -> list[_Piece]:
    written: list[_Piece] = []
    waiting = deque(found)
    start = 0
    for piece in pieces:
        text, done = "", 0
        while waiting and waiting[0].start < start + len(piece.text):
            one = waiting.popleft()
            text += piece.text[done : one.start - start] + one.text
            done = one.end - start
        written.append(replace(piece, text=text + piece.text[done:]))
        start += len(piece.text)
    return written


def _joined(pieces: list[_Piece]) -> Readable:
    text, spans = "", []
    for piece in pieces:
        if piece.after > piece.first:
            spans.append((len(text), len(text) + len(piece.text), piece.first, piece.after))
        text += piece.text
    return Readable(text, tuple(spans))
