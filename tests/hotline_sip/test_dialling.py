"""Calls we make: what the far end sees, and what telephony is told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline.sip.dialling import cause_of
from tests.counterparts import require
from tests.hotline_sip import sipp_servers
from tests.hotline_sip.conftest import Hotline, wait_until
from tests.hotline_sip.fake_telephony import OUR_OFFER, FakeTelephony
from tests.hotline_sip.raw import RawCaller, offer
from tests.hotline_sip.raw_peer import RawPeer, header

pytestmark = pytest.mark.slow

NUMBER = "13812345678"


@pytest.fixture
def telephony(idle_hotline: Hotline) -> Iterator[FakeTelephony]:
    made = FakeTelephony(idle_hotline.data)
    yield made
    made.close()


@pytest.fixture
def carrier() -> Iterator[RawPeer]:
    made = RawPeer()
    yield made
    made.close()


@pytest.fixture
def line(idle_hotline: Hotline, telephony: FakeTelephony, carrier: RawPeer) -> FakeTelephony:
    """Signalling with ``carrier`` as its trunk, which knows our address."""
    idle_hotline.environment |= {
        "XIANGYIN_TRUNK_HOST": carrier.host,
        "XIANGYIN_TRUNK_PORT": str(carrier.port),
        "XIANGYIN_TRUNK_NUMBER": "05716660000",
    }
    start(idle_hotline, telephony)
    return telephony


def start(hotline: Hotline, telephony: FakeTelephony) -> None:
    before = telephony.connections
    hotline.start("signalling")
    wait_until(lambda: telephony.connections > before, 5, explain=hotline.logs)


def picked_up(line: FakeTelephony, carrier: RawPeer) -> tuple[str, dict[str, object]]:
    """A call that stands: the INVITE and what telephony was told."""
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    carrier.reply(invite, 200, offer(port=38882))
    assert carrier.hear("ACK")
    return invite, line.hear("picked_up")


def test_the_carrier_sees_the_number_our_number_and_our_offer(
    line: FakeTelephony, carrier: RawPeer
) -> None:
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    assert invite.startswith(f"INVITE sip:{NUMBER}@127.0.0.1:{carrier.port} SIP/2.0")
    assert "sip:05716660000@127.0.0.1" in header(invite, "From")
    assert f"sip:{NUMBER}@127.0.0.1" in header(invite, "To")
    assert invite.endswith(OUR_OFFER)


def test_ringing_is_told_once_and_picking_up_with_all_that_a_call_needs(
    line: FakeTelephony, carrier: RawPeer
) -> None:
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    for code in (100, 180, 183, 180):
        carrier.reply(invite, code)
    assert line.hear("ringing") == {"type": "ringing", "id": "out1"}
    carrier.reply(invite, 200, offer(port=38882, types="0 101"))
    told = line.hear("picked_up")
    assert (told["id"], told["source"]) == ("out1", "127.0.0.1")
    assert (told["offer"]["port"], told["offer"]["codec"]) == (38882, "PCMU")
    assert told["tags"] == [header(invite, "Call-ID"), carrier.tag, our_tag(invite)]
    assert carrier.hear("ACK")


def our_tag(invite: str) -> str:
    found = re.search(r"tag=([0-9a-f]+)", header(invite, "From"))
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (486, "busy"),
        (600, "busy"),
        (480, "no_answer"),
        (487, "no_answer"),
        (403, "refused"),
        (603, "refused"),
        (488, "refused"),
        (404, "unreachable"),
        (503, "unreachable"),
        (401, "refused"),
    ],
)
def test_each_refusal_has_its_cause(
    line: FakeTelephony, carrier: RawPeer, code: int, cause: str
) -> None:
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    carrier.reply(invite, code)
    assert line.hear("ended") == {"type": "ended", "id": "out1", "cause": cause}
    assert carrier.hear("ACK")


def test_a_far_end_that_says_nothing_at_all_is_unreachable(
    line: FakeTelephony, carrier: RawPeer
) -> None:
    line.dial(NUMBER)
    assert line.hear("ended", 12)["cause"] == "unreachable"


def test_silence_after_trying_is_no_answer() -> None:
    assert cause_of(408, heard=True) == "no_answer"
    assert cause_of(408, heard=False) == "unreachable"


def test_a_forwarded_call_is_not_followed(line: FakeTelephony, carrier: RawPeer) -> None:
    elsewhere = RawPeer()
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    carrier.reply(invite, 302, contact=f"<sip:0900@{elsewhere.host}:{elsewhere.port}>")
    assert line.hear("ended")["cause"] == "refused"
    assert elsewhere.hear("INVITE", 0.7) == ""
    elsewhere.close()


@pytest.mark.parametrize("body", ["", "nonsense", offer(types="18")])
def test_an_answer_we_cannot_speak_ends_the_call(
    line: FakeTelephony, carrier: RawPeer, body: str
) -> None:
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    carrier.reply(invite, 200, body)
    assert carrier.hear("BYE")
    assert line.hear("ended")["cause"] == "refused"


def test_hanging_up_while_it_rings_cancels(line: FakeTelephony, carrier: RawPeer) -> None:
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    carrier.reply(invite, 180)
    line.hear("ringing")
    line.say("hang_up", "out1")
    cancel = carrier.hear("CANCEL")
    assert line.hear("ended")["cause"] == "cancelled"
    carrier.reply(cancel, 200)
    carrier.reply(invite, 487)
    assert carrier.hear("ACK")


def test_who_picks_up_while_we_cancel_is_told_goodbye(
    line: FakeTelephony, carrier: RawPeer
) -> None:
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    carrier.reply(invite, 180)
    line.hear("ringing")
    line.say("hang_up", "out1")
    assert carrier.hear("CANCEL")
    carrier.reply(invite, 200, offer())
    assert carrier.hear("BYE")
    assert line.hear("ended")["cause"] == "cancelled"
    assert line.hears_nothing()


def test_hanging_up_ends_a_call_that_stands(line: FakeTelephony, carrier: RawPeer) -> None:
    picked_up(line, carrier)
    line.say("hang_up", "out1")
    carrier.reply(carrier.hear("BYE"), 200)
    assert line.hears_nothing()


def test_the_far_end_hangs_up(line: FakeTelephony, carrier: RawPeer) -> None:
    invite, _ = picked_up(line, carrier)
    assert carrier.ask(invite, "BYE", 1).startswith("SIP/2.0 200")
    assert line.hear("ended") == {"type": "ended", "id": "out1", "cause": "hangup"}


def test_the_far_end_holds_the_call(line: FakeTelephony, carrier: RawPeer) -> None:
    invite, _ = picked_up(line, carrier)
    held = offer(version=2, port=38882, direction="sendonly")
    carrier.socket.settimeout(5)

    def answer_when_asked() -> None:
        told = line.hear("reinvite")
        assert told["offer"]["direction"] == "sendonly"
        line.say("answer", "out1", sdp=OUR_OFFER.replace("sendrecv", "recvonly"))

    answering = threading.Thread(target=answer_when_asked)
    answering.start()
    answer = carrier.ask(invite, "INVITE", 1, held)
    answering.join()
    assert answer.startswith("SIP/2.0 200")
    assert "a=recvonly" in answer


def test_the_far_end_cannot_send_us_elsewhere(line: FakeTelephony, carrier: RawPeer) -> None:
    invite, _ = picked_up(line, carrier)
    assert carrier.ask(invite, "REFER", 1).startswith("SIP/2.0 405")
    assert line.hears_nothing()


def test_what_we_send_within_a_call_stays_with_who_answered(
    line: FakeTelephony, carrier: RawPeer
) -> None:
    line.dial(NUMBER)
    invite = carrier.hear("INVITE")
    route = "Record-Route: <sip:192.0.2.8;lr>"
    carrier.reply(invite, 200, offer(), contact="<sip:far@192.0.2.9:5060>", extra=route)
    assert carrier.hear("ACK").startswith(f"ACK sip:far@127.0.0.1:{carrier.port}")
    line.hear("picked_up")
    line.say("hang_up", "out1")
    assert carrier.hear("BYE")


def test_a_later_process_ends_a_call_that_an_earlier_one_made(
    idle_hotline: Hotline, line: FakeTelephony, carrier: RawPeer
) -> None:
    _, told = picked_up(line, carrier)
    idle_hotline.kill("signalling")
    start(idle_hotline, line)
    line.say("hang_up", "out1", dialog=told["dialog"])
    bye = carrier.hear("BYE")
    assert f"tag={carrier.tag}" in header(bye, "To")


def test_telephony_dies_and_the_far_end_is_not_left_alone(
    line: FakeTelephony, carrier: RawPeer
) -> None:
    picked_up(line, carrier)
    line.hang_up_line()
    assert carrier.hear("BYE")


def test_a_ringing_call_is_cancelled_when_signalling_stops(
    idle_hotline: Hotline, line: FakeTelephony, carrier: RawPeer
) -> None:
    line.dial(NUMBER)
    carrier.reply(carrier.hear("INVITE"), 180)
    line.hear("ringing")
    idle_hotline.stop()
    assert carrier.hear("CANCEL")


@pytest.mark.parametrize(
    "number", ["", "sip:0900@elsewhere", "138 1234", "１３８", "13a", "1" * 40]
)
def test_what_is_no_number_reaches_no_carrier(
    line: FakeTelephony, carrier: RawPeer, number: str
) -> None:
    line.dial(number)
    assert line.hear("ended")["cause"] == "unreachable"
    assert carrier.hear("INVITE", 0.3) == ""


def test_without_a_trunk_there_is_none(idle_hotline: Hotline, telephony: FakeTelephony) -> None:
    start(idle_hotline, telephony)
    telephony.dial(NUMBER)
    assert telephony.hear("ended")["cause"] == "no_trunk"


def test_calls_of_both_kinds_share_the_cap(idle_hotline: Hotline, telephony: FakeTelephony) -> None:
    idle_hotline.environment |= {"XIANGYIN_CALL_CAP": "1", "XIANGYIN_TRUNK_HOST": "127.0.0.1"}
    start(idle_hotline, telephony)
    caller = RawCaller(idle_hotline.address)
    caller.send(caller.message("INVITE", 1, offer()))
    telephony.hear("invite")
    telephony.dial(NUMBER)
    assert telephony.hear("ended")["cause"] == "limit"
    caller.close()


@pytest.mark.real("sipp")
@pytest.mark.parametrize(
    ("scenario", "heard"),
    [
        (sipp_servers.CALL_AND_HANG_UP, ["ringing", "picked_up", "hangup"]),
        (sipp_servers.BUSY, ["busy"]),
        (sipp_servers.UNKNOWN, ["unreachable"]),
        (sipp_servers.CANCELLED, ["ringing", "cancelled"]),
    ],
    ids=["answered", "busy", "unknown", "cancelled"],
)
def test_a_foreign_carrier_takes_our_calls(
    idle_hotline: Hotline,
    telephony: FakeTelephony,
    tmp_path: Path,
    scenario: str,
    heard: list[str],
) -> None:
    require("sipp")
    carrier = sipp_servers.serve(tmp_path, scenario)
    idle_hotline.environment |= {
        "XIANGYIN_TRUNK_HOST": "127.0.0.1",
        "XIANGYIN_TRUNK_PORT": str(carrier.port),
        "XIANGYIN_TRUNK_USER": sipp_servers.USER,
        "XIANGYIN_TRUNK_PASSWORD": sipp_servers.PASSWORD,
        "XIANGYIN_TRUNK_REGISTER": "false",
    }
    start(idle_hotline, telephony)
    telephony.dial(NUMBER)
    for expected in heard:
        told = telephony.hear(expected if expected in ("ringing", "picked_up") else "ended")
        assert told.get("cause", told["type"]) == expected
        if expected == "ringing" and "cancelled" in heard:
            telephony.say("hang_up", "out1")
    outcome = carrier.finish()
    assert outcome.successful == 1, outcome
