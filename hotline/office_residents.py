"""What telephony asks for callers: where they called from, how a report stands, "not satisfied"."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import residents, status
from cases.deadlines import DONE
from cases.lifecycle import CaseStatus, ReportState
from cases.models import CaseReply, Report
from cases.residents import Outcome
from cases.status import Answer, CaseStep
from core import audit
from core.blobs import BlobStore
from core.database import Database
from core.errors import NotFound
from core.sealed import Sealer
from hotline import in_time, refusals
from hotline.journal import folder_name
from hotline.refusals import Caller

Asked = dict[str, Any]
LONGEST_TEXT = 200
_ROAD = [status.value for status in CaseStatus]


class ResidentDesk:
    """Answers about reports. Each answer is {"ok": True, …}; wrong forms raise ValueError."""

    def __init__(self, database: Database, store: BlobStore, sealer: Sealer, zone: str) -> None:
        self._database = database
        self._store = store
        self._sealer = sealer
        self._zone_name, self._zone = zone, ZoneInfo(zone)

    def village_of(self, asked: Asked) -> Asked:
        """The village of the caller's last report. A confidential one is not given away."""
        caller = text(asked, "caller")
        code = None
        if caller:
            with self._database.read() as session:
                code = session.scalar(
                    sa.select(Report.village_code)
                    .where(
                        Report.caller_hash == self._sealer.caller_hash(caller),
                        Report.village_code.is_not(None),
                        Report.confidential.is_(False),
                        Report.on_behalf.is_(False),
                    )
                    .order_by(Report.received_at.desc(), Report.id.desc())
                    .limit(1)
                )
        return {"ok": True, "village_code": code}

    def status(self, asked: Asked) -> Asked:
        """State of a report and what follows; see hotline.ask.

        A refusal that nobody was told yet is owed a call-back before it is spoken of.
        """
        with in_time.write(self._database, asked) as session:
            found = self._look_up(session, asked)
            if not found.found:
                return _unknown(found)
            step = _decisive(found.cases)
            due = min((s.due_at for s in found.cases if s.due_at), default=None)
            return {
                "ok": True,
                "found": True,
                "locked": False,
                "state": found.state,
                "status": step.status if step else None,
                "due": self._local_date(due),
                "reply": self._reply(session, found),
                "may_reopen": found.may_object,
                "decided": _is_decided(found),
                "refusal": self._refusal(session, found, text(asked, "caller")),
            }

    def not_satisfied(self, asked: Asked) -> Asked:
        """Act on it at once; the call's journal brings it again, and it counts once."""
        key = call_key(text(asked, "call_id"))
        with in_time.write(self._database, asked) as session:
            found = self._look_up(session, asked)
            if not found.found or found.report_id is None:
                return {"ok": True, "done": False}
            outcome = residents.not_satisfied(session, found.report_id, key)
        return {"ok": True, "done": outcome is not Outcome.TOO_LATE, "outcome": outcome.value}

    def _look_up(self, session: Session, asked: Asked) -> Answer:
        caller, pin = text(asked, "caller"), text(asked, "pin")
        return status.look_up(
            session,
            self._sealer,
            text(asked, "reference"),
            pin=pin or None,
            caller_number=caller or None,
            source=source_of(self._sealer, caller),
            counted=bool(pin) and asked.get("counted") is True,
        )

    def _reply(self, session: Session, found: Answer) -> str | None:
        newest = max((s.reply for s in found.cases if s.reply is not None), default=None)
        if newest is None:
            return None
        reply = session.get_one(CaseReply, newest)
        try:
            path = self._store.existing_path(reply.sha256)
        except NotFound:
            return None
        subject = f"case:{reply.case_id}"
        audit.record(session, "resident", "case.reply_heard", subject, reply=newest, by="phone")
        return str(path.resolve())

    def _refusal(self, session: Session, found: Answer, caller: str) -> str | None:
        if found.state != ReportState.REJECTED:
            return None
        asking = Caller(None, None)
        if caller:
            asking = Caller(self._sealer.seal(caller), self._sealer.caller_hash(caller))
        report = session.get_one(Report, found.report_id)
        return refusals.owe(session, report, self._zone_name, asking)

    def _local_date(self, instant: datetime | None) -> str | None:
        return instant.astimezone(self._zone).date().isoformat() if instant else None


def text(asked: Asked, name: str) -> str:
    """A short text of the question; missing: empty. Raises ValueError for anything else."""
    value = asked.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError(name)
    return value.strip()


def call_key(call_id: str) -> str:
    """Key under which what a call brought about is kept, however often it is told."""
    if not call_id:
        raise ValueError("call_id")
    return f"call:{folder_name(call_id)}"


def source_of(sealer: Sealer, caller: str) -> str | None:
    """Where guesses come from, without the number; None for all who withhold theirs.

    One count for them would be one for a whole line that tells no numbers.
    """
    return f"phone:{sealer.caller_hash(caller)}" if caller else None


def _decisive(steps: tuple[CaseStep, ...]) -> CaseStep | None:
    """Of several cases the one that is least far: the whole is not done before it is."""
    return min(steps, key=lambda step: _ROAD.index(step.status), default=None)


def _is_decided(found: Answer) -> bool:
    is_done = any(step.status in DONE for step in found.cases)
    return is_done or found.state == ReportState.REJECTED


def _unknown(found: Answer) -> Asked:
    return {"ok": True, "found": False, "locked": found.locked_until is not None}
