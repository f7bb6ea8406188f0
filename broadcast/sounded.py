"""What a player's WAV sink really sounded, kept beside its play for people to listen to."""

from __future__ import annotations

from sqlalchemy.orm import Session

from broadcast.models import Player
from core import blobs, outbox
from core.blobs import BlobStore
from core.errors import N_, InvalidInput, NotFound
from core.types import Sha256
from schedule.models import Play

MAX_BYTES = 20_000_000
MEDIA_TYPE = "audio/ogg"


def keep(session: Session, store: BlobStore, player: Player, play_id: int, sound: bytes) -> Sha256:
    """Store the sound of a play of the player's village; the first sound of a play stays.

    Raises NotFound for any other play, InvalidInput unless it is an Ogg file.
    """
    play = session.get(Play, play_id, with_for_update=True) if 0 < play_id < 2**31 else None
    if play is None or play.area_code != player.area_code:
        raise NotFound(N_("There is no such play in this village."))
    if not sound.startswith(b"OggS"):
        raise InvalidInput(N_("Send the sound as an Ogg file."), field="body")
    digest = store.put_bytes(sound)
    blobs.register(session, store, digest, MEDIA_TYPE)
    if play.sounded_sha256 is None:
        play.sounded_sha256 = digest
        outbox.emit(session, "play.changed", play_id=play.id)
    return digest
