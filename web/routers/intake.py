"""The door for other vendors' systems: signed deliveries after Standard Webhooks 1.0.

Unknown source, wrong signature and old time stamp look alike. A message id is taken once; the
same id again gets the same number. A body is read only after its headers made sense; a large one
only of a source that is known, one for each address and few at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from cases import intake
from cases.intake import Arrival, Examined
from cases.models import Report, ReportEvent
from core import areas
from core.clock import utc_now
from core.errors import N_, XiangyinError
from core.standard_webhooks import Envelope, fresh_secret
from hotline import sources
from hotline.models import IntakeSource
from web import intake_body
from web.body import TooLarge, read_body
from web.brake import Brake
from web.deps import Services, ServicesDep
from web.intake_body import Delivery
from web.report_limits import address_of
from web.routing import Router
from web.slots import Slots

router = Router()

CONSENT_CHANNEL = "vendor"
SMALL_BYTES = 200_000
LARGE_BODIES_AT_ONCE = 4
LARGE_WAIT_S = 10.0
READ_S = 60.0
SLOW_COUNTS = 10
"""A body that does not come in time held a place for a minute: three are a pause of minutes."""
_DECOY = fresh_secret()
_brake = Brake(failures=30, within_s=600)


class NotSigned(XiangyinError):
    """No delivery of a known source: the same answer whatever was wrong."""

    code = "not_signed"
    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            N_("Source, signature or time stamp do not fit. The time may differ by 5 minutes.")
        )


class TooSlow(XiangyinError):
    """The body did not come in time."""

    code = "too_slow"
    http_status = 408
    retriable = True

    def __init__(self) -> None:
        super().__init__(N_("The delivery took too long. Send it again."))


@router.post("/api/v1/intake/{source_id}")
async def deliver(request: Request, services: ServicesDep, source_id: str) -> Response:
    """Take in one report of another system: 201 with its number, 200 when it came before."""
    address = address_of(request)
    _brake.check(address)
    envelope = Envelope.of(request.headers)
    if envelope is None or not envelope.is_fresh(utc_now()):
        _brake.failed(address)
        raise NotSigned
    limit = intake_body.most_bytes(services.settings.report_upload_max_mb)
    if _is_small(request):
        body = await _read(request, SMALL_BYTES, address)
    else:
        if not await run_in_threadpool(_is_known, services, source_id):
            _brake.failed(address)
            raise NotSigned
        async with _large_bodies(request).hold(address):
            body = await _read(request, limit, address)
    source = await run_in_threadpool(_source, services, source_id, envelope, body)
    if source is None:
        _brake.failed(address)
        raise NotSigned
    return await run_in_threadpool(_take, services, source, envelope, body)


def _is_small(request: Request) -> bool:
    """Words alone never wait behind sounds that somebody sends slowly."""
    declared = request.headers.get("content-length", "")
    return declared.isascii() and declared.isdigit() and int(declared[:12]) <= SMALL_BYTES


def _large_bodies(request: Request) -> Slots:
    state = request.app.state
    if not hasattr(state, "intake_slots"):
        state.intake_slots = Slots(LARGE_BODIES_AT_ONCE, LARGE_WAIT_S)
    found = state.intake_slots
    assert isinstance(found, Slots)
    return found


async def _read(request: Request, limit: int, address: str) -> bytes:
    too_large = TooLarge(
        N_("What you sent is larger than this server takes. Send a shorter recording.")
    )
    try:
        async with asyncio.timeout(READ_S):
            return await read_body(request, limit, too_large)
    except (TimeoutError, ClientDisconnect):
        _brake.failed(address, SLOW_COUNTS)
        raise TooSlow from None


def _is_known(services: Services, source_id: str) -> bool:
    """Whether such a source may send at all. Its number is no secret; the signature proves it."""
    with services.database.read() as session:
        found = _by_id(session, source_id)
        return found is not None and found.active


def _by_id(session: Session, source_id: str) -> IntakeSource | None:
    is_number = source_id.isascii() and source_id.isdigit() and len(source_id) <= 9
    return session.get(IntakeSource, int(source_id)) if is_number else None


def _source(
    services: Services, source_id: str, envelope: Envelope, body: bytes
) -> IntakeSource | None:
    """The source that signed this, else None, in the same time for every reason."""
    with services.database.read() as session:
        found = _by_id(session, source_id)
    keys = [_DECOY]
    if found is not None:
        keys = sources.secrets_of(services.sealer, found, utc_now())
    fits = envelope.fits(body, keys)
    return found if fits and found is not None and found.active else None


def _take(services: Services, source: IntakeSource, envelope: Envelope, body: bytes) -> Response:
    delivery = intake_body.parse(body, sound_mb=services.settings.report_upload_max_mb)
    examined = _examined(services, delivery)
    with services.database.write() as session:
        village, warnings = _village(session, source, delivery)
        received = intake.receive(
            session,
            services.store,
            services.sealer,
            _arrival(source, envelope, delivery, village),
            examined=examined,
        )
        if received.is_new:
            _note(session, source, delivery, received.report)
    answer: dict[str, Any] = {
        "reference_no": received.report.reference_no,
        "received_at": received.report.received_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "village_code": received.report.village_code,
        "sound_failure": received.report.sound_failure,
        "warnings": warnings,
    }
    return JSONResponse(answer, 201 if received.is_new else 200)


def _examined(services: Services, delivery: Delivery) -> Examined | None:
    if delivery.audio is None:
        return None
    with tempfile.TemporaryDirectory(dir=services.settings.folder("incoming")) as folder:
        path = Path(folder) / "sound"
        path.write_bytes(delivery.audio)
        return intake.examine(services.store, path)


def _village(
    session: Session, source: IntakeSource, delivery: Delivery
) -> tuple[str | None, list[str]]:
    """An unknown or foreign village must not cost the voice: the operator sets it."""
    code = delivery.village_code
    if code is None:
        return None, []
    if source.area_code is not None and code in areas.below(session, source.area_code):
        return code, []
    return None, ["village_code"]


def _arrival(
    source: IntakeSource, envelope: Envelope, delivery: Delivery, village: str | None
) -> Arrival:
    message = hashlib.sha256(envelope.message_id.encode()).hexdigest()
    return Arrival(
        channel="webhook",
        source_key=f"webhook:{source.id}:{message}",
        received_at=delivery.received_at,
        typed_text=delivery.text or None,
        village_code=village,
        caller_number=delivery.caller or None,
        confidential=delivery.confidential,
        urgent=delivery.urgent,
        urgent_reason="webhook" if delivery.urgent else None,
        consent_version=delivery.consent_version or None,
        consent_channel=CONSENT_CHANNEL,
        consent_at=delivery.received_at,
        on_behalf=delivery.on_behalf,
        resident_name=delivery.resident_name or None,
        resident_phone=delivery.resident_phone or None,
    )


def _note(session: Session, source: IntakeSource, delivery: Delivery, report: Report) -> None:
    now = utc_now()
    said = f"{source.name}: {delivery.reference}" if delivery.reference else source.name
    session.add(ReportEvent(report_id=report.id, at=now, action="handed_in", reason=said))
    session.get_one(IntakeSource, source.id).last_used_at = now
