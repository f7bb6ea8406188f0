"""A recording reaches the disk while it is spoken, and ends for exactly one reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hotline.call import RecordingStopped
from hotline.sip.recorder import Recorder
from tests.hotline_sip.conftest import voice

FRAME_BYTES = 320
VOICE = voice(3).tobytes()
SILENCE = bytes(FRAME_BYTES)


class Desk:
    """A recorder with a hand-driven clock and a note of what it tells."""

    def __init__(self, disk: ThreadPoolExecutor) -> None:
        self.told: list[Any] = []
        self.recorder = Recorder(
            disk, on_speech=lambda: self.told.append("speech"), on_stopped=self.told.append
        )
        self.tick = 0

    async def speak(self, pcm: bytes) -> None:
        """Hear ``pcm`` frame by frame, one each tick."""
        for start in range(0, len(pcm), FRAME_BYTES):
            frame = pcm[start : start + FRAME_BYTES]
            self.recorder.hear(1, self.tick * 160, frame, self.tick)
            await self.pass_ticks(1)

    async def pass_ticks(self, count: int, *, held: bool = False) -> None:
        for _ in range(count):
            self.tick += 1
            self.recorder.tick(held=held)
            await asyncio.sleep(0)

    async def stopped(self) -> RecordingStopped:
        await self.recorder.finished()
        [found] = [told for told in self.told if isinstance(told, RecordingStopped)]
        return found


PATIENCE_TICKS = 300


async def until(desk: Desk, condition: Callable[[], bool]) -> None:
    """Let ticks pass, as slow as the disk needs them."""
    for _ in range(PATIENCE_TICKS):
        if condition():
            return
        await desk.pass_ticks(1)
        await asyncio.sleep(0.05)
    pytest.fail("waited in vain")


def run(steps: Callable[[Desk], Any]) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(2) as disk:
            await steps(Desk(disk))

    asyncio.run(main())


def test_a_stopped_take_is_whole_and_has_its_final_name(tmp_path: Path) -> None:
    take = tmp_path / "call" / "take-1.pcm"

    async def steps(desk: Desk) -> None:
        desk.recorder.record(take, limit_s=60, silence_s=8, keep_heard=False)
        await desk.speak(VOICE)
        desk.recorder.stop("stopped")
        desk.recorder.stop("hangup")
        stopped = await desk.stopped()
        assert (stopped.reason, stopped.duration_ms) == ("stopped", 3000)
        assert stopped.speech_ms > 2500
        assert desk.told[0] == "speech"

    run(steps)
    assert take.read_bytes() == VOICE
    assert [path.name for path in take.parent.iterdir()] == ["take-1.pcm"]


def test_each_second_is_on_disk_before_the_take_ends(tmp_path: Path) -> None:
    take = tmp_path / "take-1.pcm"

    async def steps(desk: Desk) -> None:
        desk.recorder.record(take, limit_s=60, silence_s=8, keep_heard=False)
        await desk.speak(VOICE[: FRAME_BYTES * 110])
        part = tmp_path / "take-1.pcm.part"
        await until(desk, lambda: part.exists() and part.stat().st_size >= 16_000)
        kept = part.read_bytes()
        assert kept == VOICE[: len(kept)]
        desk.recorder.stop("stopped")
        await desk.stopped()

    run(steps)


def test_silence_ends_it_and_hold_does_not_count_as_silence(tmp_path: Path) -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.record(tmp_path / "t", limit_s=60, silence_s=2, keep_heard=False)
        await desk.speak(VOICE[: FRAME_BYTES * 50])
        await desk.pass_ticks(500, held=True)
        await desk.speak(SILENCE * 95)
        assert desk.recorder.recording
        await desk.speak(SILENCE * 10)
        assert (await desk.stopped()).reason == "silence"

    run(steps)


def test_packets_that_stop_count_as_silence_too(tmp_path: Path) -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.record(tmp_path / "t", limit_s=60, silence_s=2, keep_heard=False)
        await desk.pass_ticks(100)
        stopped = await desk.stopped()
        assert (stopped.reason, stopped.duration_ms, stopped.speech_ms) == ("silence", 0, 0)

    run(steps)
    assert (tmp_path / "t").read_bytes() == b""


def test_the_limit_cuts_exactly(tmp_path: Path) -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.record(tmp_path / "t", limit_s=1.01, silence_s=8, keep_heard=False)
        await desk.speak(VOICE)
        stopped = await desk.stopped()
        assert (stopped.reason, stopped.duration_ms) == ("limit", 1010)

    run(steps)
    assert (tmp_path / "t").read_bytes() == VOICE[: int(1.01 * 8000) * 2]


def test_what_was_heard_before_can_begin_the_take(tmp_path: Path) -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.listen()
        await desk.speak(VOICE[: FRAME_BYTES * 50])
        assert desk.told == ["speech"]
        desk.recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=True)
        await desk.speak(VOICE[FRAME_BYTES * 50 :])
        desk.recorder.stop("stopped")
        assert (await desk.stopped()).speech_ms > 2500
        assert desk.told.count("speech") == 1

    run(steps)
    assert (tmp_path / "t").read_bytes() == VOICE


@pytest.mark.parametrize("forget", [True, False])
def test_what_was_heard_before_consent_is_gone_unless_kept(tmp_path: Path, forget: bool) -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.listen()
        await desk.speak(VOICE[: FRAME_BYTES * 50])
        if forget:
            desk.recorder.forget()
        desk.recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=forget)
        await desk.speak(VOICE[FRAME_BYTES * 50 :])
        desk.recorder.stop("stopped")
        await desk.stopped()

    run(steps)
    assert (tmp_path / "t").read_bytes() == VOICE[FRAME_BYTES * 50 :]


def test_listening_alone_never_touches_the_disk(tmp_path: Path) -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.listen()
        await desk.speak(VOICE)
        desk.recorder.stop("stopped")

    run(steps)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_ends_the_take_without_an_exception(tmp_path: Path) -> None:
    (tmp_path / "t.part").symlink_to("/dev/full")

    async def steps(desk: Desk) -> None:
        desk.recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=False)
        await desk.speak(VOICE[: FRAME_BYTES * 60])
        await until(desk, lambda: not desk.recorder.recording)
        stopped = await desk.stopped()
        assert (stopped.reason, stopped.duration_ms) == ("disk", 0)
        desk.recorder.record(tmp_path / "next", limit_s=60, silence_s=8, keep_heard=False)
        await desk.speak(VOICE[:FRAME_BYTES])
        desk.recorder.stop("stopped")
        await desk.recorder.finished()

    run(steps)
    assert (tmp_path / "next").read_bytes() == VOICE[:FRAME_BYTES]


def test_speech_is_reported_once_after_300_ms() -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.listen()
        await desk.speak(SILENCE * 50)
        assert desk.told == []
        loud = np.frombuffer(VOICE, "<i2")[:8000].tobytes()
        await desk.speak(loud[: FRAME_BYTES * 14])
        assert desk.told == []
        await desk.speak(loud[FRAME_BYTES * 14 :])
        assert desk.told == ["speech"]

    run(steps)


def test_a_disk_that_fills_with_the_last_second_is_told(tmp_path: Path) -> None:
    async def steps(desk: Desk) -> None:
        desk.recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=False)
        (tmp_path / "t.part").symlink_to("/dev/full")
        desk.recorder.hear(1, 0, VOICE[:FRAME_BYTES], 0)
        desk.recorder.stop("hangup")
        assert (await desk.stopped()).reason == "disk"

    run(steps)
