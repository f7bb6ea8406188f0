"""What is known of models beside their own files: where they came from, how well they hear.

``records.json`` in the folder of models. ``archives``: file name -> hash seen at its first
download, for archives nobody published a hash of. ``installed``: model name -> its tree hash after
installation and what was adjusted. ``evaluations``: tree hash -> results, the newest last.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import N_, InvalidInput
from core.files import locked, write_durably

FILE = "records.json"
MOST_EVALUATIONS = 20
Record = dict[str, Any]


def archive(folder: Path, file_name: str) -> Record | None:
    """{"sha256", "url", "seen_at"} of an archive downloaded before, or None."""
    return _part(_read(folder), "archives").get(file_name)


def keep_archive(folder: Path, file_name: str, facts: Record) -> None:
    """Remember the archive; a later one of this name must have the same hash."""
    _change(folder, lambda all_: _part(all_, "archives").update({file_name: facts}))


def installed(folder: Path, name: str) -> Record | None:
    """{"source", "archive_sha256", "tree_hash", "adjusted", "at"} of an installation, or None."""
    return _part(_read(folder), "installed").get(name)


def keep_installed(folder: Path, name: str, facts: Record) -> None:
    _change(folder, lambda all_: _part(all_, "installed").update({name: facts}))


def forget_installed(folder: Path, name: str) -> None:
    _change(folder, lambda all_: _part(all_, "installed").pop(name, None))


def evaluations(folder: Path, tree_hash: str) -> list[Record]:
    """Results of this very model, oldest first; see ``transcribe.evaluate.summary``."""
    found: list[Record] = _part(_read(folder), "evaluations").get(tree_hash, [])
    return found


def keep_evaluation(folder: Path, tree_hash: str, result: Record) -> None:
    """Add a result; one of the same set made earlier is replaced."""

    def add(all_: Record) -> None:
        table = _part(all_, "evaluations")
        others = [old for old in table.get(tree_hash, []) if old.get("set") != result.get("set")]
        table[tree_hash] = [*others, result][-MOST_EVALUATIONS:]

    _change(folder, add)


def _part(all_: Record, name: str) -> Record:
    part: Record = all_.setdefault(name, {})
    return part


def _read(folder: Path) -> Record:
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InvalidInput(
            N_("%(path)s is damaged. Mend it, or remove it: hashes and measurements in it go."),
            field="model",
            params={"path": str(path)},
        )
    return content


def _change(folder: Path, how: Callable[[Record], object]) -> None:
    with locked(folder / ".records.lock"):
        content = _read(folder)
        how(content)
        written = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        write_durably(folder / FILE, written.encode(), mode=0o644)
