"""Two hundred messages of a bad hour: spoken, of mixed lengths, some of them poison."""

from __future__ import annotations

import math
import random
import shutil
import wave
from dataclasses import dataclass
from pathlib import Path

from benchmarks.burst_poison import KINDS, MARK_BYTES
from benchmarks.spoken import CACHE, PLACES, RATE_HZ, TROUBLES, WISHES
from recordings import sound, speech

FOLDER = CACHE.parent / "burst"
SENTENCES = 40
PAUSE_MS = 400
BYTES_PER_MS = RATE_HZ * 2 // 1000
SHORT_MS = (5_000, 30_000)
CALL_MS = 180_000
SPEECH_MS = 600_000
JUNK = "junk"


@dataclass(frozen=True)
class Message:
    """One sound to be written down. ``poison``: what it does to a decoder, None for a good one."""

    path: Path
    duration_ms: int
    poison: str | None

    @property
    def is_short(self) -> bool:
        return self.duration_ms <= SHORT_MS[1]


def messages(count: int, *, long_ones: int, poison: list[str]) -> list[Message]:
    """``count`` different messages in the order of arrival, the same ones each time.

    ``long_ones`` are of three minutes, one is of ten, the others of 5 to 30 s. ``poison`` names
    what some of 5 s do: "crash", "abort", "spin", "swell" or "junk" (no sound at all). The third
    try of an endless one costs six times its length, so they are short.
    """
    dice = random.Random(20_260_601)
    spoken = [_samples(path) for path in sentences()]
    folder = FOLDER / f"{count}-{long_ones}-{'-'.join(poison)}"
    folder.mkdir(parents=True, exist_ok=True)
    lengths = [CALL_MS] * long_ones + [SPEECH_MS]
    lengths += [_short_ms(dice) for _ in range(count - len(lengths) - len(poison))]
    lengths += [SHORT_MS[0]] * len(poison)
    kinds: list[str | None] = [None] * (count - len(poison)) + list(poison)
    found = []
    for number, (wanted_ms, kind) in enumerate(zip(lengths, kinds, strict=True)):
        path = folder / f"{number:03d}.wav"
        _write(path, spoken, wanted_ms, kind, random.Random(number))
        found.append(Message(path, wanted_ms, kind))
    dice.shuffle(found)
    return found


def _short_ms(dice: random.Random) -> int:
    """Between 5 and 30 s; as many below 12 s as above."""
    least, most = SHORT_MS
    return round(least * math.pow(most / least, dice.random()))


def sentences() -> list[Path]:
    """Files of different sentences of some 4 s, kept from the first run on."""
    folder = FOLDER / "sentences"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        dice = random.Random(20_250_601)
        for number in range(SENTENCES):
            text = dice.choice(PLACES) + dice.choice(TROUBLES) + "，" + dice.choice(WISHES)
            speech.render(text, part / "spoken")
            sound.to_wav(part / "spoken", part / f"{number:02d}.wav", rate_hz=RATE_HZ)
        (part / "spoken").unlink()
        part.rename(folder)
    return sorted(folder.glob("*.wav"))


def _samples(path: Path) -> bytes:
    with wave.open(str(path), "rb") as opened:
        return opened.readframes(opened.getnframes())


def _write(
    path: Path, spoken: list[bytes], wanted_ms: int, kind: str | None, dice: random.Random
) -> None:
    if path.exists():
        return
    if kind == JUNK:
        path.write_bytes(dice.randbytes(20_000))
        return
    samples, wanted = bytearray(), wanted_ms * BYTES_PER_MS
    while len(samples) < wanted:
        samples += dice.choice(spoken) + bytes(PAUSE_MS * BYTES_PER_MS)
    del samples[wanted:]
    if kind is not None:
        samples[:MARK_BYTES] = next(mark for mark in KINDS if kind.encode() in mark)
    part = path.with_suffix(".part")
    with wave.open(str(part), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(bytes(samples))
    part.replace(path)
