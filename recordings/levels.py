"""How loud PCM is, measured block by block: peaks for drawing, silence, clipping, quietness."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import N_, InvalidInput

Samples = NDArray[np.int16]
PEAKS_PER_S = 10
MAX_PEAKS = 1200
WINDOW_S = 0.1
AUDIBLE_DBFS = -60.0
"""A window below this cannot be heard: noise of a telephone line (G.711) lies at -72 dBFS."""
LEAST_AUDIBLE_S = 0.3
AUDIBLE_POWER = 10 ** (AUDIBLE_DBFS / 10)
FULL_SCALE = 32_767


@dataclass(frozen=True)
class Levels:
    """``loudest_dbfs``: RMS of the loudest 100 ms, -120 for digital silence; shares are 0-1."""

    duration_ms: int
    loudest_dbfs: float
    audible_s: float
    clipped_share: float

    @property
    def silent(self) -> bool:
        """Whether nothing can be heard: a few clicks in hours of silence are silence."""
        return self.audible_s < min(LEAST_AUDIBLE_S, self.duration_ms / 2000)


def measure(wav: Path) -> Levels:
    """Levels of a PCM16 mono WAV of any length, in constant memory."""
    audible, clipped, total, loudest = 0, 0, 0, 0.0
    with _opened(wav) as source:
        window = max(1, int(source.getframerate() * WINDOW_S))
        for block in _blocks(source, window * 100):
            clipped += int(np.count_nonzero((block >= FULL_SCALE) | (block <= -FULL_SCALE)))
            total += block.size
            powers = _powers(block, window)
            loudest = max(loudest, float(powers.max()))
            audible += int(np.count_nonzero(powers > AUDIBLE_POWER))
        rate_hz = source.getframerate()
    return Levels(
        duration_ms=round(total * 1000 / rate_hz),
        loudest_dbfs=_dbfs(loudest),
        audible_s=audible * WINDOW_S,
        clipped_share=clipped / total if total else 0.0,
    )


def peaks(wav: Path) -> list[int]:
    """Maxima of a PCM16 mono WAV, 0-100 of full scale: 10 per second, at most 1200 in all."""
    values: list[int] = []
    with _opened(wav) as source:
        seconds = source.getnframes() / source.getframerate()
        count = min(MAX_PEAKS, max(1, int(np.ceil(seconds * PEAKS_PER_S))))
        window = max(1, int(np.ceil(source.getnframes() / count)))
        for block in _blocks(source, window):
            values.append(min(100, round(int(np.abs(block.astype(np.int32)).max()) / 327.67)))
    return values[:MAX_PEAKS]


def is_silent(wav: Path) -> bool:
    """Whether nothing can be heard in a PCM16 mono WAV."""
    return measure(wav).silent


def _opened(wav: Path) -> wave.Wave_read:
    try:
        source = wave.open(str(wav), "rb")  # noqa: SIM115 - the caller closes it
    except (wave.Error, EOFError, OSError):
        raise InvalidInput(N_("This is not a sound file that can be read."), field="file") from None
    if source.getsampwidth() != 2 or source.getnchannels() != 1 or source.getframerate() < 1:
        source.close()
        raise InvalidInput(N_("This is not a sound file that can be read."), field="file")
    return source


def _blocks(source: wave.Wave_read, frames: int) -> Iterator[Samples]:
    while data := source.readframes(frames):
        yield np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")


def _powers(block: Samples, window: int) -> NDArray[np.float64]:
    """Mean square of each window around its mean (a constant offset is no sound), 0-1."""
    starts = np.arange(0, block.size, window)
    lengths = np.diff(np.append(starts, block.size))
    scaled = block.astype(np.float64) / (FULL_SCALE + 1)
    means = np.add.reduceat(scaled, starts) / lengths
    squares = np.add.reduceat(scaled**2, starts) / lengths
    return np.maximum(squares - means**2, 0.0)


def _dbfs(power: float) -> float:
    return max(-120.0, 10 * float(np.log10(max(power, 1e-12))))
