"""What telephony must know without a database: villages, lines, people on duty, news to play.

The web process writes ``hotline/directory/directory.json`` and the WAV files it names (8 kHz, mono,
16 bit); telephony reads it anew when it changed. Telephone numbers in it are sealed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.files import write_durably
from core.settings import Settings

SCHEMA = 1


@dataclass(frozen=True)
class Village:
    """``sound``: the spoken name; ``news``: sounds of the village's news, in order."""

    code: str
    name: str
    poster_code: str | None = None
    sound: str | None = None
    news: tuple[str, ...] = ()


@dataclass(frozen=True)
class DutyPhone:
    """A phone that is rung. ``kind``: "duty" or "human"; hours are local "HH:MM".

    ``villages``: those it answers for, None for all. From 22:00 until 06:00 passes midnight.
    """

    who: str
    name: str
    kind: str
    number_sealed: str
    villages: tuple[str, ...] | None = None
    from_time: str = "00:00"
    until_time: str = "24:00"


@dataclass(frozen=True)
class Directory:
    """``lines``: number dialled -> village code. Phones stand in the order of ringing."""

    villages: dict[str, Village] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    phones: tuple[DutyPhone, ...] = ()
    zone: str = "Asia/Shanghai"

    def by_poster_code(self, code: str) -> Village | None:
        """The village whose posters and sheets carry these three digits."""
        return next((v for v in self.villages.values() if v.poster_code == code), None)

    def as_json(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, indent=1)

    @classmethod
    def parse(cls, text: str) -> Directory:
        """Read what ``as_json`` wrote. Raises ValueError, KeyError or TypeError for the rest."""
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("schema") != SCHEMA:
            raise ValueError("unknown form")
        villages = {
            code: Village(**{**village, "news": tuple(village["news"])})
            for code, village in raw["villages"].items()
        }
        return cls(villages, dict(raw["lines"]), tuple(map(_phone, raw["phones"])), raw["zone"])


def _phone(raw: dict[str, Any]) -> DutyPhone:
    places = raw["villages"]
    return DutyPhone(**{**raw, "villages": None if places is None else tuple(places)})


def folder(settings: Settings) -> Path:
    """Where the directory and its sounds lie; sounds are named relative to it."""
    return settings.folder("hotline", "directory")


def store(settings: Settings, directory: Directory) -> None:
    """Write it durably, when it differs from what is there."""
    path, text = folder(settings) / "directory.json", directory.as_json().encode()
    if not path.is_file() or path.read_bytes() != text:
        write_durably(path, text)


class Reader:
    """Telephony's view; keeps the last good one when a new one cannot be read."""

    def __init__(self, settings: Settings) -> None:
        self._path = folder(settings) / "directory.json"
        self._seen: tuple[int, int] | None = None
        self._known = Directory()

    def current(self) -> Directory:
        """The newest readable directory; an empty one before the first was written."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
            if seen != self._seen:
                self._known = Directory.parse(self._path.read_text(encoding="utf-8"))
                self._seen = seen
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return self._known

    def sound(self, name: str) -> Path:
        """The file of a sound that the directory names."""
        return self._path.parent / name
