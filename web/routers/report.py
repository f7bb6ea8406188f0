"""The villagers' page: say or write what is wrong, get a number, ask later how it stands.

Made for old telephones: no script is needed, a page stays below 10 KB, the telephone's own
recorder does the recording. A telephone that can records in the page itself (report_takes.py).
Nothing is stored without consent, and nothing that is no sound.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import File, Form, Request, UploadFile
from starlette.responses import FileResponse, JSONResponse, Response

from cases import references, residents, status
from cases.models import CaseReply
from core.errors import N_, InvalidInput, NotFound, XiangyinError
from web import errors, report_form, report_photos, report_place, report_status, uploads
from web.deps import ReadSession, Services, ServicesDep, WriteSession
from web.pages import render
from web.report_entry import Brought, Entered, enter
from web.report_limits import address_of, limits_of, require_room
from web.report_place import Place
from web.report_status import Proofs
from web.report_takes import Reference
from web.routing import Router

router = Router()


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
    source = address_of(request)
    with services.database.write() as session:
        answer = status.look_up(
            session, services.sealer, reference_no, pin=pin.strip(), source=source
        )
    if answer.found:
        with services.database.read() as session:
            shown = report_status.shown(session, services.settings, answer)
        return render(request, "report/status.html", answer=answer, **shown)
    wrong: XiangyinError
    if answer.locked_until:
        wrong = InvalidInput(N_("There were too many tries. Wait until the time shown below."))
    else:
        wrong = InvalidInput(N_("Number and PIN do not fit. Check both and try again."))
    return render(
        request,
        "report/status.html",
        status=429 if answer.locked_until else 422,
        answer=answer,
        error=wrong,
        values={"reference_no": reference_no},
    )


@router.post("/report/status/object")
def object_to_it(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    proof: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """ "Not satisfied": done work is taken up again, work in progress gets a reminder."""
    report_id, once = Proofs(services.settings).read(proof, "report", "once")
    outcome = residents.not_satisfied(session, int(report_id), f"web:{once}")
    return render(
        request, "report/objected.html", words=report_status.OUTCOME_WORDS[outcome], outcome=outcome
    )


@router.get("/report/reply/{proof}")
def reply_sound(session: ReadSession, services: ServicesDep, proof: str) -> Response:
    """The handler's answer as sound, for whoever has just shown the PIN."""
    (reply_id,) = Proofs(services.settings).read(proof, "reply")
    reply = session.get(CaseReply, int(reply_id))
    if reply is None or reply.withdrawn_at is not None:
        raise NotFound(N_("There is no such reply."))
    return FileResponse(
        services.store.existing_path(reply.sha256),
        media_type="audio/wav",
        headers={"cache-control": "private, no-store"},
    )


@router.get("/report/recorder")
def recorder_part(request: Request) -> Response:
    """The recorder of the page with its words; fetched when somebody has agreed."""
    return render(
        request,
        "report/recorder.html",
        minutes=report_form.MAX_SOUND_S // 60,
        max_photos=report_photos.MOST,
        photo_mb=report_photos.MAX_MB,
    )


@router.get("/report/{code}")
def form_page(request: Request, session: ReadSession, services: ServicesDep, code: str) -> Response:
    """The page behind the code on the poster."""
    place = report_place.find(session, code)
    if place is None:
        return _unknown(request, services)
    return _form(request, services, place, secrets.token_urlsafe(18))


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
    on_behalf: Annotated[str, Form()] = "",
    resident_name: Annotated[str, Form(max_length=200)] = "",
    resident_phone: Annotated[str, Form(max_length=60)] = "",
    form_token: Annotated[str, Form()] = "",
    take: Annotated[str, Form(max_length=100)] = "",
    photo_take: Annotated[list[str] | None, Form()] = None,
    recorded: Annotated[UploadFile | None, File()] = None,
    chosen: Annotated[UploadFile | None, File()] = None,
    photo: Annotated[list[UploadFile] | None, File()] = None,
) -> Response:
    """Store the report and show its number; what is wrong is said beside the field.

    ``take``, ``photo_take``: what was sent in pieces before, each as ``token:bytes:crc32``. With
    ``Accept: application/json`` the receipt comes as ``{"receipt": html}``, errors as problems;
    ``takes`` in a problem names the ``photo_take`` that cannot go.
    """
    place = report_place.find(session, code)
    if place is None:
        return _unknown(request, services)
    session.close()  # reading sound takes seconds; nobody shall wait for us meanwhile
    token = report_form.form_token(form_token)
    typed = (text, phone, confidential, consent, on_behalf, resident_name, resident_phone)
    values = dict(zip(report_form.FIELDS, typed, strict=True))
    photos = [one for one in photo or () if one.filename]
    try:
        limits_of(request).reports.take(address_of(request))
        require_room(services.settings.folder("incoming"))
        brought = Brought(
            upload=uploads.given(recorded, chosen),
            photos=photos,
            take=Reference.read(take) if take else None,
            photo_takes=[Reference.read(one) for one in photo_take or ()],
        )
        sent = report_form.checked(values, token, has_sound=brought.has_sound)
        entered = enter(services, place, sent, brought)
    except XiangyinError as error:
        if _wants_json(request):
            return errors.problem(error, **_refused_takes(error, len(photos), photo_take or ()))
        return _form(request, services, place, token, error=error, values=values)
    return _receipt(request, services, place, entered)


def _refused_takes(
    error: XiangyinError, uploads: int, photo_takes: Sequence[str]
) -> dict[str, list[str]]:
    """The tokens of the takes that cannot go; before them come so many ``uploads``."""
    if not isinstance(error, report_photos.Refused):
        return {}
    sent = [one.partition(":")[0] for one in photo_takes]
    return {"takes": [sent[place - uploads] for place in error.places if place >= uploads]}


def _receipt(request: Request, services: Services, place: Place, entered: Entered) -> Response:
    shown: dict[str, Any] = {
        "place": place,
        "number": references.spoken(entered.number),
        "pin": entered.pin,
        "confidential": entered.confidential,
        "hotline": services.settings.hotline_number,
    }
    if _wants_json(request):
        receipt = bytes(render(request, "report/receipt.html", **shown).body).decode()
        return JSONResponse({"receipt": receipt}, headers={"cache-control": "no-store"})
    return render(request, "report/sent.html", **shown)


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _unknown(request: Request, services: Services) -> Response:
    hotline = services.settings.hotline_number
    return render(request, "report/unknown.html", status=404, hotline=hotline)


def _form(
    request: Request,
    services: Services,
    place: Place,
    token: str,
    *,
    error: XiangyinError | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    return render(
        request,
        "report/form.html",
        place=place,
        hotline=services.settings.hotline_number,
        token=token,
        error=error,
        values=dict.fromkeys(report_form.FIELDS, "") | (values or {}),
        is_plain_http=request.url.scheme == "http",
        limit_mb=services.settings.report_upload_max_mb,
        max_text=report_form.MAX_TEXT,
        max_photos=report_photos.MOST,
        minutes=report_form.MAX_SOUND_S // 60,
    )
