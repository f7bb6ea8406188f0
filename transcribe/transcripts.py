"""转写稿: version 0 is the machine's and never changes; what people write are later versions."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput
from transcribe import legible
from transcribe.align import TextWord, align
from transcribe.catalogue import InstalledModel
from transcribe.models import Transcript
from transcribe.recogniser import STANDARD, DecoderConfig, Recognition

MAX_CHARACTERS = 40_000
"""Two hours of fast speech are about 35,000 characters."""


def latest(session: Session, subject_kind: str, subject_id: int) -> Transcript | None:
    """The words that count: the newest a person wrote, else the newest the machine heard.

    A later hearing by another model never comes before a person's words. None while there is none.
    """
    return session.scalar(
        _of(subject_kind, subject_id)
        .order_by(Transcript.author_id.is_(None), Transcript.version.desc())
        .limit(1)
    )


def heard(session: Session, subject_kind: str, subject_id: int) -> Transcript | None:
    """Version 0: what the machine heard, or None while it has not."""
    return session.scalar(_of(subject_kind, subject_id).where(Transcript.version == 0))


def newest_heard(session: Session, subject_kind: str, subject_id: int) -> Transcript | None:
    """What the machine heard last, with the model of that time; None while it has not."""
    return session.scalar(
        _of(subject_kind, subject_id)
        .where(Transcript.author_id.is_(None))
        .order_by(Transcript.version.desc())
        .limit(1)
    )


def history(session: Session, subject_kind: str, subject_id: int) -> list[Transcript]:
    """All versions, oldest first."""
    return list(session.scalars(_of(subject_kind, subject_id).order_by(Transcript.version)))


def save_edit(
    session: Session,
    subject_kind: str,
    subject_id: int,
    text: str,
    author_id: int,
    based_on_version: int | None,
    *,
    verbatim: bool = False,
) -> Transcript:
    """Store ``text`` as a new version; unchanged words keep their times and confidences.

    ``based_on_version``: the version the author saw, None when there was none (then the text
    becomes version 1; 0 stays the machine's). Conflict when a person saved in between; that the
    machine heard the sound again meanwhile is none. The same text again makes no new version.
    To restore an old version, save its text. ``verbatim``: the author says that the text is word
    for word what is said; the same text with another mark is a new version.
    """
    text = clean(text)
    number = _next_version(session, subject_kind, subject_id)  # before the look: a race collides
    newest = latest(session, subject_kind, subject_id)
    if not _still_counts(session, newest, based_on_version):
        raise _changed_meanwhile()
    if newest is not None and newest.text == text and newest.verbatim == verbatim:
        return newest
    machine = newest_heard(session, subject_kind, subject_id)
    words = align([TextWord(**word) for word in machine.words] if machine else [], text)
    edit = Transcript(
        subject_kind=subject_kind,
        subject_id=subject_id,
        version=number,
        text=text,
        words=[word.to_json() for word in words],
        verbatim=verbatim,
        author_id=author_id,
        created_at=utc_now(),
    )
    try:
        with session.begin_nested():
            session.add(edit)
    except sa.exc.IntegrityError as error:
        raise _changed_meanwhile() from error
    return edit


def store_heard(
    session: Session,
    subject_kind: str,
    subject_id: int,
    recognition: Recognition,
    model: InstalledModel,
    config: DecoderConfig = STANDARD,
) -> Transcript:
    """Store what the machine heard as version 0; a later hearing becomes the next version.

    A later hearing (another model) never replaces version 0 nor what people wrote.
    """
    first = heard(session, subject_kind, subject_id) is None
    transcript = Transcript(
        subject_kind=subject_kind,
        subject_id=subject_id,
        version=0 if first else _next_version(session, subject_kind, subject_id),
        text=recognition.text,
        words=_words(recognition),
        confidence=recognition.confidence,
        model_name=model.name,
        model_hash=model.tree_hash,
        hears_people=model.hears_people,
        diagnosis=recognition.diagnosis,
        alternatives=_alternatives(recognition) or None,
        remarks=list(recognition.remarks) or None,
        decoder={**config.to_json(), "sample_rate_hz": recognition.sample_rate_hz},
        created_at=utc_now(),
    )
    legible.fill(session, transcript, recognition)
    session.add(transcript)
    session.flush()
    return transcript


def _words(recognition: Recognition) -> list[dict[str, Any]]:
    return [
        asdict(word) | ({} if said.side is None else {"side": said.side})
        for said in recognition.utterances
        for word in said.words
    ]


def _alternatives(recognition: Recognition) -> list[dict[str, Any]]:
    """Other hearings of words[first:after], where an utterance has some."""
    found, first = [], 0
    for said in recognition.utterances:
        after = first + len(said.words)
        if said.alternatives:
            found.append({"first": first, "after": after, "texts": list(said.alternatives)})
        first = after
    return found


def clean(text: str) -> str:
    """One kind of line end, composed characters, no other control characters, no outer spaces."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(
        char for char in text if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs")
    ).strip()
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            N_("The text has %(count)d characters; at most %(limit)d can be kept. Shorten it."),
            field="text",
            params={"count": len(text), "limit": MAX_CHARACTERS},
        )
    return text


def _of(subject_kind: str, subject_id: int) -> sa.Select[Transcript]:
    return sa.select(Transcript).where(
        Transcript.subject_kind == subject_kind, Transcript.subject_id == subject_id
    )


def _next_version(session: Session, subject_kind: str, subject_id: int) -> int:
    """The number after the highest; 1 where there is nothing, for 0 is the machine's."""
    highest = session.scalar(
        sa.select(sa.func.max(Transcript.version)).where(
            Transcript.subject_kind == subject_kind, Transcript.subject_id == subject_id
        )
    )
    return 1 if highest is None else highest + 1


def _still_counts(session: Session, newest: Transcript | None, seen: int | None) -> bool:
    """Whether nobody but the machine wrote since the author saw version ``seen``."""
    if newest is None or newest.version == seen:
        return newest is not None or seen is None
    if newest.author_id is not None:
        return False
    seen_one = session.scalar(
        _of(newest.subject_kind, newest.subject_id).where(Transcript.version == seen)
    )
    return seen is None or seen_one is not None


def _changed_meanwhile() -> Conflict:
    return Conflict(
        N_("Somebody else changed this text in the meantime. Look at theirs, then save again."),
        field="text",
    )
