"""Converters with wrong crystals: ``python -m benchmarks.pulse_drain SECONDS BYTES PIPE:PPM ...``.

Takes from each pipe what its clock would have played by now, every 2 ms, at real-time priority
where that is allowed, and keeps it beside the pipe as ``.raw``. What was not there in time is a
hole of silence. A pipe holds BYTES; 4096 are 42 ms, as much as a card keeps. Prints one line when
it begins, and at the end what it saw as JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.pulse import RATE_HZ

_TICK_S = 0.002
_LOOK_S = 0.1


class Converter:
    """One pipe and what was taken from it."""

    def __init__(self, pipe: Path, ppm: float, seconds: float, pipe_bytes: int) -> None:
        self.name = pipe.stem
        self.pipe = pipe
        self._pipe_bytes = pipe_bytes
        self.rate_hz = RATE_HZ * (1 + ppm * 1e-6)
        self.taken = np.zeros(int(seconds * self.rate_hz) + RATE_HZ, dtype="<i2")
        self.position = self.holes = 0
        self._rest = b""
        self._descriptor: int | None = None
        self._number = 0
        self.look()

    def look(self) -> None:
        """Open the pipe, or the one that has taken its place."""
        try:
            number = self.pipe.stat().st_ino
        except OSError:
            return
        if self._descriptor is not None and number == self._number:
            return
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
        self._number, self._rest = number, b""
        fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, self._pipe_bytes)
        with contextlib.suppress(OSError):  # what lay in it is older than we are
            while os.read(self._descriptor, 1 << 16):
                pass

    def take(self, passed_s: float) -> None:
        """What is due after ``passed_s`` seconds."""
        due = min(int(passed_s * self.rate_hz), len(self.taken)) - self.position
        if due <= 0:
            return
        found = self._read(2 * due - len(self._rest))
        count = len(found) // 2
        self._rest = found[2 * count :]
        if count:
            samples = np.frombuffer(found, dtype="<i2", count=count)
            self.taken[self.position : self.position + count] = samples
        self.holes += due - count
        self.position += due

    def _read(self, size: int) -> bytes:
        parts, wanted = [self._rest], size
        while wanted > 0 and self._descriptor is not None:
            try:
                part = os.read(self._descriptor, wanted)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)


def main(arguments: list[str]) -> int:
    """Drain until the time is over or SIGTERM comes."""
    seconds, stopped = float(arguments[0]), []
    converters = []
    for wish in arguments[2:]:
        pipe, _, ppm = wish.rpartition(":")
        converters.append(Converter(Path(pipe), float(ppm), seconds, int(arguments[1])))
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    began_mono_s = time.monotonic()
    began_s = time.time()
    print("draining", flush=True)
    last_s, looked_s, longest_gap_s = began_mono_s, began_mono_s, 0.0
    while not stopped:
        now_s = time.monotonic()
        if now_s - began_mono_s > seconds:
            break
        longest_gap_s, last_s = max(longest_gap_s, now_s - last_s), now_s
        for converter in converters:
            converter.take(now_s - began_mono_s)
            if now_s - looked_s > _LOOK_S:
                converter.look()
        looked_s = now_s if now_s - looked_s > _LOOK_S else looked_s
        time.sleep(_TICK_S)
    sinks = {}
    for converter in converters:
        converter.taken[: converter.position].tofile(converter.pipe.with_suffix(".raw"))
        sinks[converter.name] = {"rate_hz": converter.rate_hz, "holes": converter.holes}
    print(json.dumps({"began_s": began_s, "longest_gap_ms": longest_gap_s * 1000, "sinks": sinks}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
