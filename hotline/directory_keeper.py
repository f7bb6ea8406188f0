"""Keeps telephony's directory true: writes it when something changed, renders its sounds.

Sounds are made one by one beside everything else; a village whose name is not rendered yet is in
the directory without its sound. Files are named by what is in them, so nothing is made twice, not
even after a restart. What is no longer named goes some hours later: a call may still play it.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core import bell
from core.blobs import BlobStore
from core.database import Database
from core.errors import XiangyinError
from core.files import write_durably
from core.outbox import Handler
from core.settings import Settings
from hotline import directory, directory_source, prompt_sound
from hotline.directory import Directory, Village
from hotline.directory_source import Place, Sound, Wanted
from hotline.patience import Patience
from hotline.presence import is_there
from recordings.sound import to_wav

LOOK_EVERY_S = 5.0
LEAST_GAP_S = 2.0
"""News comes in bursts, and a county is read in a tenth of a second."""
RENDER_FOR_S = 3.0
"""Then it looks again: a duty phone changed meanwhile must not wait for 500 names."""
RETRY_S = 60.0
STALE_AFTER_S = 21_600.0
"""A call plays what was named when it began, and the news of a village may last for hours."""
RATE_WPM = 200
VOICE = "cmn"
BELL = "directory"
NEWS_OF = ("episode.changed", "slot.changed", "area.changed")
log = structlog.get_logger("hotline.directory_keeper")


def handlers() -> list[tuple[str, Handler]]:
    """(kind, handler) pairs for the dispatcher."""
    return [(kind, _ring) for kind in NEWS_OF]


def _ring(_session: Session, _payload: dict[str, Any]) -> None:
    bell.ring(BELL)


class DirectoryKeeper:
    """Background service of the web process."""

    name = "hotline-directory"

    def __init__(self, database: Database, store: BlobStore, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._folder = directory.folder(settings)
        self._stop = threading.Event()
        self._patience = Patience([RETRY_S])
        self._unused_since: dict[str, float] = {}

    def run_forever(self) -> None:
        """Work until ``stop``; wakes on news, at the latest every five seconds."""
        with bell.Bell(BELL) as waiting:
            while not self._stop.is_set():
                try:
                    more = self.run_once()
                except (sa.exc.SQLAlchemyError, OSError) as error:
                    log.warning("the directory waits", error=type(error).__name__)
                    more = False
                if not more:
                    self._stop.wait(LEAST_GAP_S)
                    waiting.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stop.set()
        bell.ring(BELL)

    def run_once(self) -> bool:
        """Publish what is there, render for a while; whether more is missing."""
        if not is_there(self._database):
            raise FileNotFoundError("the database file is missing")
        with self._database.read() as session:
            wanted = directory_source.read(session)
        self._publish(wanted)
        sounds = wanted.sounds()
        is_whole = self._render(sounds)
        self._publish(wanted)
        self._remove_stale({sound.file for sound in sounds})
        return not is_whole

    def _render(self, sounds: list[Sound]) -> bool:
        """Make what is missing until time is up; False when some are left for the next time."""
        ends_at = time.monotonic() + RENDER_FOR_S
        for sound in sounds:
            if self._stop.is_set() or time.monotonic() > ends_at:
                return False
            self._make(sound)
        return True

    def _publish(self, wanted: Wanted) -> None:
        there = {path.name for path in self._folder.glob("*.wav")}
        villages = {place.code: _village(place, there) for place in wanted.places}
        zone = self._settings.zone
        directory.store(self._settings, Directory(villages, wanted.lines, wanted.phones, zone))

    def _make(self, sound: Sound) -> None:
        path = self._folder / sound.file
        if path.is_file() or not self._patience.is_due(sound.file):
            return
        try:
            write_durably(path, self._wav(sound), mode=0o644)
        except (XiangyinError, OSError) as error:
            self._patience.failed(sound.file)
            log.warning("a sound of the directory could not be made", file=sound.file,
                        text=sound.text, error=str(error)[:200])  # fmt: skip
        else:
            self._patience.succeeded(sound.file)

    def _wav(self, sound: Sound) -> bytes:
        if sound.text:
            return prompt_sound.wav_bytes(
                prompt_sound.spoken(sound.text, RATE_WPM, VOICE).tobytes()
            )
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "episode.wav"
            to_wav(self._store.existing_path(sound.sha256), wav, rate_hz=prompt_sound.RATE_HZ)
            return wav.read_bytes()

    def _remove_stale(self, named: set[str]) -> None:
        now = time.monotonic()
        unused = {path.name: path for path in self._folder.glob("*.wav") if path.name not in named}
        since = {name: self._unused_since.get(name, now) for name in unused}
        for name, path in unused.items():
            if now - since[name] >= STALE_AFTER_S:
                path.unlink(missing_ok=True)
                del since[name]
        self._unused_since = since


def _village(place: Place, there: set[str]) -> Village:
    return Village(
        code=place.code,
        name=place.name,
        poster_code=place.poster_code,
        sound=place.sound.file if place.sound.file in there else None,
        news=tuple(sound.file for sound in place.news if sound.file in there),
    )
