"""Call-backs as the page shows them: what a person may see of each, in the order of work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, references
from cases.models import Report
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_
from hotline import callback_work
from hotline.models import CallBack, OutgoingCall
from hotline.outgoing import numbers, orders
from web import hotline_view
from web.deps import Services

REASONS = {
    "fraud": N_("Just cheated of money, and nobody has spoken with them yet"),
    "human": N_("Asked for a person, and nobody answered"),
    "wanted": N_("Asked to be phoned"),
    "killed": N_("Our system stopped in the middle of the call"),
    "disk": N_("Our system failed and could not record"),
    "not_satisfied": N_("Not satisfied, and it could not be noted"),
    "refused": N_("What they reported was refused: tell them why and who can help"),
    "no_number_told": N_("Left a report and was not told its number"),
    "status": N_("Asked how a report stands and got no answer"),
    "dropped": N_("The call broke off before enough was said"),
    "no_speech": N_("Nothing was heard"),
    "no_consent": N_("Did not agree to a recording"),
    "missed": N_("Did not get through, or hung up before saying anything"),
}
OUTCOMES = {
    "helped": N_("Spoken with, settled"),
    "reported": N_("Spoken with, a report was written down"),
    "not_needed": N_("Spoken with, wants nothing any more"),
    "wrong_number": N_("Wrong number, nobody there knows of it"),
    "unreachable": N_("Not reached three times"),
    "called_again": N_("Phoned again and left a report"),
}
PAGE = 50


@dataclass(frozen=True)
class Line:
    """One task. ``number`` is masked, "" when it was withheld; ``report`` only where the person
    may read it; ``bridge``: the last call the hotline made for it."""

    task: CallBack
    number: str
    village: str | None
    report: Report | None
    report_no: str
    bridge: OutgoingCall | None
    overdue_min: int
    can_connect: bool

    @property
    def connecting(self) -> bool:
        return self.bridge is not None and self.bridge.state in orders.RUNNING

    @property
    def spoken_with(self) -> OutgoingCall | None:
        """The bridge in which somebody spoke with the caller, when it was the last one."""
        bridge = self.bridge
        return bridge if bridge and not self.connecting and bridge.result == "joined" else None


def lines(
    session: Session, actor: Actor, services: Services, *, state: str, page: int = 0
) -> tuple[list[Line], int]:
    """One page of the tasks in ``state`` and how many there are.

    Open ones: cheated callers, then the longest due. Done ones: the last ended first.
    """
    query = callback_work.tasks_seen(session, actor).where(CallBack.state == state)
    total = session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    if state == "open":
        cheated_first = sa.case((CallBack.reason == "fraud", 0), else_=1)
        ordered = query.order_by(cheated_first, CallBack.due_at, CallBack.id)
    else:
        ordered = query.order_by(CallBack.done_at.desc(), CallBack.id.desc())
    found = list(session.scalars(ordered.limit(PAGE).offset(page * PAGE)))
    return shown(session, actor, services, found), total


def shown(session: Session, actor: Actor, services: Services, found: list[CallBack]) -> list[Line]:
    """The tasks with what belongs to them."""
    now = utc_now()
    reports = _reports(session, actor, found)
    bridges = _bridges(session, found)
    villages = areas.names(session, [task.village_code for task in found])
    return [
        Line(
            task=task,
            number=hotline_view.masked(services.sealer, task.caller_sealed),
            village=villages.get(task.village_code or ""),
            report=reports.get(task.report_id or 0),
            report_no=_spoken(reports.get(task.report_id or 0)),
            bridge=bridges.get(task.id),
            overdue_min=_overdue_min(task, now),
            can_connect=_can_connect(services, orders.resident_of_call_back(session, task)),
        )
        for task in found
    ]


def _can_connect(services: Services, sealed: str | None) -> bool:
    if sealed is None:
        return False
    return numbers.may_call_sealed(sealed, services.sealer, services.settings)


def _spoken(report: Report | None) -> str:
    return references.spoken(report.reference_no) if report is not None else ""


def _overdue_min(task: CallBack, now: datetime) -> int:
    late_s = (now - task.due_at).total_seconds()
    return int(late_s // 60) if task.state == "open" and late_s > 0 else 0


def _reports(session: Session, actor: Actor, found: list[CallBack]) -> dict[int, Report]:
    wanted = {task.report_id for task in found if task.report_id is not None}
    query = access.reports_seen(session, actor).where(Report.id.in_(wanted))
    return {report.id: report for report in session.scalars(query)} if wanted else {}


def _bridges(session: Session, found: list[CallBack]) -> dict[int, OutgoingCall]:
    query = (
        sa.select(OutgoingCall)
        .where(OutgoingCall.call_back_id.in_([task.id for task in found]))
        .order_by(OutgoingCall.requested_at)
    )
    return {call.call_back_id: call for call in session.scalars(query) if call.call_back_id}
