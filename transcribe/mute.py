"""A rendition of a sound in which chosen spans cannot be heard; everything else is untouched.

In place of the voice a soft low tone sounds, so that old ears notice that something was taken out
and do not think the line went dead: 400 Hz lies within a telephone's band (300-3,400 Hz) and below
where hearing fades with age.
"""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings import sound
from transcribe.redact import Finding

Samples = NDArray[np.int16]

MARGIN_MS = 60
"""Before and after each span: words are timed in frames of 30 ms, and two may be off."""

TONE_HZ = 400
TONE_PEAK = 1_600
"""Of 32,767: -26 dBFS, softer than any voice that can be understood."""

FADE_MS = 10
BLOCK_S = 10


def spans_of(findings: Iterable[Finding]) -> list[tuple[int, int]]:
    """[start, end) in ms of what is to be muted, with margins, in order and apart."""
    return joined((one.start_ms - MARGIN_MS, one.end_ms + MARGIN_MS) for one in findings)


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order; those that touch become one, what lies before the sound is cut off."""
    apart: list[tuple[int, int]] = []
    for start_ms, end_ms in sorted(spans):
        start_ms = max(start_ms, 0)
        if end_ms <= start_ms:
            continue
        if apart and start_ms <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end_ms))
        else:
            apart.append((start_ms, end_ms))
    return apart


def render(source: Path, spans_ms: Sequence[tuple[int, int]], target: Path) -> None:
    """Write ``source`` as PCM16 mono WAV at its own rate, with a tone in ``spans_ms``.

    A source of PCM16 mono is kept to the sample outside the spans, and the number of samples is
    the same. ``target`` appears whole or not at all. Raises InvalidInput(field="file") for what is
    no sound, ToolFailed when the machine is to blame.
    """
    rate_hz = sound.probe(source).sample_rate_hz
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        plain = Path(folder) / "plain.wav"
        sound.to_wav(source, plain, rate_hz=rate_hz)
        with sound.whole_or_nothing(target) as part:
            _copy(plain, part, [_places(span, rate_hz) for span in joined(spans_ms)])


def _places(span_ms: tuple[int, int], rate_hz: int) -> tuple[int, int]:
    """First sample within the span and first one after it, rounded outwards."""
    return span_ms[0] * rate_hz // 1000, -(-span_ms[1] * rate_hz // 1000)


def _copy(plain: Path, target: Path, spans: Sequence[tuple[int, int]]) -> None:
    with wave.open(str(plain), "rb") as source, wave.open(str(target), "wb") as out:
        out.setparams(source.getparams())
        rate_hz, at = source.getframerate(), 0
        while frames := source.readframes(BLOCK_S * rate_hz):
            block = np.frombuffer(frames, np.int16).copy()
            for start, end in spans:
                first, after = max(start, at), min(end, at + len(block))
                if first < after:
                    block[first - at : after - at] = _tone(start, end, rate_hz)[
                        first - start : after - start
                    ]
            out.writeframes(block.tobytes())
            at += len(block)


def _tone(start: int, end: int, rate_hz: int) -> Samples:
    """The tone from sample ``start`` to ``end``, faded in and out within."""
    count = end - start
    wave_form = np.sin(2 * np.pi * TONE_HZ / rate_hz * np.arange(count))
    fade = max(1, min(FADE_MS * rate_hz // 1000, count // 2))
    ramp = np.minimum(np.arange(count), np.arange(count)[::-1]) / fade
    return np.asarray(TONE_PEAK * wave_form * np.minimum(ramp, 1.0), np.int16)
