"""Sound that is heard while it is still being recorded: how to announce it, how to ask for words.

Whoever writes a growing file tells the live process (``python -m transcribe live``) by datagrams
that cost microseconds and may be lost: ``grows`` at least once a second, ``done`` or ``gone`` at
the end. What was heard lies in ``<data_dir>/streams/<key>.json`` until it is used or swept. It
counts only for the very bytes, model and configuration a decoder would use; everything else is
decoded from the stored sound, so a stream that breaks costs time and nothing more.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from core.errors import N_, InvalidInput
from core.settings import Settings
from transcribe.recogniser import Recognition

KEEP_S = 6 * 3600
"""What nobody asked for within this time is decoded from the stored sound instead."""

BELL = "transcribe"
"""Rings for the decoders of the office: a sound waits, or was heard."""

LOOK_EVERY_S = 0.02
WAIT_S = 0.2
"""A decoder waits so long for a stream's last words before it turns to other sounds."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class GrowingSound:
    """One sound in raw PCM16LE mono: these files one after the other; the last one grows.

    While it grows it may be called ``<path>.part``. Each file has ``skip_bytes`` before its first
    sample (44 for a WAV file with the usual header).
    """

    paths: tuple[str, ...]
    rate_hz: int
    skip_bytes: int = 0


@dataclass(frozen=True)
class News:
    """What one datagram says. ``sound`` is there when it grows."""

    what: Literal["grows", "done", "gone"]
    key: str
    sound: GrowingSound | None = None

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what ``encode`` wrote; ValueError for anything else."""
        try:
            told = json.loads(data)
            sound = told["sound"]
            if sound is not None:
                sound = GrowingSound(tuple(map(str, sound["paths"])), int(sound["rate_hz"]),
                                     int(sound["skip_bytes"]))  # fmt: skip
            news = cls(told["what"], str(told["key"]), sound)
        except (TypeError, KeyError) as error:
            raise ValueError(f"no news: {error!r}") from error
        known = news.what in ("grows", "done", "gone") and _KEY.fullmatch(news.key)
        if not known or (news.what == "grows") != bool(sound and sound.paths):
            raise ValueError("no news")
        return news


class StillHeard(Exception):
    """The live process is not done with this sound yet; its bell rings when it is."""


def check_key(key: str) -> str:
    """``key``, if it can name a stream; else InvalidInput."""
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            N_("A stream's key has at most 100 letters, digits, dots, - and _."), field="stream_key"
        )
    return key


class Announcer:
    """Tells the live process of growing sound. Never waits and never fails: nobody may be there."""

    def __init__(self, settings: Settings) -> None:
        self._path = str(socket_path(settings))
        self._off = settings.live_streams == 0

    def grows(
        self, key: str, path: Path, rate_hz: int, *, after: Sequence[Path] = (), skip_bytes: int = 0
    ) -> None:
        """``path`` grows; ``after`` are finished files whose sound comes first.

        Say it at once and then every second: a live process that was started anew learns it so,
        and one that hears nothing any more takes the sound as finished.
        """
        paths = tuple(str(one.absolute()) for one in (*after, path))
        self._tell(News("grows", check_key(key), GrowingSound(paths, rate_hz, skip_bytes)))

    def done(self, key: str) -> None:
        """The sound is complete and lies under its final name."""
        self._tell(News("done", check_key(key)))

    def gone(self, key: str) -> None:
        """Nobody will ask for this sound's words: throw away what was heard."""
        self._tell(News("gone", check_key(key)))

    def _tell(self, news: News) -> None:
        if self._off:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                line.sendto(news.encode(), self._path)
        except OSError:
            return  # away or busy: the stored sound will be decoded


@dataclass(frozen=True)
class Standing:
    """How a stream that is being heard stands, for whoever might wait for it."""

    model_hash: str
    config_hash: str
    ended: bool


