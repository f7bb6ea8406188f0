"""The two sides of a call, heard apart and told as one conversation."""

from __future__ import annotations

from dataclasses import replace

from transcribe.diagnosis import SILENT
from transcribe.recogniser import Recognition


def channel(interleaved: bytes, side: int) -> bytes:
    """One channel of PCM16 stereo: 0 left, 1 right."""
    return memoryview(interleaved).cast("h")[side::2].tobytes()


def merge(left: Recognition, right: Recognition) -> Recognition:
    """What both said in order of time, each utterance with its side (0 left, 1 right)."""
    said = [
        replace(utterance, side=side)
        for side, heard in enumerate((left, right))
        for utterance in heard.utterances
    ]
    said.sort(key=lambda utterance: (utterance.start_ms, utterance.side))
    reasons = [one.diagnosis for one in (left, right) if one.diagnosis not in (None, SILENT)]
    return Recognition(
        tuple(said),
        max(left.duration_ms, right.duration_ms),
        left.sample_rate_hz,
        None if said else next(iter(reasons), SILENT),
        tuple(dict.fromkeys(left.remarks + right.remarks)),
    )
