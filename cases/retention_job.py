"""保存期限: deletes once a day what is due, a report at a time, and finishes what was cut off.

Each report is a transaction of its own; the files go after it. Being killed anywhere, running
twice or in two processes at once changes nothing but when a file goes: what is left to do is read
from the rows. One report that fails is logged and tried again the next day.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from cases import retention, retention_clock, retention_sound, retention_words
from cases.models import Report, RetentionWatch
from cases.retention import Periods
from cases.retention_clock import Watch
from core import leases, leaving, unfinished
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry, OutboxEvent
from core.settings import Settings
from transcribe import grammar_forget

LOOK_EVERY_S = 600.0
THE_ROW = 1
LATELY = timedelta(days=7)
GIVE_UP_AFTER = 20
"""So many failures one after the other are no matter of single reports."""
Beyond = Callable[[Database, datetime, Callable[[], bool]], int]
"""What another room forgets, (database, words older than this, may go on) -> how many rows."""
log = structlog.get_logger("cases.retention")


@dataclass(frozen=True)
class Run:
    """What one run did. ``unfinished``: sounds in the making that a power cut left behind;
    ``cut_off``: it was asked to stop, or too much failed."""

    sounds: int = 0
    words: int = 0
    cases: int = 0
    elsewhere: int = 0
    files: int = 0
    failed: int = 0
    cut_off: bool = False
    unfinished: int = 0


class RetentionKeeper:
    """Background service; of all processes on this database the one with the duty works."""

    name = "retention"

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        settings: Settings,
        duty: leases.Duty,
        *,
        beyond: Sequence[Beyond] = (),
    ) -> None:
        self._database, self._store, self._duty = database, store, duty
        self._settings = settings
        self._periods = Periods.from_settings(settings)
        self._beyond = beyond
        self._stopped = threading.Event()
        self._failures_in_a_row = 0

    def run_forever(self) -> None:
        """Look every ten minutes until ``stop``; the run itself is once a day."""
        while True:
            try:
                self.look()
            except sa.exc.SQLAlchemyError as error:
                log.warning("deleting what is due waits", why=str(error)[:200])
            if self._stopped.wait(LOOK_EVERY_S):
                return

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> Run | None:
        """One look at the clock, and the day's run when it is time; None when it is not."""
        if not self._may_go_on():
            return None
        now = utc_now()
        watch = self._watch(now)
        if not watch.may_delete(now) or not watch.is_time(now):
            return None
        done = self.run(now)
        if not done.cut_off:
            self._note_run(now)
        return done

    def run(self, now: datetime) -> Run:
        """Delete all that is due; the clock was judged by whoever calls this."""
        self._failures_in_a_row = 0
        database, periods = self._database, self._periods
        sound_before, words_before = now - periods.audio, now - periods.words
        finished = leaving.remove_left(database, self._store)
        with database.read() as session:
            columns = leaving.uses(session)
        sounds = self._each(
            retention.with_sound(sound_before),
            lambda one: retention_sound.forget(database, one, columns, periods.audio, now),
        )
        words = self._each(
            retention.with_words(words_before),
            lambda one: retention_words.forget(database, one, periods.words, now),
        )
        cases = self._each(
            retention.cases_with_words(words_before),
            lambda one: retention_words.forget_case(database, one, columns, periods.words, now),
        )
        elsewhere = self._elsewhere(words_before, now)
        files = finished + leaving.remove_left(database, self._store)
        done = Run(
            sounds.done, words.done, cases.done, elsewhere.done, files,
            sounds.failed + words.failed + cases.failed + elsewhere.failed, self._is_cut_off(),
            unfinished.remove(self._settings, self._store),
        )  # fmt: skip
        log.info("what was due is deleted", **vars(done))
        return done

    def _elsewhere(self, before: datetime, now: datetime) -> _Count:
        rooms = [partial(room, self._database, before, self._may_go_on) for room in self._beyond]
        count = _Count()
        for room in (*rooms, partial(self._forget_taught, now)):
            try:
                count = replace(count, done=count.done + room())
            except Exception as error:  # the other rooms and the files go on
                count = replace(count, failed=count.failed + 1)
                log.error("another room could not forget what is due", error=repr(error)[:500])
        return count

    def _forget_taught(self, now: datetime) -> int:
        """Whenever words went: lately too, for the last run may have been cut off before this."""
        lately = sa.select(Report.id).where(Report.words_gone_at > now - LATELY).limit(1)
        with self._database.read() as session:
            if session.scalar(lately) is None or not self._may_go_on():
                return 0
        return grammar_forget.forget_deleted(self._database, self._settings)

    def _each(self, due: sa.Select[int], forget: Callable[[int], object]) -> _Count:
        with self._database.read() as session:
            ids = session.scalars(due).all()
        return self._all_of(ids, forget)

    def _all_of(self, ids: Iterable[int], forget: Callable[[int], object]) -> _Count:
        count = _Count()
        for one in ids:
            if self._is_cut_off() or not self._may_go_on():
                break
            try:
                count = replace(count, done=count.done + bool(forget(one)))
                self._failures_in_a_row = 0
            except Exception as error:  # whatever is the matter with this one, the others go on
                count = replace(count, failed=count.failed + 1)
                self._failures_in_a_row += 1
                log.error("what is due could not be deleted", id=one, error=repr(error)[:500])
        return count

    def _is_cut_off(self) -> bool:
        return self._stopped.is_set() or self._failures_in_a_row >= GIVE_UP_AFTER

    def _may_go_on(self) -> bool:
        return not self._stopped.is_set() and self._duty.is_ours()

    def _watch(self, now: datetime) -> Watch:
        """Look at the clock and write down that we did."""
        with self._database.write() as session:
            row = session.get(RetentionWatch, THE_ROW, with_for_update=True)
            before = Watch(row.looked_at, row.not_before, row.ran_at) if row else None
            after = retention_clock.look(before, newest_known(session), now)
            if row is None:
                row = RetentionWatch(id=THE_ROW)
                session.add(row)
            row.looked_at, row.not_before = after.looked_at, after.not_before
        if before is None or after.not_before > before.not_before:
            log.warning("nothing is deleted for a while", until=after.not_before.isoformat())
        return after

    def _note_run(self, now: datetime) -> None:
        with self._database.write() as session:
            session.get_one(RetentionWatch, THE_ROW).ran_at = now


@dataclass(frozen=True)
class _Count:
    done: int = 0
    failed: int = 0


def newest_known(session: Session) -> datetime | None:
    """When the database last heard of anything, by the order of what came."""
    newest = [
        session.scalar(sa.select(AuditEntry.at).order_by(AuditEntry.id.desc()).limit(1)),
        session.scalar(sa.select(OutboxEvent.created_at).order_by(OutboxEvent.id.desc()).limit(1)),
    ]
    return max((at for at in newest if at is not None), default=None)
