"""The processes of the week of faults: real server, real broker, real players, one fast clock."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks import faults_plan
from benchmarks.faults_cable import Cable
from benchmarks.faults_clock import FastClock
from benchmarks.faults_evidence import Watch
from benchmarks.faults_plan import ZONE, Kill, Scenario
from benchmarks.faults_town import Office
from benchmarks.machine import free_port
from benchmarks.town import ROOT
from core import clock, migrate
from core.blobs import BlobStore
from core.database import Database
from core.settings import Settings
from core.supervisor import Child, ChildSpec, Supervisor
from edge.config import Home
from web import tls

WATCH_EVERY_S = 0.4
SETTLE_S = 180.0
READY_S = 240.0
Sabotage = Callable[[Home], None]


class World:
    """``run`` is to be called once, in the main thread: children die with the thread that starts
    them."""

    def __init__(
        self,
        folder: Path,
        scenario: Scenario,
        sabotage: Sabotage | None = None,
        kills: Callable[[Sequence[datetime]], list[Kill]] | None = None,
    ) -> None:
        """``kills``: from the starts of all plays; without it as ``scenario`` plans them."""
        self.scenario = scenario
        self._folder = folder
        self._sabotage = sabotage
        midnight = datetime.combine(
            datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=1), datetime.min.time(),
            ZoneInfo(ZONE),
        )  # fmt: skip
        self.first_midnight = midnight
        self.starts = scenario.starts(midnight.date())
        self._kills = kills(self.starts) if kills else faults_plan.kills(scenario, self.starts)
        begin = min(midnight, self.starts[0] - timedelta(minutes=4))
        self.clock = FastClock(folder / "clock", begin.astimezone(UTC))
        self._settings = self._choose_settings()
        self._environment = self._child_environment()
        self.database = Database.from_settings(self._settings)
        self.store = BlobStore.from_settings(self._settings)
        self.office = Office(self.database, self.store, scenario)
        self._supervisor = Supervisor(self._settings.folder("logs"), self._note)
        self._children: dict[str, Child] = {}
        self.homes: dict[str, Home] = {}
        self.players: dict[str, str] = {}
        self.killed: list[Kill] = []
        self.notes: list[str] = []
        self.real_s = 0.0
        self.watch = Watch()

    def run(self) -> None:
        """Everything from an empty folder to the end of the last day; the processes are gone."""
        with clock.use(self.clock):
            try:
                self._set_up()
                began = time.monotonic()
                self._live()
                self.real_s = time.monotonic() - began
                self._settle()
            finally:
                self._supervisor.stop_all()
                self.watch.look(self.homes)

    def close(self) -> None:
        """Let go of the database and the cable."""
        self.database.close()
        if hasattr(self, "_cable"):
            self._cable.close()

    # --- setting up

    def _choose_settings(self) -> Settings:
        return Settings(
            data_dir=self._folder / "data",
            web_host="127.0.0.1",
            web_port=free_port(socket.SOCK_STREAM),
            guide_port=free_port(socket.SOCK_STREAM),
            mqtt_host="127.0.0.1",
            mqtt_port=free_port(socket.SOCK_STREAM),
        )

    def _child_environment(self) -> dict[str, str]:
        config = self._settings
        return {
            "XIANGYIN_DATA_DIR": str(config.data_dir),
            "XIANGYIN_WEB_HOST": config.web_host,
            "XIANGYIN_WEB_PORT": str(config.web_port),
            "XIANGYIN_GUIDE_PORT": str(config.guide_port),
            "XIANGYIN_MQTT_HOST": config.mqtt_host,
            "XIANGYIN_MQTT_PORT": str(config.mqtt_port),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            **self.clock.env,
        }

    def _set_up(self) -> None:
        config = self._settings
        config.data_dir.mkdir(parents=True, exist_ok=True)
        migrate.upgrade(self.database)
        files = tls.ensure(config)
        if files is None or files.ca is None:
            raise RuntimeError("the week needs a certificate authority of its own")
        self.office.open(self.starts[0].date())
        python = [sys.executable]
        self._launch("broker", [*python, "-m", "broadcast", "broker"])
        self._launch("web", [*python, str(ROOT / "server.py"), "web"])
        for name in ("broker", "web"):
            if not self._supervisor.wait_ready(self._children[name]):
                raise RuntimeError(f"{name} did not start: {self._children[name].last_words}")
        self._cable = Cable([config.web_port, config.mqtt_port])
        ports = dict(zip((config.web_port, config.mqtt_port), self._cable.ports, strict=True))
        url = f"https://127.0.0.1:{ports[config.web_port]}"
        for village in range(self.scenario.villages):
            name = f"player-{village}"
            home = Home(self._folder / "homes" / name)
            self.players[name] = self.office.enrol(home, village, url, files.ca, ports)
            self.homes[name] = home
        for name, home in self.homes.items():
            self._launch(name, [*python, "-m", "edge", "run", "--home", str(home.folder)])
        for name in self.homes:
            self._supervisor.wait_ready(self._children[name])
        self._wait_for(self._all_hold_the_plan, READY_S, "the players hold the first plan")

    def _launch(self, name: str, command: Sequence[str]) -> None:
        spec = ChildSpec(name, list(command), self._environment, ready_within_s=120)
        self._children[name] = self._supervisor.launch(spec)

    def _all_hold_the_plan(self) -> bool:
        return all(any(home.pcm.iterdir()) for home in self.homes.values())

    def _wait_for(self, what: Callable[[], bool], within_s: float, why: str) -> None:
        end = time.monotonic() + within_s
        while not what():
            if time.monotonic() > end:
                self._note(f"waited {within_s:.0f} s in vain: {why}")
                return
            self._tick()

    # --- the days

    def _live(self) -> None:
        waiting = list(self._kills)
        cut = [self.first_midnight + point for point in self.scenario.cut or ()]
        end = self.starts[-1] + timedelta(minutes=self.scenario.make_up_minutes + 5)
        today = self.starts[0].date()
        last = time.monotonic()
        while (now := self.clock.now()) < end:
            local = now.astimezone(ZoneInfo(ZONE)).date()
            if local > today and local <= self.starts[-1].date():
                today = local
                self.office.new_editions()
            if cut:
                self._pull(cut[0] <= now < cut[1])
            waiting = self._kill_due(waiting, now)
            self._tick()
            passed_s, last = time.monotonic() - last, time.monotonic()
            # When this loop was held up, so was everybody: no time is made up for it.
            passed_s = min(passed_s, 2 * self.scenario.tick_s)
            self._forward(passed_s, [kill.at for kill in waiting] + cut)

    def _forward(self, passed_s: float, stops: Sequence[datetime]) -> None:
        now = self.clock.now()
        ahead = faults_plan.leap(now, passed_s, self.starts, self.scenario)
        ahead = min([ahead, *(stop - now for stop in stops if stop > now)])
        self.clock.forward(ahead)

    def _pull(self, cut: bool) -> None:
        if cut != self._cable.is_cut:
            self._note("the link is cut" if cut else "the link is back")
            self._cable.cut() if cut else self._cable.mend()

    def _kill_due(self, waiting: list[Kill], now: datetime) -> list[Kill]:
        later = []
        for kill in waiting:
            child = self._children[kill.target]
            if kill.at > now or not child.running:  # nobody is killed while it is dead
                later.append(kill)
                continue
            assert child.process is not None
            child.process.kill()
            child.process.wait()
            self.killed.append(Kill(now, kill.target))
            self._note(f"killed {kill.target}")
            if self._sabotage is not None and kill.target in self.homes:
                self._sabotage(self.homes[kill.target])
        return later

    def _settle(self) -> None:
        """Everybody up, receipts sent, plays closed."""
        self._pull(False)
        self._wait_for(self._all_sent, SETTLE_S, "all receipts are with the server")
        self.clock.forward(timedelta(minutes=self.scenario.make_up_minutes + 5))
        self._wait_for(self._all_closed, 60, "no play is open")

    def _all_sent(self) -> bool:
        return self.watch.unsent(self.homes) == 0

    def _all_closed(self) -> bool:
        return self.watch.open_plays(self.database, self.starts[-1]) == 0

    def _tick(self) -> None:
        end = time.monotonic() + self.scenario.tick_s
        self._supervisor.look_once()
        self.watch.look_every(WATCH_EVERY_S, self.homes)
        time.sleep(max(0.0, end - time.monotonic()))

    def _note(self, text: str) -> None:
        line = f"{self.clock.now().isoformat(timespec='seconds')} {text}"
        self.notes.append(line)
        if os.environ.get("XIANGYIN_FAULTS_LOUD"):
            print(line, file=sys.stderr, flush=True)
