"""From what was sent to a stored report with its number and PIN, exactly once for each form."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from fastapi import UploadFile
from sqlalchemy.orm import Session

from cases import intake, references
from cases.intake import Arrival, Examined, Received
from cases.models import Report
from core.clock import utc_now
from recordings import sound
from web import report_halves, report_photos, report_upload
from web.deps import Services
from web.report_form import CONSENT_VERSION, MAX_SOUND_S, SPARE_S, TAKE_MAX_S, Sent
from web.report_photos import Photo, Plain
from web.report_place import Place
from web.report_takes import Gone, Reference, Takes


@dataclass(frozen=True)
class Brought:
    """The files of a form: uploaded with it, or sent in pieces before (the takes)."""

    upload: UploadFile | None = None
    photos: Sequence[UploadFile] = ()
    take: Reference | None = None
    photo_takes: Sequence[Reference] = ()
    references: list[Reference] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "references", [*([self.take] if self.take else []), *self.photo_takes]
        )
        pictures = len(self.photos) + len(self.photo_takes)
        if pictures > report_photos.MOST:
            beyond = range(report_photos.MOST, pictures)
            raise report_photos.Refused(report_photos.TOO_MANY, beyond)

    @property
    def has_sound(self) -> bool:
        return self.upload is not None or self.take is not None


@dataclass(frozen=True)
class Entered:
    """What the villager is told."""

    number: str
    pin: str
    confidential: bool


def enter(services: Services, place: Place, sent: Sent, brought: Brought) -> Entered:
    """Store the report; the same form sent twice is the same report with the same numbers.

    Raises InvalidInput for files that are not what they should be, and Gone or Differs for takes
    that must be sent anew; then nothing has been stored.
    """
    takes = Takes(services.settings)
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(dir=services.settings.folder("incoming"))
        )
        try:
            examined, photos = _files(services, takes, brought, Path(folder), stack)
        except Gone:
            known = _already_entered(services, sent)
            if known is None:
                raise
            return known
        entered = _store(services, place, sent, examined, photos)
        for reference in brought.references:
            takes.drop(reference.token)
        return entered


def _files(
    services: Services, takes: Takes, brought: Brought, folder: Path, stack: ExitStack
) -> tuple[Examined | None, list[Photo]]:
    path = None
    if brought.take is not None:
        path = stack.enter_context(takes.whole(brought.take))
        sound.probe(path, max_s=TAKE_MAX_S)
    elif brought.upload is not None:
        limit_s = MAX_SOUND_S + SPARE_S
        path = report_upload.save(services.settings, brought.upload, folder, max_s=limit_s)
    pictures = _pictures(takes, brought, folder, stack)
    examined = intake.examine(services.store, path) if path else None
    return examined, report_photos.keep(services.store, pictures)


def _pictures(takes: Takes, brought: Brought, folder: Path, stack: ExitStack) -> list[Plain]:
    """The pictures of the form; Refused names all that cannot go for one reason."""
    made: list[Plain] = []
    unusable: dict[int, str] = {}
    files: list[UploadFile | Reference] = [*brought.photos, *brought.photo_takes]
    for place, one in enumerate(files):
        try:
            if isinstance(one, Reference):
                source = stack.enter_context(takes.whole(one))
            else:
                source = report_photos.save(one.file, folder / f"photo-{place}")
            made.append(report_photos.plain(source, folder / f"plain-{place}.jpg"))
        except report_photos.Unusable as error:
            unusable[place] = error.why
    if unusable:
        raise report_photos.refused(unusable)
    return made


def _already_entered(services: Services, sent: Sent) -> Entered | None:
    """The report of this form, when only our answer got lost on the way."""
    with services.database.read() as session:
        report = session.scalar(
            report_halves.of_form(sent.token)
            .where(Report.cut_off.is_(False))
            .order_by(Report.id.desc())
        )
        return _told(services, report) if report else None


def _store(
    services: Services,
    place: Place,
    sent: Sent,
    examined: Examined | None,
    photos: Sequence[Photo],
) -> Entered:
    parts = [sent.text, examined.original if examined else "", *(one.sha256 for one in photos)]
    content = "\x1f".join(parts)
    key = f"web:{sent.token}:{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    halves = report_halves.find(services, sent.token, examined)
    with services.database.write() as session:
        known = session.scalar(sa.select(Report).where(Report.source_key == key))
        if known is not None:
            return _told(services, known)
        received = _receive(services, session, place, sent, key, examined)
        if received.is_new:
            report_photos.attach(session, services.store, received.report, photos)
            report_halves.tie(session, received.report, halves)
        return _told(services, received.report)


def _receive(
    services: Services,
    session: Session,
    place: Place,
    sent: Sent,
    key: str,
    examined: Examined | None,
) -> Received:
    number = references.reserve(session, 1)[0]
    now = utc_now()
    arrival = Arrival(
        channel="web" if examined else "typed",
        source_key=key,
        received_at=now,
        typed_text=sent.text or None,
        village_code=place.village_code,
        point_code=place.point_code,
        caller_number=sent.phone or None,
        pin_hash=services.sealer.keyed_hash("pin", number, _pin(services, key)),
        reference_no=number,
        confidential=sent.confidential,
        consent_version=CONSENT_VERSION,
        consent_channel="web",
        consent_at=now,
        on_behalf=sent.on_behalf,
        resident_name=sent.resident_name or None,
        resident_phone=sent.resident_phone or None,
    )
    return intake.receive(session, services.store, services.sealer, arrival, examined=examined)


def _told(services: Services, report: Report) -> Entered:
    return Entered(report.reference_no, _pin(services, report.source_key), report.confidential)


def _pin(services: Services, key: str) -> str:
    return services.sealer.pin("web-pin", key)
