"""What needs doing, for the person who has just logged in: counts with the place to go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import after_restore, presence
from broadcast.models import Player
from cases import access, reminders
from cases.models import Case, Report
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_
from hotline import callback_work
from hotline.models import CallBack
from recordings.models import Episode, Programme
from schedule import quiet
from schedule.models import Play
from transcribe import grammar, word_check
from transcribe.models import Transcript, TranscriptionJob

_ORDER = {"bad": 0, "warn": 1, "good": 2}
OPEN_REPORTS = ("received", "under_review")
CLOSED_CASES = ("closed",)


@dataclass(frozen=True)
class Duty:
    """One line of the briefing. ``weight``: "bad" (went wrong), "warn" (waits), "good".

    ``due_at``: when the first of them is or was due, where they are due at all.
    """

    key: str
    count: int
    label: str
    url: str
    weight: str
    due_at: datetime | None = None


def duties(session: Session, actor: Actor, zone: str) -> list[Duty]:
    """What waits for ``actor`` in the own area, worst first; lines without anything are "good"."""
    own = actor.reach(session)
    found: list[Duty] = []
    for right, count in _COUNTERS:
        if actor.may(right):
            found.extend(count(session, actor, own, zone))
    if callback_work.may_work(actor):
        found.append(_call_backs(session, actor))
    if actor.may("override.order") or actor.may("speaker.edit"):
        found.extend(_older_copy(session, actor))
    return sorted(found, key=lambda duty: _ORDER[duty.weight])


def _older_copy(session: Session, actor: Actor) -> list[Duty]:
    if after_restore.noticed_at(session) is None:
        return []
    label = N_("The database is an older copy: check what is on air and what is missing since")
    url = "/overrides" if actor.may("override.order") else "/speakers"
    return [_duty("database.older", 1, label, url, "bad")]


def _duty(key: str, count: int, label: str, url: str, weight: str) -> Duty:
    return Duty(key, count, label, url, weight if count else "good")


def _reports(session: Session, actor: Actor, own: set[str], _zone: str) -> list[Duty]:
    in_area = sa.or_(Report.village_code.in_(own), Report.village_code.is_(None))
    waiting = sa.select(sa.func.count()).where(Report.state.in_(OPEN_REPORTS), in_area)
    urgent = session.scalar(waiting.where(Report.urgent)) or 0
    duties = [
        _duty(
            "reports.waiting",
            session.scalar(waiting) or 0,
            N_("Reports to review"),
            "/reports",
            "warn",
        ),
        _duty(
            "reports.untranscribed",
            _failed_transcriptions(session, "report", own),
            N_("Recordings the machine could not write down"),
            "/reports",
            "bad",
        ),
    ]
    asked = waiting.where(reminders.of_report() > 0)
    if not access.keeps_secrets(actor):
        asked = asked.where(sa.not_(Report.confidential))
    reminded = session.scalar(asked) or 0
    if reminded:
        label = N_("Reports that residents ask about again")
        duties.insert(0, _duty("reports.reminded", reminded, label, "/reports", "warn"))
    if urgent:
        duties.insert(
            0, _duty("reports.urgent", urgent, N_("Urgent reports to review"), "/reports", "bad")
        )
    return duties


def _call_backs(session: Session, actor: Actor) -> Duty:
    waiting = callback_work.tasks_seen(session, actor).where(CallBack.state == "open").subquery()
    counted = sa.select(sa.func.count(), sa.func.min(waiting.c.due_at))
    count, due_at = session.execute(counted).one()
    late = due_at is not None and due_at < utc_now()
    label = N_("Callers to phone")
    duty = _duty("callbacks.open", count, label, "/callbacks", "bad" if late else "warn")
    return replace(duty, due_at=due_at)


def _failed_transcriptions(session: Session, kind: str, own: set[str]) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(TranscriptionJob)
        .join(Report, Report.id == TranscriptionJob.subject_id)
        .where(
            TranscriptionJob.subject_kind == kind,
            TranscriptionJob.state == "failed",
            ~_has_words(kind),
            Report.state.in_(OPEN_REPORTS),
            sa.or_(Report.village_code.in_(own), Report.village_code.is_(None)),
        )
    )
    return session.scalar(query) or 0


def _has_words(kind: str) -> sa.Exists:
    """Whether a machine has heard the job's subject, be it an earlier model's."""
    return (
        sa.select(Transcript.id)
        .where(
            Transcript.subject_kind == kind,
            Transcript.subject_id == TranscriptionJob.subject_id,
            Transcript.author_id.is_(None),
        )
        .exists()
    )


def _cases(session: Session, actor: Actor, own: set[str], _zone: str) -> list[Duty]:
    opened = sa.select(sa.func.count()).where(Case.status.not_in(CLOSED_CASES))
    owned = opened.where(Case.owner_id == actor.id)
    mine, reminded = session.scalar(owned), session.scalar(owned.where(reminders.of_case() > 0))
    found = [_duty("cases.mine", mine or 0, N_("Cases that wait for you"), "/cases?mine=1", "warn")]
    if reminded:
        label = N_("Cases of yours that residents ask about again")
        found.insert(0, _duty("cases.reminded", reminded, label, "/cases?mine=1", "warn"))
    if actor.may("report.read"):
        here = sa.or_(Case.village_code.in_(own), Case.village_code.is_(None))
        every = session.scalar(opened.where(here)) or 0
        found.append(_duty("cases.open", every, N_("Open cases in your area"), "/cases", "warn"))
    return found


def _episodes(session: Session, actor: Actor, own: set[str], _zone: str) -> list[Duty]:
    upward = set(areas.upward(session, actor.area_code))
    query = (
        sa.select(sa.func.count())
        .select_from(Episode)
        .join(Programme, Programme.id == Episode.programme_id)
        .where(Episode.state == "submitted", Programme.area_code.in_(own | upward))
    )
    waiting = session.scalar(query) or 0
    return [_duty("episodes.submitted", waiting, N_("Episodes to approve"), "/programmes", "warn")]


def _plays(session: Session, actor: Actor, own: set[str], zone: str) -> list[Duty]:
    begins_at, ends_at = today(zone)
    query = sa.select(sa.func.count()).where(
        Play.starts_at >= begins_at, Play.starts_at < ends_at, Play.area_code.in_(own)
    )
    by_order = sa.func.coalesce(Play.reason, "") == quiet.REASON
    missed = session.scalar(query.where(Play.state == "missed", sa.not_(by_order))) or 0
    planned = query.where(Play.state == "planned")
    unready = session.scalar(planned.where(Play.clip_sha256.is_(None))) or 0
    unheard = session.scalar(planned.where(Play.clip_sha256.is_not(None))) or 0
    return [
        _duty("plays.missed", missed, N_("Plays missed today"), "/calendar", "bad"),
        _duty(
            "plays.unready",
            unready,
            N_("Plays of today without an approved episode"),
            "/calendar",
            "warn",
        ),
        _duty(
            "plays.unheard",
            unheard,
            N_("Plays of today in villages without a player"),
            "/speakers",
            "warn",
        ),
    ]


def _players(session: Session, _actor: Actor, own: set[str], _zone: str) -> list[Duty]:
    let_in = sa.select(sa.func.count()).where(
        Player.area_code.in_(own), Player.revoked_at.is_(None)
    )
    waiting = session.scalar(let_in.where(Player.approved_at.is_(None))) or 0
    troubled = let_in.where(
        Player.approved_at.is_not(None),
        sa.or_(Player.cloned_at.is_not(None), sa.not_(presence.online())),
    )
    return [
        _duty(
            "players.waiting",
            waiting,
            N_("Players to approve"),
            "/speakers?show=waiting",
            "warn",
        ),
        _duty(
            "players.troubled",
            session.scalar(troubled) or 0,
            N_("Players out of reach, or with a key that two boxes use"),
            "/speakers?show=problems",
            "bad",
        ),
    ]


def _words(session: Session, _actor: Actor, own: set[str], _zone: str) -> list[Duty]:
    return [
        _duty(
            "words.lacking",
            word_check.lacking_count(session, own),
            N_("Local words the speech model cannot hear"),
            "/words",
            "warn",
        ),
        _duty(
            "words.grammar",
            grammar.outdated_count(session, own),
            N_("Area language models that another speech model has switched off"),
            "/words",
            "warn",
        ),
    ]


def today(zone: str) -> tuple[datetime, datetime]:
    """Begin and end of the town's present day, as instants."""
    place = ZoneInfo(zone)
    day = utc_now().astimezone(place).date()
    return (
        datetime.combine(day, time(), place),
        datetime.combine(day + timedelta(days=1), time(), place),
    )


_Counter = Callable[[Session, Actor, set[str], str], list[Duty]]
_COUNTERS: tuple[tuple[str, _Counter], ...] = (
    ("report.review", _reports),
    ("case.read", _cases),
    ("episode.approve", _episodes),
    ("schedule.read", _plays),
    ("words.teach", _words),
    ("speaker.edit", _players),
)
