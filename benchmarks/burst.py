"""Two hundred messages at once, bad ones among them: nothing lost, nobody waits behind the long.

Real worker processes on SQLite, one for each core, which have decoded some sounds before, as in
an office: they are loaded and their pace is known. In the same run: the good messages alone
(clean, twice), the same with 5 % poison and a worker killed in the middle (faulty), and the good
ones first in, first out without pausing (fifo). Targets: none lost, at least 0.9 of the clean
run's goodput, and a median wait of the short ones of at most 0.3 of fifo's.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks import burst_sounds
from benchmarks.burst_sounds import Message
from benchmarks.harness import Figure, Result, result
from core import blobs, migrate
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.settings import Settings
from core.supervisor import FIRST_PAUSE_S
from transcribe import failures, jobs
from transcribe.hearer import KNOWN_AFTER
from transcribe.models import Transcript, TranscriptionJob

ROOT = Path(__file__).resolve().parent.parent
WORKER = "benchmarks.burst_worker"
TARGETS = {
    "lost": "== 0",
    "good_without_words": "== 0",
    "goodput_faulty_to_clean": ">= 0.9",
    "short_wait_to_fifo": "<= 0.3",
}
QUICK_TARGETS = {"lost": "== 0", "good_without_words": "== 0", "short_wait_to_fifo": "<= 0.6"}
"""A short run is mostly start-up: a killed worker is away for a large part of it."""

FULL_POISON = ["crash"] * 3 + ["abort"] * 2 + ["swell"] * 2 + ["spin"] * 2 + ["junk"]
QUICK_POISON = ["crash", "swell", "junk"]
BUSY = 1.3
"""Two clean runs that differ by this factor: a machine too busy to compare runs."""

GIVE_UP_S = 600


@dataclass(frozen=True)
class Ended:
    """How one message ended. ``wait_s``: from asking to its end; None when it never ended."""

    message: Message
    state: str
    failure: str | None
    has_words: bool
    wait_s: float | None

    @property
    def is_lost(self) -> bool:
        """Neither words nor a failure that people can read."""
        if self.state == "done":
            return not self.has_words
        return self.state != "failed" or self.failure not in failures.FAILURES


def run(quick: bool) -> Result:
    """The benchmark; some 4 minutes on two free cores, ``quick`` under one."""
    targets = QUICK_TARGETS if quick else TARGETS
    if quick:
        sent = burst_sounds.messages(30, long_ones=3, poison=QUICK_POISON)
    else:
        sent = burst_sounds.messages(200, long_ones=30, poison=FULL_POISON)
    return measure(sent, targets)


def measure(sent: Sequence[Message], targets: Mapping[str, str], worker: str = WORKER) -> Result:
    """Do all runs and judge. ``worker``: module of the worker process."""
    good = [message for message in sent if message.poison is None]
    runs = {
        "clean": Burst(good, worker).run(),
        "faulty": Burst(sent, worker, kills=True).run(),
        "fifo": Burst(good, worker, first_in_first_out=True).run(),
        "clean_again": Burst(good, worker).run(),
    }
    return judge(runs, targets)


def judge(runs: Mapping[str, Sequence[Ended]], targets: Mapping[str, str]) -> Result:
    """Figures and verdict."""
    clean = (goodput(runs["clean"]) + goodput(runs["clean_again"])) / 2
    waits = {name: short_wait_s(ended) for name, ended in runs.items()}
    fair = statistics.mean((waits["clean"], waits["clean_again"]))
    faulty = runs["faulty"]
    failed = Counter(one.failure or "?" for one in faulty if one.state == "failed")
    figures: dict[str, Figure] = {
        "lost": sum(one.is_lost for ended in runs.values() for one in ended),
        "good_without_words": sum(
            one.state != "done"
            for ended in runs.values()
            for one in ended
            if one.message.poison is None
        ),
        "goodput_faulty_to_clean": round(goodput(faulty) / clean, 3) if clean else None,
        "short_wait_to_fifo": round(fair / waits["fifo"], 3) if waits["fifo"] else None,
        "messages": len(faulty),
        "sound_s": round(sum(one.message.duration_ms for one in faulty) / 1000),
        "goodput_clean_per_s": round(clean, 2),
        **{f"short_wait_{name}_s": round(wait_s, 2) for name, wait_s in waits.items()},
        "long_wait_clean_s": round(_longest_wait_s(runs["clean"]), 2),
        "failures": ", ".join(f"{name} {count}" for name, count in sorted(failed.items())),
    }
    return result("burst", figures, targets, invalid=_invalid(runs))


def _invalid(runs: Mapping[str, Sequence[Ended]]) -> str | None:
    one, other = goodput(runs["clean"]), goodput(runs["clean_again"])
    if max(one, other) > BUSY * min(one, other):
        return f"the machine is busy: {one:.1f} and {other:.1f} messages a second when clean"
    poison = {one.message.poison for one in runs["faulty"]} - {None}
    if not poison:
        return "nothing was poisoned"
    return None


def goodput(ended: Sequence[Ended]) -> float:
    """Good messages with words per second, until the last of them had its words."""
    waits = [one.wait_s for one in ended if one.message.poison is None and one.state == "done"]
    last_s = max((wait_s for wait_s in waits if wait_s is not None), default=0.0)
    return len(waits) / last_s if last_s else 0.0


def short_wait_s(ended: Sequence[Ended]) -> float:
    """Median wait of the good short messages; one that never ended waits for ever."""
    return statistics.median(
        one.wait_s if one.wait_s is not None else float("inf")
        for one in ended
        if one.message.poison is None and one.message.is_short
    )


def _longest_wait_s(ended: Sequence[Ended]) -> float:
    return max((one.wait_s or float("inf") for one in ended), default=0.0)


class Burst:
    """One run: all messages asked for at once, then workers, until everything has ended."""

    def __init__(
        self,
        sent: Sequence[Message],
        worker: str,
        *,
        kills: bool = False,
        first_in_first_out: bool = False,
    ) -> None:
        self._sent, self._worker = sent, worker
        self._kills, self._fifo = kills, first_in_first_out
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self) -> list[Ended]:
        """How each message ended, in the order of arrival."""
        with tempfile.TemporaryDirectory(prefix="xy-burst-", dir=burst_sounds.FOLDER) as name:
            folder = Path(name)
            config = Settings(data_dir=folder)
            (folder / "blobs").symlink_to(_shared_store())
            database = Database.from_settings(config)
            try:
                migrate.upgrade(database)
                store = BlobStore.from_settings(config)
                self._warm_up(database, store, folder)
                began_at = self._ask(database, store)
                self._see_through(database, folder)
                return self._ended(database, began_at)
            finally:
                self._stop_all()
                database.close()

    def _warm_up(self, database: Database, store: BlobStore, folder: Path) -> None:
        """Start the workers and let them decode until their pace is known."""
        paths = burst_sounds.sentences()[: 2 * KNOWN_AFTER]
        hashes = [store.put_file(path) for path in paths]
        with database.write() as session:
            for number, sha256 in enumerate(hashes):
                blobs.register(session, store, sha256, "audio/wav")
                jobs.enqueue(session, "episode", number, sha256, duration_ms=4_000)
        for number in range(len(os.sched_getaffinity(0))):
            self._start(f"decoder-{number + 1}", folder)
        give_up_at = time.monotonic() + GIVE_UP_S
        while _progress(database, "episode")[1] and time.monotonic() < give_up_at:
            time.sleep(0.1)

    def _ask(self, database: Database, store: BlobStore) -> datetime:
        hashes = [store.put_file(message.path) for message in self._sent]
        with database.write() as session:
            for number, (message, sha256) in enumerate(zip(self._sent, hashes, strict=True), 1):
                blobs.register(session, store, sha256, "audio/wav")
                jobs.enqueue(session, "report", number, sha256, duration_ms=message.duration_ms)
            if self._fifo:
                session.execute(
                    sa.update(TranscriptionJob)
                    .where(TranscriptionJob.subject_kind == "report")
                    .values(due_rank=TranscriptionJob.created_at, duration_ms=None)
                )
        return utc_now()

    def _see_through(self, database: Database, folder: Path) -> None:
        give_up_at, restart_at = time.monotonic() + GIVE_UP_S, 0.0
        half = sum(message.poison is None for message in self._sent) // 2
        victim = "decoder-1" if self._kills else ""
        while time.monotonic() < give_up_at:
            done, open_ones = _progress(database, "report")
            if not open_ones:
                return
            if victim and done >= half:
                self._processes[victim].send_signal(signal.SIGKILL)
                self._processes.pop(victim).wait()
                victim, restart_at = "", time.monotonic() + FIRST_PAUSE_S
            if restart_at and time.monotonic() >= restart_at:
                self._start("decoder-1", folder)
                restart_at = 0.0
            time.sleep(0.1)

    def _start(self, name: str, folder: Path) -> None:
        with (folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", self._worker, "--name", name],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, "XIANGYIN_DATA_DIR": str(folder)},
            )

    def _stop_all(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _ended(self, database: Database, began_at: datetime) -> list[Ended]:
        with database.read() as session:
            asked = sa.select(TranscriptionJob).where(TranscriptionJob.subject_kind == "report")
            words = sa.select(Transcript.subject_id).where(Transcript.subject_kind == "report")
            rows = {job.subject_id: job for job in session.scalars(asked)}
            heard = set(session.scalars(words))
        found = []
        for number, message in enumerate(self._sent, 1):
            job = rows[number]
            at = job.finished_at
            wait_s = None if at is None else (at - began_at).total_seconds()
            found.append(Ended(message, job.state, job.failure_code, number in heard, wait_s))
        return found


def _progress(database: Database, kind: str) -> tuple[int, int]:
    """How many jobs of a kind of subject are done, and how many have not ended."""
    with database.read() as session:
        rows = session.execute(
            sa.select(TranscriptionJob.state, sa.func.count())
            .where(TranscriptionJob.subject_kind == kind)
            .group_by(TranscriptionJob.state)
        )
        counts = {str(state): int(count) for state, count in rows}
    return counts.get("done", 0), counts.get("queued", 0) + counts.get("running", 0)


def _shared_store() -> Path:
    """One store for all runs: what is measured is decoding, not copying."""
    store = burst_sounds.FOLDER / "blobs"
    store.mkdir(parents=True, exist_ok=True)
    return store
