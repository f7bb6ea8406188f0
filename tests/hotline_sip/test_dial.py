"""Calls we make, seen from the line to signalling: its messages are spoken here by hand."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core import settings as core_settings
from hotline.call import Call, HungUp
from hotline.sip import g711, ports, rtp, sdp, wire
from hotline.sip.endpoint import SipCall
from hotline.telephony import Telephony
from tests.hotline_sip.raw import offer

DIALOG = {"call_id": "x"}


class Nobody:
    """A conversation that lets it ring."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []

    def turned_away(self, caller: str, called: str) -> None:
        self.refused.append((caller, called))

    def prompt_paths(self) -> list[Path]:
        return []

    async def converse(self, call: Call) -> None:
        while not isinstance(await call.next_event(30), HungUp):
            pass


class Signalling:
    """The other end of the line, and the telephone that is rung."""

    def __init__(self, telephony: Telephony, path: Path, refused: list[tuple[str, str]]) -> None:
        self.telephony = telephony
        self.refused = refused
        self._path = path
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.1", 0))
        self.phone.setblocking(False)
        self.description = sdp.parse(offer(port=self.phone.getsockname()[1]))

    async def connect(self) -> None:
        with wire.short_path(self._path) as name:
            self.reader, self.writer = await asyncio.open_unix_connection(name)
        while not self.telephony.line.connected:
            await asyncio.sleep(0.01)

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message = await wire.receive(self.reader)
        assert message["type"] == kind
        return message

    def tell(self, kind: str, call_id: str, **fields: Any) -> None:
        self.writer.write(wire.encode({"type": kind, "id": call_id, **fields}))

    def pick_up(self, call_id: str) -> None:
        described = dataclasses.asdict(self.description)
        fields = {"source": "127.0.0.1", "dialog": DIALOG, "tags": ["a", "b", "c"]}
        self.tell("picked_up", call_id, offer=described, **fields)


def with_line(steps: Callable[[Signalling], Awaitable[None]], **settings: Any) -> None:
    """Run ``steps`` beside a telephony at work."""
    first = 24000 + os.getpid() % 89 * 40
    config = core_settings.load().model_copy(
        update={"rtp_port_first": first, "rtp_port_last": first + 38, **settings}
    )

    async def main() -> None:
        nobody, ready = Nobody(), asyncio.Event()
        telephony = Telephony(config, nobody)
        running = asyncio.create_task(telephony.run(ready.set))
        await ready.wait()
        signalling = Signalling(telephony, wire.socket_path(config), nobody.refused)
        try:
            await signalling.connect()
            await steps(signalling)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            signalling.phone.close()
        assert telephony._calls == {}

    asyncio.run(main())


def test_a_call_is_dialled_picked_up_and_heard() -> None:
    async def steps(signalling: Signalling) -> None:
        dialling = asyncio.create_task(signalling.telephony.dial("13900000001", ring_s=5))
        dial = await signalling.next("dial")
        assert dial["number"] == "13900000001"
        ours = sdp.parse(dial["sdp"])
        assert ours.media == (("audio", "RTP/AVP", "8 0 101"),)
        assert (ours.codec, ours.event_type) == ("PCMA", 101)
        signalling.tell("ringing", dial["id"])
        signalling.pick_up(dial["id"])
        call = await dialling
        assert isinstance(call, SipCall)
        data, source = await asyncio.wait_for(
            asyncio.get_running_loop().sock_recvfrom(signalling.phone, 2000), 5
        )
        heard = rtp.parse(data)
        assert heard is not None
        assert heard.payload == g711.SILENCE["PCMA"]
        assert source == ("127.0.0.1", ours.port)
        signalling.tell("ended", dial["id"], cause="hangup")
        assert await call.next_event(5) == HungUp("hangup")

    with_line(steps)


@pytest.mark.parametrize("cause", ["busy", "refused", "no_trunk", "unreachable"])
def test_why_nobody_was_reached_is_told(cause: str) -> None:
    async def steps(signalling: Signalling) -> None:
        dialling = asyncio.create_task(signalling.telephony.dial("110", ring_s=5))
        signalling.tell("ended", (await signalling.next("dial"))["id"], cause=cause)
        assert await dialling == cause

    with_line(steps)


