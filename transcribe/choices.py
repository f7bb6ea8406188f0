"""Which installed model is used where: by area, by language, else the default.

``choices.json`` in the folder of models: {"default": name, "languages": {"en": name}, "areas":
{"330123104000": name}}. Before it there was a file ``current`` with one name; it is still read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import N_, InvalidInput
from core.files import locked, write_durably

FILE, OLD_FILE = "choices.json", "current"
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_AREA = re.compile(r"\d{12}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


@dataclass(frozen=True)
class Place:
    """Where a model is used: in an area and all below it, for a language, or (neither) by default.

    Raises InvalidInput for a code without 12 digits or a language that is no tag such as cmn.
    """

    area_code: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        if self.area_code is not None and not _AREA.fullmatch(self.area_code):
            raise InvalidInput(N_("The area code must have 12 digits."), field="area")
        if self.language is not None and not _LANGUAGE.fullmatch(self.language):
            raise InvalidInput(
                N_("Give the language as a short tag, such as cmn, yue or en."), field="language"
            )
        if self.area_code is not None and self.language is not None:
            raise InvalidInput(N_("Choose by area or by language, not both."), field="language")


@dataclass(frozen=True)
class Choices:
    """Names of models by place; a name may belong to a model that is gone."""

    default: str | None = None
    languages: Mapping[str, str] = field(default_factory=dict)
    areas: Mapping[str, str] = field(default_factory=dict)

    def names(self, area_codes: Sequence[str], language: str | None) -> Iterator[str]:
        """Names to try, best first: the own area, those above it, the language, the default."""
        yield from (self.areas[code] for code in area_codes if code in self.areas)
        if language is not None and language in self.languages:
            yield self.languages[language]
        if self.default is not None:
            yield self.default

    def places(self, name: str) -> list[Place]:
        """Where the model ``name`` is chosen: default first, then languages, then areas."""
        return [
            *([Place()] if self.default == name else []),
            *(Place(language=tag) for tag, used in sorted(self.languages.items()) if used == name),
            *(Place(area_code=code) for code, used in sorted(self.areas.items()) if used == name),
        ]

    def having(self, place: Place, name: str | None) -> Choices:
        """The same with ``name`` at ``place``; None: nothing is chosen there any more."""
        if place.area_code is not None:
            return replace(self, areas=_with(self.areas, place.area_code, name))
        if place.language is not None:
            return replace(self, languages=_with(self.languages, place.language, name))
        return replace(self, default=name)


def read(folder: Path) -> Choices:
    """What is chosen now; the file is read again only when it changed. InvalidInput: damaged."""
    path = folder / FILE
    try:
        facts = path.stat()
    except FileNotFoundError:
        return Choices(default=_old_choice(folder))
    return _read(path, facts.st_mtime_ns, facts.st_size, facts.st_ino)


def change(folder: Path, how: Callable[[Choices], Choices]) -> Choices:
    """Replace the choices by ``how`` of them, whole or not at all, one change after the other."""
    with locked(folder / ".choices.lock"):
        changed = how(read(folder))
        content = {
            "default": changed.default,
            "languages": dict(changed.languages),
            "areas": dict(changed.areas),
        }
        written = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        write_durably(folder / FILE, written.encode(), mode=0o644)
        (folder / OLD_FILE).unlink(missing_ok=True)
    return changed


@lru_cache(maxsize=8)
def _read(path: Path, _changed_ns: int, _size: int, _inode: int) -> Choices:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        default = content.get("default")
        if default is not None and not isinstance(default, str):
            raise ValueError("default is no name")
        languages, areas = _names(content, "languages"), _names(content, "areas")
        return Choices(default, languages, areas)
    except (ValueError, AttributeError) as error:
        raise InvalidInput(
            N_("%(path)s is damaged (%(reason)s). Mend it, or remove it and choose again."),
            field="model",
            params={"path": str(path), "reason": str(error)[:200]},
        ) from error


def _names(content: dict[str, Any], key: str) -> dict[str, str]:
    found = content.get(key) or {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise ValueError(f"{key} is no table of names")
    return found


def _old_choice(folder: Path) -> str | None:
    try:
        name = (folder / OLD_FILE).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return name if SAFE_NAME.fullmatch(name) else None


def _with(table: Mapping[str, str], key: str, name: str | None) -> dict[str, str]:
    kept = {other: used for other, used in table.items() if other != key}
    return kept if name is None else {**kept, key: name}
