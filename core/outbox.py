"""News told upward: a row in the same transaction as the change, a handler some moments later.

``emit`` never calls anybody. ``Dispatcher`` claims events by a conditional UPDATE and gives each
to its handlers inside one transaction, so a handler that writes to the database runs exactly
once; a handler that talks to the network may run twice and must bear it.
"""

from __future__ import annotations

import itertools
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
Listener = Callable[[str], None]

MAX_TRIES = 8
LEASE_S = 30
LOOK_BACK = 500
BELL = "outbox"
log = structlog.get_logger("core.outbox")


def emit(session: Session, kind: str, **payload: Any) -> None:
    """Write news of ``kind`` (such as "report.received") into the caller's transaction."""
    now = utc_now()
    session.add(OutboxEvent(kind=kind, payload=payload, created_at=now, due_at=now))
    bell.ring_after_commit(session, BELL)


class Dispatcher:
    """Carries events to the handlers that server-side wiring registered."""

    name = "outbox"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._listeners: list[Listener] = []
        self._told: set[int] = set()
        self._since: int | None = None
        self._looked_to = 0
        self._stop = threading.Event()

    def on(self, kind: str, handler: Handler) -> None:
        """Call ``handler(session, payload)`` for each event of ``kind``."""
        self._handlers[kind].append(handler)

    def on_all(self, listener: Listener) -> None:
        """Tell ``listener(kind)`` of all news once its work is stored; a failure is only noted."""
        self._listeners.append(listener)

    def run_due(self, limit: int = 100) -> int:
        """Deliver what is due now; returns how many events were taken."""
        now = utc_now()
        with self._database.read() as session:
            due = session.execute(
                sa.select(OutboxEvent.id, OutboxEvent.kind)
                .where(OutboxEvent.state.in_(("new", "leased")), OutboxEvent.due_at <= now)
                .order_by(OutboxEvent.id)
                .limit(limit)
            ).all()
        taken = 0
        for is_only_told, some in itertools.groupby(due, lambda row: self._is_only_told(row.kind)):
            ids = [row.id for row in some]
            taken += self._tell(ids) if is_only_told else sum(map(self._deliver, ids))
        return taken

    def _is_only_told(self, kind: str) -> bool:
        """Whether nobody does any work for this kind; those who hear all are merely told."""
        return not self._handlers.get(kind)

    def _tell(self, ids: list[int]) -> int:
        """Deliver news that makes no work, all of it in one transaction; how many that were.

        A thousand lists that are made anew are a thousand pieces of it.
        """
        mine = sa.and_(OutboxEvent.id.in_(ids), OutboxEvent.state.in_(("new", "leased")))
        with self._database.write() as session:
            news = session.scalars(sa.select(OutboxEvent).where(mine).with_for_update()).all()
            for event in news:
                event.state, event.tries = "done", event.tries + 1
            told = {event.id: event.kind for event in news}
        self._tell_all(told)
        return len(told)

    def tell_of_others(self) -> None:
        """Tell listeners what another process on this database has delivered since the last look.

        Numbers may be committed out of order (PostgreSQL), so the last few are looked at again.
        """
        newest_id = sa.select(sa.func.max(OutboxEvent.id))
        with self._database.read() as session:
            newest: int = session.scalar(newest_id) or 0
            if self._since is None:
                self._since = self._looked_to = newest
            after = max(self._since, self._looked_to - LOOK_BACK)
            self._looked_to = newest
            rows = session.execute(
                sa.select(OutboxEvent.id, OutboxEvent.kind)
                .where(OutboxEvent.id > after, OutboxEvent.state == "done")
                .order_by(OutboxEvent.id)
            )
            done = {event_id: kind for event_id, kind in rows}
        self._tell_all({each: kind for each, kind in done.items() if each not in self._told})
        self._told = {event_id for event_id in self._told if event_id > newest - LOOK_BACK}

    def _tell_all(self, news: dict[int, str]) -> None:
        self._told.update(news)
        for kind, listener in itertools.product(news.values(), self._listeners):
            try:
                listener(kind)
            except Exception:
                log.exception("somebody could not be told", kind=kind)

    def _deliver(self, event_id: int) -> bool:
        if not self._claim(event_id):
            return False
        try:
            with self._database.write() as session:
                event = session.get_one(OutboxEvent, event_id)
                kind = event.kind
                for handler in self._handlers[kind]:
                    handler(session, {**event.payload, "event_kind": kind})
                event.state = "done"
        except Exception as error:
            self._failed(event_id, error)
        else:
            self._tell_all({event_id: kind})
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
                    self.tell_of_others()
                except sa.exc.SQLAlchemyError as error:
                    log.warning("outbox waits for the database", error=str(error)[:200])
                    busy = False
                if not busy:
                    waiting.wait(1.0)

    def stop(self) -> None:
        self._stop.set()
        bell.ring(BELL)
