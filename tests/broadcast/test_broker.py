"""The embedded broker: who comes in, and what each may hear and say."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broadcast import accounts, players
from broadcast.broker_rights import Accounts
from core.database import Database
from core.settings import Settings
from tests.broadcast.box import Box, enrolled
from tests.broadcast.brokers import Ear, free_port, own_broker, start_own, wait_until
from tests.schedule.town import VILLAGES, Town

Ears = Callable[..., Ear]


def write_accounts(database: Database, config: Settings) -> None:
    with database.read() as session:
        accounts.write_files(session, config)


@pytest.fixture
def neighbour(database: Database, town: Town) -> Box:
    return enrolled(database, town.administrator, VILLAGES[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, int]]:
    """One broker for the tests below; each writes its own accounts for it."""
    folder, port = tmp_path_factory.mktemp("broker"), free_port()
    with own_broker(folder, port):
        yield Settings(data_dir=folder), port


@pytest.fixture
def broker_settings(running: tuple[Settings, int]) -> Settings:
    """The settings of the running broker."""
    return running[0]


@pytest.fixture
def port(running: tuple[Settings, int], database: Database, box: Box, neighbour: Box) -> int:
    write_accounts(database, running[0])
    return running[1]


@pytest.fixture
def ear(port: int) -> Iterator[Ears]:
    opened: list[Ear] = []

    def make(box: Box, **more: object) -> Ear:
        found = Ear(port, box.player.id, box.mqtt_password, **more)  # type: ignore[arg-type]
        opened.append(found)
        return found

    yield make
    for found in opened:
        found.client.loop_stop()


@pytest.fixture
def server(port: int, broker_settings: Settings) -> Iterator[Ear]:
    found = Ear(port, accounts.SERVER_NAME, accounts.server_password(broker_settings))
    wait_until(lambda: found.is_in)
    yield found
    found.leave()


def topic(box: Box, end: str) -> str:
    return f"{accounts.prefix(box.player)}/{end}"


def about(server: Ear, *boxes: Box) -> list[tuple[str, str]]:
    """What the server heard of these players; the broker also keeps words of earlier tests."""
    own = tuple(accounts.prefix(box.player) for box in boxes)
    return [heard for heard in server.heard if heard[0].startswith(own)]


def test_a_player_hears_its_wake_and_the_server_its_state(ear: Ears, server: Ear, box: Box) -> None:
    player = ear(box)
    wait_until(lambda: player.is_in)
    assert player.subscribe(topic(box, "wake")) == 1
    assert server.subscribe("xiangyin/+/+/state") == 1
    server.say(topic(box, "wake"), "look")
    player.say(topic(box, "state"), '{"online": true}', retain=True)
    wait_until(lambda: player.heard == [(topic(box, "wake"), "look")])
    wait_until(lambda: about(server, box) == [(topic(box, "state"), '{"online": true}')])


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_refused(port: int, box: Box, password: str) -> None:
    stranger = Ear(port, box.player.id, password)
    wait_until(lambda: stranger.refusals)
    assert not stranger.is_in
    stranger.client.loop_stop()


def test_nobody_unknown_comes_in(port: int) -> None:
    stranger = Ear(port, "p-nobody", "x")
    wait_until(lambda: stranger.refusals)
    stranger.client.loop_stop()


def test_a_player_may_not_listen_to_others(ear: Ears, box: Box, neighbour: Box) -> None:
    player = ear(box)
    wait_until(lambda: player.is_in)
    for end in ("wake", "command"):
        assert player.subscribe(topic(box, end)) == 1
    own = [topic(box, end) for end in ("state", "#", "+", "live", "wake/#", "+/wake")]
    foreign = [topic(neighbour, end) for end in ("wake", "command", "state", "#")]
    wide = ["#", "+/#", "xiangyin/#", "xiangyin/+/+/state", f"xiangyin/+/{box.player.id}/wake"]
    for each in (*own, *foreign, *wide, "$SYS/#", "$SYS/broker/clients/total"):
        assert player.subscribe(each) == 128, each


def test_a_player_may_not_speak_for_others(
    ear: Ears, server: Ear, box: Box, neighbour: Box
) -> None:
    player, other = ear(box), ear(neighbour)
    wait_until(lambda: player.is_in and other.is_in)
    other.subscribe(topic(neighbour, "wake"))
    server.subscribe("xiangyin/#")
    player.say(topic(neighbour, "state"), "forged")
    player.say(topic(neighbour, "wake"), "forged")
    player.say(topic(box, "wake"), "forged")
    player.say(topic(box, "command"), "forged")
    player.say(topic(box, "state"), "genuine")
    wait_until(lambda: about(server, box))
    assert about(server, box, neighbour) == [(topic(box, "state"), "genuine")]
    assert other.heard == []


def test_a_newcomer_is_not_told_the_states_of_others(
    ear: Ears, server: Ear, box: Box, neighbour: Box
) -> None:
    server.subscribe("xiangyin/+/+/state")
    other = ear(neighbour)
    wait_until(lambda: other.is_in)
    other.say(topic(neighbour, "state"), "secret", retain=True)
    wait_until(lambda: about(server, neighbour))
    player = ear(box)
    wait_until(lambda: player.is_in)
    player.subscribe(topic(box, "wake"))
    server.say(topic(box, "wake"), "last")
    wait_until(lambda: player.heard)
    assert player.heard == [(topic(box, "wake"), "last")]


def test_a_player_that_vanishes_leaves_its_will(ear: Ears, server: Ear, box: Box) -> None:
    server.subscribe("xiangyin/+/+/state")
    player = ear(box, will=(topic(box, "state"), '{"online": false}'))
    wait_until(lambda: player.is_in)
    player.vanish()
    wait_until(lambda: about(server, box) == [(topic(box, "state"), '{"online": false}')])


def test_a_will_on_a_foreign_topic_is_refused(ear: Ears, box: Box, neighbour: Box) -> None:
    player = ear(box, will=(topic(neighbour, "state"), '{"online": false}'))
    wait_until(lambda: player.refusals)


def test_a_stranger_cannot_throw_a_player_out(
    port: int, ear: Ears, server: Ear, box: Box, neighbour: Box
) -> None:
    player = ear(box, persistent=True)
    wait_until(lambda: player.is_in)
    player.subscribe(topic(box, "wake"))
    for thief in (
        Ear(port, "p-nobody", "x", client_id=box.player.id),
        Ear(port, neighbour.player.id, neighbour.mqtt_password, client_id=box.player.id),
    ):
        wait_until(lambda thief=thief: thief.refusals)  # type: ignore[misc]
        thief.client.loop_stop()
    server.say(topic(box, "wake"), "still there")
    wait_until(lambda: player.heard == [(topic(box, "wake"), "still there")])


def test_a_wake_up_waits_for_a_player_that_is_away(ear: Ears, server: Ear, box: Box) -> None:
    player = ear(box, persistent=True)
    wait_until(lambda: player.is_in)
    player.subscribe(topic(box, "wake"))
    player.leave()
    time.sleep(0.5)
    server.say(topic(box, "wake"), "while away")
    back = ear(box, persistent=True)
    wait_until(lambda: back.heard == [(topic(box, "wake"), "while away")])


def test_a_revoked_player_hears_nothing_more(
    ear: Ears,
    port: int,
    server: Ear,
    database: Database,
    broker_settings: Settings,
    town: Town,
    box: Box,
    neighbour: Box,
) -> None:
    player, other = ear(box), ear(neighbour)
    wait_until(lambda: player.is_in and other.is_in)
    player.subscribe(topic(box, "wake"))
    other.subscribe(topic(neighbour, "wake"))
    with database.write() as session:
        players.revoke(session, town.administrator, box.player.id)
    write_accounts(database, broker_settings)
    server.say(topic(box, "wake"), "too late")
    server.say(topic(neighbour, "wake"), "mark")
    wait_until(lambda: other.heard)
    assert player.heard == []
    again = ear(box, client_id=box.player.id)
    wait_until(lambda: again.refusals)


def test_a_revoked_player_is_cut_off_at_once(
    ear: Ears,
    port: int,
    server: Ear,
    database: Database,
    broker_settings: Settings,
    town: Town,
    box: Box,
    neighbour: Box,
) -> None:
    lost: list[str] = []
    will = (topic(box, "state"), '{"online": false}')
    player, other = ear(box, will=will), ear(neighbour)
    player.client.on_disconnect = lambda *_: lost.append("player")
    other.client.on_disconnect = lambda *_: lost.append("other")
    wait_until(lambda: player.is_in and other.is_in)
    server.subscribe("xiangyin/+/+/state")
    with database.write() as session:
        players.revoke(session, town.administrator, box.player.id)
    write_accounts(database, broker_settings)
    wait_until(lambda: lost)
    other.say(topic(neighbour, "state"), "still here")
    wait_until(lambda: about(server, neighbour))
    assert "other" not in lost
    assert about(server, box) == []


def connect_packet(name: str, password: str, *, keepalive_s: int, will_topic: str) -> bytes:
    def text(value: str) -> bytes:
        return len(value.encode()).to_bytes(2, "big") + value.encode()

    body = text("MQTT") + bytes([4, 0b11000110]) + keepalive_s.to_bytes(2, "big")
    body += text(name) + text(will_topic) + text("the line is dead") + text(name) + text(password)
    assert 128 <= len(body) < 16_384
    return bytes([0x10, len(body) % 128 | 128, len(body) // 128]) + body


def test_a_player_whose_line_is_dead_is_given_up(port: int, server: Ear, box: Box) -> None:
    server.subscribe("xiangyin/+/+/state")
    hello = connect_packet(
        box.player.id, box.mqtt_password, keepalive_s=1, will_topic=topic(box, "state")
    )
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(hello)
        assert line.recv(4) == b"\x20\x02\x00\x00"
        wait_until(lambda: about(server, box) == [(topic(box, "state"), "the line is dead")])
        assert line.recv(1) == b""


def test_silent_strangers_keep_no_player_out(port: int, ear: Ears, box: Box) -> None:
    strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(600)]
    try:
        player = ear(box)
        wait_until(lambda: player.is_in)
        for early in strangers[:50]:
            early.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                assert early.recv(1) == b""
    finally:
        for stranger in strangers:
            stranger.close()


def test_more_bytes_than_anybody_has_to_say_are_not_waited_for(
    port: int, ear: Ears, server: Ear, box: Box
) -> None:
    huge = b"\x10\xff\xff\xff\x7f" + bytes(70_000)
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.settimeout(5)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            line.sendall(huge)
            assert line.recv(1) == b""
    lost: list[bool] = []
    player = ear(box)
    wait_until(lambda: player.is_in)
    player.client.on_disconnect = lambda *_: lost.append(True)
    player.client.publish(topic(box, "state"), "x" * 100_000, qos=1)
    wait_until(lambda: lost)


def test_of_what_comes_while_a_player_is_away_the_newest_wait(
    ear: Ears, server: Ear, box: Box
) -> None:
    player = ear(box, persistent=True)
    wait_until(lambda: player.is_in)
    player.subscribe(topic(box, "wake"))
    player.leave()
    time.sleep(0.5)
    for number in range(30):
        server.say(topic(box, "wake"), str(number))
    back = ear(box, persistent=True)
    wait_until(lambda: back.heard and back.heard[-1][1] == "29")
    assert [said for _, said in back.heard] == [str(number) for number in range(10, 30)]


@pytest.mark.parametrize(
    "bytes_sent",
    [b"GET / HTTP/1.0\r\n\r\n", b"\x10\xff\xff\xff\x7f", b"\x10\x02\x00", b"\xff" * 99],
)
def test_noise_on_the_line_harms_nobody(
    port: int, ear: Ears, server: Ear, box: Box, bytes_sent: bytes
) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(bytes_sent)
    player = ear(box)
    wait_until(lambda: player.is_in)
    player.subscribe(topic(box, "wake"))
    server.say(topic(box, "wake"), "look")
    wait_until(lambda: player.heard)


def test_a_taken_port_is_told_with_the_setting_to_change(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start_own(data_dir, taken.getsockname()[1])
        _out, err = process.communicate(timeout=30)
    assert process.returncode == 78
    assert "XIANGYIN_MQTT_PORT" in err


def test_the_broker_stops_when_asked(data_dir: Path) -> None:
    with own_broker(data_dir, free_port()) as process:
        process.terminate()
        assert process.wait(30) == 0


def test_tls_begins_as_soon_as_there_is_a_certificate(
    data_dir: Path, database: Database, config: Settings, box: Box
) -> None:
    write_accounts(database, config)
    port = free_port()
    with own_broker(data_dir, port) as process:
        folder = config.folder("tls")
        make_certificate(folder)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "READY"
        assert accounts.endpoint(config).tls
        player = Ear(port, box.player.id, box.mqtt_password, authority=folder / "server.pem")
        wait_until(lambda: player.is_in)
        player.leave()


def make_certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1; the certificate comes last."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", folder / "server.key", "-out", folder / "part", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "part").replace(folder / "server.pem")


def test_a_damaged_account_file_leaves_the_last_one_in_force(
    database: Database, config: Settings, box: Box
) -> None:
    write_accounts(database, config)
    known = Accounts(accounts.players_file(config))
    assert known.knows(box.player.id, box.mqtt_password)
    accounts.players_file(config).write_text("{")
    assert known.knows(box.player.id, box.mqtt_password)
    accounts.players_file(config).unlink()
    assert not known.knows(box.player.id, box.mqtt_password)


@pytest.mark.parametrize("stored", ["", "plain", "$7$x$y$z", "$6$101$AAAA$AAAA", "$7$101$A$A"])
def test_a_password_never_fits_a_form_not_understood(stored: str) -> None:
    assert not accounts.fits("", stored)
    assert not accounts.fits("plain", stored)
