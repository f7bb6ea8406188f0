"""Do the horns of a village sound together, on time, and as well as Snapcast's?

Two village players of the product and two Snapcast clients play the same programme through four
pipe-sinks of one PulseAudio, drained at -40 and +60 ppm: crystals 100 ppm apart. Skew is measured
in every second of the programme, by correlation with what was to be heard, between samples too.
Before the long programme both players give ten short plays, whose first second is compared with the
planned instant. A stall of the host above 50 ms makes the run invalid. ``--minutes 10`` is the
whole test, on a machine that does nothing else; ``--quick`` takes one minute.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import harness, hearing, pulse
from benchmarks.harness import Figure, Result
from benchmarks.hearing import FloatArray, Place
from benchmarks.machine import free_port
from benchmarks.pulse import RATE_HZ, Daemon, Drain, Tape
from benchmarks.village_box import Box

MINUTES, QUICK_MINUTES = 10.0, 1.0
PPM = {"a": -40.0, "b": 60.0}
SHORT_PLAYS, SHORT_S, SHORT_EVERY_S = 10, 2.0, 6.0
LONGEST_STALL_MS = 50.0
TARGETS = {
    "skew_p50_to_snapcast": "<= 1.5",
    "skew_p95_to_snapcast": "<= 2",
    "skew_p99_ms": "< 5",
    "matched_share": ">= 0.95",
    "skew_growth_ms": "<= 1",
    "start_error_p95_ms": "<= 5",
}
_LEAD_S = 45.0
PIPE_BYTES = 1 << 14
"""171 ms of sound: less than PulseAudio keeps in a card, enough for four players on two cores."""

_SETTLED_S = 3.0
"""The first seconds of the programme are judged as starts, not as skew: Snapcast pulls in then."""


@dataclass(frozen=True)
class Heard:
    """Seconds of the programme as they came out of each horn, and starts in ms off their time."""

    ours: Mapping[str, Sequence[Place]]
    snapcast: Mapping[str, Sequence[Place]]
    windows: int
    start_errors_ms: Sequence[float]


def run(quick: bool, minutes: float | None = None) -> Result:
    """The whole measurement; ``minutes`` of programme."""
    lasting = minutes or (QUICK_MINUTES if quick else MINUTES)
    gone = pulse.missing("pulseaudio", "snapserver", "snapclient")
    if gone:
        return harness.result("sync", {}, TARGETS, invalid=gone)
    with tempfile.TemporaryDirectory(prefix="sync-") as folder:
        stall_ms, heard = _measure(Path(folder), lasting * 60)
    found = figures(heard)
    found["minutes"] = lasting
    found["longest_stall_ms"] = round(stall_ms, 1)
    invalid = None
    if stall_ms > LONGEST_STALL_MS:
        invalid = f"the host stood still for {stall_ms:.0f} ms: skew below that proves nothing"
    return harness.result("sync", found, TARGETS, invalid=invalid)


def figures(heard: Heard) -> dict[str, Figure]:
    """Skews in ms between the two horns, ours and Snapcast's, and what follows from them."""
    ours = _skews(heard.ours)
    theirs = _skews(heard.snapcast)
    found: dict[str, Figure] = {
        "windows": heard.windows,
        "matched_share": round(len(ours) / heard.windows, 4) if heard.windows else 0.0,
        "snapcast_matched_share": round(len(theirs) / heard.windows, 4) if heard.windows else 0.0,
        "skew_growth_ms": growth_ms(ours),
        "snapcast_growth_ms": growth_ms(theirs),
        "starts": len(heard.start_errors_ms),
        "start_error_p95_ms": percentile([abs(one) for one in heard.start_errors_ms], 0.95),
    }
    for share in (0.5, 0.95, 0.99):
        name = f"p{share * 100:.0f}"
        mine = percentile([abs(skew) for skew in ours.values()], share)
        snap = percentile([abs(skew) for skew in theirs.values()], share)
        found[f"skew_{name}_ms"], found[f"snapcast_skew_{name}_ms"] = mine, snap
        both = mine is not None and snap is not None and snap > 0
        found[f"skew_{name}_to_snapcast"] = round(mine / snap, 3) if both else None  # type: ignore[operator]
    return found


def percentile(values: Sequence[float], share: float) -> float | None:
    """By nearest rank, to a microsecond; None of nothing."""
    if not values:
        return None
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 3)


def growth_ms(skews: Mapping[float, float]) -> float | None:
    """How far the middle skew of the last minute lies from that of the first.

    Of a shorter programme: of its last third from its first.
    """
    if not skews:
        return None
    first, last = min(skews), max(skews)
    piece_s = min(60.0, (last - first) / 3)
    beginning = [skew for at_s, skew in skews.items() if at_s <= first + piece_s]
    end = [skew for at_s, skew in skews.items() if at_s >= last - piece_s]
    return round(abs(statistics.median(end) - statistics.median(beginning)), 3)


def _skews(places: Mapping[str, Sequence[Place]]) -> dict[float, float]:
    return hearing.skews_ms(places["a"], places["b"])


