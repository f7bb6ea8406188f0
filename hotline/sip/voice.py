"""How much of the sound is a voice (WebRTC's detector, mode 2, on 20 ms at 8 kHz)."""

from __future__ import annotations

import webrtcvad

from hotline.sip.g711 import FRAME_MS, FRAME_SAMPLES, RATE_HZ

MODE = 2
_FRAME_BYTES = FRAME_SAMPLES * 2


def speech_ms(pcm: bytes) -> int:
    """Voiced time of whole sound (16 bit, 8 kHz, mono)."""
    meter = VoiceMeter()
    meter.hear(pcm)
    return meter.speech_ms


class VoiceMeter:
    """Counts voiced time in sound as it arrives."""

    def __init__(self) -> None:
        self._detector = webrtcvad.Vad(MODE)
        self._rest = b""
        self.speech_ms = 0

    def hear(self, pcm: bytes) -> bool:
        """Take in samples; whether any complete 20 ms of them were a voice."""
        if self._rest or len(pcm) != _FRAME_BYTES:
            pcm = self._rest + pcm
        usable = len(pcm) - len(pcm) % _FRAME_BYTES
        voiced = 0
        for start in range(0, usable, _FRAME_BYTES):
            if self._detector.is_speech(pcm[start : start + _FRAME_BYTES], RATE_HZ):
                voiced += FRAME_MS
        self._rest = pcm[usable:]
        self.speech_ms += voiced
        return voiced > 0
