"""A CSV file as people's spreadsheets write it: read whole, with the numbers of its lines.

UTF-8 (with or without BOM), GB18030 as Excel in China writes it, and UTF-16 ("Unicode text");
comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.errors import N_, InvalidInput, XiangyinError

MAX_BYTES = 2_000_000
MAX_LINES = 10_000
MAX_TOLD = 50
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx (and .ods) and .xls begin."""
_SHORTENED = re.compile(r"\d(\.\d+)?E\+1\d", re.IGNORECASE)


@dataclass(frozen=True)
class LineError:
    """What is wrong in one line; lines count from 1, the heading included."""

    line: int
    error: XiangyinError


class ImportRefused(InvalidInput):
    """The file has errors; nothing was stored. ``lines`` has at most 50 of them."""

    def __init__(self, lines: list[LineError]) -> None:
        super().__init__(
            N_("Nothing was stored: %(count)d lines have to be mended first."),
            field="file",
            params={"count": len(lines)},
        )
        self.lines = lines[:MAX_TOLD]


def rows(
    data: bytes, columns: Mapping[str, Collection[str]], required: Collection[str]
) -> list[tuple[int, dict[str, str]]]:
    """(line, field -> cell) of each line that is not empty.

    ``columns``: field -> headings a file may use for it. Raises InvalidInput(field="file").
    """
    if len(data) > MAX_BYTES:
        raise InvalidInput(N_("The file is too large: 2 MB at most."), field="file")
    text = _text(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        fields = _heading(next(reader, []), columns, required)
        found = [
            (reader.line_num, dict(zip(fields, (cell.strip() for cell in row), strict=False)))
            for row in reader
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise InvalidInput(
            N_("Line %(line)d cannot be read as CSV."),
            field="file",
            params={"line": reader.line_num},
        ) from error
    if not found:
        raise InvalidInput(N_("The file has no line below its heading."), field="file")
    if len(found) > MAX_LINES:
        raise InvalidInput(N_("The file has too many lines: 10,000 at most."), field="file")
    _refuse_shortened(found)
    return found


def _refuse_shortened(found: list[tuple[int, dict[str, str]]]) -> None:
    """Spreadsheets write 513221100201 as 5.13221E+11; the rest of its digits is lost."""
    wrong = [
        LineError(
            line,
            InvalidInput(
                N_(
                    "The spreadsheet has shortened a number to %(cell)s. Format the column as text"
                    " and type all digits again."
                ),
                params={"cell": cell},
            ),
        )
        for line, fields in found
        for cell in fields.values()
        if _SHORTENED.fullmatch(cell)
    ]
    if wrong:
        raise ImportRefused(wrong)


def _text(data: bytes) -> str:
    if data.startswith(_WORKBOOKS):
        raise InvalidInput(
            N_(
                "This is a workbook, not a CSV file. In the spreadsheet choose “Save as”, type"
                " “CSV UTF-8”, and choose that file here."
            ),
            field="file",
        )
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InvalidInput(N_("Save the file as CSV in UTF-8 and choose it again."), field="file")


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _heading(
    cells: list[str], columns: Mapping[str, Collection[str]], required: Collection[str]
) -> list[str]:
    known = {heading: field for field, headings in columns.items() for heading in headings}
    fields = [known.get(cell.strip().lower(), "") for cell in cells]
    missing = [name for name in required if name not in fields]
    if missing:
        raise InvalidInput(
            N_("The first line must name the columns; missing: %(columns)s."),
            field="file",
            params={"columns": ", ".join(missing)},
        )
    return fields
