"""What comes first between box and server when the line is thin or the server chokes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edge.config import Home, Settings
from edge.errors import ServerRefused
from tests.edge.conftest import wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.test_sync import Box, later, plan_noise, play_and_prove


@pytest.fixture
def box(home: Home) -> Iterator[Box]:
    box = Box(home)
    yield box
    box.close()


def paths(server: FakeServer) -> list[str]:
    """What was asked for, without the numbers."""
    return [path.split("/")[3] for _, path, _ in server.requests if path.startswith("/edge/v1/")]


def test_without_a_broker_an_emergency_is_seen_in_the_middle_of_a_long_download(
    server: FakeServer, home: Home
) -> None:
    box = Box(home, Settings(sink="wav", poll_s=0.3))
    server.clip_pause_s = 0.1  # 46 pieces: far longer than a poll
    stock = plan_noise(server)
    box.syncer.start()
    try:
        wait_for(lambda: "clips" in paths(server), 20, "the download")
        server.clip_pause_s = 0.4
        urgent = server.add_clip(b"short", 1000)
        server.add_play(9, later(), urgent, priority=100)
        server.publish()
        wait_for(lambda: 9 in box.waiting(), 20, "the emergency")
        assert not box.cache.has(stock), "the download was over before: nothing was tried"
    finally:
        box.syncer.stop()
        server.clip_pause_s = 0.0
        box.close()


def test_however_often_the_list_is_asked_for_the_sound_arrives_and_nothing_comes_twice(
    server: FakeServer, home: Home
) -> None:
    box = Box(home, Settings(sink="wav", poll_s=1e-9))  # the list is always too old
    clip = plan_noise(server, size=200_000)
    for _ in range(40):
        box.syncer.sync_once()
    assert box.cache.has(clip)
    asked = paths(server)
    assert "clips clips" not in " ".join(asked), "the list is asked for between any two parts"
    begins = [
        int(head.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        for _, path, head in server.requests
        if "/clips/" in path
    ]
    assert len(begins) > 5
    assert begins == sorted(set(begins)), "each part goes on where the last one ended"
    box.close()


def test_a_receipt_on_which_the_server_chokes_keeps_neither_list_nor_sound_away(
    server: FakeServer, box: Box
) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    play_and_prove(box, 1)
    server.receipts_status = 500
    urgent = plan_noise(server, 2)
    with pytest.raises(ServerRefused):
        box.syncer.sync_once()
    assert box.waiting() == [2]
    assert box.cache.has(urgent)
    assert len(box.store.receipts(unsent_only=True)) == 1
    server.receipts_status = 200
    box.syncer.sync_once()
    assert server.outcomes() == {1: ("played", None)}


def test_what_choked_once_comes_after_the_sound_until_it_goes_through(
    server: FakeServer, box: Box
) -> None:
    """A server may hang on it for 15 seconds: they must not stand before an emergency."""
    plan_noise(server)
    box.syncer.sync_once()
    play_and_prove(box, 1)
    server.receipts_status = 500
    for number in (2, 3):
        server.requests.clear()
        plan_noise(server, number)
        with pytest.raises(ServerRefused):
            box.syncer.sync_once()
    assert paths(server) == ["manifest", "clips", "receipts"]
    server.receipts_status = 200
    box.syncer.sync_once()
    play_and_prove(box, 2)
    plan_noise(server, 4)
    server.requests.clear()
    box.syncer.sync_once()
    assert paths(server)[:3] == ["manifest", "receipts", "clips"]


def test_an_error_while_it_forgets_what_it_was_shut_out_of_does_not_end_the_rounds(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = plan_noise(server)
    box.syncer.sync_once()
    real = box.cache.clear
    tries: list[str] = []

    def fail_once() -> None:
        tries.append("x")
        if len(tries) == 1:
            raise OSError(5, "the card is gone")
        real()

    monkeypatch.setattr(box.cache, "clear", fail_once)
    monkeypatch.setattr("edge.sync._FIRST_RETRY_S", 0.05)
    server.revoked = True
    box.syncer.start()
    wait_for(lambda: not box.cache.has(clip), 20, "the second try")
    box.syncer.stop()
    assert box.waiting() == []


def test_a_list_is_in_force_before_a_play_of_it_can_begin(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What begins in the same instant would else be called off by the list before."""
    plan_noise(server)
    box.syncer.sync_once()
    plan_noise(server, 2)
    real = box.store.accept
    called_off: list[bool] = []

    def accept(manifest: Any, envelope: bytes, now: Any) -> list[int]:
        due = real(manifest, envelope, now)
        in_force = box.syncer.manifest
        assert in_force is not None
        called_off.append(in_force.withdraws(box.store.play(2)))
        return due

    monkeypatch.setattr(box.store, "accept", accept)
    box.syncer.sync_once()
    assert called_off == [False]


def test_a_list_that_could_not_be_kept_is_not_in_force_and_is_fetched_again(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_noise(server)
    box.syncer.sync_once()
    before = box.syncer.manifest
    plan_noise(server, 2)

    def full(*_arguments: object) -> list[int]:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(box.store, "accept", full)
        with pytest.raises(OSError, match="No space"):
            box.syncer.sync_once()
    assert box.syncer.manifest is before
    box.syncer.sync_once()
    assert box.waiting() == [1, 2]
