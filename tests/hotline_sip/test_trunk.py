"""Our registration with a carrier: kept up, taken up again, and told to whoever asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from hotline.sip import trunk
from hotline.sip.quiet_sippy import SipRequest
from hotline.sip.trunk import FIRST_PAUSE_S, LONGEST_PAUSE_S, Registration, Trunk
from tests.counterparts import require
from tests.hotline_sip import sipp_servers
from tests.hotline_sip.conftest import Hotline, wait_until
from tests.hotline_sip.raw_peer import RawPeer, header


class Loop:
    """sippy's timers and transactions, moved by hand."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], None], float]] = []
        self.sent: list[tuple[Any, Callable[[Any], None]]] = []

    def timeout(self, call: Callable[[], None], seconds: float) -> None:
        self.waiting.append((call, seconds))

    def send(self, request: Any, answered: Callable[[Any], None]) -> None:
        self.sent.append((request, answered))

    def pass_time(self) -> float:
        """Let the next timer ring; after how long."""
        call, seconds = self.waiting.pop(0)
        call()
        return seconds

    def answer(self, code: int, *headers: str) -> None:
        request, answered = self.sent.pop(0)
        response = SipRequest(str(request)).genResponse(code, "Whatever")
        for text in headers:
            response.appendHeader(trunk.SipHeader(text))
        answered(response)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(trunk, "Timeout", made.timeout)
    monkeypatch.setattr(trunk.random, "uniform", lambda low, high: (low + high) / 2)
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "trunk.json"


@pytest.fixture
def registration(loop: Loop, state: Path) -> Registration:
    made = Registration(Trunk(settings()), loop.send, state)
    made.start()
    return made


def settings(**changes: Any) -> Settings:
    fields = {"trunk_host": "10.0.0.1", "trunk_user": "0571", "trunk_password": "long enough"}
    return Settings(**{**fields, **changes})


def told(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(state.read_text())
    return found


CHALLENGE = 'WWW-Authenticate: Digest realm="carrier", nonce="n1", qop="auth"'


def test_registers_with_proof_and_again_before_it_ends(
    loop: Loop, registration: Registration, state: Path
) -> None:
    loop.answer(401, CHALLENGE)
    request = str(loop.sent[0][0])
    assert 'username="0571"' in header(request, "Authorization")
    assert header(request, "CSeq") == "2 REGISTER"
    loop.answer(200, "Contact: <sip:0571@10.0.0.9>;expires=120")
    assert (told(state)["registered"], told(state)["code"]) == (True, 200)
    assert loop.pass_time() < 120
    assert header(str(loop.sent[0][0]), "CSeq") == "3 REGISTER"


def test_a_proxy_may_ask_as_well(loop: Loop, registration: Registration) -> None:
    loop.answer(407, CHALLENGE.replace("WWW", "Proxy"))
    assert "Proxy-Authorization: Digest" in str(loop.sent[0][0])


def test_a_wrong_password_is_not_tried_without_end(
    loop: Loop, registration: Registration, state: Path
) -> None:
    for _ in range(3):
        loop.answer(401, CHALLENGE)
    assert loop.sent == []
    assert (told(state)["registered"], told(state)["code"]) == (False, 401)


def test_pauses_grow_and_end_with_success(loop: Loop, registration: Registration) -> None:
    pauses = []
    for _ in range(12):
        loop.answer(503)
        pauses.append(loop.pass_time())
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    loop.answer(200)
    loop.pass_time()
    loop.answer(503)
    assert loop.pass_time() == FIRST_PAUSE_S


def test_a_longer_time_is_asked_for_when_the_carrier_wants_it(
    loop: Loop, registration: Registration
) -> None:
    loop.answer(423, "Min-Expires: 1800")
    loop.pass_time()
    assert header(str(loop.sent[0][0]), "Expires") == "1800"


def test_since_when_is_kept_over_a_restart(
    loop: Loop, registration: Registration, state: Path
) -> None:
    loop.answer(200)
    since = told(state)["since"]
    Registration(Trunk(settings()), loop.send, state).start()
    loop.answer(200)
    assert told(state)["since"] == since
    assert told(state)["at"] > since
    loop.pass_time()
    loop.answer(408)
    assert told(state)["since"] > since


@pytest.mark.parametrize("changes", [{"trunk_register": False}, {"trunk_user": ""}])
def test_no_registration_where_none_is_wanted(
    loop: Loop, state: Path, changes: dict[str, Any]
) -> None:
    state.write_text("{}")
    Registration(Trunk(settings(**changes)), loop.send, state).start()
    assert loop.sent == []
    assert not state.exists()


def test_a_name_that_is_not_found_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch, loop: Loop, state: Path
) -> None:
    answers = [(), ("10.1.1.1",)]
    monkeypatch.setattr(
        trunk, "_look_up", lambda _host: answers.pop(0) if answers else ("10.1.1.1",)
    )
    monkeypatch.setattr(trunk, "LOOK_UP_AGAIN_S", 0.05)
    made = Trunk(settings(trunk_host="sip.carrier.example"))
    wait_until(lambda: made.address == ("10.1.1.1", 5060), 5)
    assert made.at("10.1.1.1")
    assert not made.at("10.1.1.2")


@pytest.fixture
def carrier() -> Iterator[RawPeer]:
    made = RawPeer()
    yield made
    made.close()


def through(hotline: Hotline, port: int) -> Path:
    hotline.environment |= {
        "XIANGYIN_TRUNK_HOST": "127.0.0.1",
        "XIANGYIN_TRUNK_PORT": str(port),
        "XIANGYIN_TRUNK_USER": sipp_servers.USER,
        "XIANGYIN_TRUNK_PASSWORD": sipp_servers.PASSWORD,
    }
    hotline.start("signalling")
    return hotline.data / "hotline" / "trunk.json"


@pytest.mark.slow
def test_the_carrier_learns_where_to_call_us(idle_hotline: Hotline, carrier: RawPeer) -> None:
    through(idle_hotline, carrier.port)
    request = carrier.hear("REGISTER")
    assert request.startswith("REGISTER sip:127.0.0.1 SIP/2.0")
    contact = f"<sip:{sipp_servers.USER}@127.0.0.1:{idle_hotline.port}>"
    assert header(request, "Contact") == contact
    carrier.reply(request, 403)
    wait_until(lambda: "not registered with the trunk" in idle_hotline.log("signalling"), 5)
    assert sipp_servers.PASSWORD not in idle_hotline.log("signalling")


@pytest.mark.slow
@pytest.mark.real("sipp")
def test_a_foreign_carrier_registers_us(idle_hotline: Hotline, tmp_path: Path) -> None:
    require("sipp")
    carrier = sipp_servers.serve(tmp_path, sipp_servers.REGISTERED)
    state = through(idle_hotline, carrier.port)
    wait_until(state.exists, 10, explain=idle_hotline.logs)
    assert carrier.finish().successful == 1
    assert told(state)["registered"] is True
    assert re.search('"event": "registered with the trunk"', idle_hotline.log("signalling"))
