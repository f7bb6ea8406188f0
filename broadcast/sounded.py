"""What a player's WAV sink really sounded, kept beside its play or round to be listened to."""

from __future__ import annotations

from sqlalchemy.orm import Session

from broadcast import override_plays
from broadcast.models import OVERRIDE_IDS, OverridePlay, Player
from core import blobs, outbox
from core.blobs import BlobStore
from core.errors import N_, InvalidInput, NotFound
from core.types import Sha256
from schedule.models import Play

MAX_BYTES = 20_000_000
MEDIA_TYPE = "audio/ogg"


def keep(session: Session, store: BlobStore, player: Player, play_id: int, sound: bytes) -> Sha256:
    """Store the sound of a play or a round of the player's village; the first one stays.

    Raises NotFound for any other number, and for a player nobody has approved; InvalidInput unless
    it is an Ogg file.
    """
    play = find(session, play_id, to_change=True) if player.approved_at is not None else None
    if play is None or play.area_code != player.area_code:
        raise NotFound(N_("There is no such play in this village."))
    if not sound.startswith(b"OggS"):
        raise InvalidInput(N_("Send the sound as an Ogg file."), field="body")
    digest = store.put_bytes(sound)
    blobs.register(session, store, digest, MEDIA_TYPE)
    if play.sounded_sha256 is None:
        play.sounded_sha256 = digest
        if isinstance(play, Play):
            outbox.emit(session, "play.changed", play_id=play.id)
        else:
            outbox.emit(session, override_plays.HEARD, override_id=play.override_id)
    return digest


def find(session: Session, play_id: int, *, to_change: bool = False) -> Play | OverridePlay | None:
    """A play or a round by its number."""
    if not 0 < play_id < 2**31:
        return None
    if play_id > OVERRIDE_IDS:
        return session.get(OverridePlay, play_id, with_for_update=to_change)
    return session.get(Play, play_id, with_for_update=to_change)
