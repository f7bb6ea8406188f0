"""Reports for programs: read one, page through them, send one in. Numbers are always masked."""

from __future__ import annotations

import base64
import json
import math
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from cases import access, finding, intake, references
from cases.intake import Arrival, Examined
from cases.models import Report
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput
from core.models import Area
from transcribe import jobs, transcripts
from web import masks, report_json, report_upload
from web.deps import CurrentActor, ReadSession, Services, ServicesDep
from web.idempotency import Once, OnceDep
from web.routing import Router

router = Router(prefix="/api/v1")

MAX_TEXT = 2000
MAX_SOUND_S = 600
TRUE_WORDS = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Posted:
    """A report as a program sent it."""

    text: str
    village_code: str | None
    phone: str
    confidential: bool
    urgent: bool
    upload: UploadFile | None


@router.get("/reports")
def page(
    session: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    state: str | None = None,
    cursor: str | None = None,
    q: str | None = None,
    sound: bool = False,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Newest first; ``next_cursor`` is null on the last page. ``q``: only those that hold these
    words, with ``sound`` also what sounds like them; the search is written down."""
    _require_reading(actor)
    query = access.reports_seen(session, actor)
    if state:
        query = query.where(Report.state == state)
    if cursor:
        query = query.where(Report.id < _after(cursor))
    if q is not None:
        ids = finding.ids(session, query, q, by_sound=sound, limit=limit + 1)
        query = query.where(Report.id.in_(ids))
        with services.database.write() as writing:
            finding.note(writing, actor, q, len(ids))
    found = list(session.scalars(query.order_by(Report.id.desc()).limit(limit + 1)))
    shown = found[:limit]
    more = len(found) > limit
    return {
        "reports": [report_json.brief(services, report) for report in shown],
        "next_cursor": _cursor(shown[-1].id) if more else None,
    }


@router.get("/reports/{reference_no}")
def one(
    session: ReadSession, services: ServicesDep, actor: CurrentActor, reference_no: str
) -> Response:
    """One report with its words, or how far the transcription is."""
    _require_reading(actor)
    number = references.normalise(reference_no)
    report = access.report_by_number(session, actor, number)
    transcript = transcripts.latest(session, "report", report.id)
    job = jobs.latest(session, "report", report.id)
    village = session.get(Area, report.village_code) if report.village_code else None
    transcription = report_json.job(session, job)
    body = report_json.brief(services, report) | {
        "village": {"code": village.code, "name": village.name} if village else None,
        "typed_text": masks.hide(report.typed_text) if report.typed_text else None,
        "sound_failure": report.sound_failure,
        "transcript": report_json.transcript(transcript) if transcript else None,
        "transcription": transcription,
    }
    headers = {"etag": report_json.etag(report, transcript)}
    expected_s = transcription["transcript_expected_in_s"] if transcription else None
    if expected_s is not None:
        headers["retry-after"] = str(math.ceil(expected_s))
    return JSONResponse(body, headers=headers)


@router.post("/reports", status_code=201)
async def create(
    request: Request, services: ServicesDep, actor: CurrentActor, once: OnceDep
) -> Response:
    """Send one in: JSON {"text", …} or a form with ``file``. The same key twice is one report."""
    actor.require("report.review")
    posted = await _posted(request)
    return await run_in_threadpool(_create, services, actor, once, posted)


async def _posted(request: Request) -> Posted:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = await request.json()
        except ValueError:
            raise InvalidInput(N_("The body is no JSON.")) from None
        if not isinstance(fields, dict):
            raise InvalidInput(N_("The body is no JSON."))
        upload = None
    else:
        fields = dict(await request.form())
        found = fields.get("file")
        upload = found if isinstance(found, UploadFile) else None
    return Posted(
        text=str(fields.get("text") or "").strip(),
        village_code=str(fields.get("village_code") or "") or None,
        phone=str(fields.get("phone") or "").replace(" ", "").replace("-", ""),
        confidential=_is_true(fields.get("confidential")),
        urgent=_is_true(fields.get("urgent")),
        upload=upload,
    )


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() in TRUE_WORDS


def _create(services: Services, actor: Actor, once: Once, posted: Posted) -> Response:
    with services.database.read() as session:
        _check(session, actor, posted)
    with tempfile.TemporaryDirectory(dir=services.settings.folder("incoming")) as folder:
        examined = _examined(services, posted, Path(folder))

    def work(session: Session) -> tuple[int, dict[str, Any]]:
        arrival = _arrival(actor, posted, has_sound=examined is not None)
        received = intake.receive(
            session, services.store, services.sealer, arrival, examined=examined
        )
        job = jobs.latest(session, "report", received.report.id)
        expected = {"transcript_expected_in_s": jobs.expected_s(session, job)}
        return 201, report_json.brief(services, received.report) | expected

    return once.run(actor, _fingerprint(posted, examined), work)


def _arrival(actor: Actor, posted: Posted, *, has_sound: bool) -> Arrival:
    return Arrival(
        channel="upload" if has_sound else "typed",
        source_key=f"api:{uuid.uuid4()}",
        received_at=utc_now(),
        typed_text=posted.text or None,
        village_code=posted.village_code,
        caller_number=posted.phone or None,
        confidential=posted.confidential,
        urgent=posted.urgent,
        urgent_reason="api" if posted.urgent else None,
        entered_by_id=actor.id,
    )


def _check(session: Session, actor: Actor, posted: Posted) -> None:
    if not posted.text and posted.upload is None:
        raise InvalidInput(N_("Send a text or a sound file."), field="file")
    if len(posted.text) > MAX_TEXT:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."),
            field="text",
            params={"limit": MAX_TEXT},
        )
    if posted.phone and not (posted.phone.lstrip("+").isdigit() and len(posted.phone) <= 16):
        raise InvalidInput(
            N_("This is no telephone number. Use digits, or leave the field empty."),
            field="phone",
        )
    if posted.village_code is not None:
        area = session.get(Area, posted.village_code)
        if area is None or not actor.sees(session, posted.village_code):
            raise InvalidInput(N_("Choose a village of your area."), field="village_code")


def _examined(services: Services, posted: Posted, folder: Path) -> Examined | None:
    if posted.upload is None:
        return None
    path = report_upload.save(services.settings, posted.upload, folder, max_s=MAX_SOUND_S)
    return intake.examine(services.store, path)


def _fingerprint(posted: Posted, examined: Examined | None) -> bytes:
    said = [posted.text, posted.village_code, posted.phone, posted.confidential, posted.urgent]
    return json.dumps([*said, examined.original if examined else None]).encode()


def _require_reading(actor: Actor) -> None:
    if not (actor.may("report.read") or access.keeps_secrets(actor)):
        actor.require("report.read")


def _cursor(report_id: int) -> str:
    return base64.urlsafe_b64encode(f"r{report_id}".encode()).decode().rstrip("=")


def _after(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return int(text.removeprefix("r"))
    except ValueError:
        raise InvalidInput(N_("This cursor is none of ours."), field="cursor") from None
