"""Stereo sound: the two sides of a call, or one programme in two channels?

Two people on a line speak in turns and through wires of their own: neither the loudness nor the
waves of their channels go together. A programme's do, even where its microphones stood apart.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 50
MOST_ALIKE = 0.5
"""Correlation (-1 to 1) from which loudness or waves count as one programme's. Loudness of two
synthetic voices in turns: -0.4; both at once: up to 0.1; with a fifth of each on the other wire:
up to 0.3, waves 0.4. One voice on microphones 10-20 ms apart: 0.9; a copy with hiss: 1.0."""

QUIETEST = 100
"""Loudness (root mean square of int16) that a channel with somebody in it reaches now and then."""


def are_two_sides(stereo: Path) -> bool:
    """Whether the channels of a PCM16 stereo WAV are two people on a line.

    A channel in which nothing happens makes no side: such a sound is one programme.
    """
    sums, loudness = np.zeros(3), []
    with wave.open(str(stereo), "rb") as sound:
        frame = sound.getframerate() * FRAME_MS // 1000
        while data := sound.readframes(frame * 200):
            samples = np.frombuffer(data, "<i2").reshape(-1, 2).astype(np.float64)
            left, right = samples.T
            sums += [np.sum(left * right), np.sum(left**2), np.sum(right**2)]
            whole = samples[: len(samples) // frame * frame].reshape(-1, frame, 2)
            loudness.append(np.sqrt(np.mean(whole**2, axis=1)))
    envelopes = np.concatenate(loudness) if loudness else np.zeros((0, 2))
    if len(envelopes) < 2 or np.any(np.percentile(envelopes, 95, axis=0) < QUIETEST):
        return False
    waves = abs(sums[0]) / np.sqrt(sums[1] * sums[2])
    return bool(waves < MOST_ALIKE and _correlation(envelopes) < MOST_ALIKE)


def _correlation(envelopes: NDArray[np.float64]) -> float:
    centred = envelopes - envelopes.mean(axis=0)
    spread = np.sqrt(np.sum(centred**2, axis=0)).prod()
    return float(np.sum(centred.prod(axis=1)) / spread) if spread else 1.0
