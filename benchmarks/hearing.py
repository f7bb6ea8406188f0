"""Where in what came out of a loudspeaker does a piece of the programme lie?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.pulse import RATE_HZ, Tape

FloatArray = NDArray[np.float64]

WINDOW_S = 1.0
MATCHED = 0.5
"""Normalised correlation from which a window counts as found."""

_FIRST_SEARCH_S = 4.0
_SEARCH_S = 0.4


@dataclass(frozen=True)
class Place:
    """Second ``at_s`` of the programme was heard ``error_s`` after it should have been."""

    at_s: float
    error_s: float


def find(heard: FloatArray, wanted: FloatArray) -> tuple[float, float]:
    """Frame of ``heard`` at which ``wanted`` begins, between samples too, and the likeness 0-1."""
    size = 1 << (len(heard) + len(wanted) - 1).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    cross = np.fft.irfft(spectrum, size)[: len(heard) - len(wanted) + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard * heard)])
    loud = np.sqrt(np.maximum(energy[len(wanted) :] - energy[: len(cross)], 0.0))
    likeness = cross / (loud * np.linalg.norm(wanted) + 1e-3)
    best = int(np.argmax(likeness))
    between = 0.0
    if 0 < best < len(cross) - 1:
        before, here, after = cross[best - 1 : best + 2]
        curve = before - 2 * here + after
        between = float((before - after) / (2 * curve)) if curve else 0.0
    return best + between, float(likeness[best])


def follow(
    tape: Tape, programme: FloatArray, due_s: float, seconds: Sequence[float]
) -> list[Place]:
    """Where each window of ``programme`` was heard that begins at one of ``seconds``.

    ``due_s``: wall second at which its first sample was due. What is not found is left out.
    """
    places: list[Place] = []
    expected_s, reach_s = 0.0, _FIRST_SEARCH_S
    width = int(WINDOW_S * RATE_HZ)
    for second in seconds:
        first = round(second * RATE_HZ)
        wanted = programme[first : first + width]
        middle = (due_s - tape.began_s + second + expected_s) * tape.rate_hz
        low = max(0, int(middle - reach_s * RATE_HZ))
        high = min(len(tape.samples), int(middle + reach_s * RATE_HZ) + width)
        if len(wanted) < width or high - low <= width:
            continue
        frame, likeness = find(tape.samples[low:high] / 32768.0, wanted)
        if likeness < MATCHED:
            continue
        # What fits best is the middle of the window, where the crystal has not yet run away.
        middle_s = (low + frame + width / 2) / tape.rate_hz + tape.began_s
        error_s = middle_s - due_s - second - WINDOW_S / 2
        places.append(Place(second, error_s))
        expected_s, reach_s = error_s, _SEARCH_S
    return places


def skews_ms(one: Sequence[Place], other: Sequence[Place]) -> dict[float, float]:
    """By second of the programme: how much later ``one`` sounded than ``other``."""
    others = {place.at_s: place.error_s for place in other}
    return {
        place.at_s: (place.error_s - others[place.at_s]) * 1000
        for place in one
        if place.at_s in others
    }


def programme(seconds: float, seed: int = 1) -> FloatArray:
    """Noise in syllables between 200 Hz and 4 kHz: unlike itself at any other place."""
    dice = np.random.default_rng(seed)
    parts = []
    for _ in range(int(np.ceil(seconds))):
        spectrum = np.fft.rfft(dice.standard_normal(RATE_HZ))
        hertz = np.fft.rfftfreq(RATE_HZ, 1 / RATE_HZ)
        spectrum[(hertz < 200) | (hertz > 4000)] = 0
        parts.append(np.fft.irfft(spectrum, RATE_HZ))
    sound = np.concatenate(parts)[: int(seconds * RATE_HZ)]
    steps = dice.uniform(0.3, 1.0, int(seconds * 5) + 2)
    sound *= np.interp(np.arange(len(sound)) / RATE_HZ * 5, np.arange(len(steps)), steps)
    return np.asarray(0.5 * sound / np.abs(sound).max(), np.float64)
