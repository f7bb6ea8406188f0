"""Room on the box's disk: for clips, and for the sound they are decoded to."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from edge.config import Home, Settings
from edge.errors import DiskFull
from edge.manifest import ClipRef

log = logging.getLogger(__name__)
_MB = 1_000_000
_PCM_BYTES_A_SECOND = 2 * 48_000
_LEFT_BY_PCM_BYTES = 4 * _MB
"""Decoded sound may use what is kept free of clips, all but this."""


class Room:
    """Decides what is removed when the disk or the budget of clips does not suffice.

    What was fetched costs the village's link, so nothing is removed that does not make the
    difference.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._soon: frozenset[str] = frozenset()
        self._held_bytes = 0

    def hold(self, soon: Iterable[ClipRef], not_ready: Iterable[ClipRef]) -> None:
        """What is ``not_ready`` is decoded next: no clip but those of ``soon`` may take its room,
        or it would be removed and fetched again with every play.
        """
        self._soon = frozenset(clip.sha256 for clip in soon)
        waiting = {clip.sha256: clip for clip in not_ready}
        self._held_bytes = sum(self._pcm_bytes(clip) for clip in waiting.values())

    def for_clip(self, clip: ClipRef, wanted: Iterable[str], later: Sequence[str] = ()) -> None:
        """Remove clips until what is missing of ``clip`` fits; else DiskFull.

        Those of no play go first, the oldest before the others; then those of ``later`` (in the
        order of use), the one needed last before the others; those ``wanted`` never.
        """
        part = self._home.clips / clip.sha256[:2] / f"{clip.sha256}.part"
        missing_bytes = clip.size_bytes - _size(part)
        limit_bytes = int(self._settings.cache_limit_mb * _MB)
        held_bytes = 0 if clip.sha256 in self._soon else self._held_bytes

        def lacking_bytes() -> int:
            in_budget, on_disk = limit_bytes - self.used_bytes(), self._free_bytes() - held_bytes
            return missing_bytes - min(in_budget, on_disk)

        self._remove(lacking_bytes, {*wanted, clip.sha256}, later)

    def for_pcm(self, clip: ClipRef, later: Sequence[str] = ()) -> None:
        """The same for the decoded sound of ``clip``; what sounds soon is not removed for it."""
        needed_bytes = self._pcm_bytes(clip) + _LEFT_BY_PCM_BYTES

        def lacking_bytes() -> int:
            return needed_bytes - shutil.disk_usage(self._home.folder).free

        self._remove(lacking_bytes, {*self._soon, clip.sha256}, later)

    def files(self) -> list[Path]:
        """All clips, parts included. A folder that cannot be read is left out."""
        return [
            Path(folder, name) for folder, _, names in os.walk(self._home.clips) for name in names
        ]

    def used_bytes(self) -> int:
        """Sum of all clips, parts included."""
        return sum(_size(file) for file in self.files())

    def _free_bytes(self) -> int:
        """What the disk has left above the reserve; below 0 while decoded sound uses that."""
        reserve_bytes = int(self._settings.disk_reserve_mb * _MB)
        return shutil.disk_usage(self._home.folder).free - reserve_bytes

    def _remove(
        self, lacking_bytes: Callable[[], int], keep: set[str], later: Sequence[str]
    ) -> None:
        lacking = lacking_bytes()
        if lacking <= 0:
            return
        use = {sha256: place for place, sha256 in reversed([*enumerate(later)])}
        spare = [file for file in self.files() if _clip_of(file) not in keep]
        spare.sort(key=lambda file: (-use.get(_clip_of(file), len(use) + 1), _age(file)))
        if lacking > sum(_size(file) for file in spare):
            raise DiskFull(f"no room for sound: {lacking / _MB:.1f} MB are lacking")
        while spare and lacking_bytes() > 0:
            remove(spare.pop(0))

    def _pcm_bytes(self, clip: ClipRef) -> int:
        length_s = min(clip.duration_ms / 1000, self._settings.longest_play_s)
        return int(length_s * _PCM_BYTES_A_SECOND)


def remove(file: Path) -> None:
    """One file that cannot be removed must not keep the others."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        log.error("%s cannot be removed: %s", file, error)


def _clip_of(file: Path) -> str:
    return file.name.removesuffix(".part")


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
