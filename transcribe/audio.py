"""Sound as the decoder takes it: PCM16 WAV, 8 kHz from the telephone, else 16 kHz.

Mono, but for calls whose two sides were recorded in two channels: these stay apart.
"""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

TELEPHONE_HZ, WIDE_HZ = 8_000, 16_000
MAX_S = 7_200


def prepare(source: Path, target: Path, *, takes_8khz: bool = True) -> Path:
    """A file the decoder can take: ``source`` itself when it already fits, else ``target``.

    8 kHz stays 8 kHz: the model then hears the line as it is. ``takes_8khz`` is false for models
    that would hear nothing in it; for those it becomes 16 kHz. Raises InvalidInput(field="file")
    for what is no sound or is longer than two hours.
    """
    if _fits(source, takes_8khz):
        return source
    if _fits(source, True):
        from transcribe import widening

        widening.widen(source, target)  # as the live decoder does
        return target
    from recordings import sound  # numpy and its friends, not needed for what fits already
    from transcribe import channels

    facts = sound.to_wav(source, target, rate_hz=WIDE_HZ, max_s=MAX_S)
    rate_hz = TELEPHONE_HZ if takes_8khz and facts.sample_rate_hz == TELEPHONE_HZ else WIDE_HZ
    if facts.channels == 2:
        sound.to_wav(source, target, rate_hz=rate_hz, max_s=MAX_S, channels=2)
        if channels.are_two_sides(target):
            return target
    if facts.channels == 2 or rate_hz != WIDE_HZ:
        sound.to_wav(source, target, rate_hz=rate_hz, max_s=MAX_S)
    return target


def rates(*, takes_8khz: bool) -> tuple[int, ...]:
    """The rates at which the decoder takes sound as it is."""
    return (TELEPHONE_HZ, WIDE_HZ) if takes_8khz else (WIDE_HZ,)


def digest(rate_hz: int, channels: int = 1) -> hashlib._Hash:
    """Begins the SHA-256 that names a sound: its rate and channels; the PCM16 samples follow."""
    return hashlib.sha256(f"{rate_hz}:{channels}:".encode())


def _fits(source: Path, takes_8khz: bool) -> bool:
    try:
        with wave.open(str(source), "rb") as found:
            return (
                found.getnchannels() == 1
                and found.getsampwidth() == 2
                and found.getframerate() in rates(takes_8khz=takes_8khz)
                and 0 < found.getnframes() <= MAX_S * found.getframerate()
            )
    except (wave.Error, EOFError, OSError):
        return False
