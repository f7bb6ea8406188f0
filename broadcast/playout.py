"""Closes plays that nobody told about: their absence gets a reason, at the latest minutes later."""

from __future__ import annotations

import threading
from datetime import timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from broadcast import reasons
from core import bell, leases, outbox
from core.clock import utc_now
from core.database import Database, claimed
from schedule import quiet
from schedule.models import Play

GRACE = timedelta(minutes=3)
"""For the way of a receipt: players poll once a minute when nothing wakes them."""
LIMIT = 500
POLL_S = 5.0
BELL = "closer"
log = structlog.get_logger("broadcast.playout")


def close_overdue(session: Session) -> int:
    """Mark plays as missed whose make-up time, own length and grace are over; how many."""
    now = utc_now()
    candidates = session.scalars(
        sa.select(Play)
        .where(Play.state.in_(("planned", "published")), Play.make_up_until < now - GRACE)
        .order_by(Play.make_up_until)
        .limit(LIMIT)
    ).all()
    return sum(
        _close(session, play)
        for play in candidates
        if play.make_up_until + timedelta(milliseconds=play.duration_ms or 0) < now - GRACE
    )


def _close(session: Session, play: Play) -> bool:
    closed = claimed(
        session.execute(
            sa.update(Play)
            .where(Play.id == play.id, Play.state.in_(("planned", "published")))
            .values(state="missed", reason=_reason(session, play))
        )
    )
    if closed:
        outbox.emit(session, "play.changed", play_id=play.id)
    return closed


def _reason(session: Session, play: Play) -> str:
    if session.scalar(sa.select(Play.id).where(Play.id == play.id, quiet.binds())) is not None:
        return reasons.VILLAGE_QUIET
    if play.episode_id is None:
        return reasons.NO_EPISODE
    if play.state == "planned":
        return reasons.without_list(session, play.area_code, play.starts_at, play.make_up_until)
    return reasons.NO_RECEIPT


class Closer:
    """Background service around ``close_overdue``; works while ``duty`` is ours (None: always)."""

    name = "closer"

    def __init__(self, database: Database, duty: leases.Duty | None = None) -> None:
        self._database = database
        self._duty = duty
        self._stopped = threading.Event()

    def run_forever(self) -> None:
        """Look every few seconds until ``stop``."""
        with bell.Bell(BELL) as waiting:
            while not self._stopped.is_set():
                try:
                    closed = self._run_once()
                except sa.exc.SQLAlchemyError as error:
                    log.warning("the closer waits for the database", error=str(error)[:200])
                    closed = 0
                if not closed:
                    waiting.wait(POLL_S)

    def _run_once(self) -> int:
        if self._duty is not None and not self._duty.is_ours():
            return 0
        overdue = sa.and_(
            Play.state.in_(("planned", "published")), Play.make_up_until < utc_now() - GRACE
        )
        with self._database.read() as session:
            if session.scalar(sa.select(Play.id).where(overdue).limit(1)) is None:
                return 0
        with self._database.write() as session:
            closed = close_overdue(session)
        if closed:
            log.info("plays closed as missed", count=closed)
        return closed

    def stop(self) -> None:
        self._stopped.set()
        bell.ring(BELL)