def _measure(folder: Path, seconds: float) -> tuple[float, Heard]:
    sound = hearing.programme(seconds)
    short = hearing.programme(SHORT_S, seed=100)
    names = [f"{kind}_{horn}" for kind in ("ours", "snap") for horn in PPM]
    with contextlib.ExitStack() as cleanup:
        daemon = Daemon(folder / "pulse", names)
        daemon.start()
        cleanup.callback(daemon.kill)
        begins_s = time.time() + _LEAD_S
        starts_s = [begins_s + number * SHORT_EVERY_S for number in range(SHORT_PLAYS)]
        due_s = starts_s[-1] + SHORT_EVERY_S
        length_s = due_s - time.time() + seconds + 10
        ppm = {name: PPM[name[-1]] for name in names}
        drain = Drain(daemon, length_s, ppm, PIPE_BYTES)
        cleanup.callback(drain.end)
        boxes = {horn: Box(folder / f"box-{horn}") for horn in PPM}
        for horn, box in boxes.items():
            for number, starts_at_s in enumerate(starts_s, 1):
                box.plan(number, starts_at_s, short)
            box.plan(1000, due_s, sound)
            cleanup.callback(box.end)
            box.start(_in_front(daemon.env(f"ours_{horn}")))
        for box in boxes.values():
            box.wait_until_ready()
        if time.time() > begins_s - 3:
            raise RuntimeError("the players took too long to get ready; the machine is too busy")
        watcher = cleanup.enter_context(_Watcher())
        cleanup.enter_context(_snapcast(daemon, folder, sound, due_s))
        tapes, gap_ms = drain.tapes()
        stall_ms = max(gap_ms, watcher.longest_ms)
    windows = list(np.arange(_SETTLED_S, seconds - 2, hearing.WINDOW_S))
    found = {name: hearing.follow(tapes[name], sound, due_s, windows) for name in names}
    heard = Heard(
        ours={horn: found[f"ours_{horn}"] for horn in PPM},
        snapcast={horn: found[f"snap_{horn}"] for horn in PPM},
        windows=len(windows),
        start_errors_ms=_start_errors_ms(
            tapes, [*((short, at_s) for at_s in starts_s), (sound, due_s)]
        ),
    )
    return stall_ms, heard


def _start_errors_ms(
    tapes: Mapping[str, Tape], plays: Sequence[tuple[FloatArray, float]]
) -> list[float]:
    """Of every play on every horn; ``plays``: the sound and the wall second it was due at."""
    errors = []
    for horn in PPM:
        for programme, starts_at_s in plays:
            places = hearing.follow(tapes[f"ours_{horn}"], programme, starts_at_s, [0.0])
            # A start that nobody heard is as bad as one can be.
            errors.append(places[0].error_s * 1000 if places else 10_000.0)
    return errors


def _in_front(env: dict[str, str]) -> dict[str, str]:
    return {**env, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


@contextlib.contextmanager
def _snapcast(daemon: Daemon, folder: Path, sound: FloatArray, due_s: float) -> Iterator[None]:
    """A server and two clients that play ``sound`` from about ``due_s`` on."""
    fifo, logs = folder / "snap.fifo", (folder / "snap.log").open("ab")
    os.mkfifo(fifo)
    port = free_port(socket.SOCK_STREAM)
    started: list[subprocess.Popen[bytes]] = []

    def start(command: Sequence[str], env: dict[str, str]) -> None:
        first = [*pulse.urgent(), *command]
        started.append(subprocess.Popen(first, env=env, stdout=logs, stderr=logs))

    try:
        start(
            ["snapserver", "-c", "/dev/null", f"--server.datadir={folder}",
             "--stream.source", f"pipe://{fifo}?name=x&sampleformat={RATE_HZ}:16:1",
             "--stream.codec", "pcm", "--http.enabled=false", "--tcp.enabled=false",
             f"--stream.port={port}"],
            daemon.env(""),
        )  # fmt: skip
        time.sleep(1.5)
        for number, horn in enumerate(PPM, 1):
            start(
                ["snapclient", "-h", "127.0.0.1", "-p", str(port), "-i", str(number),
                 "--hostID", f"h{horn}", "--player", "pulse"],
                daemon.env(f"snap_{horn}"),
            )  # fmt: skip
        feeder = threading.Thread(target=_feed, args=(fifo, sound, due_s - 1.0), daemon=True)
        feeder.start()
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        logs.close()


def _feed(fifo: Path, sound: FloatArray, begin_s: float) -> None:
    """Near-silence until ``begin_s``, as a broadcaster's desk gives it, then the programme."""
    block = RATE_HZ // 50
    near_silence = np.ones(block, dtype="<i2").tobytes()
    samples = (sound * 32767).astype("<i2")
    with contextlib.suppress(OSError), fifo.open("wb", buffering=0) as pipe:
        next_s = time.time()
        while next_s < begin_s:
            pipe.write(near_silence)
            next_s += 0.02
            time.sleep(max(0.0, next_s - time.time()))
        for first in range(0, len(samples), block):
            pipe.write(samples[first : first + block].tobytes())
            next_s += 0.02
            time.sleep(max(0.0, next_s - time.time()))


class _Watcher:
    """Sleeps 5 ms again and again, and knows the longest time it was not woken after that."""

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        last_s = time.monotonic()
        while not self._stopped.wait(0.005):
            now_s = time.monotonic()
            self.longest_ms = max(self.longest_ms, (now_s - last_s) * 1000)
            last_s = now_s
