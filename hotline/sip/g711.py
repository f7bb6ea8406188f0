"""G.711 by tables: A-law (PCMA) and mu-law (PCMU), encoded to the nearest value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hotline.sip.codec import STATIC_TYPES as STATIC_TYPES
from hotline.sip.codec import Codec as Codec

RATE_HZ = 8000
FRAME_SAMPLES = 160
FRAME_MS = 20

SILENCE: dict[Codec, bytes] = {"PCMA": b"\xd5" * FRAME_SAMPLES, "PCMU": b"\xff" * FRAME_SAMPLES}


def _a_law() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    linear = mantissa << 4
    value = np.where(exponent == 0, linear + 8, (linear + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, value, -value).astype("<i2")


def _mu_law() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    value = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -value, value).astype("<i2")


def _nearest(table: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The code of the closest table value for each 16-bit sample, indexed by sample + 32768."""
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int32)
    samples = np.arange(-32768, 32768)
    right = np.clip(np.searchsorted(values, samples), 1, 255)
    left = right - 1
    closer_left = samples - values[left] <= values[right] - samples
    return order[np.where(closer_left, left, right)].astype(np.uint8)


_DECODE: dict[Codec, NDArray[np.int16]] = {"PCMA": _a_law(), "PCMU": _mu_law()}
_ENCODE: dict[Codec, NDArray[np.uint8]] = {name: _nearest(t) for name, t in _DECODE.items()}


def decode(codec: Codec, payload: bytes) -> bytes:
    """G.711 bytes to signed 16-bit little-endian samples."""
    return _DECODE[codec][np.frombuffer(payload, np.uint8)].tobytes()


def encode(codec: Codec, pcm: bytes) -> bytes:
    """Signed 16-bit little-endian samples to G.711; a trailing odd byte is dropped."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.int32)
    return _ENCODE[codec][samples + 32768].tobytes()


_TRANSLATE = {
    (source, target): _ENCODE[target][_DECODE[source].astype(np.int32) + 32768].tobytes()
    for source in _DECODE
    for target in _DECODE
    if source != target
}


def translate(source: Codec, target: Codec, payload: bytes | bytearray) -> bytes:
    """G.711 bytes of one law in the other; the same bytes when it is the same law."""
    if source == target:
        return bytes(payload)
    return bytes(payload.translate(_TRANSLATE[source, target]))


def quiet_codes(codec: Codec, peak: int) -> bytes:
    """The codes of all samples that are not louder than ``peak``."""
    return np.flatnonzero(np.abs(_DECODE[codec].astype(np.int32)) <= peak).astype("u1").tobytes()


def frames(codec: Codec, pcm: bytes) -> list[bytes]:
    """``pcm`` as 20 ms payloads, the last one filled up with silence."""
    encoded = encode(codec, pcm)
    encoded += SILENCE[codec][: -len(encoded) % FRAME_SAMPLES]
    return [encoded[i : i + FRAME_SAMPLES] for i in range(0, len(encoded), FRAME_SAMPLES)]
