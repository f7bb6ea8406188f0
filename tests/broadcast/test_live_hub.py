"""Speech comes in pieces and goes out to each player: the present to all, in order, bounded."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from broadcast import live_frames
from broadcast.live_hub import QUEUE_FRAMES, Channel
from broadcast.live_recording import Recording
from core.clock import utc_now
from edge import live_sound

TENTH = (np.sin(np.arange(1600) / 5) * 8000).astype("<i2").tobytes()


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel("s-1", 1, utc_now(), ["p-1", "p-2"], tmp_path / "s-1.pcm")


def header(frame: bytes) -> tuple[int, int]:
    length, at_ms = struct.unpack(">HI", frame[:6])
    return length, at_ms


async def joined(channel: Channel, player_id: str) -> tuple[AsyncIterator[bytes], asyncio.Task]:  # type: ignore[type-arg]
    """A stream whose first frame is being waited for."""
    stream = channel.listen(player_id)
    first = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
    while player_id not in channel.listening:
        await asyncio.sleep(0)
    return stream, first


def test_everybody_hears_the_same_in_order(channel: Channel) -> None:
    async def run() -> None:
        streams = [await joined(channel, player_id) for player_id in ("p-1", "p-2")]
        for piece in range(3):
            channel.say(piece * 100, TENTH)
        channel.end(hush=False)
        heard = []
        for stream, first in streams:
            heard.append([await first] + [frame async for frame in stream])
        assert heard[0] == heard[1]
        starts = [header(frame)[1] for frame in heard[0][:-1]]
        assert np.diff(starts).tolist() == [100, 100]
        assert heard[0][-1] == live_frames.FINISH

    asyncio.run(run())


def test_who_joins_late_hears_the_present(channel: Channel) -> None:
    async def run() -> None:
        channel.say(0, TENTH * 50)
        _stream, first = await joined(channel, "p-1")
        channel.say(5000, TENTH)
        length, at_ms = header(await first)
        assert length == 1600
        assert at_ms >= 5000

    asyncio.run(run())


def test_who_cannot_follow_loses_the_oldest(channel: Channel) -> None:
    async def run() -> None:
        stream, first = await joined(channel, "p-1")
        for piece in range(QUEUE_FRAMES + 30):
            channel.say(piece * 100, TENTH)
        channel.end(hush=False)
        frames = [await first] + [frame async for frame in stream]
        assert len(frames) == QUEUE_FRAMES
        assert frames[-1] == live_frames.FINISH
        assert header(frames[-2])[1] - header(frames[0])[1] == (QUEUE_FRAMES - 2) * 100

    asyncio.run(run())


def test_a_hush_overtakes_what_waits(channel: Channel) -> None:
    async def run() -> None:
        stream, first = await joined(channel, "p-1")
        channel.say(0, TENTH * 5)
        channel.end(hush=True)
        assert await first == live_frames.HUSH
        assert [frame async for frame in stream] == []

    asyncio.run(run())


def test_one_player_is_hushed_and_the_others_hear_on(channel: Channel) -> None:
    async def run() -> None:
        gone, gone_first = await joined(channel, "p-1")
        _stays, stays_first = await joined(channel, "p-2")
        channel.say(0, TENTH)
        channel.hush(["p-1", "p-3"])
        assert await gone_first == live_frames.HUSH
        assert [frame async for frame in gone] == []
        assert header(await stays_first)[0] == 1600
        assert channel.listening == {"p-2"}
        assert channel.facts()["p-1"].left_at is not None

    asyncio.run(run())


def test_a_hush_is_not_pushed_out_by_what_is_said_after_it(channel: Channel) -> None:
    """Of a player that takes nothing for a while."""

    async def run() -> None:
        stream, first = await joined(channel, "p-1")
        channel.hush(["p-1"])
        for piece in range(QUEUE_FRAMES + 5):
            channel.say(piece * 100, TENTH)
        channel.hush(["p-1"])
        assert [await first] + [frame async for frame in stream] == [live_frames.HUSH]

    asyncio.run(run())


def test_a_stream_on_which_nobody_speaks_shows_signs_of_life(channel: Channel) -> None:
    async def run() -> None:
        _stream, first = await joined(channel, "p-1")
        assert await first == live_frames.SIGN_OF_LIFE

    asyncio.run(run())


def test_a_second_stream_of_a_player_takes_the_place_of_the_first(channel: Channel) -> None:
    async def run() -> None:
        old, old_first = await joined(channel, "p-1")
        _new, new_first = await joined(channel, "p-1")
        assert await old_first == live_frames.HUSH
        assert [frame async for frame in old] == []
        channel.say(0, TENTH)
        assert header(await new_first)[0] == 1600
        assert channel.facts()["p-1"].left_at is None

    asyncio.run(run())


def test_a_stream_that_breaks_is_known_as_lost(channel: Channel) -> None:
    async def run() -> None:
        stream, first = await joined(channel, "p-1")
        channel.say(0, TENTH)
        await first
        await stream.aclose()  # type: ignore[attr-defined]
        facts = channel.facts()["p-1"]
        assert facts.cause == "lost"
        assert facts.left_at is not None

    asyncio.run(run())


def test_a_piece_sent_twice_is_said_once_and_a_gap_is_silence(channel: Channel) -> None:
    assert channel.say(0, TENTH)
    assert not channel.say(0, TENTH)
    channel.say(50, TENTH)
    channel.say(400, TENTH)
    channel.end(hush=False)
    channel.recording.close()
    kept = np.frombuffer(channel.recording.path.read_bytes(), "<i2")
    assert len(kept) == 8000
    assert not kept[2400:6400].any()
    assert kept[6400:].tobytes() == TENTH


def test_after_the_end_nothing_is_said(channel: Channel) -> None:
    channel.end(hush=False)
    assert not channel.say(0, TENTH)


def test_the_box_decodes_what_the_server_encodes() -> None:
    [frame] = live_frames.frames(0, TENTH)
    heard = live_sound.decode(frame[6:]) * 32768
    said = np.frombuffer(TENTH, "<i2")
    noise = np.mean((heard - said) ** 2)
    assert 10 * np.log10(np.mean(said.astype(float) ** 2) / noise) > 30


def test_a_full_disk_loses_what_it_refused_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(tmp_path / "s.pcm")
    honest = recording._append
    refused: list[bytes] = []

    def full_once(pcm: bytes) -> None:
        if not refused:
            refused.append(pcm)
            raise OSError(28, "No space left on device")
        honest(pcm)

    monkeypatch.setattr(recording, "_append", full_once)
    recording.add(TENTH)
    while not refused:
        pass
    recording.add(TENTH)
    recording.close()
    assert recording.lost_ms == 100
    assert recording.path.read_bytes() == TENTH
