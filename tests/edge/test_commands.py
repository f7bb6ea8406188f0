"""Commands: signed, done once, answered until the answer arrived."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.client import Client
from edge.clock import SystemClock
from edge.commands import Answer, Command, CommandBook, Commands, read
from edge.config import Home
from edge.errors import CommandRefused
from edge.manifest import key_id
from edge.store import Store
from tests.edge.conftest import wait_for
from tests.edge.fake_server import FakeServer


def envelope(key: Ed25519PrivateKey, *, expires_in_s: float = 60, **changes: Any) -> dict[str, str]:
    payload = {
        "id": "c-1",
        "player_id": "p-1",
        "kind": "resync",
        "expires_at": (datetime.now(UTC) + timedelta(seconds=expires_in_s)).isoformat(),
        **changes,
    }
    text = json.dumps(payload)
    return {
        "payload": text,
        "signature": base64.b64encode(key.sign(text.encode())).decode(),
        "key_id": key_id(key.public_key().public_bytes_raw()),
    }


class Desk:
    """The commands of a box, and what it was made to do."""

    def __init__(self, home: Home) -> None:
        self.store = Store(home.database_file)
        identity = home.identity()
        self.client = Client(identity.server_url, home.ca_file, identity.token)
        self.book = CommandBook(self.store)
        self.commands = Commands(identity, self.book, self.client, SystemClock())
        self.done: list[Mapping[str, Any]] = []
        self.commands.handle("resync", self._do)
        self.commands.handle("update", lambda _payload: None)

    def _do(self, payload: Mapping[str, Any]) -> Answer:
        self.done.append(payload)
        return "done", "as told"

    def do(self, sent: Mapping[str, str], server: FakeServer) -> None:
        """What the thread does."""
        key = server.signing_key.public_key().public_bytes_raw()
        self.commands.do(read(sent, server_key=key, player_id="p-1"))

    def close(self) -> None:
        self.client.close()
        self.store.close()


@pytest.fixture
def desk(home: Home) -> Iterator[Desk]:
    desk = Desk(home)
    yield desk
    desk.close()


def test_a_command_is_done_once_however_often_it_comes(server: FakeServer, desk: Desk) -> None:
    sent = envelope(server.signing_key)
    desk.commands.start()
    for _ in range(5):
        desk.commands.take(sent)
        desk.commands.take(json.dumps(sent).encode())
    wait_for(lambda: server.answers)
    desk.commands.stop()
    assert len(desk.done) == 1
    assert server.answers == {"c-1": ("done", "as told")}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sent: {**sent, "payload": sent["payload"].replace("resync", "update")},
        lambda sent: {**sent, "key_id": "0" * 16},
        lambda sent: {**sent, "signature": "!"},
        lambda sent: {**sent, "payload": "{}"},
        lambda sent: {"payload": sent["payload"]},
    ],
)
def test_what_nobody_signed_is_not_done(server: FakeServer, spoil: Any) -> None:
    key = server.signing_key.public_key().public_bytes_raw()
    with pytest.raises(CommandRefused):
        read(spoil(envelope(server.signing_key)), server_key=key, player_id="p-1")


@pytest.mark.parametrize("changes", [{"player_id": "p-2"}, {"id": ""}, {"id": "x" * 65}])
def test_a_signed_command_for_somebody_else_is_not_done(
    server: FakeServer, changes: dict[str, str]
) -> None:
    key = server.signing_key.public_key().public_bytes_raw()
    with pytest.raises(CommandRefused):
        read(envelope(server.signing_key, **changes), server_key=key, player_id="p-1")


def test_another_servers_command_is_not_done(server: FakeServer) -> None:
    key = server.signing_key.public_key().public_bytes_raw()
    with pytest.raises(CommandRefused, match="another key"):
        read(envelope(Ed25519PrivateKey.generate()), server_key=key, player_id="p-1")


@pytest.mark.parametrize("noise", [b"", b"[]", b"{}", b"\xff", b"x" * 20_000, None, 3])
def test_noise_on_the_line_is_survived(desk: Desk, noise: object) -> None:
    desk.commands.take(noise)
    assert desk.book.unanswered() == []


def test_a_command_that_came_too_late_is_not_done_and_says_so(
    server: FakeServer, desk: Desk
) -> None:
    desk.do(envelope(server.signing_key, expires_in_s=-1), server)
    assert desk.done == []
    assert server.answers["c-1"][0] == "expired"


def test_a_command_this_program_does_not_know_is_refused(server: FakeServer, desk: Desk) -> None:
    desk.do(envelope(server.signing_key, kind="dance"), server)
    assert server.answers["c-1"] == ("refused", "this program knows no command dance")


def test_an_answer_is_kept_until_the_server_has_heard_it(server: FakeServer, desk: Desk) -> None:
    server.down = True
    desk.do(envelope(server.signing_key), server)
    assert desk.book.unanswered() == [("c-1", "done", "as told")]
    server.down = False
    desk.commands.tell()
    desk.commands.tell()
    assert desk.book.unanswered() == []
    assert server.answers == {"c-1": ("done", "as told")}


def test_a_server_that_lost_the_answer_is_told_again_and_nothing_is_done_twice(
    server: FakeServer, desk: Desk
) -> None:
    sent = envelope(server.signing_key)
    desk.do(sent, server)
    server.answers.clear()
    desk.do(sent, server)
    assert server.answers == {"c-1": ("done", "as told")}
    assert len(desk.done) == 1


def test_a_command_that_is_still_being_done_has_no_answer_yet(
    server: FakeServer, desk: Desk
) -> None:
    sent = envelope(server.signing_key, kind="update")
    for _ in range(2):
        desk.do(sent, server)
    assert server.answers == {}


def taken(book: CommandBook, kind: str) -> bool:
    return book.take(Command(f"c-{kind}", kind, datetime.now(UTC), {}))


def test_after_a_power_cut_only_what_is_harmless_twice_is_begun_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "edge.sqlite3")
    book = CommandBook(store)
    assert all(taken(book, kind) for kind in ("live", "resync", "update"))
    store.close()
    store = Store(tmp_path / "edge.sqlite3")
    again = CommandBook(store)
    assert [taken(again, kind) for kind in ("live", "resync", "update")] == [True, True, False]
    assert again.begun("update") == ["c-update"]
    store.close()


def test_the_first_result_counts(tmp_path: Path) -> None:
    store = Store(tmp_path / "edge.sqlite3")
    book = CommandBook(store)
    taken(book, "update")
    book.finish("c-update", "done", "it runs")
    book.finish("c-update", "refused", "rolled back")
    assert book.unanswered() == [("c-update", "done", "it runs")]
    store.close()
