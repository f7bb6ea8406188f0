"""What a player may hear and say: the same with our own broker and with Mosquitto.

Mosquitto runs by docs/another-broker.md, with a certificate of an authority of the test's own; as
root it gives its rights up and reads what the page's own commands copied for it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from broadcast import accounts, players
from core.database import Database
from core.settings import Settings
from tests import counterparts
from tests.broadcast.box import Box, enrolled
from tests.broadcast.brokers import Ear, free_port, mosquitto_by, own_broker, wait_until
from tests.conftest import ROOT
from tests.edge.authority import Authority
from tests.schedule.town import VILLAGES, Town

SERVER_URL = "mqtts://station:s%40lt@127.0.0.1"
OWN = ("wake", "command", "state")


@dataclass
class Running:
    """One broker for all tests of a kind; each test writes its own accounts for it."""

    settings: Settings
    port: int
    authority: Path | None
    read_accounts: Callable[[], None]


@pytest.fixture(
    scope="module", params=["own", pytest.param("mosquitto", marks=pytest.mark.real("mosquitto"))]
)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder, port = tmp_path_factory.mktemp("rights"), free_port()
    if request.param == "own":
        with own_broker(folder, port):
            yield Running(Settings(data_dir=folder), port, None, lambda: None)
        return
    counterparts.require("mosquitto")
    etc = Path(tempfile.mkdtemp())
    etc.chmod(0o755)  # Mosquitto's own user comes in
    authority = Authority(etc / "certs")
    url = f"{SERVER_URL}:{port}"
    settings = Settings(data_dir=folder, mqtt_url=url, mqtt_ca=authority.ca)
    for name in ("passwd", "acl"):
        (settings.folder("broker") / f"mosquitto.{name}").touch(mode=0o600)
    here = Documented(settings, etc, authority, port)
    here.copy_accounts()
    configuration = etc / "mosquitto.conf"
    configuration.write_text(here.configuration())
    with mosquitto_by(configuration, port) as process:

        def read_accounts() -> None:
            here.copy_accounts()
            process.send_signal(1)

        yield Running(settings, port, authority.ca, read_accounts)


@dataclass(frozen=True)
class Documented:
    """Mosquitto's side as the page has it, with the places of this machine."""

    settings: Settings
    etc: Path
    authority: Authority
    port: int

    def configuration(self) -> str:
        found = re.search(r"```\n(listener .*?)```", self._page(), re.DOTALL)
        assert found is not None
        places = {
            "listener 8883": f"listener {self.port} 127.0.0.1",
            "/etc/mosquitto/certs/broker.pem": str(self.authority.cert),
            "/etc/mosquitto/certs/broker.key": str(self.authority.key),
            "/etc/mosquitto/xiangyin": str(self.etc / "xiangyin"),
        }
        return _moved(found[1], places)

    def copy_accounts(self) -> None:
        """As the page's service does when the server has written them anew."""
        places = {
            "/opt/xiangyin/var/broker": str(self.settings.folder("broker")),
            "/etc/mosquitto/xiangyin": str(self.etc / "xiangyin"),
        }
        if os.geteuid() != 0:
            places["-o mosquitto -g mosquitto "] = ""  # then Mosquitto runs as who runs the tests
        commands = re.findall(r"^ExecStart=(/usr/bin/install .*)$", self._page(), re.MULTILINE)
        assert len(commands) == 2
        for command in commands:
            subprocess.run(_moved(command, places).split(), check=True)

    def _page(self) -> str:
        return (ROOT / "docs" / "another-broker.md").read_text()


def _moved(text: str, places: dict[str, str]) -> str:
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text


@pytest.fixture
def neighbour(database: Database, town: Town) -> Box:
    return enrolled(database, town.administrator, VILLAGES[1])


@pytest.fixture
def port(running: Running, database: Database, box: Box, neighbour: Box) -> int:
    write_accounts(running, database)
    wait_until(lambda: comes_in(running, box))
    return running.port


def write_accounts(running: Running, database: Database) -> None:
    with database.read() as session:
        accounts.write_files(session, running.settings)
    running.read_accounts()


def comes_in(running: Running, box: Box) -> bool:
    probe = Ear(running.port, box.player.id, box.mqtt_password, authority=running.authority)
    wait_until(lambda: probe.is_in or probe.refusals)
    probe.leave()
    return not probe.refusals


@pytest.fixture
def ear(running: Running, port: int) -> Iterator[Callable[..., Ear]]:
    opened: list[Ear] = []

    def make(box: Box, **more: object) -> Ear:
        more = {"authority": running.authority, **more}
        found = Ear(port, box.player.id, box.mqtt_password, **more)  # type: ignore[arg-type]
        opened.append(found)
        return found

    yield make
    for found in opened:
        found.leave()


@pytest.fixture
def server(running: Running, port: int) -> Iterator[Ear]:
    where = accounts.endpoint(running.settings)
    found = Ear(port, where.username, where.password, authority=running.authority)
    wait_until(lambda: found.is_in)
    yield found
    found.leave()


def topic(box: Box, end: str) -> str:
    return f"{accounts.prefix(box.player)}/{end}"


def about(server: Ear, *boxes: Box) -> list[tuple[str, str]]:
    own = tuple(accounts.prefix(box.player) for box in boxes)
    return [heard for heard in server.heard if heard[0].startswith(own)]


