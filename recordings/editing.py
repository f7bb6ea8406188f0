"""Cutting and joining PCM masters with pydub.

Only the edges of a recording change, so only they are loaded; the middle, which may be hours, is
copied in blocks. All files are PCM16 mono WAV at one rate.
"""

from __future__ import annotations

import warnings
import wave
from collections.abc import Iterator
from pathlib import Path

from core.errors import N_, InvalidInput
from recordings.loudness import MASTER_RATE_HZ
from recordings.sound import whole_or_nothing

with warnings.catch_warnings():  # pydub misses an installed ffmpeg, which it needs for files only
    warnings.simplefilter("ignore", RuntimeWarning)
    from pydub import AudioSegment

FADE_IN_MS = 20
FADE_OUT_MS = 150
GAP_MS = 250
SHORTEST_MS = 1_000
_EDGE_MS = 2_000
_BLOCK_FRAMES = 1 << 20


def trim(source: Path, target: Path, *, start_ms: int, end_ms: int) -> int:
    """Cut ``start_ms`` from the start and ``end_ms`` from the end; returns what is left in ms.

    InvalidInput(field="trim_end") when less than a second would remain.
    """
    with wave.open(str(source), "rb") as whole:
        total = whole.getnframes()
        first = max(0, start_ms) * MASTER_RATE_HZ // 1000
        last = total - max(0, end_ms) * MASTER_RATE_HZ // 1000
        if last - first < SHORTEST_MS * MASTER_RATE_HZ // 1000:
            raise InvalidInput(
                N_("Less than a second of sound is left after cutting. Cut less."),
                field="trim_end",
            )
        whole.setpos(first)
        with whole_or_nothing(target) as part, _writer(part) as out:
            for block in _frames(whole, last - first):
                out.writeframes(block)
    return round((last - first) * 1000 / MASTER_RATE_HZ)


def join(opening: Path | None, body: Path, closing: Path | None, target: Path) -> int:
    """Opening, body and closing one after another with short fades; returns the length in ms."""
    parts = [part for part in (opening, body, closing) if part is not None]
    with whole_or_nothing(target) as part, _writer(part) as out:
        for index, piece in enumerate(parts):
            if index:
                gap = AudioSegment.silent(duration=GAP_MS, frame_rate=MASTER_RATE_HZ)
                out.writeframes(gap.raw_data)
            for block in _faded(piece):
                out.writeframes(block)
        frames = out.getnframes()
    return round(frames * 1000 / MASTER_RATE_HZ)


def _faded(path: Path) -> Iterator[bytes]:
    edge = _EDGE_MS * MASTER_RATE_HZ // 1000
    with wave.open(str(path), "rb") as whole:
        total = whole.getnframes()
        if total <= 2 * edge:
            only = _segment(whole.readframes(total))
            fade_in, fade_out = min(FADE_IN_MS, len(only)), min(FADE_OUT_MS, len(only))
            yield only.fade_in(fade_in).fade_out(fade_out).raw_data
            return
        yield _segment(whole.readframes(edge)).fade_in(FADE_IN_MS).raw_data
        yield from _frames(whole, total - 2 * edge)
        yield _segment(whole.readframes(edge)).fade_out(FADE_OUT_MS).raw_data


def _segment(data: bytes) -> AudioSegment:
    return AudioSegment(data=data, sample_width=2, frame_rate=MASTER_RATE_HZ, channels=1)


def _frames(source: wave.Wave_read, count: int) -> Iterator[bytes]:
    while count > 0 and (block := source.readframes(min(count, _BLOCK_FRAMES))):
        count -= len(block) // 2
        yield block


def _writer(path: Path) -> wave.Wave_write:
    out = wave.open(str(path), "wb")  # noqa: SIM115 - the caller closes it
    out.setparams((1, 2, MASTER_RATE_HZ, 0, "NONE", ""))
    return out
