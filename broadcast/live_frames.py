"""The form of a live address on its way to the players: small frames of mu-law, 16 kHz.

A frame is 2 bytes length, 4 bytes milliseconds since the address began, then the sound (big
endian). Length 0 ends the address, length 1 is a sign of life: its byte is no sound.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
CODEC = "mulaw"
BYTES_PER_MS = RATE_HZ * 2 // 1000
"""Of the 16-bit samples that speakers send."""
FRAME_MS = 100
SIGN_OF_LIFE = struct.pack(">HI", 1, 0) + b"\0"
FINISH, HUSH = struct.pack(">HI", 0, 0), struct.pack(">HI", 0, 1)
"""The end: say what you still hold, or fall silent at once."""


def _table() -> NDArray[np.int32]:
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    value = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -value, value).astype(np.int32)


def _nearest(table: NDArray[np.int32]) -> NDArray[np.uint8]:
    order = np.argsort(table, kind="stable")
    values = table[order]
    samples = np.arange(-32768, 32768)
    right = np.clip(np.searchsorted(values, samples), 1, 255)
    closer_left = samples - values[right - 1] <= values[right] - samples
    return order[np.where(closer_left, right - 1, right)].astype(np.uint8)


_ENCODE = _nearest(_table())


def encode(pcm: bytes) -> bytes:
    """Signed 16-bit little-endian samples to mu-law, one byte a sample."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    return _ENCODE[samples + 32768].tobytes()


def frames(at_ms: int, pcm: bytes) -> list[bytes]:
    """``pcm`` (whole milliseconds), which begins ``at_ms`` into the address, as frames."""
    step = FRAME_MS * BYTES_PER_MS
    made = []
    for offset in range(0, len(pcm), step):
        sound = encode(pcm[offset : offset + step])
        made.append(struct.pack(">HI", len(sound), at_ms + offset // BYTES_PER_MS) + sound)
    return made


def level_dbfs(pcm: bytes) -> float:
    """Loudness of the samples as a mean square, 0 for the loudest square wave; -120 for none."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    if samples.size == 0:
        return -120.0
    return float(10 * np.log10(max(float(np.mean(samples**2)), 1e-12)))
