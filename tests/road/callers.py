"""Villagers who phone a town under test, one or twenty at once."""

from __future__ import annotations

import asyncio
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.settings import Settings
from demo.call import heard_reference
from demo.phone import CallResult, Press, Say, Step, Wait, WaitQuiet, WaitVoice, place_call
from hotline import prompts
from tests.road.town import Town

VOICE_S = 4
TO_THE_BEEP: list[Step] = [
    WaitVoice(), Press("1"), WaitVoice(), Press("1"), WaitVoice(), Press("#"), WaitQuiet(1.2),
]  # fmt: skip
"""Report, consent, no village (or no explanations)."""
REPORT: list[Step] = [*TO_THE_BEEP, Say(), Wait(0.5), Press("#"), WaitVoice(), Press("1")]


@dataclass(frozen=True)
class Answer:
    """What one caller was told; the numbers are None when none was heard."""

    result: CallResult
    reference_no: str | None


def phone(
    town: Town, voice_8k: bytes, count: int = 1, script: list[Step] | None = None
) -> list[Answer]:
    """``count`` calls at the same time; returns what each heard."""
    return asyncio.run(phone_soon(town, voice_8k, count, script))


async def phone_soon(
    town: Town, voice_8k: bytes, count: int = 1, script: list[Step] | None = None
) -> list[Answer]:
    """As ``phone``, inside an event loop that also breaks things meanwhile."""
    spoken = prompts.prepare(Settings(data_dir=town.folder))
    results = await asyncio.gather(
        *(
            place_call(
                ("127.0.0.1", town.sip_port),
                voice_8k,
                script or REPORT,
                caller=f"1390000{number:04d}",
                called="hotline",
                host="127.0.0.1",
                hang_up=False,
            )
            for number in range(count)
        )
    )
    return [Answer(result, heard_reference(result.heard, spoken)[0]) for result in results]


def alike(heard: bytes, prompt: Path) -> float:
    """How like ``prompt`` (0-1) the part of what was heard is that fits it best."""
    with wave.open(str(prompt), "rb") as opened:
        clip = np.frombuffer(opened.readframes(opened.getnframes()), "<i2").astype(float)
    samples = np.frombuffer(heard, "<i2").astype(float)
    if len(samples) < len(clip):
        return 0.0
    size = 1 << (len(samples) + len(clip)).bit_length()
    product = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(clip, size)), size)
    energy = np.concatenate(([0.0], np.cumsum(samples**2)))
    windows = energy[len(clip) :] - energy[: -len(clip)]
    return float(np.max(product[: len(windows)] / np.sqrt(np.maximum(windows, 1) * (clip @ clip))))
