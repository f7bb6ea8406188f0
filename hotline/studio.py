"""An episode recorded by telephone: the takes that count become one, as if it were uploaded.

Submitted by key 1, it goes to approval by itself once it is rendered; otherwise it waits on the
pages, ready or to be thrown away by people. What was said again in a later take is left out.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from core import auth
from core.blobs import BlobStore
from core.errors import N_, InvalidInput
from core.models import User
from core.types import Sha256
from hotline import office_staff, takes
from hotline.journal import Entry
from hotline.limits import SPEECH_NEEDED_MS
from hotline.takes import FoundTake
from recordings import ingest
from recordings.models import Episode, Programme


def sound_of(folder: Path, found: list[FoundTake], store: BlobStore) -> Sha256 | None:
    """The takes that count as one WAV in the store; None when nobody has said anything."""
    counting = [take for take in found if not take.replaced]
    if not any(take.speech_ms >= SPEECH_NEEDED_MS for take in counting):
        return None
    return store.put_file(takes.join(counting, folder / "episode.wav"))


def enter(session: Session, store: BlobStore, entry: Entry, sha256: Sha256, zone: str) -> Episode:
    """The episode of a call, in the transaction that stores the call: once.

    Whoever spoke proved who it is; a right lost since then does not throw the voice away. Raises
    InvalidInput when there is no programme any more: the call then stays in the spool.
    """
    user = session.get(User, entry.staff_user_id) if entry.staff_user_id is not None else None
    programme = session.get(Programme, entry.programme_id) if entry.programme_id else None
    if programme is None and user is not None:
        programme = office_staff.programme_for(session, auth.actor_of(user), None)
    if programme is None:
        raise InvalidInput(N_("A programme recorded by telephone has no series to go to."))
    began = datetime.fromisoformat(entry.started_at).astimezone(ZoneInfo(zone))
    return ingest.receive_call(
        session,
        store,
        user,
        programme.id,
        f"电话录制 {began:%m-%d %H:%M}",
        sha256,
        submit_when_ready=entry.submitted,
    )