def test_a_player_hears_its_own_wake_and_command(
    ear: Callable[..., Ear], server: Ear, box: Box
) -> None:
    player = ear(box)
    wait_until(lambda: player.is_in)
    for end in ("wake", "command"):
        assert player.subscribe(topic(box, end)) == 1
        server.say(topic(box, end), end)
    wait_until(lambda: len(player.heard) == 2)
    assert player.heard == [(topic(box, "wake"), "wake"), (topic(box, "command"), "command")]


def wide_filters(box: Box, neighbour: Box) -> list[str]:
    """Filters a curious player may try."""
    theirs = [topic(neighbour, end) for end in (*OWN, "#", "+")]
    wide = [
        "#", "+/#", "+/+/+/+", "xiangyin/#", "xiangyin/+/+/wake", "xiangyin/+/+/command",
        "xiangyin/+/+/state", f"xiangyin/+/{box.player.id}/#", topic(box, "#"), topic(box, "+"),
        "$SYS/#",
    ]  # fmt: skip
    shared = [f"$share/thieves/{each}" for each in (*theirs, "#", "xiangyin/#")]
    return [*theirs, *wide, *shared]


def test_no_filter_lets_a_player_hear_others_or_take_what_is_theirs(
    ear: Callable[..., Ear], server: Ear, box: Box, neighbour: Box
) -> None:
    thief, other = ear(box), ear(neighbour)
    wait_until(lambda: thief.is_in and other.is_in)
    other.say(topic(neighbour, "state"), "kept", retain=True)
    for end in ("wake", "command"):
        other.subscribe(topic(neighbour, end))
    for each in wide_filters(box, neighbour):
        thief.subscribe(each)
    thief.subscribe(topic(box, "wake"))
    for end in ("wake", "command"):
        server.say(topic(neighbour, end), "for the neighbour")
    other.say(topic(neighbour, "state"), "of the neighbour", retain=True)
    server.say(topic(box, "wake"), "last")
    wait_until(lambda: (topic(box, "wake"), "last") in thief.heard)
    assert {where for where, _ in thief.heard} == {topic(box, "wake")}
    assert other.heard == [
        (topic(neighbour, end), "for the neighbour") for end in ("wake", "command")
    ]


def test_a_player_speaks_for_nobody_else(
    ear: Callable[..., Ear], server: Ear, box: Box, neighbour: Box
) -> None:
    player, other = ear(box), ear(neighbour)
    wait_until(lambda: player.is_in and other.is_in)
    for end in ("wake", "command"):
        other.subscribe(topic(neighbour, end))
    server.subscribe("xiangyin/#")
    for end in OWN:
        player.say(topic(neighbour, end), "forged")
    for forged in ("wake", "command", "state/more", ""):
        player.say(topic(box, forged), "forged")
    player.say("xiangyin", "forged")
    player.say(topic(box, "state"), "genuine")
    wait_until(lambda: about(server, box))
    assert about(server, box, neighbour) == [(topic(box, "state"), "genuine")]
    assert other.heard == []


def test_a_will_is_told_of_the_own_state_alone(
    ear: Callable[..., Ear], server: Ear, box: Box, neighbour: Box
) -> None:
    server.subscribe("xiangyin/#")
    forger = ear(box, will=(topic(neighbour, "state"), "forged"))
    wait_until(lambda: forger.is_in or forger.refusals)
    if forger.is_in:
        forger.vanish()
    honest = ear(neighbour, will=(topic(neighbour, "state"), "gone"))
    wait_until(lambda: honest.is_in)
    honest.vanish()
    wait_until(lambda: about(server, neighbour))
    assert about(server, box, neighbour) == [(topic(neighbour, "state"), "gone")]


def test_nobody_throws_a_player_out_by_its_name(
    running: Running, ear: Callable[..., Ear], server: Ear, box: Box, neighbour: Box
) -> None:
    player = ear(box, persistent=True)
    wait_until(lambda: player.is_in)
    player.subscribe(topic(box, "wake"))
    lost: list[object] = []
    player.client.on_disconnect = lambda *_: lost.append(1)
    for name, password in (("p-nobody", "x"), (neighbour.player.id, neighbour.mqtt_password)):
        thief = Ear(
            running.port, name, password, client_id=box.player.id, authority=running.authority
        )
        wait_until(lambda thief=thief: thief.is_in or thief.refusals)  # type: ignore[misc]
        thief.leave()
    server.say(topic(box, "wake"), "still there")
    wait_until(lambda: player.heard == [(topic(box, "wake"), "still there")])
    assert lost == []


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_lets_nobody_in(
    running: Running, ear: Callable[..., Ear], box: Box, password: str
) -> None:
    for name in (box.player.id, "p-nobody", accounts.SERVER_NAME, "station", ""):
        stranger = Ear(
            running.port, name, password, client_id=name or "x", authority=running.authority
        )
        wait_until(lambda stranger=stranger: stranger.refusals)  # type: ignore[misc]
        stranger.leave()


def test_a_revoked_player_hears_nothing_and_comes_in_no_more(
    running: Running,
    ear: Callable[..., Ear],
    server: Ear,
    database: Database,
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
    write_accounts(running, database)
    wait_until(lambda: not comes_in(running, box))
    server.say(topic(box, "wake"), "too late")
    server.say(topic(neighbour, "wake"), "mark")
    wait_until(lambda: other.heard)
    assert player.heard == []
