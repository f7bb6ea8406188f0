"""Sounds that an earlier model heard are heard again: the open and the least certain ones first.

Which model heard what stands in the rows, so a changed choice is noticed after any restart, and a
subject and a model meet once. Small batches at a low priority: nobody's message waits for this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from cases.models import Case, CaseReport, Report
from core import areas
from core.settings import Settings
from recordings.models import Clip, Episode
from transcribe import catalogue, jobs, rehearing
from transcribe.catalogue import InstalledModel
from transcribe.models import Transcript, TranscriptionJob
from transcribe.rehearing import Subject

PRIORITY = 10
"""Below reports (50) and first words of episodes (20)."""

BATCH = 20
"""So many wait at a time at most."""

SCAN = 2_000
"""So many of each model's candidates are looked at for one ranking, the newest ones."""

OPEN_REPORTS = ("received", "under_review")
Subjects = sa.Select[
    int, str | None, int | None, bool, str | None, float | None, bool | None, bool, bool
]


@dataclass(frozen=True)
class Candidate:
    """A subject that ``model`` has not heard yet."""

    subject_kind: str
    subject_id: int
    audio_sha256: str
    area_code: str | None
    model: InstalledModel
    subject: Subject


def ranked(session: Session, settings: Settings, limit: int | None = None) -> list[Candidate]:
    """What to hear again, the best first; nothing when every model has heard its subjects."""
    found = [one for one in _candidates(session, settings) if rehearing.is_worth_it(one.subject)]
    found.sort(key=lambda one: (rehearing.rank(one.subject), one.subject_kind, one.subject_id))
    return found[:limit]


def enqueue(session: Session, settings: Settings, limit: int | None = None) -> list[Candidate]:
    """Ask for the next ones, until ``limit`` wait; none while the queue is full."""
    free = room(session, limit)
    chosen = ranked(session, settings, free) if free else []
    for one in chosen:
        jobs.enqueue(
            session,
            one.subject_kind,
            one.subject_id,
            one.audio_sha256,
            priority=PRIORITY,
            duration_ms=one.subject.duration_ms,
            area_code=one.area_code,
            model_hash=one.model.tree_hash,
        )
    return chosen


def room(session: Session, limit: int | None = None) -> int:
    """How many more may wait; 0 while the queue is full."""
    if jobs.pressure(session).full:
        return 0
    return max(0, (BATCH if limit is None else limit) - _waiting(session))


def _waiting(session: Session) -> int:
    return session.scalar(
        sa.select(sa.func.count()).where(
            TranscriptionJob.state.in_(("queued", "running")), TranscriptionJob.priority == PRIORITY
        )
    ) or 0  # fmt: skip


def _candidates(session: Session, settings: Settings) -> Iterator[Candidate]:
    by_model: dict[InstalledModel, list[str]] = defaultdict(list)
    codes = sa.select(Report.village_code).where(Report.village_code.is_not(None)).distinct()
    for code in session.scalars(codes):
        if code is not None:
            chain = areas.upward(session, code)
            by_model[catalogue.choice_for(settings, chain)].append(code)
    default = catalogue.current(settings)
    for model, places in by_model.items():
        yield from _rows(session, _reports(model).where(Report.village_code.in_(places)), model)
    yield from _rows(session, _reports(default).where(Report.village_code.is_(None)), default)
    yield from _rows(session, _episodes(default), default)


def _rows(session: Session, query: Subjects, model: InstalledModel) -> Iterator[Candidate]:
    for (
        number,
        sha256,
        duration,
        is_open,
        area,
        confidence,
        hears,
        corrected,
        episode,
    ) in session.execute(query.limit(SCAN)).tuples():
        subject = Subject(
            confidence=confidence,
            duration_ms=duration or 0,
            is_open=is_open,
            is_corrected=corrected,
            by_starter=hears is False,
            to_starter=not model.hears_people,
        )
        if sha256 is not None:
            kind = "episode" if episode else "report"
            yield Candidate(kind, number, sha256, area, model, subject)


def _reports(model: InstalledModel) -> Subjects:
    """Reports with a sound this model has not heard; never those nobody could open."""
    heard = aliased(Transcript)
    open_case = (
        sa.select(Case.id)
        .join(CaseReport, CaseReport.case_id == Case.id)
        .where(CaseReport.report_id == Report.id, Case.status != "closed")
        .exists()
    )
    playable = (
        sa.select(Clip.sha256)
        .where(Clip.made_from_sha256 == Report.audio_sha256, Clip.rendition == "master")
        .limit(1)
        .scalar_subquery()
    )
    is_open = sa.or_(Report.state.in_(OPEN_REPORTS), open_case)
    return (
        sa.select(
            Report.id,
            sa.func.coalesce(playable, Report.audio_sha256),
            Report.duration_ms,
            is_open,
            Report.village_code,
            heard.confidence,
            heard.hears_people,
            _corrected("report", Report.id),
            sa.false(),
        )
        .outerjoin(heard, heard.id == _newest_heard("report", Report.id))
        .where(Report.audio_sha256.is_not(None), Report.duration_ms > 0)
        .where(*_not_met("report", Report.id, model))
        .order_by(is_open.desc(), Report.id.desc())
    )


def _episodes(model: InstalledModel) -> Subjects:
    """Episodes that have words of another model; the first words are desk.episode_words' duty."""
    heard = aliased(Transcript)
    return (
        sa.select(
            Episode.id,
            Clip.sha256,
            Clip.duration_ms,
            sa.false(),
            sa.cast(sa.null(), sa.String),
            heard.confidence,
            heard.hears_people,
            _corrected("episode", Episode.id),
            sa.true(),
        )
        .join(Clip, Clip.sha256 == Episode.master_sha256)
        .join(heard, heard.id == _newest_heard("episode", Episode.id))
        .where(*_not_met("episode", Episode.id, model))
        .order_by(Episode.id.desc())
    )


def _newest_heard(kind: str, subject_id: sa.orm.InstrumentedAttribute[int]) -> sa.ScalarSelect[int]:
    return (
        sa.select(Transcript.id)
        .where(
            Transcript.subject_kind == kind,
            Transcript.subject_id == subject_id,
            Transcript.author_id.is_(None),
        )
        .order_by(Transcript.version.desc())
        .limit(1)
        .scalar_subquery()
    )


def _corrected(kind: str, subject_id: sa.orm.InstrumentedAttribute[int]) -> sa.Exists:
    return (
        sa.select(Transcript.id)
        .where(
            Transcript.subject_kind == kind,
            Transcript.subject_id == subject_id,
            Transcript.author_id.is_not(None),
        )
        .exists()
    )


def _not_met(
    kind: str, subject_id: sa.orm.InstrumentedAttribute[int], model: InstalledModel
) -> tuple[sa.ColumnElement[bool], ...]:
    """Neither heard by ``model``, nor tried with it, nor waiting for anything."""
    job = TranscriptionJob
    heard = sa.select(Transcript.id).where(
        Transcript.subject_kind == kind,
        Transcript.subject_id == subject_id,
        Transcript.model_hash == model.tree_hash,
    )
    tried = sa.select(job.id).where(
        job.subject_kind == kind,
        job.subject_id == subject_id,
        sa.or_(job.model_hash == model.tree_hash, job.state.in_(("queued", "running"))),
    )
    return ~heard.exists(), ~tried.exists()
