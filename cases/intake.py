"""The one door: telephone, web page, mailbox and upload all come in here.

Whatever arrives becomes exactly one Report (by ``source_key``), its sound one blob with facts and
peaks, its decoding one job, in one transaction. A sound nobody can decode is kept all the same and
the report says so: a voice is never lost because a program could not read it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import references
from cases.models import Report, ReportEvent, ReportPoint
from core import blobs, outbox
from core.blobs import BlobStore
from core.clock import utc_now
from core.errors import InvalidInput, ToolFailed
from core.models import Area
from core.sealed import Sealer
from core.types import Sha256
from recordings import sound
from recordings.models import Clip
from transcribe import jobs

PLAYABLE_RATE_HZ = 16_000
URGENT_PRIORITY = 90
NORMAL_PRIORITY = 50
NAME_CHARS = 80
UNDECODABLE = "undecodable"
EXAMINATION_FAILED = "examination_failed"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One report at the door.

    ``source_key`` names the delivery ("call:<call_id>", "web:<form token>"): the same key twice
    is the same report. ``caller_number`` is sealed here; give ``caller_sealed`` and
    ``caller_hash`` instead when that was done before. ``pin_hash`` is
    ``sealer.keyed_hash("pin", reference_no, pin)``. ``stream_key`` names the live hearing of the
    same sound, if there was one. ``reference_no`` is given when it was promised
    already; otherwise a new one is drawn. ``on_behalf``: the caller speaks for ``resident_name``,
    whose number, ``resident_phone``, is sealed here. ``point_code``: the sheet that was scanned; it
    gives the village when nothing else does. ``entered_by_id``: who of the staff entered it.
    """

    channel: str
    source_key: str
    received_at: datetime
    audio_path: Path | None = None
    typed_text: str | None = None
    village_code: str | None = None
    caller_number: str | None = None
    caller_sealed: str | None = None
    caller_hash: str | None = None
    pin_hash: str | None = None
    reference_no: str | None = None
    confidential: bool = False
    urgent: bool = False
    urgent_reason: str | None = None
    cut_off: bool = False
    end_cause: str | None = None
    consent_version: str | None = None
    consent_channel: str | None = None
    consent_at: datetime | None = None
    stream_key: str | None = None
    on_behalf: bool = False
    resident_name: str | None = None
    resident_phone: str | None = None
    point_code: str | None = None
    entered_by_id: int | None = None


@dataclass(frozen=True)
class Received:
    """The report of an arrival. ``is_new`` is False when the same delivery came before."""

    report: Report
    is_new: bool


@dataclass(frozen=True)
class Examined:
    """A stored sound: the original, a rendition every browser plays, and its facts.

    ``failure`` is None, UNDECODABLE (no program can read it) or EXAMINATION_FAILED (reading it
    broke a limit; decoding is tried all the same).
    """

    original: Sha256
    playable: Sha256
    media_type: str
    facts: sound.SoundFacts | None
    peaks: list[int] | None
    failure: str | None


def examine(store: BlobStore, path: Path) -> Examined:
    """Store a sound and find out what it is; never raises for a sound that cannot be read."""
    original = store.put_file(path)
    stored = store.existing_path(original)
    try:
        facts = sound.probe(stored)
        if _is_plain_wav(stored, facts):
            return Examined(original, original, "audio/wav", facts, sound.peaks(stored), None)
        with tempfile.TemporaryDirectory(dir=store.folder) as folder:
            wav = Path(folder) / "playable.wav"
            sound.to_wav(stored, wav, rate_hz=PLAYABLE_RATE_HZ)
            playable = store.put_file(wav)
            peaks = sound.peaks(wav)
        return Examined(original, playable, "application/octet-stream", facts, peaks, None)
    except InvalidInput:
        failure = UNDECODABLE
    except ToolFailed:
        failure = EXAMINATION_FAILED
    return Examined(original, original, "application/octet-stream", None, None, failure)


def receive(
    session: Session,
    store: BlobStore,
    sealer: Sealer,
    arrival: Arrival,
    *,
    examined: Examined | None = None,
) -> Received:
    """Let an arrival in: one report, one blob, one job, one piece of news, in this transaction.

    The sound is read before the first statement, so the write lock is not held meanwhile.
    """
    if examined is None and arrival.audio_path is not None:
        examined = examine(store, arrival.audio_path)
    found = _by_source_key(session, arrival.source_key)
    if found is not None:
        return Received(found, False)
    if examined is not None:
        _register_sound(session, store, examined)
    report = _row(session, sealer, arrival, examined)
    try:
        with session.begin_nested():
            session.add(report)
    except sa.exc.IntegrityError:
        found = _by_source_key(session, arrival.source_key)
        if found is None:
            raise
        return Received(found, False)
    _tell(session, arrival, report, examined)
    return Received(report, True)


