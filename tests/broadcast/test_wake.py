"""The waker with both brokers: our own, and a real Mosquitto with its password file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from broadcast import accounts, manifest
from broadcast.models import Player
from broadcast.wake import Waker
from core import bell, settings
from core.database import Database
from core.errors import InvalidInput
from core.models import OutboxEvent
from core.settings import Settings
from schedule.models import Play
from tests.broadcast.box import Box
from tests.broadcast.brokers import Ear, free_port, mosquitto, own_broker, wait_until
from tests.broadcast.test_broker import make_certificate, topic, write_accounts
from tests.schedule.town import VILLAGES

pytestmark = pytest.mark.slow
Start = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    return free_port()


@pytest.fixture(params=["own", pytest.param("mosquitto", marks=pytest.mark.real("mosquitto"))])
def broker(
    request: pytest.FixtureRequest,
    port: int,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    """Starts the broker that the settings name."""
    if request.param == "own":
        monkeypatch.setenv("XIANGYIN_MQTT_HOST", "127.0.0.1")
        monkeypatch.setenv("XIANGYIN_MQTT_PORT", str(port))
        return lambda: own_broker(data_dir, port)
    monkeypatch.setenv("XIANGYIN_MQTT_URL", f"mqtt://station:s%40lt@127.0.0.1:{port}")
    return lambda: mosquitto(tmp_path, data_dir / "broker", port)


@pytest.fixture
def waker(broker: Start, database: Database, box: Box) -> Iterator[Waker]:
    settings.load.cache_clear()
    config = settings.load()
    write_accounts(database, config)
    found = Waker(database, config)
    thread = threading.Thread(target=found.run_forever)
    thread.start()
    yield found
    found.stop()
    thread.join(10)
    assert not thread.is_alive()


def player_of(database: Database, box: Box) -> Player:
    with database.read() as session:
        return session.get_one(Player, box.player.id)


def change_plays(database: Database) -> int:
    with database.write() as session:
        session.execute(sa.update(Play).values(revision=Play.revision + 1))
        version = manifest.build(session, VILLAGES[0]).version
    bell.ring("wake")
    return version


def test_a_changed_manifest_wakes_the_player(
    broker: Start, waker: Waker, database: Database, box: Box, port: int
) -> None:
    with broker():
        wait_until(waker.connected.is_set)
        player = Ear(port, box.player.id, box.mqtt_password)
        wait_until(lambda: player.is_in)
        player.subscribe(topic(box, "wake"))
        version = change_plays(database)
        wait_until(lambda: player.heard)
        where, said = player.heard[0]
        assert where == topic(box, "wake")
        assert json.loads(said)["manifest_version"] == version
        player.leave()


def test_presence_is_heard_and_told(
    broker: Start, waker: Waker, database: Database, box: Box, port: int
) -> None:
    with broker():
        wait_until(waker.connected.is_set)
        will = (topic(box, "state"), '{"online": false}')
        player = Ear(port, box.player.id, box.mqtt_password, will=will)
        wait_until(lambda: player.is_in)
        player.say(topic(box, "state"), '{"online": true}', retain=True)
        wait_until(lambda: player_of(database, box).online)
        player.vanish()
        wait_until(lambda: not player_of(database, box).online)
    with database.read() as session:
        news = session.scalars(
            sa.select(OutboxEvent.payload).where(OutboxEvent.kind == "player.changed")
        ).all()
    assert news == [{"player_id": box.player.id}] * 3  # enrolled, there, gone


def test_news_that_came_without_a_broker_is_told_when_it_is_back(
    broker: Start, waker: Waker, database: Database, box: Box, port: int
) -> None:
    with broker():
        wait_until(waker.connected.is_set)
    wait_until(lambda: not waker.connected.is_set())
    version = change_plays(database)
    with broker():
        player = Ear(port, box.player.id, box.mqtt_password)
        wait_until(lambda: player.is_in)
        player.subscribe(topic(box, "wake"))
        wait_until(lambda: player.heard)
        assert json.loads(player.heard[0][1])["manifest_version"] == version
        player.leave()


def test_nonsense_said_as_state_changes_nothing(
    broker: Start, waker: Waker, database: Database, box: Box, port: int
) -> None:
    with broker():
        wait_until(waker.connected.is_set)
        player = Ear(port, box.player.id, box.mqtt_password)
        wait_until(lambda: player.is_in)
        for nonsense in ("", "[", "7", '{"online": "yes"}', '{"online": true}'):
            player.say(topic(box, "state"), nonsense)
        wait_until(lambda: player_of(database, box).online)
        player.leave()


def test_the_waker_comes_in_by_tls_and_checks_the_certificate(
    database: Database,
    data_dir: Path,
    box: Box,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    config: Settings,
) -> None:
    monkeypatch.setenv("XIANGYIN_MQTT_HOST", "127.0.0.1")
    monkeypatch.setenv("XIANGYIN_MQTT_PORT", str(port))
    settings.load.cache_clear()
    make_certificate(config.folder("tls"))
    write_accounts(database, settings.load())
    with own_broker(data_dir, port):
        waker = Waker(database, settings.load())
        thread = threading.Thread(target=waker.run_forever)
        thread.start()
        wait_until(waker.connected.is_set)
        waker.stop()
        thread.join(10)


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://host:port", "nonsense"])
def test_a_wrong_broker_url_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("XIANGYIN_MQTT_URL", url)
    settings.load.cache_clear()
    with pytest.raises(InvalidInput, match="XIANGYIN_MQTT_URL"):
        accounts.endpoint(settings.load())
