"""The web process's side of outgoing calls: hands orders to telephony, enters what came of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
import structlog
from cryptography.exceptions import InvalidTag

from cases.models import Case
from core import bell
from core.clock import utc_now
from core.database import Database, claimed
from core.sealed import Sealer
from core.settings import Settings
from hotline import presence
from hotline.models import CallBack, OutgoingCall, StaffPhone
from hotline.outgoing import door, entering, orders
from hotline.outgoing.contract import Outcome, Result
from hotline.outgoing.outcomes import BELL, DAMAGED, KEEP, Ledger, parse
from hotline.patience import Patience

LOOK_EVERY_S = 1.0
AWAY_WAIT_S = 5.0
STUCK_WAIT_S = 30.0
LOST_AFTER = timedelta(minutes=1)
"""An order that telephony took has a file at once; one without it died with a disk or a folder."""
REFUSALS: dict[str, Result] = {"limit": "limit", "no_trunk": "no_trunk", "expired": "expired"}
log = structlog.get_logger("hotline.outgoing")
_Given = TypeVar("_Given")


class OutgoingClerk:
    """Background service of the web process."""

    name = "hotline-outgoing"

    def __init__(self, database: Database, sealer: Sealer, settings: Settings) -> None:
        self._database = database
        self._sealer = sealer
        self._settings = settings
        self._ledger = Ledger(settings)
        self._stop = threading.Event()
        self._entered: dict[str, tuple[int, datetime]] = {}
        """File name -> (its mtime_ns when it was entered, when it may go)."""
        self._patience = Patience([STUCK_WAIT_S])

    def run_forever(self) -> None:
        """Work until ``stop``; wakes when there is an order or an outcome, else each second."""
        with bell.Bell(BELL) as waiting:
            while not self._stop.is_set():
                try:
                    self.run_once()
                except (sa.exc.SQLAlchemyError, OSError) as error:
                    log.warning("outgoing calls wait", why=str(error)[:200])
                    self._stop.wait(AWAY_WAIT_S)
                    continue
                waiting.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stop.set()
        bell.ring(BELL)

    def run_once(self) -> None:
        """Send what is wanted, enter what is there, end what is lost. Raises when it is away."""
        if not presence.is_there(self._database):
            raise FileNotFoundError("the database file is missing")
        for order_id in self._to_send():
            self._alone(order_id, self._send, order_id)
        for path in self._ledger.files():
            self._alone(path.name, self._look_at, path)
        self._end_lost()

    def _alone(self, name: str, work: Callable[[_Given], None], given: _Given) -> None:
        """Whatever is the matter with one order or file, the others go on."""
        if not self._patience.is_due(name):
            return
        try:
            work(given)
            self._patience.succeeded(name)
        except presence.AWAY_ERRORS:
            raise
        except Exception as error:
            self._patience.failed(name)
            log.error("an outgoing call cannot be entered", name=name, error=repr(error))

    # Orders

    def _to_send(self) -> list[str]:
        """Wanted orders; and sent ones that telephony knows nothing of, for we died meanwhile."""
        with self._database.read() as session:
            rows = session.execute(
                sa.select(OutgoingCall.id, OutgoingCall.state)
                .where(
                    OutgoingCall.kind == "bridge",
                    OutgoingCall.state.in_(orders.RUNNING),
                    OutgoingCall.expires_at > utc_now(),
                )
                .order_by(OutgoingCall.requested_at)
            ).all()
        return [
            found for found, state in rows if state == "wanted" or not self._ledger.knows(found)
        ]

    def _send(self, order_id: str) -> None:
        self._move(order_id, "wanted", "sent")
        order = self._order(order_id)
        if order is None:
            self._finish(order_id, "nobody")
            return
        answer = door.send(self._settings, order)
        error = answer.get("error") if answer is not None else "away"
        if answer is not None and (answer.get("ok") is True or error == "known"):
            return
        if error in ("away", "busy"):
            self._move(order_id, "sent", "wanted")
            return
        log.warning("an order was refused", id=order_id, error=error)
        self._finish(order_id, REFUSALS.get(str(error), "nobody"))

    def _move(self, order_id: str, before: str, after: str) -> bool:
        with self._database.write() as session:
            return claimed(
                session.execute(
                    sa.update(OutgoingCall)
                    .where(OutgoingCall.id == order_id, OutgoingCall.state == before)
                    .values(state=after)
                )
            )

    def _order(self, order_id: str) -> dict[str, object] | None:
        """What telephony gets; None when a number is gone by now. Numbers are opened only here."""
        with self._database.read() as session:
            row = session.get_one(OutgoingCall, order_id)
            phone = session.get(StaffPhone, row.requested_by_id)
            resident = None
            if row.case_id is not None:
                resident = orders.resident_of_case(session, session.get_one(Case, row.case_id))
            elif row.call_back_id is not None:
                task = session.get_one(CallBack, row.call_back_id)
                resident = orders.resident_of_call_back(session, task)
            if phone is None or phone.number_sealed is None or resident is None:
                return None
            try:
                numbers = [self._sealer.unseal(text) for text in (phone.number_sealed, resident)]
            except (InvalidTag, ValueError):
                log.error("a number cannot be opened: it was sealed with another secret")
                return None
            people = [f"user:{row.requested_by_id}", "resident"]
            legs = [{"who": w, "number": n} for w, n in zip(people, numbers, strict=True)]
            return {"order_id": row.id, "expires_at": row.expires_at.isoformat(), "legs": legs}

    def _finish(self, order_id: str, result: Result) -> None:
        with self._database.write() as session:
            entering.finish(session, order_id, result, ended_at=utc_now())

    def _end_lost(self) -> None:
        """Orders without a file; and those whose file outlived every call and was never entered."""
        now = utc_now()
        with self._database.read() as session:
            rows = session.execute(
                sa.select(OutgoingCall.id, OutgoingCall.state, OutgoingCall.expires_at).where(
                    OutgoingCall.state.in_(orders.RUNNING), OutgoingCall.expires_at <= now
                )
            ).all()
        for order_id, state, expires_at in rows:
            was_taken = self._ledger.knows(order_id)
            if was_taken and now < expires_at + KEEP:
                continue  # telephony has it, or its outcome comes next
            if state == "wanted" and not was_taken:
                self._finish(order_id, "expired")
            elif expires_at + LOST_AFTER <= now:
                self._finish(order_id, "killed")

    # Outcomes

    def _look_at(self, path: Path) -> None:
        try:
            changed_ns = path.stat().st_mtime_ns
            entered = self._entered.get(path.name)
            if entered is not None and entered[0] == changed_ns:
                self._clear(path, entered[1])
                return
            outcome = parse(path.read_text(encoding="utf-8"))
            if f"{outcome.order_id}.json" != path.name:
                raise ValueError("it belongs to another order")
        except FileNotFoundError:
            return
        except ValueError as error:
            log.error("an outcome cannot be read; it is set aside", file=path.name, why=str(error))
            path.rename(path.with_suffix(DAMAGED))
            return
        if outcome.result is None:
            self._show(outcome)
        else:
            self._enter(outcome)
            may_go = datetime.fromisoformat(outcome.ended_at or outcome.begun_at) + KEEP
            self._entered[path.name] = changed_ns, may_go

    def _show(self, outcome: Outcome) -> None:
        with self._database.read() as session:
            row = session.get(OutgoingCall, outcome.order_id)
            if row is None or row.state not in orders.RUNNING:
                return
        with self._database.write() as session:
            entering.show_progress(session, outcome)

    def _enter(self, outcome: Outcome) -> None:
        with self._database.write() as session:
            is_new = entering.enter(session, outcome)
        if is_new:
            log.info("outcome entered", id=outcome.order_id, result=outcome.result)

    def _clear(self, path: Path, may_go: datetime) -> None:
        """Remove a file once it is old and a fresh connection sees its row."""
        if utc_now() < may_go:
            return
        if not presence.really_holds(self._database, path.stem, "outgoing_call", "id"):
            self._database.engine.dispose()
            del self._entered[path.name]  # the database was replaced: enter it again
            return
        path.unlink(missing_ok=True)
        del self._entered[path.name]
