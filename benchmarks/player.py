"""What does a village player cost a small box, while it waits and while it sounds?

One player of the product on a real PulseAudio, with the web process and our own broker to speak
with by TLS: processor time as a share of one core, the largest resident memory, and bytes that
reached the disk (SD cards wear out), over two minutes of waiting and two in the middle of a play.
Only the player's own process is counted. It asks for its list each minute and tells its health each
half; where the server did not see that, the figures are of something else, and the run fails. Needs
neither a quiet machine nor a network.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks import harness, hearing, pulse, village_server
from benchmarks.harness import Figure, Result
from benchmarks.pulse import Daemon, Drain
from benchmarks.village_box import PROGRAM, Box
from benchmarks.village_server import VillageServer

LASTS_S, QUICK_LASTS_S = 125.0, 65.0
"""Whole minutes, so that each poll is in, and what a busy machine is late."""
TARGETS = {
    "playing_rss_mb": "< 80",
    "playing_cpu_percent": "< 5",
    "idle_cpu_percent": "< 1",
    "idle_polls_a_minute": ">= 0.9",
    "idle_reports_a_minute": ">= 1.8",
    "idle_connected": "== 1",
    "playing_polls_a_minute": ">= 0.9",
    "playing_reports_a_minute": ">= 1.8",
    "playing_connected": "== 1",
    "proved_plays": "== 1",
}
_LEAD_S = 100.0
_KNOWN_S, _PROVED_S = 30.0, 60.0
_LOOK_S = 0.5


def run(quick: bool) -> Result:
    """Measure waiting, then sounding."""
    gone = pulse.missing("pulseaudio")
    if gone:
        return harness.result("player", {}, TARGETS, invalid=gone)
    figures, invalid = measure(QUICK_LASTS_S if quick else LASTS_S)
    return harness.result("player", figures, TARGETS, invalid=invalid)


def measure(
    lasts_s: float, program: tuple[str, ...] = PROGRAM, settings: str = ""
) -> tuple[dict[str, Figure], str | None]:
    """Figures, and why they prove nothing; ``program`` and ``settings`` of the player."""
    with tempfile.TemporaryDirectory(prefix="player-") as folder, contextlib.ExitStack() as cleanup:
        server = cleanup.enter_context(village_server.running(Path(folder) / "server"))
        daemon = Daemon(Path(folder) / "pulse", ["horn"])
        daemon.start()
        cleanup.callback(daemon.kill)
        drain = Drain(daemon, 600 + 3 * lasts_s, {"horn": 0.0}, 1 << 14)
        cleanup.callback(drain.end)
        box = Box(Path(folder) / "box", server=server, program=program, settings=settings)
        cleanup.callback(box.end)
        starts_at_s = round(time.time() + _LEAD_S + lasts_s)
        box.plan(1, starts_at_s, hearing.programme(lasts_s + 20))
        box.start(daemon.env("horn"))
        box.wait_until_ready()
        assert box.process is not None
        process = psutil.Process(box.process.pid)
        _wait(lambda: server.is_connected() and server.answers().reports > 0, _KNOWN_S)
        time.sleep(5)
        figures = _watch(process, server, "idle", lasts_s)
        if time.time() > starts_at_s:
            return figures, "the machine was too slow to wait for the play"
        time.sleep(max(0.0, starts_at_s + 5 - time.time()))
        figures |= _watch(process, server, "playing", lasts_s)
        _wait(lambda: server.proved_plays() > 0, _PROVED_S)
        return figures | {"proved_plays": server.proved_plays()}, None


def _wait(condition: Callable[[], bool], at_most_s: float) -> None:
    until_s = time.monotonic() + at_most_s
    while not condition() and time.monotonic() < until_s:
        time.sleep(_LOOK_S)


def _watch(
    process: psutil.Process, server: VillageServer, what: str, lasts_s: float
) -> dict[str, Figure]:
    answered, is_connected = server.answers(), server.is_connected()
    before, wrote = process.cpu_times(), process.io_counters().write_bytes
    began_s, largest = time.monotonic(), 0
    while time.monotonic() - began_s < lasts_s:
        largest = max(largest, process.memory_info().rss)
        time.sleep(_LOOK_S)
    took_s, after = time.monotonic() - began_s, process.cpu_times()
    busy_s = after.user + after.system - before.user - before.system
    written = process.io_counters().write_bytes - wrote
    then = server.answers()
    return {
        f"{what}_rss_mb": round(largest / 1e6, 1),
        f"{what}_cpu_percent": round(100 * busy_s / took_s, 2),
        f"{what}_written_kb_a_minute": round(written / 1000 * 60 / took_s, 1),
        f"{what}_polls_a_minute": round((then.polls - answered.polls) * 60 / took_s, 2),
        f"{what}_reports_a_minute": round((then.reports - answered.reports) * 60 / took_s, 2),
        f"{what}_connected": int(is_connected and server.is_connected()),
        f"{what}_load_1min": round(os.getloadavg()[0], 1),
    }
