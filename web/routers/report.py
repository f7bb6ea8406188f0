"""The villagers' page: say or write what is wrong, get a number, ask later how it stands.

Made for old telephones: no script is needed, a page stays below 10 KB, the telephone's own
recorder does the recording. Nothing is stored without consent, and nothing that is no sound.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import intake, references, status
from cases.intake import Arrival
from cases.lifecycle import CaseStatus, ReportState
from cases.models import Report
from core.clock import utc_now
from core.errors import N_, InvalidInput, XiangyinError
from core.models import Area
from web import report_upload
from web.deps import ReadSession, Services, ServicesDep
from web.pages import render

router = APIRouter()

CONSENT_VERSION = "web-1"
MAX_TEXT = 2000
MAX_SOUND_S = 600
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")
_PHONE = re.compile(r"\+?[0-9]{5,15}")

REPORT_WORDS = {
    ReportState.RECEIVED: N_("We have it. A member of staff will listen to it."),
    ReportState.UNDER_REVIEW: N_("A member of staff is looking into it."),
    ReportState.ACCEPTED: N_("It is accepted."),
    ReportState.REJECTED: N_("It cannot be taken up here."),
    ReportState.DUPLICATE: N_("Others told us the same. Both are handled together."),
}
CASE_WORDS = {
    CaseStatus.TRIAGED: N_("It waits to be given to somebody."),
    CaseStatus.ASSIGNED: N_("It was given to the person responsible."),
    CaseStatus.RETURN_REQUESTED: N_("Who is responsible is being checked again."),
    CaseStatus.ACCEPTED: N_("The person responsible has taken it."),
    CaseStatus.IN_PROGRESS: N_("It is being worked on."),
    CaseStatus.ON_HOLD: N_("It rests for the moment."),
    CaseStatus.RESOLVED: N_("It is done. We will ask you whether you are satisfied."),
    CaseStatus.VERIFYING: N_("It is done. We will ask you whether you are satisfied."),
    CaseStatus.CLOSED: N_("It is closed. Call us when it is not in order."),
}


@dataclass(frozen=True)
class Sent:
    """What a person filled in, checked."""

    text: str
    phone: str
    confidential: bool
    token: str


@router.get("/report/status")
def status_page(request: Request) -> Response:
    """The form that asks for number and PIN."""
    return render(request, "report/status.html", answer=None, values={"reference_no": ""})


@router.post("/report/status")
def ask_status(
    request: Request,
    services: ServicesDep,
    reference_no: Annotated[str, Form(max_length=40)] = "",
    pin: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """How it stands. A wrong try is committed like a right one: it counts."""
    source = request.client.host if request.client else "unknown"
    with services.database.write() as session:
        answer = status.look_up(
            session, services.sealer, reference_no, pin=pin.strip(), source=source
        )
    values = {"reference_no": reference_no}
    if answer.found:
        return render(
            request,
            "report/status.html",
            answer=answer,
            state_words=REPORT_WORDS[ReportState(answer.state)],
            case_words={step.case_no: CASE_WORDS[CaseStatus(step.status)] for step in answer.cases},
            number=references.spoken(answer.reference_no),
        )
    wrong: XiangyinError
    if answer.locked_until:
        wrong = InvalidInput(N_("There were too many tries. Wait until the time shown below."))
    else:
        wrong = InvalidInput(N_("Number and PIN do not fit. Check both and try again."))
    code = 429 if answer.locked_until else 422
    return render(
        request, "report/status.html", status=code, answer=answer, error=wrong, values=values
    )


@router.get("/report/{code}")
def form_page(request: Request, session: ReadSession, services: ServicesDep, code: str) -> Response:
    """The page behind the code on the poster."""
    village = _village(session, code)
    if village is None:
        return render(request, "report/unknown.html", status=404)
    return _form(request, services, village, secrets.token_urlsafe(18))


@router.post("/report/{code}")
def send(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    code: str,
    consent: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
    phone: Annotated[str, Form(max_length=60)] = "",
    confidential: Annotated[str, Form()] = "",
    form_token: Annotated[str, Form()] = "",
    recorded: Annotated[UploadFile | None, File()] = None,
    chosen: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Store the report and show its number; what is wrong is said beside the field."""
    village = _village(session, code)
    if village is None:
        return render(request, "report/unknown.html", status=404)
    session.close()  # reading sound takes seconds; nobody shall wait for us meanwhile
    token = form_token if _TOKEN.fullmatch(form_token) else secrets.token_urlsafe(18)
    values = {"text": text, "phone": phone, "confidential": confidential, "consent": consent}
    upload = next((part for part in (recorded, chosen) if part and part.filename), None)
    try:
        sent = _checked(consent, text, phone, confidential, token, upload is not None)
        report, pin = _store(services, village, sent, upload)
    except InvalidInput as error:
        return _form(request, services, village, token, error=error, values=values)
    return render(
        request,
        "report/sent.html",
        village=village,
        number=references.spoken(report.reference_no),
        pin=pin,
        confidential=report.confidential,
    )