def test_ringing_has_an_end() -> None:
    async def steps(signalling: Signalling) -> None:
        dialling = asyncio.create_task(signalling.telephony.dial("110", ring_s=0.2))
        dial = await signalling.next("dial")
        assert (await signalling.next("hang_up"))["id"] == dial["id"]
        assert await dialling == "no_answer"

    with_line(steps)


def test_cancelling_stops_the_ringing_and_whoever_answers_just_then_is_hung_up_on() -> None:
    async def steps(signalling: Signalling) -> None:
        dialling = asyncio.create_task(signalling.telephony.dial("110", ring_s=5))
        dial = await signalling.next("dial")
        dialling.cancel()
        assert (await signalling.next("hang_up"))["id"] == dial["id"]
        with pytest.raises(asyncio.CancelledError):
            await dialling
        await asyncio.sleep(0.1)
        signalling.pick_up(dial["id"])
        goodbye = await signalling.next("hang_up")
        assert (goodbye["id"], goodbye["dialog"]) == (dial["id"], DIALOG)

    with_line(steps)


def test_without_signalling_nothing_can_dial() -> None:
    async def steps(signalling: Signalling) -> None:
        signalling.writer.close()
        while signalling.telephony.line.connected:
            await asyncio.sleep(0.01)
        assert await signalling.telephony.dial("110", ring_s=5) == "no_trunk"

    with_line(steps)


def test_signalling_that_dies_while_it_rings_ends_the_attempt_and_no_call() -> None:
    async def steps(signalling: Signalling) -> None:
        first = asyncio.create_task(signalling.telephony.dial("110", ring_s=5))
        signalling.pick_up((await signalling.next("dial"))["id"])
        call = await first
        assert isinstance(call, SipCall)
        second = asyncio.create_task(signalling.telephony.dial("120", ring_s=5))
        await signalling.next("dial")
        signalling.writer.close()
        assert await second == "unreachable"
        assert not call.over

    with_line(steps)


def test_calls_we_make_count_in_the_cap() -> None:
    async def steps(signalling: Signalling) -> None:
        first = asyncio.create_task(signalling.telephony.dial("110", ring_s=5))
        dial = await signalling.next("dial")
        assert await signalling.telephony.dial("120", ring_s=5) == "limit"
        described = dataclasses.asdict(signalling.description)
        caller = {"caller": "1", "called": "2", "source": "127.0.0.1", "offer": described}
        signalling.tell("invite", "incoming", **caller)
        assert (await signalling.next("refuse"))["code"] == 486
        assert signalling.refused == [("1", "2")]
        signalling.tell("ended", dial["id"], cause="busy")
        await first

    with_line(steps, call_cap=1)


def test_a_call_that_signalling_refused_is_told_to_the_conversation() -> None:
    async def steps(signalling: Signalling) -> None:
        signalling.tell("turned_away", "", caller="13912345678", called="96110")
        async with asyncio.timeout(5):
            while not signalling.refused:
                await asyncio.sleep(0.01)
        assert signalling.refused == [("13912345678", "96110")]

    with_line(steps)


def test_an_answer_without_a_usable_description_is_hung_up_on() -> None:
    async def steps(signalling: Signalling) -> None:
        dialling = asyncio.create_task(signalling.telephony.dial("110", ring_s=5))
        dial = await signalling.next("dial")
        fields = {"source": "127.0.0.1", "dialog": DIALOG, "tags": []}
        signalling.tell("picked_up", dial["id"], offer=None, **fields)
        assert (await signalling.next("hang_up"))["dialog"] == DIALOG
        assert await dialling == "unreachable"

    with_line(steps)


def test_later_descriptions_tell_the_address_that_reaches_who_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_the_way = {"127.0.0.1": "10.1.1.1"}
    monkeypatch.setattr(ports, "local_address", lambda _, to: on_the_way.get(to, "10.9.9.9"))

    async def steps(signalling: Signalling) -> None:
        dialling = asyncio.create_task(signalling.telephony.dial("duty-room", ring_s=5))
        dial = await signalling.next("dial")
        signalling.pick_up(dial["id"])
        await dialling
        held = dataclasses.replace(signalling.description, direction="sendonly")
        signalling.tell("reinvite", dial["id"], offer=dataclasses.asdict(held))
        answer = await signalling.next("answer")
        assert sdp.parse(answer["sdp"]).address == "10.1.1.1"

    with_line(steps, sip_host="0.0.0.0")
