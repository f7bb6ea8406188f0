"""Letters for print: pieces of a variable font become the files a PDF can carry.

The font comes as some 100 compressed pieces, each with part of the characters. A piece that is
needed is unpacked once in the weight that is needed and kept in ``<data_dir>/letters``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont as PdfFont

from core.files import write_durably

REGULAR, BOLD = 500, 800
"""Weights of the font's axis ``wght`` (100-900). Heavier than usual: copiers eat thin strokes."""
ASCENT = 0.88
"""Height of a Chinese character above the base line, as a share of the size."""
_NAMES = (1, 4, 6)
"""Family, full and PostScript name (OpenType ``name`` table)."""
_READERS_OWN = "STSong-Light"
"""Without our letters the reader's program uses its own; every one that shows Chinese has some."""


@lru_cache(maxsize=2)
def _piece_of(pieces: Path) -> dict[int, Path]:
    """Character -> the piece that holds it; reads some 100 character maps (0.15 s)."""
    from fontTools.ttLib import TTFont

    found: dict[int, Path] = {}
    for path in sorted(pieces.glob("*.woff2")):
        with TTFont(path, lazy=True) as font:
            for code in font.getBestCmap():
                found.setdefault(code, path)
    return found


def _unpacked(piece: Path, weight: int, cache: Path) -> Path:
    """The piece in one weight as a TrueType file."""
    from io import BytesIO

    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    target = cache / f"{piece.stem}-{piece.stat().st_size}-{weight}.ttf"
    if not target.is_file():
        out = BytesIO()
        font = instantiateVariableFont(TTFont(piece), {"wght": weight})
        font.flavor = None
        for record in font["name"].names:
            if record.nameID in _NAMES:  # one name for all would make one font of them
                record.string = target.stem
        font.save(out)
        write_durably(target, out.getvalue(), mode=0o644)
    return target


@dataclass
class Letters:
    """Chooses for each character the PDF font that has it.

    ``pieces``: folder of woff2 pieces, may be missing or empty; ``cache``: a folder of our own.
    """

    pieces: Path
    cache: Path
    _names: dict[tuple[Path, int], str] = field(default_factory=dict)

    @property
    def embedded(self) -> bool:
        """Whether sheets carry their letters; otherwise the reader's program must have some."""
        return bool(_piece_of(self.pieces))

    def runs(self, text: str, weight: int) -> list[tuple[str, str]]:
        """``text`` in pieces of (PDF font name, characters), in order."""
        named = ((self._name(character, weight), character) for character in text)
        return [
            (name, "".join(character for _, character in group))
            for name, group in groupby(named, key=lambda pair: pair[0])
        ]

    def width(self, text: str, size: float, weight: int) -> float:
        """Width in points at ``size`` points."""
        widths = (
            pdfmetrics.stringWidth(part, name, size) for name, part in self.runs(text, weight)
        )
        return float(sum(widths))

    def _name(self, character: str, weight: int) -> str:
        known = _piece_of(self.pieces)
        piece = known.get(ord(character)) or known.get(ord("□"))
        if piece is None:
            return _readers_own()
        if (piece, weight) not in self._names:
            name = f"letters-{piece.stem}-{weight}"
            path = _unpacked(piece, weight, self.cache)
            pdfmetrics.registerFont(PdfFont(name, str(path)))
            self._names[piece, weight] = name
        return self._names[piece, weight]


def _readers_own() -> str:
    if _READERS_OWN not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(_READERS_OWN))
    return _READERS_OWN
