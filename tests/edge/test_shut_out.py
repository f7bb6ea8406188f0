"""A person shuts the box out: whatever it sounds ends, however it hears of it, and it says so."""

from __future__ import annotations

from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge.box import Box
from edge.config import Broker, Home
from edge.live import LiveGuest
from edge.mqtt import WakeLine
from tests.edge.conftest import wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.test_enrol import edge
from tests.edge.test_health import box as box
from tests.edge.test_live import Answer, Server, called, frame


def test_live_speech_ends_and_is_not_come_back_to(server: FakeServer, box: Box) -> None:
    guest, line = box.host.guest, Server(Answer(), Answer())
    assert isinstance(guest, LiveGuest)
    guest._line = line
    line._answers[0].say(*(frame(at_ms) for at_ms in range(0, 500, 100)))
    assert guest.join(called()) == ("done", "")
    wait_for(guest.wants_air)
    assert box._syncer._went_well()
    assert guest.wants_air()
    server.revoked = True
    assert not box._syncer._went_well()
    assert not guest.wants_air()
    assert guest.join(called()) == ("done", "")
    assert line.asked == 1


def test_a_report_that_is_answered_so_makes_the_box_ask_at_once(
    server: FakeServer, box: Box
) -> None:
    box.office._reporter.try_once()
    assert not box._syncer._woken.is_set()
    server.revoked = True
    box.office._reporter.try_once()
    assert box._syncer._woken.is_set()


def test_a_server_that_merely_does_not_know_the_box_wakes_nothing(
    server: FakeServer, box: Box
) -> None:
    server.token = "another"
    box.office._reporter.try_once()
    assert not box._syncer._woken.is_set()


def test_status_says_so_and_what_lets_it_in_again(server: FakeServer, home: Home, box: Box) -> None:
    box.office._reporter.try_once()
    assert "approved yes" in edge("status", "--home", home.folder).stdout
    server.revoked = True
    assert not box._syncer._went_well()
    told = edge("status", "--home", home.folder).stdout
    assert "approved no: it was shut out; it needs a new code and an empty folder" in told
    assert "manifest none (forgotten when it was shut out)" in told


def test_a_server_that_comes_back_from_before_lets_it_in_again(
    server: FakeServer, home: Home, box: Box
) -> None:
    server.revoked = True
    assert not box._syncer._went_well()
    server.revoked = False
    box.office._reporter.try_once()
    assert box._syncer._woken.is_set()
    assert "approved yes" in edge("status", "--home", home.folder).stdout


@pytest.mark.parametrize(
    ("word", "wakes"),
    [("Not authorized", 1), ("Bad user name or password", 1), ("Server unavailable", 0)],
)
def test_a_broker_that_lets_the_box_in_no_more_makes_it_ask_once(word: str, wakes: int) -> None:
    woken: list[str] = []
    broker = Broker("127.0.0.1", 1, False, "p-1", "secret", "xiangyin/1/p-1")
    line = WakeLine(broker, "p-1", None, lambda: woken.append("x"))
    nobody: Any = None
    for _ in range(3):
        line._on_connect(nobody, None, None, ReasonCode(PacketTypes.CONNACK, word))
    assert len(woken) == wakes
