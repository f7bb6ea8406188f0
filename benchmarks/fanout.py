"""An override to 1,000 players: woken by MQTT, fetched by HTTPS, answered; then without broker.

The same county twice in one run: with our embedded broker, and with Mosquitto as its peer. Per
broker: overrides are confirmed (the real transaction) while nobody polls, so that only a wake-up
can bring them; the broker is killed and comes back, and one more override is sent; at last the
broker is killed for good and the players find the next one by asking. Everything goes by TLS.
"""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import harness
from benchmarks.fanout_clients import Player
from benchmarks.fanout_town import WEB, County
from benchmarks.harness import Figure, Result

PLAYERS, QUICK_PLAYERS = 1_000, 50
ROUNDS, QUICK_ROUNDS = 5, 2
POLL_S, QUICK_POLL_S = 60.0, 10.0
POLLED_WITHIN = 1.5
"""All are reached by asking within so many polls: 90 s."""
COME_IN_S = 180.0
LOST_AFTER_S = 120.0
LOOKS_S = 15.0
"""Each looks once in this time after it came back."""
BROKERS = ("own", "mosquitto")
FILES_A_PLAYER, FILES_BESIDE = 3, 200
MAX_LOAD = 1.0
TARGETS = {
    "lost": "== 0",
    "not_back": "== 0",
    "own_lost_polling": "== 0",
    "mosquitto_lost_polling": "== 0",
    "own_polling_all_in_polls": f"<= {POLLED_WITHIN}",
    "mosquitto_polling_all_in_polls": f"<= {POLLED_WITHIN}",
    "answered_p50_to_mosquitto": "<= 1.25",
    "answered_p99_to_mosquitto": "<= 1.25",
    "reconnect_to_mosquitto": "<= 4",
    "own_reconnect_in_polls": "<= 0.25",
}
"""The ratio of the reconnect is bounded by how long a Python program takes to start and to shake a
thousand hands (docs/decisions.md); what a village feels is the share of a poll that it takes."""


@dataclass
class Found:
    """What one broker did. Latencies in ms from the commit of the override."""

    players: int = 0
    come_in_s: float = 0.0
    woken_ms: list[float] = field(default_factory=list)
    fetched_ms: list[float] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)
    confirm_ms: list[float] = field(default_factory=list)
    lost: int = 0
    not_back: int = 0
    reconnect_s: float = 0.0
    lost_polling: int = 0
    polling_all_s: float = 0.0
    faults: int = 0
    broker_mb: int = 0
    web_mb: int = 0


def run(quick: bool) -> Result:
    """Both brokers, one after the other."""
    players = QUICK_PLAYERS if quick else PLAYERS
    open_files = _raise_open_files()
    load = os.getloadavg()[0]
    needed = players * FILES_A_PLAYER + FILES_BESIDE
    if open_files < needed:
        why = f"{players} players need {needed} open files here, the system allows {open_files}"
        return harness.result("fanout", {"open_files": open_files}, TARGETS, invalid=why)
    rounds = QUICK_ROUNDS if quick else ROUNDS
    poll_s = QUICK_POLL_S if quick else POLL_S
    found = {broker: measure(broker, players, rounds, poll_s) for broker in BROKERS}
    busy = f"the machine was busy before (load {load:.1f})" if load > MAX_LOAD else None
    return judge(found, poll_s, open_files, invalid=None if quick else busy)


def measure(
    broker: str, players: int, rounds: int, poll_s: float, web: tuple[str, ...] = WEB
) -> Found:
    """One broker's turn, in a data folder of its own."""
    before = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory(prefix="xy-fanout-") as folder:
            county = County(Path(folder), broker, players, web)
            try:
                county.start()
                return _with_uvloop(_turn(county, rounds, poll_s))
            finally:
                county.stop()
    finally:
        os.environ.clear()
        os.environ.update(before)


