"""承办人回复: what a handler says to the resident, heard when the resident asks how it stands.

Spoken or typed, it becomes sound a telephone can play. Whoever may solve the case may reply; a
reply can be withdrawn and is then heard by nobody.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, casework
from cases.models import Case, CaseReply
from core import audit, blobs, outbox
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Forbidden, InvalidInput, NotFound
from core.types import Sha256
from recordings import clips, sound, speech

RATE_HZ = 8000
MAX_S = 180
MAX_TEXT = 500


@dataclass(frozen=True)
class Prepared:
    """A reply as telephones play it: WAV, 8 kHz, mono, 16 bit, in the store already."""

    sha256: Sha256
    duration_ms: int
    text: str | None = None


def from_sound(store: BlobStore, source: Path) -> Prepared:
    """Any sound file of up to three minutes. Takes seconds: hold no session meanwhile.

    Raises InvalidInput(field="file") for what is no sound, is silent or too long.
    """
    with tempfile.TemporaryDirectory(prefix="reply-", dir=clips.work_folder()) as folder:
        wav = Path(folder) / "reply.wav"
        facts = sound.to_wav(source, wav, rate_hz=RATE_HZ, max_s=MAX_S)
        if sound.is_silent(wav):
            raise InvalidInput(N_("Nothing can be heard in it. Record it again."), field="file")
        return Prepared(store.put_file(wav), facts.duration_ms)


def from_text(store: BlobStore, text: str) -> Prepared:
    """Words for the machine's voice; InvalidInput(field="text") when nobody could speak them."""
    kept = text.strip()
    if len(kept) > MAX_TEXT:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."),
            field="text",
            params={"limit": MAX_TEXT},
        )
    with tempfile.TemporaryDirectory(prefix="reply-", dir=clips.work_folder()) as folder:
        spoken, wav = Path(folder) / "spoken.wav", Path(folder) / "reply.wav"
        duration_ms = speech.render(kept, spoken)
        sound.to_wav(spoken, wav, rate_hz=RATE_HZ)
        return Prepared(store.put_file(wav), duration_ms, kept)


def may_reply(actor: Actor, case: Case) -> bool:
    """Whoever may solve the case; a mere handler only the own ones."""
    if "case.resolve" not in casework.rights_of(actor, case):
        return False
    return case.handler_id == actor.id or not casework.is_mere_handler(actor)


def add(
    session: Session, store: BlobStore, actor: Actor, case_id: int, prepared: Prepared
) -> CaseReply:
    """Let the resident hear it from now on."""
    case = for_reply(session, actor, case_id)
    blobs.register(session, store, prepared.sha256, "audio/wav")
    reply = CaseReply(
        case_id=case.id,
        sha256=prepared.sha256,
        duration_ms=prepared.duration_ms,
        text=prepared.text,
        by_id=actor.id,
        at=utc_now(),
    )
    session.add(reply)
    session.flush()
    audit.record(session, actor.login, "case.reply", f"case:{case.id}", reply=reply.id)
    outbox.emit(session, "case.changed", case_id=case.id)
    return reply


def withdraw(session: Session, actor: Actor, case_id: int, reply_id: int) -> None:
    """Nobody hears it any more; withdrawing twice changes nothing."""
    case = for_reply(session, actor, case_id)
    withdrawn = session.execute(
        sa.update(CaseReply)
        .where(
            CaseReply.id == reply_id,
            CaseReply.case_id == case.id,
            CaseReply.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    if claimed(withdrawn):
        audit.record(
            session, actor.login, "case.reply_withdrawn", f"case:{case.id}", reply=reply_id
        )
        outbox.emit(session, "case.changed", case_id=case.id)


def of_case(session: Session, case_id: int) -> list[CaseReply]:
    """All replies, newest first, withdrawn ones too."""
    query = sa.select(CaseReply).where(CaseReply.case_id == case_id)
    return list(session.scalars(query.order_by(CaseReply.id.desc())))


def newest(session: Session, case_id: int) -> CaseReply | None:
    """The reply a resident hears."""
    return session.scalar(
        sa.select(CaseReply)
        .where(CaseReply.case_id == case_id, CaseReply.withdrawn_at.is_(None))
        .order_by(CaseReply.id.desc())
        .limit(1)
    )


def for_staff(session: Session, actor: Actor, case_id: int, reply_id: int) -> CaseReply:
    """A reply of a case the actor may see, else NotFound; listening to it is written down."""
    case = access.case(session, actor, case_id)
    found = session.get(CaseReply, reply_id)
    if found is None or found.case_id != case.id:
        raise NotFound(N_("There is no such reply."))
    audit.record(session, actor.login, "case.reply_heard", f"case:{case.id}", reply=found.id)
    return found


def for_reply(session: Session, actor: Actor, case_id: int) -> Case:
    """The case, when the actor may answer its resident; else NotFound or Forbidden."""
    case = access.case(session, actor, case_id)
    if not may_reply(actor, case):
        actor.require("case.resolve")
        raise Forbidden(N_("This case is assigned to somebody else."))
    return case
