"""Lists of words as people paste them or keep them in a table: a word a line, kind, meaning."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from core.errors import N_, InvalidInput

MAX_BYTES = 500_000
MAX_LINES = 2_000
MAX_TOLD = 50
_HEADINGS = ("text", "word", "词", "词语", "名称")


@dataclass(frozen=True)
class Line:
    """One word of a list; lines count from 1. ``kind`` and ``meaning`` may be empty."""

    number: int
    text: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class LineError:
    """What is wrong in one line."""

    line: int
    error: InvalidInput


class ListRefused(InvalidInput):
    """The list has errors; nothing was stored. ``lines`` has at most 50 of them."""

    def __init__(self, lines: list[LineError]) -> None:
        super().__init__(
            N_("Nothing was stored: %(count)d lines have to be mended first."),
            field="listed",
            params={"count": len(lines)},
        )
        self.lines = lines[:MAX_TOLD]


def read(listed: bytes) -> list[Line]:
    """The lines of a list: UTF-8 or GB18030 (as Excel in China writes it), between the columns a
    comma, a semicolon or a tab, half or full width. A heading and empty lines are left out.

    Raises InvalidInput (field "listed") for what is no such list.
    """
    if len(listed) > MAX_BYTES:
        raise InvalidInput(N_("The list is too long: 500 kB at most."), field="listed")
    lines = []
    for number, row in enumerate(_rows(_decoded(listed)), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[0].lower() in _HEADINGS):
            continue
        text, kind, meaning, *more = [*cells, "", ""]
        if any(more):
            raise ListRefused(
                [
                    LineError(
                        number, InvalidInput(N_("Give a word, its kind, its meaning: no more."))
                    )
                ]
            )
        lines.append(Line(number, text, kind, meaning))
    if not lines:
        raise InvalidInput(N_("Write at least one word."), field="listed")
    if len(lines) > MAX_LINES:
        raise InvalidInput(N_("The list has too many lines: 2,000 at most."), field="listed")
    return lines


def _decoded(listed: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return listed.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInput(N_("Save the list as CSV in UTF-8 and choose it again."), field="listed")


def _rows(text: str) -> list[list[str]]:
    plain = text.translate(str.maketrans("，；\t;", ",,,,"))
    try:
        return [next(csv.reader(io.StringIO(line)), []) for line in plain.splitlines()]
    except csv.Error:
        raise InvalidInput(N_("This is no list of words."), field="listed") from None
