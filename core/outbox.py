"""News told upward: a row in the same transaction as the change, a handler some moments later.

``emit`` never calls anybody. ``Dispatcher`` claims events by a conditional UPDATE and gives each
to its handlers inside one transaction, so a handler that writes to the database runs exactly
once; a handler that talks to the network may run twice and must bear it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core import bell
from core.clock import utc_now
from core.database import Database, claimed
from core.models import OutboxEvent

Handler = Callable[[Session, dict[str, Any]], None]

MAX_TRIES = 8
LEASE_S = 30
BELL = "outbox"
log = structlog.get_logger("core.outbox")


def emit(session: Session, kind: str, **payload: Any) -> None:
    """Write news of ``kind`` (such as "report.received") into the caller's transaction."""
    now = utc_now()
    session.add(OutboxEvent(kind=kind, payload=payload, created_at=now, due_at=now))
    sa.event.listen(session, "after_commit", lambda _session: bell.ring(BELL), once=True)


class Dispatcher:
    """Carries events to the handlers that server-side wiring registered."""

    name = "outbox"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._stop = threading.Event()

    def on(self, kind: str, handler: Handler) -> None:
        """Call ``handler(session, payload)`` for each event of ``kind``; "*" hears all."""
        self._handlers[kind].append(handler)

    def run_due(self, limit: int = 100) -> int:
        """Deliver what is due now; returns how many events were taken."""
        now = utc_now()
        with self._database.read() as session:
            ids = session.scalars(
                sa.select(OutboxEvent.id)
                .where(OutboxEvent.state.in_(("new", "leased")), OutboxEvent.due_at <= now)
                .order_by(OutboxEvent.id)
                .limit(limit)
            ).all()
        return sum(self._deliver(event_id) for event_id in ids)

    def _deliver(self, event_id: int) -> bool:
        if not self._claim(event_id):
            return False
        try:
            with self._database.write() as session:
                event = session.get_one(OutboxEvent, event_id)
                for handler in (*self._handlers[event.kind], *self._handlers["*"]):
                    handler(session, {**event.payload, "event_kind": event.kind})
                event.state = "done"
        except Exception as error:
            self._failed(event_id, error)
        return True

    def _claim(self, event_id: int) -> bool:
        now = utc_now()
        with self._database.write() as session:
            return claimed(
                session.execute(
                    sa.update(OutboxEvent)
                    .where(
                        OutboxEvent.id == event_id,
                        OutboxEvent.state.in_(("new", "leased")),
                        OutboxEvent.due_at <= now,
                    )
                    .values(
                        state="leased",
                        tries=OutboxEvent.tries + 1,
                        due_at=now + timedelta(seconds=LEASE_S),
                    )
                )
            )

    def _failed(self, event_id: int, error: Exception) -> None:
        with self._database.write() as session:
            event = session.get_one(OutboxEvent, event_id)
            event.failure = repr(error)[:500]
            if event.tries >= MAX_TRIES:
                event.state = "failed"
            event.due_at = utc_now() + timedelta(seconds=min(2**event.tries, 300))
            kind, tries = event.kind, event.tries
        log.error("event handler failed", kind=kind, tries=tries, error=repr(error))

    def run_forever(self) -> None:
        """Deliver until ``stop``; wakes on the bell, at the latest each second."""
        with bell.Bell(BELL) as waiting:
            while not self._stop.is_set():
                try:
                    busy = self.run_due() > 0
                except sa.exc.SQLAlchemyError as error:
                    log.warning("outbox waits for the database", error=str(error)[:200])
                    busy = False
                if not busy:
                    waiting.wait(1.0)

    def stop(self) -> None:
        self._stop.set()
        bell.ring(BELL)
