"""The sound of a report as others than its reviewers may hear it: numbers of people are muted.

Made when it is first asked for, and again when the words have a new version. The original stays
where it is and as it is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import blobs
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.errors import N_, Conflict
from transcribe import mute, shared_words, transcripts
from transcribe.models import RedactedSound, Transcript

MEDIA_TYPE = "audio/wav"


def ensure(
    database: Database, store: BlobStore, subject_kind: str, subject_id: int, audio_sha256: str
) -> RedactedSound:
    """The muted rendition of a subject's sound for its present words; made when there is none.

    What any version says is a number is muted, for a person may have left it out of the text.
    Raises Conflict while nobody who understands the sound has written its words: then nobody
    knows where a number sounds. No transaction is open while the sound is worked on.
    """
    with database.read() as session:
        words = _understood(session, subject_kind, subject_id)
        made = _made(session, words, audio_sha256)
        if made is not None and store.path(made.sha256).is_file():
            return made
        spans = _spans(session, words)
    with tempfile.TemporaryDirectory(dir=store.folder) as folder:
        target = Path(folder) / "muted.wav"
        mute.render(store.existing_path(audio_sha256), spans, target)
        sha256 = store.put_file(target)
    with database.write() as session:
        blobs.register(session, store, sha256, MEDIA_TYPE)
        return _keep(session, words, audio_sha256, sha256, spans)


def _understood(session: Session, subject_kind: str, subject_id: int) -> Transcript:
    """The words that count, if a person or a model that hears people wrote them."""
    words = transcripts.latest(session, subject_kind, subject_id)
    by_person = words is not None and words.author_id is not None
    by_machine = words is not None and bool(words.hears_people and words.words)
    if words is None or not (by_person or by_machine):
        raise Conflict(
            N_("Its words are not written yet, so nobody knows where numbers are said. Wait.")
        )
    return words


def _made(session: Session, words: Transcript, audio_sha256: str) -> RedactedSound | None:
    return session.scalar(
        sa.select(RedactedSound).where(
            RedactedSound.transcript_id == words.id, RedactedSound.audio_sha256 == audio_sha256
        )
    )


def _spans(session: Session, words: Transcript) -> list[tuple[int, int]]:
    versions = transcripts.history(session, words.subject_kind, words.subject_id)
    return mute.spans_of(
        finding for version in versions for finding in shared_words.findings(version)
    )


def _keep(
    session: Session,
    words: Transcript,
    audio_sha256: str,
    sha256: str,
    spans: list[tuple[int, int]],
) -> RedactedSound:
    """The row; when another request was faster, or the file had to be made anew, theirs."""
    row = RedactedSound(
        subject_kind=words.subject_kind,
        subject_id=words.subject_id,
        transcript_id=words.id,
        audio_sha256=audio_sha256,
        sha256=sha256,
        spans=[list(span) for span in spans],
        created_at=utc_now(),
    )
    try:
        with session.begin_nested():
            session.add(row)
    except sa.exc.IntegrityError:
        found = _made(session, words, audio_sha256)
        if found is None:
            raise
        return found
    return row
