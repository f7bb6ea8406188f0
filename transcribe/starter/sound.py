"""Sound for training: from espeak's rate to 16 kHz, with rooms, noise and telephone lines.

Samples are float64 in the range of int16 throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from transcribe.starter import phones, voices
from transcribe.starter.alignment import Mark

RATE_HZ = 16_000
Samples = NDArray[np.float64]
_KEPT_NOISES = 30
_A_LAW = 87.6
_LEAD_IS_SILENCE_MS = 30


@dataclass
class Disturber:
    """Makes clean sound sound like calls. What was spoken before is the babble behind later ones.

    ``chance`` decides what happens, ``noise`` is the source of random samples.
    """

    chance: Random
    noise: np.random.Generator
    _babble: list[Samples] = field(default_factory=list)

    def disturb(self, sound: Samples) -> Samples:
        """Room, noise, level and line, each only sometimes; whole numbers, the length kept."""
        chance = self.chance
        level = float(np.sqrt(np.mean(sound**2))) + 1e-3
        if chance.random() < 0.2:
            sound = self._in_a_room(sound)
        if chance.random() < 0.65:
            sound = self._noisy(sound, level)
        sound = sound * 10 ** (chance.uniform(-22, 4) / 20)
        if chance.random() < 0.5:
            sound = self._telephone(sound)[: len(sound)]
        elif chance.random() < 0.3:
            coefficients = signal.butter(1, chance.uniform(2_000, 7_000) / (RATE_HZ / 2))
            sound = signal.lfilter(*coefficients, sound)
        sound = np.clip(np.round(sound), -32_768, 32_767)
        if len(self._babble) < _KEPT_NOISES:
            self._babble.append(sound[: 3 * RATE_HZ])
        return sound

    def _in_a_room(self, sound: Samples) -> Samples:
        length = int(self.chance.uniform(0.05, 0.25) * RATE_HZ)
        echoes = self.noise.standard_normal(length) * np.exp(-np.arange(length) / (length / 6))
        echoes *= self.chance.uniform(0.02, 0.12)
        echoes[0] = 1
        return np.asarray(signal.fftconvolve(sound, echoes)[: len(sound)], np.float64)

    def _noisy(self, sound: Samples, level: float) -> Samples:
        """White, coloured, other voices or mains hum, 6-35 dB below the voice."""
        above_noise_db, kind = self.chance.uniform(6, 35), self.chance.random()
        noise = self.noise.standard_normal(len(sound))
        if kind < 0.4:
            noise = signal.lfilter([1], [1, -self.chance.uniform(0.7, 0.98)], noise)
        elif kind < 0.55 and self._babble:
            noise = np.resize(self.chance.choice(self._babble), len(sound)) + 1e-3 * noise
            above_noise_db = self.chance.uniform(10, 30)
        elif kind < 0.65:
            hum_hz = 50 * self.chance.choice([1, 2, 3])
            hum = np.sin(2 * np.pi * hum_hz * np.arange(len(sound)) / RATE_HZ)
            noise = 0.3 * signal.lfilter([1], [1, -0.95], noise) + hum
        noise /= np.sqrt(np.mean(noise**2))
        return np.asarray(sound + noise * level * 10 ** (-above_noise_db / 20), np.float64)

    def _telephone(self, sound: Samples) -> Samples:
        narrow = signal.resample_poly(sound, 1, 2)
        if self.chance.random() < 0.5:
            low, high = self.chance.uniform(150, 320), self.chance.uniform(3_300, 3_700)
            narrow = signal.lfilter(*signal.butter(2, [low / 4_000, high / 4_000], "band"), narrow)
        return np.asarray(signal.resample_poly(a_law(narrow), 2, 1), np.float64)


def at_16_khz(spoken: NDArray[np.int16], speed: float = 1.0) -> Samples:
    """espeak's sound at 16 kHz; ``speed`` above 1 makes it faster and higher."""
    sound = spoken.astype(np.float64)
    if speed == 1.0:
        return np.asarray(signal.resample_poly(sound, 320, 441), np.float64)
    smooth = signal.lfilter(*signal.butter(6, 7_200 / (voices.SAMPLE_RATE_HZ / 2)), sound)
    step = voices.SAMPLE_RATE_HZ * speed / RATE_HZ
    places = np.arange(int(len(sound) / step)) * step
    return np.asarray(np.interp(places, np.arange(len(sound)), smooth), np.float64)


def between_silences(
    sound: Samples, marks: list[Mark], lead: int, trail: int, speed: float
) -> tuple[Samples, list[Mark]]:
    """``sound`` with ``lead`` and ``trail`` samples of silence, and its marks moved along."""
    lead_ms = lead * 1000 / RATE_HZ
    moved = [(lead_ms + start / speed, unit) for start, unit in marks]
    if moved[0][1] == phones.SILENCE or lead_ms <= _LEAD_IS_SILENCE_MS:
        moved[0] = (0.0, moved[0][1])
    else:
        moved.insert(0, (0.0, phones.SILENCE))
    return np.concatenate([np.zeros(lead), sound, np.zeros(trail)]), moved


def a_law(sound: Samples) -> Samples:
    """What a G.711 A-law line leaves: the law's curve, cut to 8 bits."""
    size = np.clip(np.abs(sound) / 32_768, 0, 1)
    scale = 1 + np.log(_A_LAW)
    bent = np.where(
        size < 1 / _A_LAW,
        _A_LAW * size / scale,
        (1 + np.log(np.maximum(_A_LAW * size, 1))) / scale,
    )
    kept = np.clip((np.floor(bent * 128) + 0.5) / 128, 0, 1)
    straight = np.where(kept < 1 / scale, kept * scale, np.exp(kept * scale - 1)) / _A_LAW
    return np.asarray(np.sign(sound) * straight * 32_768, np.float64)
