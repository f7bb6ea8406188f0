"""Waking and being missed, with the real Mosquitto."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.config import Home
from tests.counterparts import find, require
from tests.edge.authority import Authority
from tests.edge.conftest import BoxProcess, enrol, wait_for
from tests.edge.fake_server import AREA, FakeServer
from tests.edge.sounds import opus, speechlike

pytestmark = [pytest.mark.slow, pytest.mark.real("mosquitto")]
PREFIX = f"xiangyin/{AREA}/p-1"
StartBox = Callable[..., BoxProcess]
HOUR = 'sink = "wav"\npoll_s = 3600\n'


class Broker:
    """Mosquitto with TLS and accounts; ``states`` is what watchers of the box hear."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        passwords = self.passwords = folder / "passwords"
        passwords.write_text("")
        for name in ("p-1", "office"):
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), name, "secret"], check=True)
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\n"
            f"password_file {passwords}\ncafile {authority.ca}\ncertfile {authority.cert}\n"
            f"keyfile {authority.key}\n"
        )
        self.authority = authority
        self.states: list[tuple[bool, bool]] = []
        self.start()

    def start(self) -> None:
        program = find("mosquitto")
        assert program
        self.process = subprocess.Popen(
            [program, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._listens, what="mosquitto")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def office(self) -> paho.Client:
        """Somebody who watches the box and may wake it."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("office", "secret")
        client.tls_set(ca_certs=str(self.authority.ca))
        subscribed = threading.Event()
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = self._heard
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        client.subscribe(f"{PREFIX}/state", qos=1)
        assert subscribed.wait(10)
        return client

    def _heard(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.states.append((json.loads(message.payload)["online"], bool(message.retain)))

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    require("mosquitto")
    running = Broker(tmp_path, authority)
    yield running
    running.stop()


@pytest.fixture
def office(broker: Broker) -> Iterator[paho.Client]:
    client = broker.office()
    yield client
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def home(server: FakeServer, broker: Broker, tmp_path: Path) -> Home:
    """A box that asks by itself once an hour: what comes sooner came by the broker."""
    server.mqtt = {
        "host": "127.0.0.1", "port": broker.port, "tls": True, "username": "p-1",
        "password": "secret", "prefix": PREFIX,
    }  # fmt: skip
    return enrol(server, tmp_path / "box", HOUR)


def online(broker: Broker) -> bool:
    return bool(broker.states) and broker.states[-1][0]


def plan_tomorrow(server: FakeServer, play_id: int) -> None:
    clip = server.add_clip(opus(speechlike(1, play_id)), 1000)
    server.add_play(play_id, datetime.now(UTC) + timedelta(days=1), clip)
    server.publish()


def clips(home: Home) -> int:
    return sum(len(file.name) == 64 for file in home.clips.rglob("*"))


def test_a_wake_brings_the_news_at_once(
    server: FakeServer, home: Home, broker: Broker, office: paho.Client, start_box: StartBox
) -> None:
    start_box(home).ready()
    wait_for(lambda: online(broker) and server.health)
    plan_tomorrow(server, 1)
    office.publish(f"{PREFIX}/wake", "{}", qos=1)
    wait_for(lambda: clips(home) == 1, what="the clip")


@pytest.mark.parametrize(("told", "comes_in"), [("own", True), ("other", False), ("", False)])
def test_a_broker_with_an_authority_of_its_own_is_trusted_by_that_alone(
    server: FakeServer, tmp_path: Path, start_box: StartBox, told: str, comes_in: bool
) -> None:
    own, other = Authority(tmp_path / "own"), Authority(tmp_path / "other")
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker", own)
    server.mqtt = {
        "host": "127.0.0.1", "port": broker.port, "tls": True, "username": "p-1",
        "password": "secret", "prefix": PREFIX,
        "ca": {"own": own.ca.read_text(), "other": other.ca.read_text(), "": ""}[told],
    }  # fmt: skip
    watcher = broker.office()
    try:
        start_box(enrol(server, tmp_path / "box", HOUR)).ready()
        if comes_in:
            wait_for(lambda: online(broker), what="the box to be online")
        else:
            time.sleep(4)
            assert not online(broker)
    finally:
        watcher.disconnect()
        watcher.loop_stop()
        broker.stop()


def test_a_box_that_dies_is_reported_by_its_last_will(
    home: Home, broker: Broker, office: paho.Client, start_box: StartBox
) -> None:
    box = start_box(home).ready()
    wait_for(lambda: online(broker), what="the box to be online")
    box.kill()
    wait_for(lambda: not online(broker), what="the last will")
    broker.states.clear()
    latecomer = broker.office()
    wait_for(lambda: broker.states == [(False, True)], what="the retained state")
    latecomer.disconnect()
    latecomer.loop_stop()


def test_a_box_that_is_stopped_says_goodbye(
    home: Home, broker: Broker, office: paho.Client, start_box: StartBox
) -> None:
    box = start_box(home).ready()
    wait_for(lambda: online(broker))
    assert box.terminate() < 3
    wait_for(lambda: not online(broker), what="the goodbye")


def test_a_wake_sent_while_the_box_was_away_is_waiting_for_it(
    server: FakeServer, home: Home, broker: Broker, office: paho.Client, start_box: StartBox
) -> None:
    box = start_box(home).ready()
    wait_for(lambda: online(broker) and server.health)
    box.terminate()
    server.down = True  # the round at the start of the box finds nobody
    start_box(home).ready()
    wait_for(lambda: online(broker))
    plan_tomorrow(server, 1)
    server.down = False
    office.publish(f"{PREFIX}/wake", "{}", qos=1)
    wait_for(lambda: clips(home) == 1, what="the clip")


def test_a_broker_that_was_away_is_found_again(
    server: FakeServer, home: Home, broker: Broker, start_box: StartBox
) -> None:
    start_box(home).ready()
    wait_for(lambda: server.health)
    broker.stop()
    broker.start()
    watcher = broker.office()
    wait_for(lambda: online(broker), 30, "the box to come back")
    watcher.disconnect()
    watcher.loop_stop()


def test_a_box_that_the_broker_lets_in_no_more_asks_why(
    server: FakeServer, home: Home, broker: Broker, office: paho.Client, start_box: StartBox
) -> None:
    home.settings_file.write_text(HOUR + "health_s = 3600\n")
    plan_tomorrow(server, 1)
    start_box(home).ready()
    wait_for(lambda: online(broker) and clips(home) == 1)
    server.revoked = True
    subprocess.run(["mosquitto_passwd", "-D", str(broker.passwords), "p-1"], check=True)
    broker.stop()
    broker.start()
    wait_for(lambda: clips(home) == 0, what="the box to forget its sound")


def test_without_a_broker_the_box_still_asks(
    server: FakeServer, home: Home, broker: Broker, start_box: StartBox
) -> None:
    broker.stop()
    home.settings_file.write_text('sink = "wav"\npoll_s = 1\n')
    start_box(home).ready()
    wait_for(lambda: server.health)
    plan_tomorrow(server, 1)
    wait_for(lambda: clips(home) == 1, what="the clip")
    broker.start()
