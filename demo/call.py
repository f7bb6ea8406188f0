"""Phones the hotline as a villager would, speaks a text, and listens to the number read out.

Nothing is looked up behind the hotline's back: the digits are found in the sound that came through
the telephone, by matching it with the digits the hotline speaks (which lie on the same machine).
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import wave
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from core import settings as core_settings
from core.errors import N_, Unavailable
from demo.phone import CallResult, Press, Say, Step, Wait, WaitQuiet, WaitVoice, place_call
from hotline import prompts
from recordings import sound, speech

Road = Literal["key", "speech", "confidential", "fraud"]
RATE_HZ = 8000
NUMBER_LENGTH, PIN_LENGTH = 9, 4
_PAUSE_S = 1.2
"""Longer than any pause inside a prompt: the hotline waits for us."""
_ALIKE = 0.9
Samples = npt.NDArray[np.float64]


def _agreeing(key: str) -> list[Step]:
    """Report, agree by ``key``, no village (or no explanations), then wait for the beep.

    Each key answers a voice: one that is pressed while the hotline looks something up is lost.
    """
    keys = [step for digit in ("1", key, "#") for step in (WaitVoice(), Press(digit))]
    return [*keys, WaitQuiet(_PAUSE_S)]


_ROADS: dict[Road, list[Step]] = {
    "key": _agreeing("1"),
    "confidential": _agreeing("2"),
    "speech": [WaitVoice(), Press("1"), WaitQuiet(_PAUSE_S)],
    "fraud": [WaitVoice(), Press("5"), WaitQuiet(_PAUSE_S)],
}


def call(
    text: str,
    target: tuple[str, int],
    *,
    consent: Road = "key",
    caller: str = "13900000001",
    called: str = "hotline",
) -> dict[str, object]:
    """Report ``text`` by telephone. Raises Unavailable when nobody answers or the line is busy.

    Returns {"reference_no", "pin" (both None when none was heard), "spoken_ms", "talked_s",
    "ended_by" ("them": the hotline said goodbye)}.
    """
    pcm = _spoken(text)
    script = [*_ROADS[consent], Say(), Wait(0.5), Press("#"), WaitVoice(), Press("1")]
    result = asyncio.run(
        place_call(
            target,
            pcm,
            script,
            caller=caller,
            called=called,
            host=_own_address(target),
            hang_up=False,
        )
    )
    _require_answer(result, target)
    number, pin = heard_reference(result.heard, prompts.prepare(core_settings.load()))
    return {
        "reference_no": number,
        "pin": pin,
        "spoken_ms": len(pcm) // 2 * 1000 // RATE_HZ,
        "talked_s": round(result.talked_s, 1),
        "ended_by": result.ended_by,
    }


def _require_answer(result: CallResult, target: tuple[str, int]) -> None:
    where = {"host": target[0], "port": target[1]}
    if result.status == 0:
        raise Unavailable(
            N_("Nobody answers at %(host)s, UDP port %(port)d. Is the server running?"),
            params=where,
        )
    if result.status != 200:
        raise Unavailable(
            N_("The hotline refused the call: %(status)d %(reason)s."),
            params={"status": result.status, "reason": result.reason},
        )


def _own_address(target: tuple[str, int]) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(target)  # sends nothing; the system chooses the address
        return str(probe.getsockname()[0])


def _spoken(text: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        spoken, narrow = Path(folder) / "spoken.wav", Path(folder) / "narrow.wav"
        speech.render(text, spoken)
        sound.to_wav(spoken, narrow, rate_hz=RATE_HZ)
        with wave.open(str(narrow), "rb") as opened:
            return opened.readframes(opened.getnframes())


def heard_reference(heard: bytes, spoken: prompts.Prompts) -> tuple[str | None, str | None]:
    """Number and PIN in what was heard; the number counts when both readings agree."""
    samples = np.frombuffer(heard, dtype="<i2").astype(np.float64)
    found: list[tuple[int, float, str]] = []
    for digit in "0123456789":
        with wave.open(str(spoken.paths[f"digit_{digit}"]), "rb") as opened:
            clip = np.frombuffer(opened.readframes(opened.getnframes()), dtype="<i2")
        for position, likeness in _matches(samples, clip.astype(np.float64)):
            found.append((position, likeness, digit))
    digits = "".join(digit for _, _, digit in sorted(found))
    if len(digits) != 2 * NUMBER_LENGTH + PIN_LENGTH:
        return None, None
    first, second = digits[:NUMBER_LENGTH], digits[NUMBER_LENGTH : 2 * NUMBER_LENGTH]
    return (first, digits[2 * NUMBER_LENGTH :]) if first == second else (None, None)


def _matches(samples: Samples, clip: Samples) -> list[tuple[int, float]]:
    """Where ``clip`` sounds in ``samples``: (position, likeness 0-1), best first, apart."""
    length = len(clip)
    if len(samples) < length:
        return []
    size = 1 << (len(samples) + length - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(clip, size)), size)
    energy = np.concatenate(([0.0], np.cumsum(samples**2)))
    windows = energy[length:] - energy[:-length]
    scale = np.sqrt(np.maximum(windows, 1.0) * np.sum(clip**2))
    likeness = product[: len(windows)] / scale
    found: list[tuple[int, float]] = []
    for position in np.argsort(-likeness):
        if likeness[position] < _ALIKE:
            break
        if all(abs(int(position) - other) >= length // 2 for other, _ in found):
            found.append((int(position), float(likeness[position])))
    return found
