"""How long after the receiver goes down are the words in the database?

Callers speak 60 s over SIP to the whole product: telephony, live decoder, importer, decoder,
SQLite. From the last RTP packet to the committed transcript, against decoding the same stored sound
afterwards on the idle machine. With the starter and with a copy of it that hears the same at the
speed of a large model; one call and four at a time. Four rounds a model (two of one call, two of
four): ten calls each, some 10 minutes in all. A 95th percentile is by nearest rank, so of fewer
than 20 calls it is the slowest. ``--quick``: 20 s of speech, one round of each, under 2 minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import statistics
import tempfile
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import harness
from benchmarks.harness import Figure, Result
from benchmarks.machine import busy_s
from benchmarks.spoken import PLACES, TROUBLES, WISHES
from benchmarks.town import CACHE, Town
from demo.phone import Press, Say, Step, WaitQuiet, WaitVoice, place_call
from recordings import sound, speech
from transcribe import catalogue, hearings
from transcribe.decoder import Decoder
from transcribe.recogniser import Recognition
from transcribe.starter.slow import slow_down

ROAD: list[Step] = [
    WaitVoice(), Press("1"), WaitVoice(), Press("1"), WaitVoice(), Press("#"),
    WaitQuiet(1.0), Say(),
]  # fmt: skip
"""Report, consent, no village (or no explanations), beep; then the caller speaks and hangs up.

A key that is pressed while the hotline looks the caller's village up counts for nothing, and on a
busy machine that lasts: so each key answers a voice.
"""

VOICE_S, QUICK_VOICE_S = 60.0, 20.0
ROUNDS, QUICK_ROUNDS = (1, 1, 4, 4), (1, 4)
WORK = 200
"""Times the starter's multiplications: 0.3 s of processor time for a second of sound."""

ALLOWED = {1: (0.15, 500.0), 4: (0.5, 800.0)}
"""Calls at a time -> share of the batch decoding time, and ms, of which the larger counts."""

FOREIGN_SHARE_LIMIT = 0.15
WORDS_WITHIN_S = 300.0
LOOK_S = 0.01
RATE_HZ = 8000


@dataclass(frozen=True)
class Call:
    """One call: ms from the last packet to the words, and what is stored of it."""

    waited_ms: float
    source: str
    text: str
    sound: Path


@dataclass(frozen=True)
class Measured:
    """One model: its calls by how many there were at a time, and its speed without a stream."""

    calls: dict[int, list[Call]]
    batch_ms: float
    equal: int
    compared: int
    foreign_share: float


def run(quick: bool, *, models: Sequence[str] = ("starter", "slow"), **settings: str) -> Result:
    """Measure; ``settings`` go to the product's environment, so that a test can hinder it."""
    figures: dict[str, Figure] = {}
    foreign = 0.0
    for name in models:
        measured = _measure(_model(name), quick, settings)
        figures |= _figures(name, measured)
        foreign = max(foreign, measured.foreign_share)
    figures["foreign_cpu_share"] = round(foreign, 3)
    invalid = None
    if foreign > FOREIGN_SHARE_LIMIT:
        invalid = f"other programs used {foreign:.0%} of the machine; try again when it is quiet"
    return harness.result("hangup", figures, targets(models), invalid=invalid)


def targets(models: Sequence[str]) -> dict[str, str]:
    """What is judged: the wait as a share of what is allowed, the words, and their way."""
    found: dict[str, str] = {}
    for name in models:
        found |= {f"{name}_p95_to_allowed_{count}": "<= 1" for count in ALLOWED}
        found[f"{name}_equal_text_share"] = "== 1"
    return found


def _figures(name: str, measured: Measured) -> dict[str, Figure]:
    figures: dict[str, Figure] = {f"{name}_batch_ms": round(measured.batch_ms)}
    for count, calls in measured.calls.items():
        waits = [call.waited_ms for call in calls]
        figures |= {
            f"{name}_calls_{count}": len(calls),
            f"{name}_p50_ms_{count}": round(statistics.median(waits)),
            f"{name}_p95_ms_{count}": round(percentile(waits, 0.95)),
            f"{name}_p95_to_allowed_{count}": round(
                percentile(waits, 0.95) / allowed_ms(count, measured.batch_ms), 3
            ),
        }
    everyone = [call for calls in measured.calls.values() for call in calls]
    figures[f"{name}_heard_live_share"] = sum(one.source == "stream" for one in everyone) / len(
        everyone
    )
    figures[f"{name}_equal_text_share"] = measured.equal / measured.compared
    return figures


