"""A live address that the answering process of the server does not carry itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from edge import live_line
from edge.clock import SystemClock, instant
from edge.errors import ServerRefused
from edge.live_line import Address, Call
from tests.edge.conftest import wait_for
from tests.edge.test_live import Answer, Server, frame

CLOCK = SystemClock()


class Balanced(Server):
    """Refuses some times before it gives its answers."""

    def __init__(self, status: int, times: int, *answers: Answer) -> None:
        super().__init__(*answers)
        self._status, self._times = status, times

    def live_stream(self, session_id: str) -> Any:
        if self._times:
            self._times -= 1
            self.asked += 1
            raise ServerRefused(self._status, "elsewhere")
        return super().live_stream(session_id)


def listening(server: Server) -> Address:
    now = instant(CLOCK.wall_s())
    call = Call("s-1", now, now + timedelta(minutes=5), emergency=False)
    address = Address(call, server, CLOCK, lambda: None)
    address.start()
    return address


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_line, "_RETRY_S", 0.01)
    monkeypatch.setattr(live_line, "_LAST_WORDS_S", 0.01)


def test_a_box_that_is_told_to_try_again_comes_in_at_last() -> None:
    answer = Answer()
    answer.say(frame(0))
    server = Balanced(503, 3, answer)
    address = listening(server)
    wait_for(lambda: address.wants_air)
    assert (server.asked, address.state) == (4, "on")
    address.hush()
    answer.say(None)


def test_a_box_that_is_told_it_is_over_asks_no_more() -> None:
    server = Balanced(404, 3)
    address = listening(server)
    wait_for(lambda: address.state == "over")
    assert server.asked == 1