def judge(
    found: dict[str, Found], poll_s: float, open_files: int, *, invalid: str | None = None
) -> Result:
    """Figures of both, and their ratios."""
    figures: dict[str, Figure] = {"players": found["own"].players, "open_files": open_files}
    for broker, each in found.items():
        for name in ("woken", "fetched", "answered", "confirm"):
            latencies = getattr(each, f"{name}_ms")
            figures[f"{broker}_{name}_p50_ms"] = _percentile(latencies, 0.5)
            figures[f"{broker}_{name}_p99_ms"] = _percentile(latencies, 0.99)
        for name in ("come_in_s", "reconnect_s", "lost_polling", "faults", "broker_mb", "web_mb"):
            figures[f"{broker}_{name}"] = round(getattr(each, name), 2)
        figures[f"{broker}_polling_all_in_polls"] = round(each.polling_all_s / poll_s, 2)
    figures["lost"] = sum(each.lost for each in found.values())
    figures["not_back"] = sum(each.not_back for each in found.values())
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        for what in ("woken", "answered"):
            own, peer = (
                _percentile(getattr(found[broker], f"{what}_ms"), share) for broker in BROKERS
            )
            figures[f"{what}_{name}_to_mosquitto"] = round(own / peer, 2) if own and peer else None
    own_s, peer_s = found["own"].reconnect_s, found["mosquitto"].reconnect_s
    figures["reconnect_to_mosquitto"] = round(own_s / peer_s, 2) if own_s and peer_s else None
    figures["own_reconnect_in_polls"] = round(own_s / POLL_S, 2)
    return harness.result("fanout", figures, TARGETS, invalid=invalid)


async def _turn(county: County, rounds: int, poll_s: float) -> Found:
    servers = county.servers
    players = [Player(account, servers) for account in county.accounts]
    found = Found(players=len(players))
    living = [asyncio.create_task(player.live()) for player in players]
    try:
        found.come_in_s = await _until(lambda: all(each.online for each in players), COME_IN_S)
        found.not_back += sum(not each.online for each in players)
        await asyncio.sleep(3)
        for _ in range(rounds):
            await _override(county, players, found)
        found.broker_mb, found.web_mb = county.memory_mb("broker"), county.memory_mb("web")
        await _reconnect(county, players, found)
        await _override(county, players, found)
        await _by_polling(county, players, found, poll_s)
    finally:
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
    found.faults = sum(len(player.faults) for player in players)
    return found


async def _override(county: County, players: list[Player], found: Found) -> None:
    committed = await _publish(county, players, found)
    await _until(lambda: all(each.answered_at for each in players), LOST_AFTER_S)
    found.lost += _not_reached(county, players)
    for player in players:
        for name in ("heard", "fetched", "answered"):
            at = getattr(player, f"{name}_at")
            if at is not None:
                key = "woken_ms" if name == "heard" else f"{name}_ms"
                getattr(found, key).append(max(0.0, at - committed) * 1000)
    await asyncio.sleep(2)


async def _publish(county: County, players: list[Player], found: Found) -> float:
    override_id, version = county.order()
    for player in players:
        player.expect_override()
    asked, committed = await asyncio.to_thread(county.publish, override_id, version)
    found.confirm_ms.append((committed - asked) * 1000)
    return committed


def _not_reached(county: County, players: list[Player]) -> int:
    """Who did not answer, or of whom the server knows another list than it fetched."""
    told = county.told_versions()
    return sum(
        each.answered_at is None or told[each.account.player_id] != each.version for each in players
    )


async def _reconnect(county: County, players: list[Player], found: Found) -> None:
    """Killed and started again at once, as the supervisor does; counted from the kill."""
    before = {id(each): each.connects for each in players}
    killed_at = time.monotonic()
    await asyncio.to_thread(county.kill_broker)
    await asyncio.to_thread(county.start_broker)
    await _until(
        lambda: all(each.online and each.connects > before[id(each)] for each in players), COME_IN_S
    )
    found.reconnect_s = time.monotonic() - killed_at
    found.not_back += sum(not each.online for each in players)
    await asyncio.sleep(LOOKS_S)


async def _by_polling(county: County, players: list[Player], found: Found, poll_s: float) -> None:
    await asyncio.to_thread(county.kill_broker)
    for player in players:
        player.poll_s = poll_s
    await asyncio.sleep(poll_s)  # until all are in their rhythm
    committed = await _publish(county, players, found)
    await _until(lambda: all(each.answered_at for each in players), 3 * poll_s)
    found.polling_all_s = time.monotonic() - committed
    found.lost_polling = _not_reached(county, players)


async def _until(condition: Callable[[], bool], limit_s: float) -> float:
    """Seconds until the condition held, at most ``limit_s``."""
    begun = time.monotonic()
    while not condition() and time.monotonic() - begun < limit_s:
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


def _percentile(latencies: list[float], share: float) -> float | None:
    if not latencies:
        return None
    if share == 0.5:
        return round(median(latencies), 1)
    return round(sorted(latencies)[min(len(latencies) - 1, int(len(latencies) * share))], 1)


def _raise_open_files() -> int:
    _now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _with_uvloop(turn: Awaitable[Found]) -> Found:
    import uvloop

    async def whole() -> Found:
        return await turn

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())
