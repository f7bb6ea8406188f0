"""What does a village player cost a small box, while it waits and while it sounds?

One player of the product on a real PulseAudio: processor time as a share of one core, the largest
resident memory, and bytes that reached the disk (SD cards wear out), over a minute of waiting and
a minute in the middle of a play. Needs neither a quiet machine nor a network.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import harness, hearing, pulse
from benchmarks.harness import Figure, Result
from benchmarks.pulse import Daemon, Drain
from benchmarks.village_box import Box

LASTS_S, QUICK_LASTS_S = 60.0, 20.0
TARGETS = {
    "playing_rss_mb": "< 80",
    "playing_cpu_percent": "< 5",
    "idle_cpu_percent": "< 1",
}
_LEAD_S = 20.0
_LOOK_S = 0.5


def run(quick: bool) -> Result:
    """Measure waiting, then sounding."""
    gone = pulse.missing("pulseaudio")
    if gone:
        return harness.result("player", {}, TARGETS, invalid=gone)
    lasts_s = QUICK_LASTS_S if quick else LASTS_S
    with tempfile.TemporaryDirectory(prefix="player-") as folder, contextlib.ExitStack() as cleanup:
        daemon = Daemon(Path(folder) / "pulse", ["horn"])
        daemon.start()
        cleanup.callback(daemon.kill)
        drain = Drain(daemon, 600 + 3 * lasts_s, {"horn": 0.0}, 1 << 14)
        cleanup.callback(drain.end)
        box = Box(Path(folder) / "box")
        cleanup.callback(box.end)
        starts_at_s = time.time() + 3 * _LEAD_S + lasts_s
        box.plan(1, starts_at_s, hearing.programme(lasts_s + 20))
        box.start(daemon.env("horn"))
        box.wait_until_ready()
        assert box.process is not None
        process = psutil.Process(box.process.pid)
        time.sleep(5)
        figures = _watch(process, "idle", lasts_s)
        if time.time() > starts_at_s:
            return harness.result(
                "player", figures, TARGETS, invalid="the machine was too slow to wait for the play"
            )
        time.sleep(max(0.0, starts_at_s + 5 - time.time()))
        figures |= _watch(process, "playing", lasts_s)
    return harness.result("player", figures, TARGETS)


def _watch(process: psutil.Process, what: str, lasts_s: float) -> dict[str, Figure]:
    before, wrote = process.cpu_times(), process.io_counters().write_bytes
    began_s, largest = time.monotonic(), 0
    while time.monotonic() - began_s < lasts_s:
        largest = max(largest, process.memory_info().rss)
        time.sleep(_LOOK_S)
    took_s, after = time.monotonic() - began_s, process.cpu_times()
    busy_s = after.user + after.system - before.user - before.system
    written = process.io_counters().write_bytes - wrote
    return {
        f"{what}_rss_mb": round(largest / 1e6, 1),
        f"{what}_cpu_percent": round(100 * busy_s / took_s, 2),
        f"{what}_written_kb_a_minute": round(written / 1000 * 60 / took_s, 1),
    }
