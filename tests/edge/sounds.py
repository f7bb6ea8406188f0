"""Clips for tests, and the judge: where in a recording a clip lies."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

RATE_HZ = 48000


def speechlike(seconds: float, seed: int = 1) -> NDArray[np.float32]:
    """Noise in syllables: unlike itself at any other place, so that its place can be found."""
    chance = np.random.default_rng(seed)
    count = int(seconds * RATE_HZ)
    spectrum = np.fft.rfft(chance.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    sound = np.fft.irfft(spectrum * ((hertz > 200) & (hertz < 4000)), count)
    steps = chance.uniform(0.3, 1.0, int(seconds * 5) + 2)
    loudness = np.interp(np.arange(count) / RATE_HZ * 5, np.arange(len(steps)), steps)
    sound *= loudness
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def opus(samples: NDArray[np.float32]) -> bytes:
    """Ogg Opus, as the server delivers."""
    out = io.BytesIO()
    sf.write(out, samples, RATE_HZ, format="OGG", subtype="OPUS")
    return out.getvalue()


@dataclass(frozen=True)
class Found:
    """Where a clip lies in what a WAV sink wrote."""

    at: datetime
    likeness: float  # 0-1, normalised correlation
    facts: dict[str, object]


def locate(folder: Path, play_id: int, clip: bytes) -> Found:
    """The instant at which ``clip`` begins in the sink's file, by its own time stamps."""
    facts = json.loads((folder / f"play-{play_id}.json").read_text())
    heard, rate_hz = sf.read(folder / f"play-{play_id}.wav", dtype="float32")
    wanted, _ = sf.read(io.BytesIO(clip), dtype="float32")
    size = 1 << int(np.ceil(np.log2(len(heard) + len(wanted))))
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    offset = int(np.argmax(cross[: len(heard)]))
    piece = heard[offset : offset + len(wanted)]
    rest = wanted[: len(piece)]
    likeness = float(cross[offset] / (np.linalg.norm(piece) * np.linalg.norm(rest)))
    if len(piece) < len(wanted):
        likeness *= len(piece) / len(wanted)
    first = datetime.fromisoformat(str(facts["first_sample_at"]))
    return Found(first + timedelta(seconds=offset / rate_hz), likeness, facts)
