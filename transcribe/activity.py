"""Whether there is a voice in sound in which no word was heard."""

from __future__ import annotations

import webrtcvad

FRAME_MS = 30
LEAST_VOICE_MS = 300
AGGRESSIVENESS = 3
"""0-3; at 3 hiss and hum of a telephone line count least often as voice."""

FULL_SCALE_FLOOR = 100
"""Frames whose loudest sample stays below this (-50 dBFS) are no voice whatever their shape."""

RATES_HZ = (8_000, 16_000)
KEEP_S = 600


class VoiceMeter:
    """Keeps sound (PCM16LE mono, 8 or 16 kHz, at most the first 10 min) until it is asked."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate = sample_rate_hz
        self._kept = bytearray()

    def keep(self, chunk: bytes) -> None:
        """Add sound; costs a copy, nothing more."""
        if len(self._kept) < KEEP_S * self._rate * 2:
            self._kept += chunk

    def heard_voice(self) -> bool:
        """Whether at least 0.3 s in all is voice. Other rates count as voice: better a look."""
        if self._rate not in RATES_HZ:
            return True
        detector = webrtcvad.Vad(AGGRESSIVENESS)
        frame_bytes = self._rate * FRAME_MS // 1000 * 2
        voiced_ms = 0
        for start in range(0, len(self._kept) - frame_bytes + 1, frame_bytes):
            frame = bytes(self._kept[start : start + frame_bytes])
            if _peak(frame) >= FULL_SCALE_FLOOR and detector.is_speech(frame, self._rate):
                voiced_ms += FRAME_MS
                if voiced_ms >= LEAST_VOICE_MS:
                    return True
        return False


def _peak(frame: bytes) -> int:
    samples = memoryview(frame).cast("h")
    return max(max(samples), -min(samples))
