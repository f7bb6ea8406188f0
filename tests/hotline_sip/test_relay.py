"""Two callers hear each other, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.sip import g711, rtp
from hotline.sip.g711 import Codec
from hotline.sip.relay import LONGEST, RelayQueue
from tests.hotline_sip.conftest import voice
from tests.hotline_sip.test_media import Session, prompt

VOICE = voice(2)
FRAMES = [frame.tobytes() for frame in VOICE.reshape(-1, 160)]
SILENCE = g711.SILENCE["PCMA"]


def speech(codec: Codec, count: int = len(FRAMES), *, ssrc: int = 7) -> list[rtp.Packet]:
    kind = 8 if codec == "PCMA" else 0
    return [rtp.Packet(kind, n, n * 160, ssrc, g711.encode(codec, FRAMES[n])) for n in range(count)]


def talk(steps: Callable[[Session, Session], Any]) -> None:
    """Run ``steps`` with two callers of one process."""

    async def main() -> None:
        with ThreadPoolExecutor(1) as disk:
            one, two = Session(disk, rtp_timeout_s=60), Session(disk, rtp_timeout_s=60)
            try:
                await steps(one, two)
            finally:
                for session in (one, two):
                    session.media.socket.close()
                    session.caller.close()

    asyncio.run(main())


def use(session: Session, codec: Codec) -> None:
    kind = 8 if codec == "PCMA" else 0
    session.media.agree(dataclasses.replace(session.offer, payload_type=kind, codec=codec))


def say(speaker: Session, listener: Session, packets: list[rtp.Packet]) -> list[rtp.Packet]:
    """One packet a tick; what the listener was sent."""
    got = []
    for packet in packets:
        stream = struct.pack(
            "!BBHII", 0x80, packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc
        )
        speaker.hear(stream + packet.payload)
        got += listener.beat()
        speaker.beat()
    return got


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_the_same_law_passes_through_unchanged(codec: Codec) -> None:
    async def steps(one: Session, two: Session) -> None:
        use(one, codec)
        use(two, codec)
        one.media.join(two.media)
        sent = speech(codec)
        for speaker, listener in ((one, two), (two, one)):
            got = say(speaker, listener, sent)
            heard = b"".join(packet.payload for packet in got)
            spoken = b"".join(packet.payload for packet in sent)
            assert heard == g711.SILENCE[codec] * 2 + spoken[: -2 * 160]
            assert len({packet.ssrc for packet in got}) == 1
            assert got[0].ssrc != sent[0].ssrc
            steps_taken = np.diff([p.timestamp for p in got]) % 2**32
            assert set(steps_taken) == {160}

    talk(steps)


@pytest.mark.parametrize(("ours", "theirs"), [("PCMA", "PCMU"), ("PCMU", "PCMA")])
def test_different_laws_are_translated(ours: Codec, theirs: Codec) -> None:
    async def steps(one: Session, two: Session) -> None:
        use(one, ours)
        use(two, theirs)
        one.media.join(two.media)
        sent = speech(ours)
        got = say(one, two, sent)
        assert {p.payload_type for p in got} == {8 if theirs == "PCMA" else 0}
        spoken = b"".join(g711.decode(ours, packet.payload) for packet in sent[:-2])
        assert b"".join(p.payload for p in got[2:]) == g711.encode(theirs, spoken)

    talk(steps)


def test_nothing_of_it_touches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(one: Session, two: Session) -> None:
        one.media.recorder.record(tmp_path / "take", limit_s=60, silence_s=30, keep_heard=False)
        say(one, two, speech("PCMA", 10))
        one.media.join(two.media)
        await one.media.recorder.finished()
        assert [stopped.reason for stopped in one.stopped] == ["stopped"]
        before = (tmp_path / "take").read_bytes()
        two.media.recorder.listen()
        opened: list[Any] = []
        monkeypatch.setattr(os, "open", lambda *a, **k: opened.append(a))
        monkeypatch.setattr(os, "pwrite", lambda *a, **k: opened.append(a))
        say(one, two, speech("PCMA", ssrc=8))
        say(two, one, speech("PCMA"))
        monkeypatch.undo()
        assert opened == []
        assert [path.name for path in tmp_path.iterdir()] == ["take"]
        assert (tmp_path / "take").read_bytes() == before
        for session in (one, two):
            assert session.media.recorder._buffer.end == 0

    talk(steps)


def test_keys_arrive_as_events_and_are_not_sent_on() -> None:
    async def steps(one: Session, two: Session) -> None:
        one.media.join(two.media)
        one.hear(rtp.Stream().packet(101, bytes([11, 10, 0, 160]), 0))
        assert one.keys == ["#"]
        assert {packet.payload for packet in two.beat(5)} == {SILENCE}

    talk(steps)


def test_silence_is_heard_when_the_other_says_nothing() -> None:
    async def steps(one: Session, two: Session) -> None:
        one.media.join(two.media)
        assert [packet.payload for packet in two.beat(5)] == [SILENCE] * 5

    talk(steps)


def test_what_was_playing_stops_and_a_later_prompt_is_heard(tmp_path: Path) -> None:
    sound = prompt(tmp_path / "a.wav", VOICE[:800])

    async def steps(one: Session, two: Session) -> None:
        one.bank.encode_ahead([sound])
        one.media.player.play([sound])
        one.media.join(two.media)
        assert one.beat(1)[0].payload == SILENCE
        one.media.player.play([sound])
        assert one.beat(1)[0].payload == g711.encode("PCMA", FRAMES[0])

    talk(steps)


def test_parting_ends_it_on_both_sides() -> None:
    async def steps(one: Session, two: Session) -> None:
        one.media.join(two.media)
        say(one, two, speech("PCMA", 10))
        two.media.part()
        assert not one.media.joined
        assert {p.payload for p in say(one, two, speech("PCMA", 10, ssrc=9))} == {SILENCE}

    talk(steps)


def test_who_is_joined_anew_leaves_the_one_before() -> None:
    async def steps(one: Session, two: Session) -> None:
        with ThreadPoolExecutor(1) as disk:
            three = Session(disk, rtp_timeout_s=60)
            one.media.join(two.media)
            one.media.join(three.media)
            assert not two.media.joined
            assert say(one, three, speech("PCMA", 4))[-1].payload != SILENCE
            assert {p.payload for p in say(one, two, speech("PCMA", 4))} == {SILENCE}
            three.media.socket.close()
            three.caller.close()

    talk(steps)


def test_one_side_on_hold_gets_nothing_and_no_old_sound_afterwards() -> None:
    async def steps(one: Session, two: Session) -> None:
        one.media.join(two.media)
        two.media.agree(dataclasses.replace(two.offer, direction="sendonly"))
        assert say(one, two, speech("PCMA", 50)) == []
        assert say(two, one, speech("PCMA", 10))[-1].payload != SILENCE
        two.media.agree(two.offer)
        assert [packet.payload for packet in two.beat(3)] == [SILENCE] * 3

    talk(steps)


def test_packets_that_overtook_each_other_are_put_in_order() -> None:
    queue, packets = RelayQueue(), speech("PCMA", 5)
    for index in (0, 2, 1, 4, 3):
        queue.put("PCMA", packets[index])
    waiting = b"".join(queue.frame("PCMA") or b"" for _ in range(7))
    assert waiting[-3 * 160 :] == b"".join(packet.payload for packet in packets[2:])


def test_a_lost_packet_is_silence_of_its_length() -> None:
    queue, packets = RelayQueue(), speech("PCMA", 3)
    queue.put("PCMA", packets[0])
    queue.put("PCMA", packets[2])
    got = [queue.frame("PCMA") for _ in range(6)]
    assert got == [SILENCE, SILENCE, packets[0].payload, SILENCE, packets[2].payload, None]


def test_what_waits_too_long_is_dropped_from_its_beginning() -> None:
    queue, packets = RelayQueue(), speech("PCMA", 20)
    for packet in packets:
        queue.put("PCMA", packet)
    got = [queue.frame("PCMA") for _ in range(LONGEST // 160 + 1)]
    assert got == [*(packet.payload for packet in packets[-LONGEST // 160 :]), None]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["PCMA", "PCMU"]),
            st.integers(0, 2**32 - 1),
            st.binary(max_size=1500),
        ),
        max_size=20,
    )
)
def test_any_packets_leave_whole_frames_and_a_short_queue(
    packets: list[tuple[int, Codec, int, bytes]],
) -> None:
    queue = RelayQueue()
    for ssrc, codec, timestamp, payload in packets:
        queue.put(codec, rtp.Packet(8, 0, timestamp, ssrc, payload))
        assert len(queue._waiting) <= LONGEST
        frame = queue.frame("PCMA")
        assert frame is None or len(frame) == 160
