"""What a call of each kind becomes in the database, beside its record and its call-back task.

``KINDS`` says who enters a kind. Such a function does what is slow (joining takes, reading the
sound) without a transaction and returns the rest, which runs inside the one that stores the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import intake
from cases.models import Report
from core import outbox
from core.blobs import BlobStore
from core.models import Area
from core.sealed import Sealer
from hotline import callback_rules as rules
from hotline import callbacks, later_words, studio, takes
from hotline.journal import Entry
from hotline.models import CallRecord

NO_WORDS = "来电人按 5 键（刚刚被骗钱），没有留下可用的录音。"


@dataclass(frozen=True)
class SpooledCall:
    """A call that is over, locked in its folder. ``found``: its takes, empty without consent."""

    folder: Path
    entry: Entry
    found: list[takes.FoundTake]
    store: BlobStore
    sealer: Sealer
    zone: str


@dataclass(frozen=True)
class Made:
    """What became of it. ``spoken``: the report has sound; ``stream_key``: whose live hearing
    goes on in the report's transcription."""

    report: Report | None = None
    spoken: bool = False
    stream_key: str | None = None


Enter = Callable[[Session], Made]
Kind = Callable[[SpooledCall], Enter]


def as_report(call: SpooledCall) -> Enter:
    """A report when there is enough speech, or the caller was just cheated of money."""
    arrival = arrival_of(call)
    if arrival is None:
        return as_record_only(call)
    told = arrival
    path = arrival.audio_path
    examined = intake.examine(call.store, path) if path is not None else None

    def enter(session: Session) -> Made:
        received = intake.receive(session, call.store, call.sealer, told, examined=examined)
        return Made(received.report, path is not None, told.stream_key)

    return enter


def as_record_only(_call: SpooledCall) -> Enter:
    """Nothing but the record of the call."""
    return lambda _session: Made()


def as_later_word(call: SpooledCall) -> Enter:
    """A call about a report: "not satisfied" counts, what was said follows the case."""
    enter, follow = as_report(call), later_words.follow(call.entry)

    def both(session: Session) -> Made:
        made = enter(session)
        follow(session, made.report)
        return made

    return both


def as_episode(call: SpooledCall) -> Enter:
    """A programme somebody of the station spoke; with nothing said, only the record."""
    sha256 = studio.sound_of(call.folder, call.found, call.store)
    if sha256 is None:
        return as_record_only(call)
    kept = sha256

    def enter(session: Session) -> Made:
        studio.enter(session, call.store, call.entry, kept, call.zone)
        return Made()

    return enter


KINDS: dict[str, Kind] = {
    "report": as_report,
    "human": as_report,
    "status": as_later_word,
    "studio": as_episode,
    "news": as_record_only,
    "quiet": as_record_only,
    "live": as_record_only,
}


def prepare(call: SpooledCall) -> Callable[[Session], tuple[CallRecord, Made]]:
    """Everything slow is done now; the returned function stores the call, once."""
    enter = KINDS.get(call.entry.kind, as_report)(call)

    def store(session: Session) -> tuple[CallRecord, Made]:
        record = _record(session, call.entry)
        made = enter(session)
        record.report_id = made.report.id if made.report is not None else None
        _settle_call_back(session, call, record, made)
        session.add(record)
        outbox.emit(session, callbacks.CALL_ENTERED, call_id=record.call_id)
        return record, made

    return store


def _settle_call_back(session: Session, call: SpooledCall, record: CallRecord, made: Made) -> None:
    entry = call.entry
    reason = rules.reason_of(facts_of(entry, made))
    record.needs_call_back = reason is not None
    if reason is not None:
        debt = callbacks.debt_of(record, reason, confidential=_is_secret(session, entry))
        task = callbacks.owe(session, debt, call.zone)
        record.call_back_id = task.id if task is not None else None
    elif made.report is not None and made.spoken:
        callbacks.called_again(session, entry.caller_hash, made.report.id)


def _is_secret(session: Session, entry: Entry) -> bool:
    """Whether the call is confidential: by the caller's word, or by the report asked about.

    When the office could not be asked, the report is not known: then it is enough that the
    number once left a confidential one.
    """
    if entry.confidential:
        return True
    if entry.about_reference_no is not None:
        meant = Report.reference_no == entry.about_reference_no
    elif entry.kind == "status" and entry.caller_hash is not None:
        meant = Report.caller_hash == entry.caller_hash
    else:
        return False
    secret = sa.select(Report.id).where(meant, Report.confidential).limit(1)
    return session.scalar(secret) is not None


def facts_of(entry: Entry, made: Made) -> rules.CallFacts:
    """The call as the rules of call-backs see it."""
    told = made.report is not None and made.report.reference_no == entry.reference_no
    return rules.CallFacts(
        end_cause=entry.end_cause or "killed",
        kind=entry.kind,
        finished=entry.finished,
        agreed=entry.consent_at is not None,
        urgent=entry.urgent_reason is not None,
        reported=made.report is not None,
        spoken=made.spoken,
        number_promised=entry.reference_no is not None,
        number_told=told,
        not_satisfied=entry.not_satisfied,
        promised=entry.call_back_promised,
        wants_person=entry.wants_person,
    )


def arrival_of(call: SpooledCall) -> intake.Arrival | None:
    """The report a call leaves, or None when too little was said."""
    entry, found = call.entry, call.found
    worth = takes.worth_a_report(found, entry)
    if not worth and entry.urgent_reason is None:
        return None
    return intake.Arrival(
        channel="phone",
        source_key=f"call:{entry.call_id}",
        received_at=datetime.fromisoformat(entry.started_at),
        audio_path=takes.join(found, call.folder / "report.wav") if worth else None,
        typed_text=None if worth else NO_WORDS,
        village_code=entry.village_code,
        caller_sealed=entry.caller_sealed,
        caller_hash=entry.caller_hash,
        pin_hash=entry.pin_hash,
        reference_no=entry.reference_no,
        confidential=entry.confidential,
        urgent=entry.urgent_reason is not None,
        urgent_reason=entry.urgent_reason,
        cut_off=any(take.cut_off for take in found),
        end_cause=entry.end_cause or "killed",
        consent_version=entry.consent_version,
        consent_channel=entry.consent_channel,
        consent_at=_instant(entry.consent_at),
        stream_key=takes.stream_key(found[-1].path) if worth else None,
        on_behalf=entry.on_behalf,
    )


def _record(session: Session, entry: Entry) -> CallRecord:
    village = entry.village_code
    known = village is not None and session.get(Area, village) is not None
    return CallRecord(
        call_id=entry.call_id,
        caller_sealed=entry.caller_sealed,
        caller_hash=entry.caller_hash,
        called=entry.called,
        started_at=datetime.fromisoformat(entry.started_at),
        answered_at=_instant(entry.answered_at),
        ended_at=_instant(entry.ended_at),
        end_cause=entry.end_cause or "killed",
        steps=entry.steps,
        kind=entry.kind[:10],
        village_code=village if known else None,
        language=entry.language[:20],
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
