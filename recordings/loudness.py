"""One loudness for everything that sounds over the villages, verified by measuring the result."""

from __future__ import annotations

import json
import re
from pathlib import Path

from core.errors import N_, ToolFailed
from recordings.sound import ffmpeg, loudness_lufs, whole_or_nothing

TARGET_LUFS = -16.0
TOLERANCE_LU = 1.0
TRUE_PEAK_DBTP = -1.5
RANGE_LU = 11.0
MASTER_RATE_HZ = 48_000
_CORRECTIONS = 4
_REPORT = re.compile(r"\{[^{}]*\"input_i\"[^{}]*\}")


def normalise(source: Path, target: Path, *, duration_ms: int) -> float:
    """Write ``source`` (WAV) to ``target`` as 48 kHz mono PCM16 at -16 LUFS; returns the LUFS.

    Two passes of ffmpeg's loudnorm, then the result is measured and corrected by a gain with a
    limiter until it lies within 1 LU. What cannot be brought there (a few clicks in silence) is
    kept at what was reached; the caller compares. ToolFailed when ffmpeg fails.
    """
    wall_s = 120 + duration_ms / 4000
    base = f"loudnorm=I={TARGET_LUFS}:TP={TRUE_PEAK_DBTP}:LRA={RANGE_LU}"
    log = ffmpeg(
        ["-i", source, "-af", f"{base}:print_format=json", "-f", "null", "-"], wall_s=wall_s
    )
    _write(source, target, f"{base}:{_measured(log)}:linear=true", wall_s)
    for _ in range(_CORRECTIONS):
        reached = loudness_lufs(target)
        if abs(reached - TARGET_LUFS) <= TOLERANCE_LU / 2 or reached <= -70:
            return reached
        gain = f"volume={TARGET_LUFS - reached:.2f}dB"
        _write(target, target, f"{gain},alimiter=limit=0.84:level=false", wall_s)
    return loudness_lufs(target)


def _measured(log: str) -> str:
    found = _REPORT.findall(log)
    if not found:
        raise ToolFailed(N_("The loudness of the sound could not be measured. Try again."))
    values = json.loads(found[-1])
    return (
        f"measured_I={_within(values['input_i'], -99, 0)}"
        f":measured_TP={_within(values['input_tp'], -99, 99)}"
        f":measured_LRA={_within(values['input_lra'], 0, 99)}"
        f":measured_thresh={_within(values['input_thresh'], -99, 0)}"
        f":offset={_within(values['target_offset'], -99, 99)}"
    )


def _within(value: str, low: float, high: float) -> float:
    """loudnorm reports "-inf" for what it could not hear, and refuses it as an option."""
    return min(max(float(value), low), high)


def _write(source: Path, target: Path, filters: str, wall_s: float) -> None:
    with whole_or_nothing(target) as part:
        ffmpeg(
            [
                *("-i", source, "-af", filters, "-ar", str(MASTER_RATE_HZ), "-ac", "1"),
                *("-c:a", "pcm_s16le", "-fflags", "+bitexact", "-f", "wav", part),
            ],
            wall_s=wall_s,
        )
