"""The sound of a report goes: original, renditions, muted copies and pictures, in one transaction.

The files themselves follow after the commit (core.leaving). A file that anything else names stays;
the report lets go of it all the same.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import retention
from cases.models import Report, ReportPhoto
from cases.retention import SUBJECT
from core import audit, leaving, outbox
from core.database import Database
from core.leaving import Uses
from recordings.models import Clip
from transcribe.models import RedactedSound, TranscriptionJob

ACTOR = "retention"
BECAUSE = "retention"


@dataclass(frozen=True)
class Held:
    """The files a report holds: ``sounds`` in all renditions, and ``photos``."""

    sounds: frozenset[str]
    photos: frozenset[str]

    @property
    def files(self) -> frozenset[str]:
        return self.sounds | self.photos


def files_of(session: Session, report: Report) -> Held:
    """Every file that came with the report or was made of what came."""
    jobs, muted = TranscriptionJob, RedactedSound
    queries = (
        sa.select(Report.audio_sha256).where(Report.id == report.id),
        sa.select(jobs.audio_sha256).where(_is(jobs, report)),
        sa.select(muted.audio_sha256).where(_is(muted, report)),
        sa.select(muted.sha256).where(_is(muted, report)),
    )
    sounds = {sha256 for query in queries for sha256 in session.scalars(query) if sha256}
    photos = session.scalars(
        sa.select(ReportPhoto.sha256).where(ReportPhoto.report_id == report.id)
    )
    return Held(frozenset(_with_renditions(session, sounds)), frozenset(photos))


def forget(
    database: Database, report_id: int, columns: Uses, keep: timedelta, now: datetime
) -> Held | None:
    """Let a report that is due lose its sound; what it held, None when it is not to lose any.

    Columns without a foreign key are long to look through: that is done before the write lock.
    """
    with database.read() as session:
        report = session.get(Report, report_id)
        if report is None or not retention.is_due(session, report, keep, now):
            return None
        seen = files_of(session, report).files
        named = leaving.still_named(session, columns.loose, seen)
    with database.write() as session:
        report = retention.locked(session, report_id)
        if report is None or not retention.is_due(session, report, keep, now):
            return None
        held = files_of(session, report)
        if not held.files <= seen or not _has_sound(session, report_id):
            return None  # something was made of it this moment: the next run sees all of it
        _let_go(session, report)
        gone = release(session, held.files - named, columns)
        _mark(session, report, now)
        audit.record(
            session, ACTOR, "retention.audio", f"report:{report.id}",
            sounds=len(held.sounds), photos=len(held.photos),
            still_used=len(held.files) - len(gone), kept_days=keep.days,
        )  # fmt: skip
        outbox.emit(session, "report.changed", report_id=report.id)
    return held


def release(session: Session, sha256s: Collection[str], columns: Uses) -> set[str]:
    """Let the files go that nothing names any more; which ones do."""
    gone = set(sha256s) - leaving.still_named(session, columns.guarded, sha256s)
    session.execute(sa.delete(Clip).where(Clip.sha256.in_(gone)))
    leaving.leave(session, gone, BECAUSE)
    return gone


def _let_go(session: Session, report: Report) -> None:
    for table in (RedactedSound, TranscriptionJob):
        session.execute(sa.delete(table).where(_is(table, report)))
    session.execute(sa.delete(ReportPhoto).where(ReportPhoto.report_id == report.id))
    report.audio_sha256 = None
    report.peaks = None
    session.flush()


def _mark(session: Session, report: Report, now: datetime) -> None:
    report.sound_gone_at = report.sound_gone_at or now
    report.gone_because = BECAUSE
    report.version += 1
    session.flush()


def _has_sound(session: Session, report_id: int) -> bool:
    some = sa.select(Report.id).where(Report.id == report_id, sa.or_(*retention.has_sound()))
    return session.scalar(some) is not None


def _is(
    table: type[TranscriptionJob] | type[RedactedSound], report: Report
) -> sa.ColumnElement[bool]:
    return sa.and_(table.subject_kind == SUBJECT, table.subject_id == report.id)


def _with_renditions(session: Session, sounds: set[str]) -> set[str]:
    """The sounds and all that was made of them."""
    found, fresh = set(sounds), set(sounds)
    while fresh:
        made = session.scalars(sa.select(Clip.sha256).where(Clip.made_from_sha256.in_(fresh)))
        fresh = set(made) - found
        found |= fresh
    return found
