"""What the hotline of the call benchmark finds in its folder, and what it leaves there.

Spoken prompts, a village whose line is dialled, reference numbers, a live process that hears of
growing takes; afterwards a journal of each call.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import statistics
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.town import CACHE, LANGUAGE
from cases import references
from core.settings import Settings
from hotline import directory, journal, prompts
from hotline.directory import Directory, Village
from hotline.journal import Entry
from hotline.number_block import LOW_WATER, NumberBlock
from transcribe import stream
from transcribe.stream import News

CALLED = "hotline"
VILLAGE = Village("371302001001", "柳树沟村", poster_code="101", sound="name.wav")


def furnish(folder: Path, calls: int) -> None:
    """Lay out what ``calls`` callers need; the first time of all the prompts are spoken."""
    spoken = Settings(data_dir=CACHE, hotline_languages=LANGUAGE)
    ready = prompts.prepare(spoken)
    settings = Settings(data_dir=folder)
    shutil.copytree(spoken.folder("prompts"), settings.folder("prompts"), dirs_exist_ok=True)
    [name] = ready.sounds(["found"])
    shutil.copy(name, directory.folder(settings) / str(VILLAGE.sound))
    places = {VILLAGE.code: VILLAGE}
    directory.store(settings, Directory(places, lines={CALLED: VILLAGE.code}))
    bodies = [f"{12340000 + step:08d}" for step in range(calls + LOW_WATER)]
    numbers = [body + references.check_digit(body) for body in bodies]
    NumberBlock.from_settings(settings).add(numbers)


@dataclass(frozen=True)
class Left:
    """What is left of a round.

    ``whole``: calls that lack nothing: consent, village, one finished take, a number nobody else
    got. ``mean_s``: how long these lasted, None when there are none.
    """

    whole: int
    mean_s: float | None


def left(folder: Path) -> Left:
    """Judge the journals and takes in the spool."""
    spool = journal.spool_of(Settings(data_dir=folder))
    lasted_s: dict[str, float] = {}
    for call in spool.iterdir():
        entry = _entry(call)
        if entry is not None and entry.reference_no is not None and _is_whole(call, entry):
            lasted_s[entry.reference_no] = _lasted_s(entry)
    return Left(len(lasted_s), statistics.mean(lasted_s.values()) if lasted_s else None)


def _entry(call: Path) -> Entry | None:
    try:
        return Entry.parse((call / journal.CALL_FILE).read_text(encoding="utf-8"))
    except (OSError, journal.Damaged):
        return None


def _is_whole(call: Path, entry: Entry) -> bool:
    went_well = entry.finished and entry.end_cause == "completed" and not entry.call_back_promised
    known = entry.consent_channel == "key" and entry.village_code == VILLAGE.code
    kept = [path.name for path in call.glob("take-*")] == ["take-1.pcm"]
    told = [(take.name, take.reason) for take in entry.takes] == [("take-1.pcm", "stopped")]
    return went_well and known and kept and told


def _lasted_s(entry: Entry) -> float:
    began, ended = (datetime.fromisoformat(at) for at in (entry.started_at, str(entry.ended_at)))
    return (ended - began).total_seconds()


@contextlib.contextmanager
def live_process(folder: Path) -> Iterator[set[str]]:
    """Listens in the live decoder's place; yields the takes it is told of."""
    path = stream.socket_path(Settings(data_dir=folder))
    told: set[str] = set()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(path))
        listener = threading.Thread(target=_listen, args=(line, told))
        listener.start()
        try:
            yield told
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as goodbye:
                goodbye.sendto(b"", str(path))
            listener.join()


def _listen(line: socket.socket, told: set[str]) -> None:
    while data := line.recv(65_536):
        told.add(News.decode(data).key)
