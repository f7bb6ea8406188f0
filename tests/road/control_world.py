"""Web processes, a broker and a player on free ports, each of which can be killed alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from broadcast import accounts, players
from broadcast.models import Player
from core import migrate
from core.blobs import BlobStore
from core.database import Database
from core.models import Lease
from core.settings import Settings
from core.supervisor import READY, die_with_parent
from edge.config import Home
from schedule.keeper import LEASE
from tests.conftest import ROOT
from tests.road.town import free_port
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES
from web import tls

WEB = ("server.py", "web")
BROKER = ("-m", "broadcast", "broker")


def wait_until(condition: Callable[[], Any], what: str, limit_s: float = 60) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)
    return found


class ControlWorld:
    """One data folder and database; ``start`` and ``kill`` by name: web-0, web-1, broker, box."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(4)]
        self.mqtt_port = free_port()
        self.settings = Settings(
            data_dir=folder / "data",
            database_url=database_url,
            web_host="127.0.0.1",
            web_port=self.ports[0],
            mqtt_host="127.0.0.1",
            mqtt_port=self.mqtt_port,
        )
        self.database = Database.from_settings(self.settings)
        migrate.upgrade(self.database)
        self.store = BlobStore.from_settings(self.settings)
        self.town = towns.build(self.database)
        files = tls.ensure(self.settings)
        assert files is not None
        self._ca = files.ca
        with self.database.read() as session:
            accounts.write_files(session, self.settings)
        self.home = Home(folder / "box")
        self.running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str) -> None:
        """Start it and wait until it says that it is ready."""
        command = {"broker": BROKER, "box": ("-m", "edge", "run", "--home", str(self.home.folder))}
        number = int(name[-1]) if name.startswith("web") else 0
        process = subprocess.Popen(
            [sys.executable, *command.get(name, WEB)],
            cwd=ROOT,
            env=self._environment(number),
            stdout=subprocess.PIPE,
            stderr=(self.folder / f"{name}.err").open("ab"),
            text=True,
            preexec_fn=die_with_parent,
        )
        self.running[name] = process
        assert process.stdout is not None
        while (line := process.stdout.readline()).strip() != READY:
            assert line, (self.folder / f"{name}.err").read_text()[-3000:]

    def kill(self, *names: str) -> None:
        """kill -9."""
        for name in names:
            self.running[name].kill()
        for name in names:
            self.running.pop(name).wait()

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill(*self.running)
        self.database.close()

    def enrol_box(self, web: int, settings_text: str) -> str:
        """A player of the first village that speaks to ``web``; returns its id."""
        with self.database.write() as session:
            code = players.new_code(session, self.town.administrator, VILLAGES[0]).code
        done = subprocess.run(
            [sys.executable, "-m", "edge", "enrol", code, "--server",
             f"https://127.0.0.1:{self.ports[2 * web]}", "--ca", str(self._ca),
             "--home", str(self.home.folder), "--name", "村部"],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.home.settings_file.write_text(settings_text)
        with self.database.write() as session:
            (waiting,) = players.waiting_for_approval(session, self.town.administrator)
            players.approve(session, self.town.administrator, waiting.id)
            return str(waiting.id)

    def player(self) -> Player:
        with self.database.read() as session:
            return session.scalars(sa.select(Player)).one()

    def has_duty(self, name: str) -> bool:
        """Whether this process holds the scheduler's lease."""
        with self.database.read() as session:
            lease = session.get(Lease, LEASE)
        return lease is not None and f":{self.running[name].pid}:" in lease.holder

    def _environment(self, number: int) -> dict[str, str]:
        config = self.settings
        known = {name: value for name, value in os.environ.items() if "XIANGYIN_" not in name}
        return {
            **known,
            "XIANGYIN_DATA_DIR": str(config.data_dir),
            "XIANGYIN_DATABASE_URL": config.database_url,
            "XIANGYIN_WEB_HOST": "127.0.0.1",
            "XIANGYIN_WEB_PORT": str(self.ports[2 * number]),
            "XIANGYIN_GUIDE_PORT": str(self.ports[2 * number + 1]),
            "XIANGYIN_MQTT_HOST": "127.0.0.1",
            "XIANGYIN_MQTT_PORT": str(self.mqtt_port),
        }


@contextmanager
def control_world(folder: Path, *start: str, database_url: str = "") -> Iterator[ControlWorld]:
    """A world in which ``start`` run, in this order."""
    world = ControlWorld(folder, database_url)
    try:
        for name in start:
            world.start(name)
        yield world
    finally:
        world.close()


def own_receipts(home: Home) -> Sequence[tuple[int, str]]:
    """(play id, outcome) of all receipts in the player's memory."""
    from benchmarks.faults_evidence import own_receipts as receipts

    return [(each.play_id, _outcome(each.body)) for each in receipts(home)]


def _outcome(body: str) -> str:
    import json

    return str(json.loads(body)["outcome"])
