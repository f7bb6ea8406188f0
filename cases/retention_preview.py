"""What the next run would delete, told without deleting anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import retention, retention_sound
from cases.models import Report, RetentionWatch
from cases.retention import Periods
from cases.retention_job import THE_ROW
from core.models import Blob, LeavingBlob


@dataclass(frozen=True)
class Due:
    """One report: ``over_since`` is where its clock began; ``what`` is "sound" or "words"."""

    reference_no: str
    what: str
    over_since: datetime
    files: int = 0
    size_bytes: int = 0


def due(session: Session, periods: Periods, now: datetime) -> Iterator[Due]:
    """Everything that is due, sounds first; words that are due after their sound too."""
    sounds = retention.with_sound(now - periods.audio)
    for report in _due(session, sounds, periods.audio, now):
        files = retention_sound.files_of(session, report).files
        size = session.scalar(sa.select(sa.func.sum(Blob.size_bytes)).where(Blob.sha256.in_(files)))
        yield _told(session, report, "sound", len(files), int(size or 0))
    words = retention.with_words(now - periods.words)
    for report in _due(session, words, periods.words, now):
        yield _told(session, report, "words")


def report_of(session: Session, periods: Periods, now: datetime) -> list[str]:
    """The preview as lines for people."""
    found = list(due(session, periods, now))
    lines = [
        f"{one.reference_no}  {one.what:5}  closed {one.over_since:%Y-%m-%d}"
        + (f"  {one.files} files, {one.size_bytes / 1e6:.2f} MB" if one.files else "")
        for one in found
    ]
    sounds = sum(one.what == "sound" for one in found)
    lines.append(
        f"{sounds} reports would lose their sound "
        f"(closed {periods.audio.days} days ago or longer), "
        f"{len(found) - sounds} their words ({periods.words.days} days). Nothing was deleted."
    )
    left = session.scalar(sa.select(sa.func.count()).select_from(LeavingBlob)) or 0
    if left:
        lines.append(f"{left} files of earlier runs are still to be removed.")
    watch = session.get(RetentionWatch, THE_ROW)
    if watch is None:
        lines.append(
            "No server has looked at the clock yet: it deletes after a day at the soonest."
        )
    elif watch.not_before > now:
        lines.append(f"The server deletes nothing before {watch.not_before:%Y-%m-%d %H:%M} UTC.")
    return lines


def _due(
    session: Session, perhaps: sa.Select[int], keep: timedelta, now: datetime
) -> Iterator[Report]:
    for report_id in session.scalars(perhaps).all():
        report = session.get_one(Report, report_id)
        if retention.is_due(session, report, keep, now):
            yield report


def _told(session: Session, report: Report, what: str, files: int = 0, size: int = 0) -> Due:
    since = retention.over_since(session, report)
    assert since is not None
    return Due(report.reference_no, what, since, files, size)
