"""A report that staff take down: a visitor at the counter, a letter, a recorder's memo."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from cases import intake, references
from cases.intake import Arrival, Examined
from cases.models import Report, ReportEvent
from core import areas, audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput
from core.models import Area
from core.sealed import Sealer
from web import i18n, report_form, report_upload
from web.deps import Services

RIGHT = "report.enter"
CONSENT_VERSION = "staff-1"
CONSENT_CHANNEL = "staff"
MAX_TEXT = 2000
MAX_NAME = 80
MAX_SOUND_S = 1800
OLDEST = timedelta(days=366)
SLIP_GOOD_FOR = timedelta(hours=12)
"""How long the person who took it down may print the slip with the PIN."""
ORIGINS = {
    "counter": N_("Visitor at the counter"),
    "visit": N_("Visit at home"),
    "letter": N_("Letter"),
    "recorder": N_("Voice recorder"),
    "other": N_("Another way"),
}
FIELDS = (
    "village_code", "origin", "received_at", "text", "phone", "on_behalf", "resident_name",
    "resident_phone", "urgent", "confidential", "consent",
)  # fmt: skip
_PHONE = re.compile(r"\+?[0-9]{3,15}")


@dataclass(frozen=True)
class Entry:
    """What was filled in, checked."""

    village_code: str | None
    origin: str
    received_at: datetime
    text: str
    phone: str
    on_behalf: bool
    resident_name: str
    resident_phone: str
    urgent: bool
    confidential: bool


def villages(session: Session, actor: Actor) -> list[tuple[str, str]]:
    """(code, name) of the villages a person may name; of a grid worker: the one around the grid."""
    if actor.area_code is None:
        return []
    found = areas.villages(session, actor.area_code)
    if not found:
        above = [areas.get(session, code) for code in areas.upward(session, actor.area_code)]
        found = [area for area in above if area.level == "village"]
    return [(area.code, _label(area)) for area in found]


def _label(area: Area) -> str:
    return f"{area.name}（{area.poster_code}）" if area.poster_code else area.name


def checked(
    values: dict[str, str], offered: list[tuple[str, str]], zone: str, *, has_sound: bool
) -> Entry:
    """The fields named in FIELDS, trimmed; raises InvalidInput with the field to mend."""
    code = values["village_code"] or None
    if code is not None and code not in {known for known, _ in offered}:
        raise InvalidInput(N_("Choose a village of your area."), field="village_code")
    if values["origin"] not in ORIGINS:
        raise InvalidInput(N_("Say how it came."), field="origin")
    text = values["text"].strip()
    if not has_sound and not text:
        raise InvalidInput(N_("Choose a sound file or write what was said."), field="text")
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."),
            field="text",
            params={"limit": MAX_TEXT},
        )
    if not values["consent"]:
        raise InvalidInput(
            N_("Tick this once the person has agreed. Without it nothing is stored."),
            field="consent",
        )
    name = values["resident_name"].strip()
    phone = report_form.phone_number(values["resident_phone"], "resident_phone", _PHONE)
    return Entry(
        village_code=code,
        origin=values["origin"],
        received_at=_instant(values["received_at"], zone),
        text=text,
        phone=report_form.phone_number(values["phone"], "phone", _PHONE),
        on_behalf=bool(values["on_behalf"] or name or phone),
        resident_name=name[:MAX_NAME],
        resident_phone=phone,
        urgent=bool(values["urgent"]),
        confidential=bool(values["confidential"]),
    )


def _instant(typed: str, zone: str) -> datetime:
    if not typed.strip():
        return utc_now()
    try:
        local = datetime.fromisoformat(typed.strip())
        instant = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            N_("Give day and time, such as 2026-06-01 08:00."), field="received_at"
        ) from None
    now = utc_now()
    if instant > now + timedelta(minutes=2):
        raise InvalidInput(N_("This time lies in the future."), field="received_at")
    if instant < now - OLDEST:
        raise InvalidInput(N_("This time is more than a year ago."), field="received_at")
    return min(instant, now)


def store(
    services: Services, actor: Actor, token: str, entry: Entry, uploads: Sequence[UploadFile]
) -> int:
    """The report of this form, made once however often it is sent. Raises InvalidInput (file)."""
    with tempfile.TemporaryDirectory(dir=services.settings.folder("incoming")) as folder:
        examined = None
        if uploads:
            path = report_upload.save_as_one(
                services.settings, uploads, Path(folder), max_s=MAX_SOUND_S
            )
            examined = intake.examine(services.store, path)
    key = _source_key(actor, token, entry, examined)
    with services.database.write() as session:
        known = session.scalar(sa.select(Report.id).where(Report.source_key == key))
        if known is not None:
            return known
        number = references.reserve(session, 1)[0]
        arrival = _arrival(services.sealer, actor, key, number, entry, examined)
        received = intake.receive(
            session, services.store, services.sealer, arrival, examined=examined
        )
        report_id = received.report.id
        if received.is_new:
            session.add(
                ReportEvent(
                    report_id=report_id,
                    at=utc_now(),
                    actor_id=actor.id,
                    action="entered",
                    reason=i18n.gettext(ORIGINS[entry.origin]),
                )
            )
            audit.record(
                session, actor.login, "report.enter", f"report:{report_id}", origin=entry.origin
            )
        return report_id


def _source_key(actor: Actor, token: str, entry: Entry, examined: Examined | None) -> str:
    """The same form again is the same report; a form that was changed meanwhile is another."""
    said = f"{entry.text}\x1f{entry.phone}\x1f{entry.village_code}\x1f{entry.resident_name}"
    content = f"{said}\x1f{examined.original if examined else ''}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return f"staff:{actor.id}:{token}:{digest}"


def pin_of(sealer: Sealer, source_key: str) -> str:
    """The PIN follows from the form's key, so it is stored nowhere."""
    return sealer.pin("staff-pin", source_key)


def _arrival(
    sealer: Sealer,
    actor: Actor,
    key: str,
    number: str,
    entry: Entry,
    examined: Examined | None,
) -> Arrival:
    return Arrival(
        channel="upload" if examined else "typed",
        source_key=key,
        received_at=entry.received_at,
        typed_text=entry.text or None,
        village_code=entry.village_code,
        caller_number=entry.phone or None,
        pin_hash=sealer.keyed_hash("pin", number, pin_of(sealer, key)),
        reference_no=number,
        confidential=entry.confidential,
        urgent=entry.urgent,
        urgent_reason="staff" if entry.urgent else None,
        consent_version=CONSENT_VERSION,
        consent_channel=CONSENT_CHANNEL,
        consent_at=utc_now(),
        on_behalf=entry.on_behalf,
        resident_name=entry.resident_name or None,
        resident_phone=entry.resident_phone or None,
        entered_by_id=actor.id,
    )