def allowed_ms(count: int, batch_ms: float) -> float:
    """How long ``count`` callers at a time may wait for their words."""
    share, least_ms = ALLOWED[count]
    return max(share * batch_ms, least_ms)


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that ``share`` (0-1) of all values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _measure(model: Path, quick: bool, settings: Mapping[str, str]) -> Measured:
    voice_s, rounds = (QUICK_VOICE_S, QUICK_ROUNDS) if quick else (VOICE_S, ROUNDS)
    sentences = _sentences()
    with tempfile.TemporaryDirectory(prefix="xy-hangup-") as name:
        town = Town(Path(name), XIANGYIN_MODEL_DIR=str(model), **settings)
        calls: dict[int, list[Call]] = {}
        try:
            town.start()
            town.settle()
            began, own_s, all_s = time.monotonic(), _own_s(town), busy_s()
            for number, count in enumerate(rounds):
                voices = [_voice(sentences, voice_s, 10 * number + one) for one in range(count)]
                calls.setdefault(count, []).extend(asyncio.run(_round(town, number, voices)))
            spent_s = time.monotonic() - began
            foreign_s = busy_s() - all_s - (_own_s(town) - own_s)
        finally:
            town.stop()
        foreign = max(0.0, foreign_s) / (spent_s * len(os.sched_getaffinity(0)))
        some = [call for of_count in calls.values() for call in of_count[:1]]
        batch_ms, heard = _batch(model, [call.sound for call in some], Path(name))
        equal = sum(one.text == call.text for one, call in zip(heard, some, strict=True))
        return Measured(calls, batch_ms, equal, len(some), foreign)


def _own_s(town: Town) -> float:
    spent = os.times()
    return town.cpu_s() + spent.user + spent.system


async def _round(town: Town, number: int, voices: Sequence[bytes]) -> list[Call]:
    return list(
        await asyncio.gather(
            *(_call(town, f"139{number:04d}{one:04d}", pcm) for one, pcm in enumerate(voices))
        )
    )


async def _call(town: Town, caller: str, pcm: bytes) -> Call:
    result = await place_call(town.address, pcm, ROAD, caller=caller)
    if result.ended_by != "us":
        raise RuntimeError(f"the hotline ended a call: {result.status} {result.reason}")
    return await asyncio.to_thread(_words, town, town.caller_hash(caller), result.last_packet_s)


def _words(town: Town, caller_hash: str, since_s: float) -> Call:
    """Wait until the caller's words are committed."""
    query = (
        "SELECT t.text, r.audio_sha256 FROM report r JOIN transcript t "
        "ON t.subject_kind = 'report' AND t.subject_id = r.id WHERE r.caller_hash = ?"
    )
    origin = "SELECT source FROM hearing WHERE pcm_sha256 = ?"
    with contextlib.closing(town.read()) as database:
        while time.monotonic() < since_s + WORDS_WITHIN_S:
            found = database.execute(query, (caller_hash,)).fetchone()
            if found is not None:
                waited_ms = (time.monotonic() - since_s) * 1000
                path = town.sound_path(found[1])
                name = hearings.sound_of(path).pcm_sha256
                return Call(
                    waited_ms, database.execute(origin, (name,)).fetchone()[0], found[0], path
                )
            time.sleep(LOOK_S)
        states = "SELECT end_cause, report_id, steps FROM call_record WHERE caller_hash = ?"
        raise RuntimeError(
            f"a call has no words: {database.execute(states, (caller_hash,)).fetchall()}"
        )


def _batch(model: Path, sounds: Sequence[Path], folder: Path) -> tuple[float, list[Recognition]]:
    """Median of the times to decode stored sounds, one after the other, in ms."""
    decoder = Decoder(model, folder / "batch")
    times, heard = [], []
    try:
        decoder.start()
        for path in sounds:
            began = time.monotonic()
            heard.append(decoder.decode(path))
            times.append((time.monotonic() - began) * 1000)
    finally:
        decoder.close()
    return statistics.median(times), heard


def _model(name: str) -> Path:
    if name == "starter":
        return catalogue.STARTER
    digest = catalogue.starter().tree_hash[:16]
    path = CACHE / "models" / f"{name}-{WORK}-{digest}"
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        slow_down(catalogue.STARTER, path, WORK)
    return path


def _sentences() -> list[bytes]:
    """Spoken sentences, PCM16 at 8 kHz; rendered once."""
    folder = CACHE / "sentences"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, trouble in enumerate(TROUBLES):
        text = f"{PLACES[number % len(PLACES)]}{trouble}，{WISHES[number % len(WISHES)]}"
        path = folder / f"{number}.wav"
        if not path.is_file():
            spoken = folder / "spoken.wav"
            speech.render(text, spoken)
            sound.to_wav(spoken, path, rate_hz=RATE_HZ)
            spoken.unlink()
        with wave.open(str(path), "rb") as opened:
            found.append(opened.readframes(opened.getnframes()))
    return found


def _voice(sentences: Sequence[bytes], seconds: float, seed: int) -> bytes:
    """Sentences in another order for each ``seed``, with pauses: no two calls sound alike."""
    dice, said = random.Random(seed), b""
    while len(said) < seconds * RATE_HZ * 2:
        said += dice.choice(sentences) + bytes(2 * int(RATE_HZ * dice.uniform(0.3, 1.2)))
    return said[: int(seconds * RATE_HZ) * 2]