class Shelf:
    """The folder of the streams: what is being heard, and what was heard."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.folder("streams")
        self._socket = socket_path(settings)

    def result_path(self, key: str) -> Path:
        return self.folder / f"{check_key(key)}.json"

    def put(self, key: str, pcm_sha256: str, standing: Standing, heard: Recognition) -> None:
        """Store what was heard, whole or not at all; OSError when the disk refuses."""
        content = {
            "pcm_sha256": pcm_sha256,
            "model_hash": standing.model_hash,
            "config_hash": standing.config_hash,
            "heard": heard.to_json(),
        }
        _replace(self.result_path(key), content)

    def get(
        self, key: str, *, pcm_sha256: str, model_hash: str, config_hash: str
    ) -> Recognition | None:
        """What was heard of exactly this sound by exactly this model and configuration, or None."""
        found = _read(self.result_path(key))
        wanted = {"pcm_sha256": pcm_sha256, "model_hash": model_hash, "config_hash": config_hash}
        if found is None or any(found.get(name) != value for name, value in wanted.items()):
            return None
        try:
            return Recognition.from_json(found["heard"])
        except (KeyError, TypeError, AttributeError):
            return None

    def ready(self) -> list[str]:
        """Keys of the streams that were heard to their end, whatever they are good for."""
        return [path.stem for path in self.folder.glob("*.json") if not path.name.startswith(".")]

    def wait(
        self, key: str, *, pcm_sha256: str, model_hash: str, config_hash: str, wait_s: float
    ) -> Recognition | None:
        """As ``get``, waiting at most ``wait_s`` while the live process is still busy with it."""
        deadline = time.monotonic() + wait_s
        while True:
            busy = self.busy(key, model_hash=model_hash, config_hash=config_hash)
            found = self.get(
                key, pcm_sha256=pcm_sha256, model_hash=model_hash, config_hash=config_hash
            )
            if found is not None or not busy or time.monotonic() >= deadline:
                return found
            time.sleep(LOOK_EVERY_S)

    def fetch(
        self, key: str, *, pcm_sha256: str, model_hash: str, config_hash: str
    ) -> Recognition | None:
        """As ``get``, for a decoder that would have to decode the sound otherwise.

        Waits a moment when the live process is about to finish; StillHeard when it needs longer.
        What counts for nothing is thrown away.
        """
        wanted = {"model_hash": model_hash, "config_hash": config_hash}
        found = self.wait(key, pcm_sha256=pcm_sha256, **wanted, wait_s=WAIT_S)
        if found is None:
            if self.busy(key, **wanted):
                raise StillHeard
            self.forget(key)
        return found

    def busy(self, key: str, *, model_hash: str, config_hash: str) -> bool:
        """Whether a live process hears this stream now, with this model and configuration."""
        standing = _read(self._standing_path(key))
        wanted = {"model_hash": model_hash, "config_hash": config_hash}
        if standing is None or any(standing.get(name) != value for name, value in wanted.items()):
            return False
        return is_alive(self._socket)

    def stands(self, key: str, standing: Standing) -> None:
        """Note that a stream is being heard."""
        _replace(self._standing_path(key), asdict(standing))

    def over(self, key: str) -> None:
        """It is no longer being heard."""
        self._standing_path(key).unlink(missing_ok=True)

    def forget(self, key: str) -> None:
        """Throw away what was heard."""
        self.result_path(key).unlink(missing_ok=True)

    def sweep(self, *, keep_s: float = KEEP_S) -> int:
        """Throw away what is older than ``keep_s``; returns how many files went."""
        old = time.time() - keep_s  # the file system's clock, so not core.clock
        left = [path for path in self.folder.iterdir() if path.stat().st_mtime < old]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def clear_standings(self) -> None:
        """At the start of a live process: nothing is being heard."""
        for path in self.folder.glob("*.live"):
            path.unlink(missing_ok=True)

    def _standing_path(self, key: str) -> Path:
        return self.folder / f"{check_key(key)}.live"


def socket_path(settings: Settings) -> Path:
    """Where the live process listens."""
    return settings.socket_folder() / "live.sock"


def is_alive(path: Path) -> bool:
    """Whether somebody listens at the socket ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        try:
            line.connect(str(path))
        except OSError:
            return False
    return True


def _replace(path: Path, content: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(content, out, ensure_ascii=False)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
