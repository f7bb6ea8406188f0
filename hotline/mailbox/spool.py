"""Watches a folder with Asterisk's voicemail layout: <context>/<box>/INBOX/msg0000.txt, .wav.

The folder is only read. Asterisk writes a message in tmp/ and gives sound and text their names in
this order, so a text means: complete. It numbers messages anew when others are deleted, so a name
says nothing: a message is known by its msg_id, else by its sound.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from core.settings import Settings
from hotline.mailbox import words
from hotline.mailbox.condition import Condition
from hotline.mailbox.entering import Entering, Voicemail
from hotline.patience import Patience
from hotline.presence import Away

LOOK_EVERY_S = 5.0
WAIT_S = (1.0, 2.0, 5.0, 10.0, 30.0)
SETTLED_S = 10.0
"""A file untouched this long is complete; a younger one has to look the same twice."""
ALONE_S = 60.0
"""Sound whose text did not come in this time is taken without it."""
UNFINISHED_S = 600.0
"""A WAV shorter than its own header says is being copied; after this it counts as cut off."""
STUCK_WAIT_S = 60.0
DEEPEST = 5
ENDINGS = (".wav", ".flac", ".WAV", ".wav49", ".gsm", ".ogg", ".mp3", ".m4a", ".amr", ".opus")
"""The best first: Asterisk can keep one message in several formats."""
NOT_HERE = frozenset({"tmp", "Deleted", "Trash"})
_MESSAGE = re.compile(r"msg\d{4,}")
log = structlog.get_logger("hotline.mailbox")

Mark = tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """One message of the folder: its sound and, once it is there, its text."""

    sound: Path
    text: Path | None

    def mark(self) -> Mark:
        """Changes when either file does; OSError when one is gone."""
        files = [self.sound] + ([self.text] if self.text else [])
        stats = [path.stat() for path in files]
        return tuple(part for s in stats for part in (s.st_ino, s.st_size, s.st_mtime_ns))


class SpoolWatcher:
    """Background duty of the web process."""

    name = "voicemail-folder"

    def __init__(self, entering: Entering, settings: Settings, folder: Path) -> None:
        self._entering = entering
        self._incoming = settings.folder("incoming")
        self._folder = folder
        self._condition = Condition(settings, "spool")
        self._stop = threading.Event()
        self._done: set[Mark] = set()
        self._first_seen: dict[Mark, float] = {}
        self._patience = Patience([STUCK_WAIT_S])

    def run_forever(self) -> None:
        """Look every five seconds until ``stop``; slower while the database is away."""
        failures = 0
        while not self._stop.is_set():
            try:
                self.run_once()
                failures, wait_s = 0, LOOK_EVERY_S
            except Away as error:
                wait_s = WAIT_S[min(failures, len(WAIT_S) - 1)]
                failures += 1
                log.warning("voicemails wait for the database", why=str(error)[:200])
            self._stop.wait(wait_s)

    def stop(self) -> None:
        self._stop.set()

    def run_once(self) -> int:
        """Take in what is complete; returns how many messages were dealt with. Raises Away."""
        unreadable: list[OSError] = []
        try:
            pairs = list(find(self._folder, unreadable))
        except OSError as error:
            self._condition.has_problem("folder", error.strerror or "unreadable")
            return 0
        present: set[Mark] = set()
        taken, failed = 0, unreadable[0].strerror if unreadable else None
        for pair in pairs:
            if self._stop.is_set():
                return taken
            mark: Mark = ()
            try:
                mark = pair.mark()
                present.add(mark)
                taken += self._one(pair, mark)
            except FileNotFoundError:
                continue  # renamed or deleted this moment; the next look tells
            except Away:
                raise
            except Exception as error:  # whatever is the matter with it, the others go on
                failed = getattr(error, "strerror", None) or type(error).__name__
                self._patience.failed(mark)
                log.error("a voicemail could not be taken in; it stays", error=repr(error)[:200])
        self._done &= present
        self._patience.keep(present)
        for gone in self._first_seen.keys() - present:
            del self._first_seen[gone]
        if failed is not None:
            self._condition.has_problem("unreadable", failed)
        elif not self._patience.is_tried:
            self._condition.is_well()
        return taken

    def _one(self, pair: Pair, mark: Mark) -> int:
        if mark in self._done or not self._patience.is_due(mark):
            return 0
        now = time.monotonic()
        looked_before = mark in self._first_seen
        unchanged_s = max(
            now - self._first_seen.setdefault(mark, now),
            time.time() - max(mark[2::3]) / 1e9,  # the file system's clock, so not core.clock
        )
        if not _is_complete(pair, unchanged_s, looked_before=looked_before):
            return 0
        if self._take(pair, mark):
            self._done.add(mark)
            self._patience.succeeded(mark)
            return 1
        return 0

    def _take(self, pair: Pair, mark: Mark) -> bool:
        """Enter a copy; False when the message changed or got another number meanwhile."""
        with tempfile.TemporaryDirectory(dir=self._incoming) as folder:
            copy = Path(folder) / "voicemail"
            sha256 = _copy(pair.sound, copy)
            text = pair.text.read_bytes()[: words.LONGEST_TEXT] if pair.text else b""
            if pair.mark() != mark:
                return False
            told = words.of_asterisk_text(text.decode("utf-8", errors="replace"))
            self._entering.enter(
                Voicemail(
                    key=_key(told, sha256),
                    source="spool",
                    audio_path=copy,
                    seen_at=datetime.fromtimestamp(max(mark[2::3]) / 1e9, UTC),
                    told=told,
                )
            )
        return True


def find(folder: Path, unreadable: list[OSError]) -> Iterator[Pair]:
    """All messages below ``folder``, by path; OSError when the folder cannot be read.

    Boxes that cannot be read are passed over, and why is put into ``unreadable``.
    """
    yield from _find(folder, 0, unreadable)


def _find(folder: Path, depth: int, unreadable: list[OSError]) -> Iterator[Pair]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    names = {entry.name for entry in found}
    for stem in sorted({name.partition(".")[0] for name in names}):
        sound = next((stem + ending for ending in ENDINGS if stem + ending in names), None)
        if sound is not None and _MESSAGE.fullmatch(stem):
            text = folder / f"{stem}.txt" if f"{stem}.txt" in names else None
            yield Pair(folder / sound, text)
    for entry in found:
        if depth < DEEPEST and entry.name not in NOT_HERE and entry.is_dir(follow_symlinks=False):
            try:
                yield from _find(folder / entry.name, depth + 1, unreadable)
            except FileNotFoundError:
                continue  # this box was removed while we looked
            except OSError as error:
                unreadable.append(error)


def _is_complete(pair: Pair, unchanged_s: float, *, looked_before: bool) -> bool:
    if not (looked_before or unchanged_s >= SETTLED_S):
        return False
    if pair.text is None and unchanged_s < ALONE_S:
        return False
    return unchanged_s >= UNFINISHED_S or not _is_half_a_wav(pair.sound)


def _is_half_a_wav(sound: Path) -> bool:
    with sound.open("rb") as stream:
        head = stream.read(8)
        if head[:4] != b"RIFF" or len(head) < 8:
            return sound.suffix.lower() == ".wav"
        declared = int.from_bytes(head[4:], "little")
        unknown = declared in (0, 0xFFFFFFFF)
        return not unknown and os.fstat(stream.fileno()).st_size < declared + 8


def _copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as stream, target.open("wb") as out:
        while data := stream.read(1 << 20):
            digest.update(data)
            out.write(data)
    return digest.hexdigest()


def _key(told: words.Told, sha256: str) -> str:
    """``told`` with its time: an id that was used twice must not cost the second voice."""
    if told.message_id is None:
        return f"spool:sound:{sha256}"
    said = f"{told.message_id}\x1f{told.received_at}"
    return f"spool:{hashlib.sha256(said.encode()).hexdigest()[:40]}"
