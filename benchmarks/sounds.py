"""Sounds for callers to send."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hotline.sip import g711
from hotline.sip.g711 import Codec


def voice(seconds: float, seed: int = 7) -> NDArray[np.int16]:
    """8 kHz sound a voice detector takes for speech: buzzing harmonics in syllables, never alike.

    The noise in it makes each 20 ms frame differ from every other one.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * 8000)) / 8000
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch) / 8000
    buzz = np.sum([np.sin(n * phase) / n for n in range(1, 24)], axis=0)
    syllables = 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 1.9 * time_s))
    sound = 5000 * buzz * syllables + rng.normal(0, 300, time_s.size)
    samples: NDArray[np.int16] = np.clip(np.round(sound), -32000, 32000).astype("<i2")
    return samples


def through(codec: Codec, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """What is left of ``samples`` after one way over G.711."""
    return np.frombuffer(g711.decode(codec, g711.encode(codec, samples.tobytes())), "<i2")


def exact_frames(recording: bytes, spoken: NDArray[np.int16]) -> int:
    """How many 20 ms frames of ``spoken`` lie in the recording, exact and where they belong."""
    expected = [frame.tobytes() for frame in spoken.reshape(-1, g711.FRAME_SAMPLES)]
    size = len(expected[0])
    for index, frame in enumerate(expected):
        found = recording.find(frame)
        if found >= 0:
            start = found - index * size
            break
    else:
        return 0
    return sum(
        start + n * size >= 0 and recording[start + n * size : start + (n + 1) * size] == frame
        for n, frame in enumerate(expected)
    )
