"""Is the house well? Asked by monitors and by the supervisor."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import presence
from broadcast.models import Player
from core import leases
from core.clock import utc_now
from core.models import Lease, OutboxEvent
from hotline.journal import spool_of
from hotline.mailbox import condition as mailbox
from hotline.models import CallBack
from hotline.unfetched import unfetched
from recordings.models import RenderJob
from schedule.keeper import LEASE as SCHEDULER_LEASE
from transcribe import jobs
from transcribe.failures import MODEL_FAILS
from transcribe.models import TranscriptionJob
from web.deps import Services

LOW_DISK_MB = 500
OLD_NEWS = timedelta(minutes=5)


@dataclass
class Health:
    """``problems`` names what a person has to look at; without any, all is well."""

    database: str = "ok"
    scheduler: str = "unknown"
    outbox: dict[str, int] = field(default_factory=dict)
    transcription: dict[str, int] = field(default_factory=dict)
    waiting_sound_s: int = 0
    transcript_expected_in_s: float = 0.0
    queue_is_full: bool = False
    rendering: dict[str, int] = field(default_factory=dict)
    players: dict[str, int] = field(default_factory=dict)
    spool: dict[str, int] = field(default_factory=dict)
    call_backs: dict[str, int] = field(default_factory=dict)
    mailbox: dict[str, str] = field(default_factory=dict)
    dying_duties: dict[str, int] = field(default_factory=dict)
    disk_free_mb: int = 0
    pages_listening: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For the answer: the facts and "ok" or "trouble"."""
        return {"status": "trouble" if self.problems else "ok", **asdict(self)}


def look(services: Services) -> Health:
    """Look at every part; a database that is away is a fact, not an error."""
    health = Health(pages_listening=services.hub.listening)
    try:
        with services.database.read() as session:
            _look_at_rows(session, health)
    except sa.exc.SQLAlchemyError:
        health.database = "away"
        health.problems.append("database")
    health.dying_duties = services.duties.dying()
    if health.dying_duties:
        health.problems.append("duties")
    _look_at_mailbox(services, health)
    _look_at_disk(services, health)
    return health


def _look_at_rows(session: Session, health: Health) -> None:
    now = utc_now()
    lease = session.get(Lease, SCHEDULER_LEASE)
    held = lease is not None and lease.expires_at > now - leases.CLOCKS_DIFFER
    health.scheduler = "held" if held else "nobody"
    if health.scheduler == "nobody":
        health.problems.append("scheduler")

    news = sa.select(sa.func.count()).where(OutboxEvent.state.in_(("new", "leased")))
    health.outbox = {
        "waiting": _count(session, news),
        "waiting_long": _count(session, news.where(OutboxEvent.created_at < now - OLD_NEWS)),
        "failed": _count(session, sa.select(sa.func.count()).where(OutboxEvent.state == "failed")),
    }
    if health.outbox["waiting_long"]:
        health.problems.append("outbox")

    health.transcription = _jobs(session, TranscriptionJob.state)
    waiting = jobs.pressure(session)
    health.waiting_sound_s = waiting.waiting_sound_ms // 1000
    health.transcript_expected_in_s = waiting.expected_wait_s
    health.queue_is_full = waiting.full
    no_model = sa.select(sa.func.count()).where(
        TranscriptionJob.state == "queued", TranscriptionJob.failure_code == MODEL_FAILS
    )
    if _count(session, no_model):
        health.problems.append("model")
    health.rendering = _jobs(session, RenderJob.state)
    open_calls = sa.select(sa.func.count()).where(CallBack.state == "open")
    health.call_backs = {
        "open": _count(session, open_calls),
        "overdue": _count(session, open_calls.where(CallBack.due_at < now)),
    }
    enrolled = sa.select(sa.func.count()).where(Player.revoked_at.is_(None))
    health.players = {
        "enrolled": _count(session, enrolled),
        "online": _count(session, enrolled.where(presence.online())),
    }


def _count(session: Session, query: sa.Select[int]) -> int:
    return session.scalar(query) or 0


def _jobs(session: Session, state: sa.orm.InstrumentedAttribute[str]) -> dict[str, int]:
    rows = session.execute(sa.select(state, sa.func.count()).where(state != "done").group_by(state))
    found = {str(name): int(count) for name, count in rows}
    return {name: found.get(name, 0) for name in ("queued", "running", "failed")}


def _look_at_mailbox(services: Services, health: Health) -> None:
    health.mailbox = mailbox.look(services.settings)
    if any(state not in (mailbox.OK, mailbox.STARTING) for state in health.mailbox.values()):
        health.problems.append("mailbox")


def _look_at_disk(services: Services, health: Health) -> None:
    try:
        spool = spool_of(services.settings)
        health.spool = {
            "calls": sum(1 for entry in spool.iterdir() if entry.is_dir()),
            "waiting_long": unfetched(spool),
        }
        health.disk_free_mb = shutil.disk_usage(spool).free // 1_000_000
    except OSError:
        health.problems.append("disk")
        return
    if health.spool["waiting_long"]:
        health.problems.append("calls")
    if health.disk_free_mb < LOW_DISK_MB:
        health.problems.append("disk")
