"""A4 sheets with QR codes: one big one for a notice board, or eight to cut apart for doors.

All lengths are points (1/72 inch) unless named ``_mm``; the page's origin is below left.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import segno
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from desk.sheets.fonts import ASCENT, BOLD, REGULAR, Letters

PER_PAGE = (1, 8)
QUIET_MODULES = 4
"""Empty modules around a code (ISO/IEC 18004, 9.1)."""
_WIDE, _HIGH = A4
_COLUMNS, _ROWS = 2, 4
_MARGIN = 7 * mm


@dataclass(frozen=True)
class Sheet:
    """One code. ``place`` is the finer one (a building), may be empty; ``poster_code`` too."""

    url: str
    village: str
    place: str = ""
    poster_code: str = ""


@dataclass(frozen=True)
class Wording:
    """What stands on every sheet, in the sheet's language; ``phone`` empty: no line yet."""

    title: str
    scan: str
    steps: tuple[str, ...]
    call: str
    code: str
    danger: str
    consent: str
    phone: str = ""


def pdf(
    sheets: Iterable[Sheet],
    wording: Wording,
    letters: Letters,
    *,
    per_page: int,
) -> bytes:
    """The file. Raises ValueError for a ``per_page`` other than 1 or 8."""
    if per_page not in PER_PAGE:
        raise ValueError(f"{per_page} on a page")
    wanted = list(sheets)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=1)
    canvas.setTitle(wording.title)
    pen = _Pen(canvas, letters)
    for done, sheet in enumerate(wanted):
        place = done % per_page
        if done and place == 0:
            canvas.showPage()
        if per_page == 1:
            _whole_page(pen, sheet, wording)
        else:
            _card(pen, sheet, wording, place)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


@dataclass
class _Pen:
    canvas: Any
    letters: Letters

    def centred(
        self, text: str, middle: float, base: float, size: float, *, weight: int = BOLD,
        room: float = _WIDE - 2 * _MARGIN,
    ) -> None:  # fmt: skip
        """Write around ``middle``; letters shrink until the line fits ``room``."""
        size = self.fitting(text, size, room, weight)
        self.at(text, middle - self.letters.width(text, size, weight) / 2, base, size, weight)

    def fitting(self, text: str, size: float, room: float, weight: int = BOLD) -> float:
        """The size, at most ``size``, at which ``text`` is no wider than ``room``."""
        wide = self.letters.width(text, size, weight)
        return size if wide <= room else size * room / wide

    def at(self, text: str, left: float, base: float, size: float, weight: int = BOLD) -> None:
        for name, part in self.letters.runs(text, weight):
            self.canvas.setFont(name, size)
            self.canvas.drawString(left, base, part)
            left += self.canvas.stringWidth(part, name, size)

    def code(self, url: str, left: float, bottom: float, side: float) -> None:
        """A QR code of ``side`` with its quiet zone, as one path."""
        matrix = segno.make(url, error="q", micro=False).matrix
        module = side / (len(matrix) + 2 * QUIET_MODULES)
        path = self.canvas.beginPath()
        for row, line in enumerate(matrix):
            base = bottom + side - (row + 1 + QUIET_MODULES) * module
            for start, length in _dark_runs(line):
                x = left + (start + QUIET_MODULES) * module
                path.rect(x, base, length * module, module)
        self.canvas.drawPath(path, stroke=0, fill=1)


def _dark_runs(line: Any) -> list[tuple[int, int]]:
    """(start, length) of neighbouring dark modules."""
    runs: list[tuple[int, int]] = []
    for column, dark in enumerate(line):
        if not dark:
            continue
        if runs and sum(runs[-1]) == column:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((column, 1))
    return runs


def _whole_page(pen: _Pen, sheet: Sheet, wording: Wording) -> None:
    middle = _WIDE / 2
    pen.centred(wording.title, middle, _HIGH - 24 * mm, 40)
    pen.centred(sheet.village, middle, _HIGH - 43 * mm, 46)
    if sheet.place:
        pen.centred(sheet.place, middle, _HIGH - 56 * mm, 28)
    side = 112 * mm
    pen.code(sheet.url, middle - side / 2, _HIGH - 62 * mm - side, side)
    base = _HIGH - 62 * mm - side - 8 * mm
    pen.centred(wording.scan, middle, base, 30)
    for step in wording.steps:
        base -= 9 * mm
        pen.centred(step, middle, base, 19, weight=REGULAR)
    _phone_box(pen, sheet, wording, 26 * mm, base - 8 * mm)
    pen.centred(wording.danger, middle, 16 * mm, 20)
    pen.centred(wording.consent, middle, 8.5 * mm, 11, weight=REGULAR)


def _phone_box(pen: _Pen, sheet: Sheet, wording: Wording, bottom: float, top: float) -> None:
    """The number to dial and the village's code: what people with key phones look for."""
    parts = [(wording.call, wording.phone)] if wording.phone else []
    parts += [(wording.code, " ".join(sheet.poster_code))] if sheet.poster_code else []
    if not parts:
        return
    left, wide, high = _MARGIN + 4 * mm, _WIDE - 2 * (_MARGIN + 4 * mm), top - bottom
    pen.canvas.setLineWidth(2.5)
    pen.canvas.roundRect(left, bottom, wide, high, 4 * mm, stroke=1, fill=0)
    each = wide / len(parts)
    for number, (label, value) in enumerate(parts):
        middle = left + each * (number + 0.5)
        room = each - 8 * mm
        size = pen.fitting(value, min(54.0, high * 0.55), room)
        pen.centred(label, middle, top - 8 * mm, 18, weight=REGULAR, room=room)
        pen.centred(value, middle, bottom + (high - 8 * mm - size * ASCENT) / 2, size, room=room)


def _card(pen: _Pen, sheet: Sheet, wording: Wording, place: int) -> None:
    """One of eight cards (105 x 74 mm), with lines to cut along."""
    wide, high = _WIDE / _COLUMNS, _HIGH / _ROWS
    left, bottom = place % _COLUMNS * wide, _HIGH - (place // _COLUMNS + 1) * high
    pen.canvas.setLineWidth(0.4)
    pen.canvas.setDash(2, 4)
    pen.canvas.rect(left, bottom, wide, high, stroke=1, fill=0)
    pen.canvas.setDash()
    side = 50 * mm
    pen.code(sheet.url, left + 3 * mm, bottom + 13 * mm, side)
    middle, room = left + (wide + side + 3 * mm) / 2, wide - side - 8 * mm
    lines: list[tuple[str, float, int]] = [(wording.title, 15, BOLD), (sheet.village, 17, BOLD)]
    lines += [(sheet.place, 13, BOLD)] if sheet.place else []
    if wording.phone:
        lines += [(wording.call, 10, REGULAR), (wording.phone, 19, BOLD)]
    if sheet.poster_code:
        lines += [(wording.code, 10, REGULAR), (" ".join(sheet.poster_code), 24, BOLD)]
    base = bottom + high - 5 * mm
    for text, size, weight in lines:
        base -= size * 1.22
        pen.centred(text, middle, base, size, weight=weight, room=room)
    pen.centred(wording.scan, left + 3 * mm + side / 2, bottom + high - 9 * mm, 12, room=side)
    pen.centred(wording.danger, left + wide / 2, bottom + 7.5 * mm, 11, room=wide - 8 * mm)
    low = wide - 8 * mm
    pen.centred(wording.consent, left + wide / 2, bottom + 3 * mm, 7, weight=REGULAR, room=low)
