"""What a sound is like, words or not: whether there is a voice, clipping, an end in mid-speech.

Costs little: the voice is looked for until it is found, the end once, full scale by high bytes.
"""

from __future__ import annotations

from collections import deque

import webrtcvad

from transcribe.gate import FRAME_MS, RATES_HZ, SAMPLE_BYTES, peaks_above

LEAST_VOICE_MS = 300
VOICE_AGGRESSIVENESS = 3
"""0-3; at 3 hiss and hum of a telephone line count least often as voice."""

QUIETEST_PEAK = 100
"""Frames whose loudest sample stays below this (-50 dBFS) are no voice whatever their shape."""

END_AGGRESSIVENESS = 2
END_MS = 160
END_SEEN_MS = 1_200
"""A sound was cut off when half of its last 0.16 s is voice: so were all synthetic sentences cut at
random (48 of them, five times each) and 87-95 % of such cuts through 12 clips of people, at 8 and
16 kHz; none of the whole ones. The detector has seen 1.2 s by then."""

CLIPPED_SHARE = 0.05
"""Samples at full scale. 1.5 % (twice too loud) changed no word of the starter's; at 7 % (four
times) three times as many utterances were in doubt; clean sound has none."""

_FULL_SCALE = bytes([0x7D, 0x7E, 0x7F, 0x80, 0x81, 0x82])
"""High bytes of samples from 32,000 up, which G.711's loudest ones are (32,124 and 32,256)."""


class Activity:
    """Of PCM16LE mono sound, given in pieces of whole frames but for the last one.

    At rates a voice detector does not take, sound counts as voice: better a look by a person.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * SAMPLE_BYTES
        self._detector = webrtcvad.Vad(VOICE_AGGRESSIVENESS)
        self._voiced_ms = 0 if rate_hz in RATES_HZ else LEAST_VOICE_MS
        self._end = deque[bytes]()
        self._end_bytes = 0
        self._samples = self._at_full_scale = 0

    def hear(self, piece: bytes) -> None:
        """The next piece of the sound."""
        self._end.append(piece)
        self._end_bytes += len(piece)
        while self._end_bytes - len(self._end[0]) >= self._rate * END_SEEN_MS // 1000 * 2:
            self._end_bytes -= len(self._end.popleft())
        if not self.heard_voice:
            self._voiced_ms += FRAME_MS * sum(self._voices(piece, self._detector))

    def measure(self, decoded: bytes) -> None:
        """The next piece of what was decoded: mostly voice, so that pauses hide no clipping."""
        high = decoded[1::2]
        self._samples += len(high)
        self._at_full_scale += len(high) - len(high.translate(None, _FULL_SCALE))

    @property
    def heard_voice(self) -> bool:
        """Whether at least 0.3 s in all was voice."""
        return self._voiced_ms >= LEAST_VOICE_MS

    @property
    def clipped(self) -> bool:
        """Whether so much is at full scale that words suffer."""
        return self._at_full_scale > CLIPPED_SHARE * max(self._samples, 1)

    @property
    def cut_off(self) -> bool:
        """Whether the sound ends while somebody speaks."""
        if self._rate not in RATES_HZ:
            return False
        end = b"".join(self._end)
        end = end[len(end) % self._frame_bytes :]
        voices = self._voices(end, webrtcvad.Vad(END_AGGRESSIVENESS))
        last = voices[-(END_MS // FRAME_MS) :]
        return sum(last) * FRAME_MS * 2 >= END_MS

    def _voices(self, sound: bytes, detector: webrtcvad.Vad) -> list[bool]:
        """For each whole frame, whether it is voice."""
        ends = range(self._frame_bytes, len(sound) + 1, self._frame_bytes)
        frames = (sound[end - self._frame_bytes : end] for end in ends)
        return [
            peaks_above(one, QUIETEST_PEAK) and detector.is_speech(one, self._rate)
            for one in frames
        ]