def _form(
    request: Request,
    services: Services,
    village: Area,
    token: str,
    *,
    error: InvalidInput | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    return render(
        request,
        "report/form.html",
        village=village,
        token=token,
        error=error,
        values=dict.fromkeys(("text", "phone", "confidential", "consent"), "") | (values or {}),
        is_plain_http=request.url.scheme == "http",
        limit_mb=services.settings.report_upload_max_mb,
        max_text=MAX_TEXT,
        minutes=MAX_SOUND_S // 60,
    )


def _village(session: Session, code: str) -> Area | None:
    return session.scalar(sa.select(Area).where(Area.report_code == code))


def _checked(
    consent: str, text: str, phone: str, confidential: str, token: str, has_sound: bool
) -> Sent:
    if not consent:
        raise InvalidInput(
            N_("Tick this first. Without your consent nothing is stored."), field="consent"
        )
    text = text.strip()
    if not has_sound and not text:
        raise InvalidInput(N_("Record or choose a sound, or write a few words."), field="file")
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."),
            field="text",
            params={"limit": MAX_TEXT},
        )
    number = re.sub(r"[\s\-()－]", "", phone)
    if number and not _PHONE.fullmatch(number):
        raise InvalidInput(
            N_("This is no telephone number. Use digits, or leave the field empty."),
            field="phone",
        )
    return Sent(text, number, bool(confidential), token)


def _store(
    services: Services, village: Area, sent: Sent, upload: UploadFile | None
) -> tuple[Report, str]:
    with tempfile.TemporaryDirectory(dir=services.settings.folder("incoming")) as folder:
        path = (
            report_upload.save(services.settings, upload, Path(folder), max_s=MAX_SOUND_S)
            if upload
            else None
        )
        examined = intake.examine(services.store, path) if path else None
        content = f"{sent.text}\x1f{examined.original if examined else ''}"
        key = f"web:{sent.token}:{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        pin = f"{int(services.sealer.keyed_hash('web-pin', key)[:12], 16) % 10_000:04d}"
        with services.database.write() as session:
            known = session.scalar(sa.select(Report).where(Report.source_key == key))
            if known is not None:
                return known, pin
            number = references.reserve(session, 1)[0]
            now = utc_now()
            arrival = Arrival(
                channel="web" if examined else "typed",
                source_key=key,
                received_at=now,
                typed_text=sent.text or None,
                village_code=village.code,
                caller_number=sent.phone or None,
                pin_hash=services.sealer.keyed_hash("pin", number, pin),
                reference_no=number,
                confidential=sent.confidential,
                consent_version=CONSENT_VERSION,
                consent_channel="web",
                consent_at=now,
            )
            received = intake.receive(
                session, services.store, services.sealer, arrival, examined=examined
            )
            return received.report, pin
