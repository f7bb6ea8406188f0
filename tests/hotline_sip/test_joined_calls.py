"""Two calls of one telephony are joined, parted, and end in any order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hotline.call import HungUp, Key
from hotline.sip import g711, rtp
from hotline.sip.endpoint import SipCall
from tests.hotline_sip.test_dial import Signalling, with_line
from tests.hotline_sip.test_relay import speech


async def reached(signalling: Signalling, number: str) -> SipCall:
    dialling = asyncio.create_task(signalling.telephony.dial(number, ring_s=5))
    signalling.pick_up((await signalling.next("dial"))["id"])
    call = await dialling
    assert isinstance(call, SipCall)
    return call


async def heard(signalling: Signalling, count: int) -> list[bytes]:
    """The payloads of the next packets that the telephones get."""
    loop, payloads = asyncio.get_running_loop(), []
    while len(payloads) < count:
        data, _ = await asyncio.wait_for(loop.sock_recvfrom(signalling.phone, 2000), 5)
        packet = rtp.parse(data)
        assert packet is not None
        payloads.append(packet.payload)
    return payloads


def test_one_that_leaves_lets_the_other_stay_in_silence(tmp_path: Path) -> None:
    async def steps(signalling: Signalling) -> None:
        one, two = await reached(signalling, "110"), await reached(signalling, "120")
        one.join(two)
        for packet in speech("PCMA", 4):
            one.media._heard_sound("PCMA", packet)
        signalling.tell("ended", one.call_id, cause="hangup")
        assert await one.next_event(5) == HungUp("hangup")
        assert not two.over
        assert not two.media.joined
        assert (await heard(signalling, 30))[-5:] == [g711.SILENCE["PCMA"]] * 5
        two.record(tmp_path / "after", limit_s=5, silence_s=5)

    with_line(steps)


def test_both_may_end_at_once() -> None:
    async def steps(signalling: Signalling) -> None:
        one, two = await reached(signalling, "110"), await reached(signalling, "120")
        one.join(two)
        for call in (one, two):
            signalling.tell("ended", call.call_id, cause="hangup")
        assert [await call.next_event(5) for call in (one, two)] == [HungUp("hangup")] * 2
        one.join(two)
        assert not one.media.joined

    with_line(steps)


def test_keys_of_both_arrive_and_parting_leaves_both_calls() -> None:
    async def steps(signalling: Signalling) -> None:
        one, two = await reached(signalling, "110"), await reached(signalling, "120")
        one.join(two)
        for call, digit in ((one, "1"), (two, "2")):
            signalling.tell("key", call.call_id, digit=digit)
            assert await call.next_event(5) == Key(digit)
        two.part()
        assert not one.media.joined
        assert (one.over, two.over) == (False, False)

    with_line(steps)


def test_nobody_records_two_people_who_talk(tmp_path: Path) -> None:
    async def steps(signalling: Signalling) -> None:
        one, two = await reached(signalling, "110"), await reached(signalling, "120")
        one.join(two)
        for call in (one, two):
            with pytest.raises(RuntimeError, match="never recorded"):
                call.record(tmp_path / "take", limit_s=5, silence_s=5)
        assert list(tmp_path.glob("take*")) == []
        with pytest.raises(TypeError):
            one.join(one)

    with_line(steps)


def test_two_people_who_talk_are_heard_in_no_village() -> None:
    async def steps(signalling: Signalling) -> None:
        one, two = await reached(signalling, "110"), await reached(signalling, "120")
        out: list[bytes] = []
        one.hand_out(lambda _at_ms, pcm: out.append(pcm))
        for packet in speech("PCMA", 30):
            one.media._heard_sound("PCMA", packet)
        await heard(signalling, 30)
        before = len(out)
        assert before > 0
        one.join(two)
        with pytest.raises(RuntimeError, match="nobody else hears"):
            two.hand_out(lambda _at_ms, pcm: out.append(pcm))
        for call in (one, two):
            for packet in speech("PCMA", 30):
                call.media._heard_sound("PCMA", packet)
        await heard(signalling, 60)
        assert len(out) == before

    with_line(steps)
