"""The waker with both brokers: our own, and a real Mosquitto with its password file."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from broadcast import accounts, commands, manifest
from broadcast.models import Player
from broadcast.wake import Waker
from core import bell, clock, leases, settings
from core.clock import FakeClock, SystemClock
from core.database import Database
from core.errors import InvalidInput
from core.models import OutboxEvent
from core.settings import Settings
from schedule.models import Play
from tests.broadcast.box import Box, enrolled
from tests.broadcast.brokers import (
    Ear,
    free_port,
    mosquitto,
    mosquitto_by,
    own_broker,
    wait_until,
)
from tests.broadcast.test_broker import make_certificate, topic, write_accounts
from tests.edge.authority import Authority
from tests.schedule.town import VILLAGES, Town

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


@contextmanager
def running(waker: Waker) -> Iterator[Waker]:
    thread = threading.Thread(target=waker.run_forever)
    thread.start()
    try:
        yield waker
    finally:
        waker.stop()
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
    *known_before, there, gone = news
    assert all("presence" not in each for each in known_before)
    assert there == gone == {"player_ids": [box.player.id], "presence": True}


def test_a_county_that_comes_in_together_is_one_piece_of_news(
    database: Database, config: Settings, box: Box, town: Town
) -> None:
    boxes = [box, *(enrolled(database, town.administrator, code) for code in VILLAGES[1:])]
    waker = Waker(database, config)
    for each in boxes:
        waker._line._heard.put((topic(each, "state"), b'{"online": true}'))
    foreign = f"xiangyin/{VILLAGES[1]}/{box.player.id}/state"
    waker._line._heard.put((foreign, b'{"online": false}'))
    waker._note_states()
    news = sa.select(OutboxEvent.payload).where(OutboxEvent.kind == "player.changed")
    with database.read() as session:
        told = [each for each in session.scalars(news) if "presence" in each]
        online = session.scalars(sa.select(Player.id).where(Player.online)).all()
    assert told == [{"player_ids": [each.player.id for each in boxes], "presence": True}]
    assert set(online) == {each.player.id for each in boxes}


def test_what_was_heard_while_the_database_was_away_is_written_later(
    database: Database, config: Settings, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker does not say it again."""
    waker = Waker(database, config)

    def away() -> AbstractContextManager[Any]:
        raise sa.exc.OperationalError("BEGIN", None, Exception("database is locked"))

    with monkeypatch.context() as changed:
        changed.setattr(database, "write", away)
        waker._line._heard.put((topic(box, "state"), b'{"online": true}'))
        with pytest.raises(sa.exc.OperationalError):
            waker._note_states()
        assert not player_of(database, box).online
    waker._note_states()
    assert player_of(database, box).online
    waker._line._heard.put((topic(box, "state"), b'{"online": false}'))
    waker._note_states()
    assert not player_of(database, box).online


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


def test_what_changed_before_the_waker_began_is_told_once(
    broker: Start, database: Database, box: Box, port: int
) -> None:
    settings.load.cache_clear()
    write_accounts(database, settings.load())
    version = change_plays(database)
    with broker():
        player = Ear(port, box.player.id, box.mqtt_password)
        wait_until(lambda: player.is_in)
        player.subscribe(topic(box, "wake"))
        for _ in range(2):
            with running(Waker(database, settings.load())) as waker:
                wait_until(waker.connected.is_set)
                wait_until(lambda: player.heard)
        assert [json.loads(said)["manifest_version"] for _, said in player.heard] == [version]
        player.leave()


def test_a_command_comes_again_until_it_is_acknowledged(
    broker: Start,
    waker: Waker,
    database: Database,
    box: Box,
    port: int,
    fake_clock: FakeClock,
) -> None:
    with broker():
        wait_until(waker.connected.is_set)
        player = Ear(port, box.player.id, box.mqtt_password)
        wait_until(lambda: player.is_in)
        player.subscribe(topic(box, "command"))
        with database.write() as session:
            asked = commands.request(
                session, None, box.player.id, "resync", {}, timedelta(minutes=1)
            ).id
        wait_until(lambda: player.heard)
        fake_clock.advance(timedelta(seconds=3))
        wait_until(lambda: len(player.heard) == 2)
        first, again = player.heard
        assert first == again
        assert json.loads(json.loads(first[1])["payload"])["id"] == asked
        with database.write() as session:
            commands.acknowledge(session, box.player, asked, "done")
        fake_clock.advance(timedelta(seconds=30))
        time.sleep(3)
        assert len(player.heard) == 2
        player.leave()


def test_of_two_wakers_one_speaks_and_the_other_takes_over(
    broker: Start, database: Database, box: Box, port: int
) -> None:
    settings.load.cache_clear()
    write_accounts(database, settings.load())
    duties = [leases.Duty(database, "scheduler", ttl_s=5) for _ in range(2)]
    first, second = (Waker(database, settings.load(), duty) for duty in duties)
    with clock.use(SystemClock()), broker(), running(first):
        wait_until(first.connected.is_set)
        with running(second):
            time.sleep(7)
            assert first.connected.is_set()
            assert not second.connected.is_set()
            first.stop()
            wait_until(second.connected.is_set)


def test_a_player_that_came_by_another_process_gets_its_account(
    broker: Start, waker: Waker, database: Database, box: Box, town: Town
) -> None:
    with broker():
        wait_until(waker.connected.is_set)
        newcomer = enrolled(database, town.administrator, VILLAGES[1])
        file = settings.load().folder("broker") / "mosquitto.acl"
        wait_until(lambda: newcomer.player.id in file.read_text())


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


@pytest.mark.real("mosquitto")
def test_the_waker_trusts_the_authority_it_was_told_and_no_other(
    database: Database, data_dir: Path, box: Box, port: int, tmp_path: Path
) -> None:
    right, other = Authority(tmp_path / "right"), Authority(tmp_path / "other")
    url = f"mqtts://station:s%40lt@127.0.0.1:{port}"
    own = settings.load().model_copy(update={"mqtt_url": url, "mqtt_ca": right.ca})
    write_accounts(database, own)
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\nuser root\n"
        f"certfile {right.cert}\nkeyfile {right.key}\n"
        f"password_file {data_dir}/broker/mosquitto.passwd\n"
        f"acl_file {data_dir}/broker/mosquitto.acl\n"
    )
    deceived = Waker(database, own.model_copy(update={"mqtt_ca": other.ca}))
    public = Waker(database, own.model_copy(update={"mqtt_ca": None}))
    with mosquitto_by(configuration, port):
        with running(Waker(database, own)) as waker:
            wait_until(waker.connected.is_set)
        for each in (deceived, public):
            with running(each):
                assert not each.connected.wait(4)


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://host:port", "nonsense"])
def test_a_wrong_broker_url_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("XIANGYIN_MQTT_URL", url)
    settings.load.cache_clear()
    with pytest.raises(InvalidInput, match="XIANGYIN_MQTT_URL"):
        accounts.endpoint(settings.load())
