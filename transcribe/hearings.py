"""What a model heard in a sound is kept: the same sound costs nothing twice.

Same means the samples as the decoder gets them, the model's files and the decoder's configuration;
whose report it is, which container it came in and which worker decoded it do not matter.
"""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from core.errors import InvalidInput
from transcribe import audio
from transcribe.models import Hearing
from transcribe.recogniser import PLAIN_WAV_ONLY, Recognition

KEEP_DAYS = 180
"""As long as the sound itself is kept after its case has closed."""

_FRAMES = 1 << 16


@dataclass(frozen=True)
class Sound:
    """A sound in the decoder's form: SHA-256 of rate, channels and samples, and its length."""

    pcm_sha256: str
    duration_ms: int


def sound_of(wav: Path) -> Sound:
    """What identifies the sound in ``wav`` (PCM16), whatever else the file holds.

    Raises InvalidInput(field="file") for what is no PCM16 WAV file.
    """
    frames = 0
    try:
        with wave.open(str(wav), "rb") as sound:
            rate_hz, channels, width = (
                sound.getframerate(),
                sound.getnchannels(),
                sound.getsampwidth(),
            )
            if width != 2 or rate_hz <= 0:
                raise wave.Error("not PCM16")
            digest = audio.digest(rate_hz, channels)
            while samples := sound.readframes(_FRAMES):
                digest.update(samples)
                frames += len(samples) // (width * channels)
    except (wave.Error, EOFError, OSError):
        raise InvalidInput(PLAIN_WAV_ONLY, field="file") from None
    return Sound(digest.hexdigest(), round(frames * 1000 / rate_hz))


def key(pcm_sha256: str, model_hash: str, config_hash: str) -> str:
    """Name of a hearing: SHA-256 over sound, model and configuration."""
    return hashlib.sha256(f"{pcm_sha256}\n{model_hash}\n{config_hash}".encode()).hexdigest()


def find(session: Session, of: str) -> Recognition | None:
    """What was heard, if it was."""
    found = session.get(Hearing, of)
    return Recognition.from_json(found.result) if found else None


def keep(
    session: Session,
    of: str,
    sound: Sound,
    model_hash: str,
    heard: Recognition,
    source: Literal["batch", "stream"] = "batch",
) -> Recognition:
    """Store ``heard``; who comes second gets what the first one heard, so that all agree."""
    row = Hearing(
        key=of,
        pcm_sha256=sound.pcm_sha256,
        model_hash=model_hash,
        result=heard.to_json(),
        source=source,
        created_at=utc_now(),
    )
    try:
        with session.begin_nested():
            session.add(row)
    except sa.exc.IntegrityError:
        return find(session, of) or heard
    return heard


def prune(session: Session, installed: Collection[str], *, keep_days: int = KEEP_DAYS) -> int:
    """Forget hearings of models that are gone and those older than ``keep_days``; how many.

    ``installed``: tree hashes of the models that can be chosen. Transcripts stay.
    """
    outlived = Hearing.created_at < utc_now() - timedelta(days=keep_days)
    gone = session.execute(
        sa.delete(Hearing).where(sa.or_(Hearing.model_hash.not_in(installed), outlived))
    )
    return getattr(gone, "rowcount", 0)