def _by_source_key(session: Session, source_key: str) -> Report | None:
    return session.scalar(sa.select(Report).where(Report.source_key == source_key))


def _row(session: Session, sealer: Sealer, arrival: Arrival, examined: Examined | None) -> Report:
    number = (arrival.caller_number or "").strip()
    village, point = _place(session, arrival)
    resident_phone = (arrival.resident_phone or "").strip()
    return Report(
        reference_no=_reference(session, arrival),
        source_key=arrival.source_key,
        channel=arrival.channel,
        state="received",
        received_at=arrival.received_at,
        village_code=village,
        audio_sha256=examined.original if examined else None,
        duration_ms=examined.facts.duration_ms if examined and examined.facts else None,
        peaks=examined.peaks if examined else None,
        sound_failure=examined.failure if examined else None,
        typed_text=(arrival.typed_text or "").strip() or None,
        caller_sealed=sealer.seal(number) if number else arrival.caller_sealed,
        caller_hash=sealer.caller_hash(number) if number else arrival.caller_hash,
        pin_hash=arrival.pin_hash,
        confidential=arrival.confidential,
        urgent=arrival.urgent,
        urgent_reason=arrival.urgent_reason,
        cut_off=arrival.cut_off,
        end_cause=arrival.end_cause,
        consent_version=arrival.consent_version,
        consent_channel=arrival.consent_channel,
        consent_at=arrival.consent_at,
        on_behalf=arrival.on_behalf,
        resident_name=(arrival.resident_name or "").strip()[:NAME_CHARS] or None,
        resident_phone_sealed=sealer.seal(resident_phone) if resident_phone else None,
        point_code=point,
        entered_by_id=arrival.entered_by_id,
    )


def _place(session: Session, arrival: Arrival) -> tuple[str | None, str | None]:
    """Village and point as far as they exist: an unknown one must not cost the voice."""
    point = session.get(ReportPoint, arrival.point_code) if arrival.point_code else None
    village = arrival.village_code
    if village is not None and session.get(Area, village) is None:
        village = None  # the operator sets it
    if village is None and point is not None:
        village = point.village_code
    return village, point.code if point is not None else None


def _reference(session: Session, arrival: Arrival) -> str:
    promised = arrival.reference_no
    if promised is not None and references.bind(session, promised):
        return promised
    fresh = references.reserve(session, 1)[0]
    references.bind(session, fresh)
    return fresh


def _register_sound(session: Session, store: BlobStore, examined: Examined) -> None:
    blobs.register(session, store, examined.original, examined.media_type)
    if examined.facts is None:
        return
    made = examined.playable != examined.original
    original = Clip(
        sha256=examined.original,
        rendition="original",
        codec=examined.facts.codec,
        duration_ms=examined.facts.duration_ms,
        sample_rate_hz=examined.facts.sample_rate_hz,
        channels=examined.facts.channels,
        peaks=examined.peaks,
        created_at=utc_now(),
    )
    _add_clip(session, original)
    if made:
        blobs.register(session, store, examined.playable, "audio/wav")
        playable = Clip(
            sha256=examined.playable,
            rendition="master",
            codec="pcm_s16le",
            duration_ms=examined.facts.duration_ms,
            sample_rate_hz=PLAYABLE_RATE_HZ,
            channels=1,
            peaks=examined.peaks,
            made_from_sha256=examined.original,
            created_at=utc_now(),
        )
        _add_clip(session, playable)


def _add_clip(session: Session, clip: Clip) -> None:
    if session.get(Clip, clip.sha256) is not None:
        return
    try:
        with session.begin_nested():
            session.add(clip)
    except sa.exc.IntegrityError:
        return  # somebody stored the same sound this moment


def _tell(session: Session, arrival: Arrival, report: Report, examined: Examined | None) -> None:
    promised = arrival.reference_no
    session.add(
        ReportEvent(
            report_id=report.id,
            at=utc_now(),
            action="received",
            after=report.state,
            reason=f"promised {promised}" if promised not in (None, report.reference_no) else None,
        )
    )
    if examined is not None and examined.failure != UNDECODABLE:
        priority = URGENT_PRIORITY if report.urgent else NORMAL_PRIORITY
        jobs.enqueue(
            session,
            "report",
            report.id,
            examined.playable,
            priority=priority,
            duration_ms=report.duration_ms,
            stream_key=arrival.stream_key,
            area_code=report.village_code,
        )
    outbox.emit(session, "report.received", report_id=report.id)


def _is_plain_wav(path: Path, facts: sound.SoundFacts) -> bool:
    with path.open("rb") as stream:
        is_wav = stream.read(4) == b"RIFF"
    return is_wav and facts.codec.startswith("pcm_") and facts.channels == 1
