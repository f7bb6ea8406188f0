"""Clip rows: the facts of sound blobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from core import blobs, settings
from core.blobs import BlobStore
from core.clock import utc_now
from recordings import levels
from recordings.loudness import MASTER_RATE_HZ
from recordings.models import Clip

WAV = "audio/wav"


@dataclass(frozen=True)
class ClipFacts:
    """What becomes a Clip row. ``rendition``: original, master, delivery."""

    sha256: str
    rendition: str
    media_type: str
    codec: str
    duration_ms: int
    sample_rate_hz: int
    channels: int
    loudness_lufs: float | None = None
    peaks: list[int] | None = None
    made_from_sha256: str | None = None


def work_folder() -> Path:
    """Folder for files in the making, on the disk of the store."""
    return settings.load().folder("work")


def stored_master(store: BlobStore, wav: Path, lufs: float, made_from: str | None) -> ClipFacts:
    """Put a finished master into the store; returns its facts."""
    measured = levels.measure(wav)
    return ClipFacts(
        sha256=store.put_file(wav),
        rendition="master",
        media_type=WAV,
        codec="pcm_s16le",
        duration_ms=measured.duration_ms,
        sample_rate_hz=MASTER_RATE_HZ,
        channels=1,
        loudness_lufs=lufs,
        peaks=levels.peaks(wav),
        made_from_sha256=made_from,
    )


def register(session: Session, store: BlobStore, facts: ClipFacts) -> Clip:
    """The Clip row (and its Blob row) of a stored file, made when missing."""
    found = session.get(Clip, facts.sha256)
    if found is not None:
        return found
    blobs.register(session, store, facts.sha256, facts.media_type)
    clip = Clip(
        sha256=facts.sha256,
        rendition=facts.rendition,
        codec=facts.codec,
        duration_ms=facts.duration_ms,
        sample_rate_hz=facts.sample_rate_hz,
        channels=facts.channels,
        loudness_lufs=facts.loudness_lufs,
        peaks=list(facts.peaks) if facts.peaks is not None else None,
        made_from_sha256=facts.made_from_sha256,
        created_at=utc_now(),
    )
    session.add(clip)
    session.flush()
    return clip
