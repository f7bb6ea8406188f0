"""Long pauses are not decoded: which sound goes on to the decoder, and when it was in the original.

The gate looks at fixed frames of the sound and never ahead, so a sound that is being spoken passes
it exactly as its file would. A voice opens it, a little late, so the frames just before (pre-roll)
pass too; it stays open for a while after the last voice (hang-over). A pause is thus shortened, not
removed: the decoder ends an utterance by the silence it hears.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import webrtcvad

FRAME_MS = 20
RATES_HZ = (8_000, 16_000, 32_000, 48_000)
AGGRESSIVENESS = 1
"""0-3; a soft voice taken for a pause would be lost, a pause taken for a voice costs time only."""

SOFTEST_PEAK = 60
"""Frames whose loudest sample stays below this (-55 dBFS) are a pause whatever their shape: after
digital silence the detector takes the faintest hiss for a voice, for seconds."""

PRE_ROLL_MS = 240
HANG_OVER_MS = 600
"""More than the 0.5 s of silence by which Kaldi's second rule ends an utterance."""

UNIT_MS = 60
"""What is left out is a multiple of this. The network looks at every third frame of 10 ms: when
these stay the ones it would have looked at, the text stays the same to the character (with other
multiples 1-3 % of the characters changed; measured on 6 min of voicemail, 8 and 16 kHz)."""

SAMPLE_BYTES = 2


class Gate:
    """For PCM16LE mono sound of one of ``RATES_HZ``."""

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * SAMPLE_BYTES
        self._detector = webrtcvad.Vad(AGGRESSIVENESS)
        self._before = deque[bytes](maxlen=(PRE_ROLL_MS + UNIT_MS) // FRAME_MS - 1)
        self._patience = 0
        self._frames_in = self._frames_out = 0
        self.timeline = Timeline()

    def add(self, sound: bytes) -> bytes:
        """What of ``sound``, and of what was held before it, is to be decoded now.

        ``sound`` is whole frames; only the last piece of all may end with less, as it is.
        """
        passed: list[bytes] = []
        for start in range(0, len(sound), self._frame_bytes):
            frame = sound[start : start + self._frame_bytes]
            if len(frame) == self._frame_bytes and self._is_voice(frame):
                if not self._patience:
                    self._open(passed)
                self._patience = HANG_OVER_MS // FRAME_MS
            self._frames_in += 1
            if self._patience:
                self._patience -= 1
                self._frames_out += 1
                passed.append(frame)
            else:
                self._before.append(frame)
        return b"".join(passed)

    def _is_voice(self, frame: bytes) -> bool:
        return self._detector.is_speech(frame, self._rate) and peaks_above(frame, SOFTEST_PEAK)

    def _open(self, passed: list[bytes]) -> None:
        missing = self._frames_in - self._frames_out
        skipped = max(missing - PRE_ROLL_MS // FRAME_MS, 0)
        skipped -= (skipped * FRAME_MS % UNIT_MS) // FRAME_MS
        held = list(self._before)[-(missing - skipped) :] if missing > skipped else []
        self._before.clear()
        self.timeline.skip(self._frames_out * FRAME_MS, skipped * FRAME_MS)
        self._frames_out += len(held)
        passed.extend(held)


def peaks_above(frame: bytes, level: int) -> bool:
    """Whether a sample of ``frame`` is as loud as ``level`` (up to 256)."""
    if frame[1::2].strip(b"\x00\xff"):
        return True  # a high byte tells quickly: a sample of 256 or more
    samples = memoryview(frame).cast("h")
    return max(max(samples), -min(samples)) >= level


class Timeline:
    """Times in what was passed on, and the same moments in the original sound (ms)."""

    def __init__(self) -> None:
        self._from_ms = [0]
        self._skipped_ms = [0]

    def skip(self, passed_ms: int, skipped_ms: int) -> None:
        """From ``passed_ms`` on, ``skipped_ms`` in all of the original are missing."""
        if self._from_ms[-1] == passed_ms:
            self._skipped_ms[-1] = skipped_ms
        elif skipped_ms > self._skipped_ms[-1]:
            self._from_ms.append(passed_ms)
            self._skipped_ms.append(skipped_ms)

    def original(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The same stretch of the original; of one that spans a skipped pause, the longer side."""
        first = bisect_right(self._from_ms, start_ms) - 1
        last = max(bisect_right(self._from_ms, end_ms - 1) - 1, first)
        if first != last:
            before_ms = self._from_ms[first + 1] - start_ms
            after_ms = end_ms - self._from_ms[last]
            if before_ms >= after_ms:
                last, end_ms = first, self._from_ms[first + 1]
            else:
                first, start_ms = last, self._from_ms[last]
        return start_ms + self._skipped_ms[first], end_ms + self._skipped_ms[last]
