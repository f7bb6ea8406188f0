"""Where a report came from besides its words: the sheet, for whom, pictures, why it is urgent."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cases import access
from cases.models import Report, ReportPoint
from core.auth import Actor
from core.sealed import mask_number
from web import duty_view, masks, report_halves, report_photos
from web.deps import Services


def context(services: Services, session: Session, actor: Actor, report: Report) -> dict[str, Any]:
    """What the page tells of it, as this person may see it."""
    hears = access.may_hear(actor, report)
    return {
        "point": session.get(ReportPoint, report.point_code) if report.point_code else None,
        "resident": _resident(services, actor, report),
        "because": duty_view.because(report),
        "rung": duty_view.rung_for(session, report) if report.urgent_reason else [],
        "ties": report_halves.ties(session, actor, report),
        "photos": report_photos.of_report(session, report.id) if hears else [],
    }


def _resident(services: Services, actor: Actor, report: Report) -> str:
    """For whom somebody reported: the name as this person may read it, the number masked."""
    sealed = "" if report.confidential else report.resident_phone_sealed or ""
    number = mask_number(services.sealer.unseal(sealed)) if sealed else ""
    name = masks.of_report(actor, report).text(report.resident_name)
    return " ".join(part for part in (name, number) if part)
