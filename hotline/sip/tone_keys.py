"""Keys that come as sound: two tones at once (ITU-T Q.23), told from voices (Q.24).

For gateways that send a caller's keys neither as telephone events nor as SIP INFO. Each 20 ms
window is compared with all seven tones at once (Goertzel's sums, as one matrix product).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hotline.sip.g711 import RATE_HZ

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477)
KEYPAD = "123456789*0#"

WINDOW = 160
"""Samples (20 ms): two of these windows always lie wholly in a tone of 40 ms, the shortest
that must be heard."""
HOP = 80
DETUNED = (-0.035, -0.012, 0.0, 0.012, 0.035)
"""A phone may be off by 1.5 %, so each tone is looked for beside its place too; what is loudest
at one of the outer two is another sound."""
PURITY = 0.82
"""Share of the window's energy that the two tones must have: a voice has more than two."""
TWIST = 10 ** (9 / 10)
"""One tone may be so much stronger (9 dB) than the other."""
QUIETEST = 250.0
"""Amplitude of a tone that counts: about -39 dBm0 where 32124 is +3.14 dBm0."""
WINDOWS_TO_BEGIN = 2
WINDOWS_TO_END = 4
"""A hole of 10 ms in a bad line spoils three windows, a pause of 40 ms at least five."""


def _probes() -> NDArray[np.float32]:
    time_s = np.arange(WINDOW) / RATE_HZ
    tones = [hz * (1 + off) for hz in (*ROWS_HZ, *COLUMNS_HZ) for off in DETUNED]
    phase = 2 * np.pi * np.outer(time_s, tones)
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1).astype(np.float32)


_PROBES = _probes()
_ROW_PROBES = len(ROWS_HZ) * len(DETUNED)
_TUNED = np.abs(DETUNED) < max(DETUNED)


class ToneKeys:
    """Listens to one caller's sound as it arrives."""

    def __init__(self) -> None:
        self._kept: NDArray[np.float32] = np.zeros(0, np.float32)
        self._running = ""
        self._candidate = ""
        self._count = 0
        self._missed = 0

    def hear(self, pcm: bytes) -> str:
        """Take in samples (16 bit, 8 kHz); the keys that began in them, mostly none."""
        fresh = np.frombuffer(pcm, "<i2").astype(np.float32)
        sound = np.concatenate([self._kept, fresh])
        count = (len(sound) - WINDOW) // HOP + 1
        if count <= 0:
            self._kept = sound
            return ""
        self._kept = sound[count * HOP :]
        windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP][:count]
        return "".join(self._next(key) for key in _keys(windows))

    def _next(self, key: str) -> str:
        if key and key == self._running:
            self._missed = 0
            return ""
        self._missed += 1
        if self._missed >= WINDOWS_TO_END:
            self._running = ""
        self._count = self._count + 1 if key == self._candidate else 1
        self._candidate = key
        if key and self._count == WINDOWS_TO_BEGIN:
            self._running, self._missed = key, 0
            return key
        return ""


def _keys(windows: NDArray[np.float32]) -> list[str]:
    """The key that each window holds, "" for none."""
    energy = np.einsum("ij,ij->i", windows, windows)
    loud = energy >= QUIETEST**2 * WINDOW / 2
    if not loud.any():
        return [""] * len(windows)
    sums = windows @ _PROBES
    half = sums.shape[1] // 2
    power = sums[:, :half] ** 2 + sums[:, half:] ** 2
    rows, columns = power[:, :_ROW_PROBES], power[:, _ROW_PROBES:]
    at_row, at_column = rows.argmax(axis=1), columns.argmax(axis=1)
    row, column = rows.max(axis=1), columns.max(axis=1)
    tuned = _TUNED[at_row % len(DETUNED)] & _TUNED[at_column % len(DETUNED)]
    pure = (row + column) * (2 / WINDOW) >= PURITY * energy
    balanced = (row <= TWIST * column) & (column <= TWIST * row)
    index = at_row // len(DETUNED) * len(COLUMNS_HZ) + at_column // len(DETUNED)
    good = loud & pure & balanced & tuned
    return [
        KEYPAD[place] if heard else ""
        for place, heard in zip(index.tolist(), good.tolist(), strict=True)
    ]
