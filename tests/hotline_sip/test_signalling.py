"""What the signalling process answers, message by message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hotline_sip.conftest import Hotline, event, wait_until
from tests.hotline_sip.raw import RawCaller, offer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hotline]:
    """One hotline for all these tests, in which silence does not end a call."""
    made = Hotline(tmp_path_factory.mktemp("line"))
    made.environment["XIANGYIN_CALL_RTP_TIMEOUT_S"] = "60"
    try:
        made.start_all()
        yield made
    finally:
        made.stop()


@pytest.fixture
def caller(line: Hotline) -> Iterator[RawCaller]:
    made = RawCaller(line.address)
    yield made
    made.close()


def notes_of(line: Hotline, caller: str) -> list[dict[str, object]]:
    return next((n for n in line.notes() if n[0]["caller"] == caller), [])


def test_options_is_answered_with_what_we_allow(caller: RawCaller) -> None:
    assert caller.status(caller.message("OPTIONS", 1)) == 200
    assert "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO" in caller.last


def test_a_call_without_contact_is_refused(caller: RawCaller) -> None:
    assert caller.status(caller.message("INVITE", 1, offer(), contact=False)) == 400


def test_a_call_without_an_offer_gets_ours(line: Hotline, caller: RawCaller) -> None:
    invite = caller.message("INVITE", 1, sender="sip:13500000005@here")
    assert caller.status(invite) == 200
    assert "m=audio" in caller.last
    assert "a=sendrecv" in caller.last
    caller.their_tag = caller.last.split("To:")[1].split("tag=")[1].split("\r\n")[0]
    caller.send(caller.message("ACK", 1, offer()))
    key = caller.message("INFO", 2, "Signal=5", content_type="application/dtmf-relay")
    assert caller.status(key) == 200
    assert caller.status(caller.message("BYE", 3)) == 200
    wait_until(lambda: any(n.get("cause") == "hangup" for n in notes_of(line, "13500000005")))


def test_a_call_that_answers_our_offer_with_nothing_is_ended(caller: RawCaller) -> None:
    assert caller.status(caller.message("INVITE", 1)) == 200
    caller.their_tag = caller.last.split("To:")[1].split("tag=")[1].split("\r\n")[0]
    caller.send(caller.message("ACK", 1))
    assert caller.hear("BYE ")


@pytest.mark.parametrize(
    "body", ["nonsense", offer(address="239.1.1.1"), offer(port=7), offer(address="host.example")]
)
def test_an_unreadable_offer_is_refused(caller: RawCaller, body: str) -> None:
    assert caller.status(caller.message("INVITE", 1, body)) == 400


def test_required_extensions_are_refused(caller: RawCaller) -> None:
    message = caller.message("INVITE", 1, offer(), extra="Require: 100rel")
    assert caller.status(message) == 420


@pytest.mark.parametrize("method", ["UPDATE", "PRACK", "REFER", "MESSAGE", "SUBSCRIBE"])
def test_other_methods_are_not_allowed_in_or_outside_a_call(caller: RawCaller, method: str) -> None:
    assert caller.status(caller.message(method, 1)) == 405
    assert caller.call() == 200
    assert caller.status(caller.message(method, 2)) == 405
    assert caller.status(caller.message("BYE", 3)) == 200


def test_the_same_call_by_two_ways_is_merged(caller: RawCaller) -> None:
    assert caller.call() == 200
    assert caller.status(caller.message("INVITE", 1, offer(), to_tag="")) == 482
    assert caller.status(caller.message("BYE", 2)) == 200


@pytest.mark.parametrize("wrong", [{"to_tag": "guessed"}, {"from_tag": "guessed"}])
def test_a_goodbye_with_wrong_tags_ends_nothing(caller: RawCaller, wrong: dict[str, str]) -> None:
    assert caller.call() == 200
    assert caller.status(caller.message("BYE", 2, **wrong)) == 481
    assert caller.status(caller.message("OPTIONS", 3)) == 200
    assert caller.status(caller.message("BYE", 4)) == 200


def test_a_changed_offer_is_answered_in_kind(caller: RawCaller) -> None:
    assert caller.call() == 200
    held = caller.message("INVITE", 2, offer(version=2, direction="sendonly"))
    assert caller.status(held) == 200
    assert "a=recvonly" in caller.last
    caller.send(caller.message("ACK", 2))
    other = caller.message("INVITE", 3, offer(version=3, types="0 101"))
    assert caller.status(other) == 200
    assert "PCMU" in caller.last
    caller.send(caller.message("ACK", 3))
    assert caller.status(caller.message("BYE", 4)) == 200


@pytest.mark.parametrize("body", [offer(version=2, types="18"), "", "nonsense"])
def test_a_changed_offer_we_cannot_use_leaves_the_call_as_it_is(
    caller: RawCaller, body: str
) -> None:
    assert caller.call() == 200
    assert caller.status(caller.message("INVITE", 2, body)) == 488
    caller.send(caller.message("ACK", 2))
    assert caller.status(caller.message("OPTIONS", 3)) == 200
    assert caller.status(caller.message("BYE", 4)) == 200


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=100\r\n", "5"),
        ("application/dtmf-relay", "Signal=11\r\nDuration=160\r\n\r\n", "#"),
        ("application/dtmf", "5", "5"),
    ],
)
def test_keys_by_sip_info_arrive(
    line: Hotline, caller: RawCaller, kind: str, body: str, key: str
) -> None:
    number = f"139{len(body)}"
    invite = caller.message("INVITE", 1, offer(), sender=f"sip:{number}@here")
    assert caller.status(invite) == 200
    caller.their_tag = caller.last.split("To:")[1].split("tag=")[1].split("\r\n")[0]
    caller.send(caller.message("ACK", 1))
    assert caller.status(caller.message("INFO", 2, body, content_type=kind)) == 200
    assert caller.status(caller.message("BYE", 3)) == 200
    found = wait_until(lambda: notes_of(line, number) and [
        n for n in notes_of(line, number) if n.get("event") == "Key"
    ])  # fmt: skip
    assert found == [{"event": "Key", "digit": key}]


@pytest.mark.parametrize(
    ("sender", "known"),
    [("sip:+8613912345678@ims", "+8613912345678"), ("sip:anonymous@anonymous.invalid", "")],
)
def test_the_claimed_number_reaches_the_conversation(
    line: Hotline, caller: RawCaller, sender: str, known: str
) -> None:
    before = len(line.notes())
    assert caller.status(caller.message("INVITE", 1, offer(), sender=sender)) == 200
    wait_until(lambda: len(line.notes()) > before)
    assert known in [notes[0]["caller"] for notes in line.notes()]


def test_the_network_asserted_number_wins(line: Hotline, caller: RawCaller) -> None:
    extra = "P-Asserted-Identity: <sip:13700000007@ims>"
    assert caller.status(caller.message("INVITE", 1, offer(), extra=extra)) == 200
    wait_until(lambda: notes_of(line, "13700000007"))


def test_headers_that_are_not_utf8_are_understood(caller: RawCaller) -> None:
    message = caller.message("OPTIONS", 1, extra="Subject: cafX")
    assert caller.status(message.replace(b"cafX", b"caf\xe9")) == 200


def test_a_repeated_invite_is_one_call(line: Hotline, caller: RawCaller) -> None:
    before = len(line.notes())
    invite = caller.message("INVITE", 1, offer(), sender="sip:13600000006@here")
    caller.send(invite)
    assert caller.status(invite) == 200
    assert caller.hear("SIP/2.0 200", 2)  # repeated until our ACK
    assert len(line.notes()) == before + 1


def test_media_of_strangers_is_neither_sent_nor_heard(line: Hotline, caller: RawCaller) -> None:
    assert caller.call(offer(address="192.0.2.7")) == 200
    wait_until(lambda: "192.0.2.7" in line.log("telephony"))
    assert caller.status(caller.message("BYE", 2)) == 200


def test_without_telephony_callers_are_asked_to_come_back(idle_hotline: Hotline) -> None:
    idle_hotline.start("signalling")
    caller = RawCaller(idle_hotline.address)
    assert caller.status(caller.message("INVITE", 1, offer())) == 503
    assert "retry-after: 10" in caller.last.lower()
    caller.close()


def test_other_addresses_than_the_allowed_get_no_answer(idle_hotline: Hotline) -> None:
    idle_hotline.environment["XIANGYIN_SIP_ACL"] = "127.0.0.8/29, 127.1.0.0/16"
    idle_hotline.start_all()
    stranger = RawCaller(idle_hotline.address)
    friend = RawCaller(idle_hotline.address, "127.0.0.9")
    assert stranger.status(stranger.message("OPTIONS", 1), 1) == 0
    assert friend.status(friend.message("OPTIONS", 1)) == 200
    stranger.close()
    friend.close()


def test_a_machine_with_all_addresses_answers_where_it_was_called(idle_hotline: Hotline) -> None:
    idle_hotline.environment |= {
        "XIANGYIN_SIP_HOST": "0.0.0.0",
        "XIANGYIN_SIP_ACL": "127.0.0.0/8",
    }
    idle_hotline.start_all()
    caller = RawCaller(idle_hotline.address)
    assert caller.call() == 200
    assert "c=IN IP4 127.0.0.1" in caller.last
    assert f"Contact: Anonymous <sip:127.0.0.1:{idle_hotline.port}>" in caller.last
    assert caller.status(caller.message("BYE", 2)) == 200
    [notes] = idle_hotline.finished()
    assert event(notes, "HungUp")["cause"] == "hangup"
    caller.close()


def test_an_ended_call_leaves_no_recording_behind_before_the_key(
    line: Hotline, caller: RawCaller, tmp_path: Path
) -> None:
    before = len(line.takes())
    assert caller.call() == 200
    assert caller.status(caller.message("BYE", 2)) == 200
    assert len(line.takes()) == before
