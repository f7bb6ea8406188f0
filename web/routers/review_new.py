"""Taking down a report for somebody: at the counter, from a letter, from a recorder."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import access, references
from cases.models import Report, ReportEvent
from core import audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound
from core.models import Area
from web import report_form, report_upload, staff_entry
from web.addresses import base_url
from web.deps import ReadSession, Services, ServicesDep, WriteSession, require
from web.pages import Nav, render, see_other
from web.routing import Router

router = Router()
NAV = [Nav(12, "/review/new", N_("Take down a report"), staff_entry.RIGHT)]
Taker = Annotated[Actor, Depends(require(staff_entry.RIGHT))]
MANY_VILLAGES = 12


def _form(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    token: str,
    *,
    error: InvalidInput | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    offered = staff_entry.villages(session, actor)
    fresh = dict.fromkeys(staff_entry.FIELDS, "") | {
        "origin": "counter",
        "received_at": _local(utc_now(), services.settings.zone),
        "village_code": offered[0][0] if len(offered) == 1 else "",
    }
    return render(
        request,
        "review/new.html",
        token=token,
        villages=offered,
        has_many=len(offered) > MANY_VILLAGES,
        origins=staff_entry.ORIGINS,
        latest=_local(utc_now(), services.settings.zone),
        limit_mb=services.settings.report_upload_max_mb,
        minutes=staff_entry.MAX_SOUND_S // 60,
        most_files=report_upload.MOST_FILES,
        max_text=staff_entry.MAX_TEXT,
        error=error,
        values=values or fresh,
    )


def _local(instant: datetime, zone: str) -> str:
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


@router.get("/review/new")
def form_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Taker
) -> Response:
    """An empty form: now, at the counter."""
    return _form(request, session, services, actor, report_form.form_token(""))


@router.post("/review/new")
def take_down(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: Taker,
    form_token: Annotated[str, Form(max_length=100)] = "",
    village_code: Annotated[str, Form(max_length=20)] = "",
    origin: Annotated[str, Form(max_length=20)] = "",
    received_at: Annotated[str, Form(max_length=40)] = "",
    text: Annotated[str, Form()] = "",
    phone: Annotated[str, Form(max_length=60)] = "",
    on_behalf: Annotated[str, Form(max_length=5)] = "",
    resident_name: Annotated[str, Form(max_length=200)] = "",
    resident_phone: Annotated[str, Form(max_length=60)] = "",
    urgent: Annotated[str, Form(max_length=5)] = "",
    confidential: Annotated[str, Form(max_length=5)] = "",
    consent: Annotated[str, Form(max_length=5)] = "",
    file: Annotated[list[UploadFile] | None, File()] = None,
) -> Response:
    """Store it once and lead to the slip; what is wrong is said beside the field."""
    given = locals()
    values = {name: str(given[name]) for name in staff_entry.FIELDS}
    token = report_form.form_token(form_token)
    chosen = [one for one in file or [] if one.filename]
    offered = staff_entry.villages(session, actor)
    session.close()  # reading sound takes seconds; nobody shall wait for us meanwhile
    try:
        entry = staff_entry.checked(values, offered, services.settings.zone, has_sound=bool(chosen))
        report_id = staff_entry.store(services, actor, token, entry, chosen)
    except InvalidInput as error:
        return _form(request, session, services, actor, token, error=error, values=values)
    return see_other(f"/review/new/{report_id}")


@router.get("/review/new/{report_id}")
def slip_page(
    request: Request, report_id: int, session: WriteSession, services: ServicesDep, actor: Taker
) -> Response:
    """Number and PIN to hand over, for whoever took it down, for some hours; written down."""
    report = session.get(Report, report_id)
    if report is None or report.entered_by_id != actor.id or not _is_recent(session, report):
        raise NotFound(N_("There is no such thing here."))
    audit.record(session, actor.login, "report.slip", f"report:{report.id}")
    return render(request, "review/slip.html", **_slip(session, services, actor, report))


def _is_recent(session: Session, report: Report) -> bool:
    entered_at = session.scalar(
        sa.select(ReportEvent.at).where(
            ReportEvent.report_id == report.id, ReportEvent.action == "entered"
        )
    )
    return entered_at is not None and utc_now() - entered_at < staff_entry.SLIP_GOOD_FOR


def _slip(session: Session, services: Services, actor: Actor, report: Report) -> dict[str, Any]:
    village = session.get(Area, report.village_code) if report.village_code else None
    return {
        "report": report,
        "village": village,
        "number": references.spoken(report.reference_no),
        "pin": staff_entry.pin_of(services.sealer, report.source_key),
        "hotline": services.settings.hotline_number,
        "status_url": f"{base_url(services.settings)}/report/status",
        "may_open": actor.may("report.read")
        and (not report.confidential or access.keeps_secrets(actor)),
    }
