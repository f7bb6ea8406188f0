"""Processes die; voices that were recorded stay."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from demo.phone import CallResult, Press, Say, Step, Wait, WaitFor, place_call
from hotline.sip import g711
from tests.hotline_sip.conftest import ROOT, Hotline, event, position_of, voice, wait_until

pytestmark = pytest.mark.slow

VOICE = voice(5)
EXACT = np.frombuffer(g711.decode("PCMA", g711.encode("PCMA", VOICE.tobytes())), "<i2")
SPEAK: list[Step] = [Wait(0.3), Press("1"), Wait(0.3), Say()]


def call(
    hotline: Hotline, script: list[Step], *, hang_up: bool = False
) -> asyncio.Task[CallResult]:
    return asyncio.create_task(
        place_call(hotline.address, VOICE.tobytes(), script, hang_up=hang_up)
    )


def part_of(hotline: Hotline) -> np.ndarray:
    return next(iter(hotline.takes("*.part")), np.zeros(0, "<i2"))


def start_again(hotline: Hotline) -> None:
    """What the supervisor does when both signalling processes are dead."""
    hotline.kill("signalling")
    time.sleep(1)
    hotline.start("signalling")


@pytest.mark.parametrize("die", [Hotline.kill_serving, start_again])
def test_signalling_dies_and_the_call_goes_on(
    hotline: Hotline, die: Callable[[Hotline], None]
) -> None:
    async def main() -> CallResult:
        calling = call(hotline, [*SPEAK, Press("#")])
        await asyncio.sleep(3)
        await asyncio.to_thread(die, hotline)
        return await asyncio.wait_for(calling, 30)

    result = asyncio.run(main())
    assert result.ended_by == "them"
    [notes] = hotline.finished()
    assert event(notes, "RecordingStopped")["reason"] == "stopped"
    assert event(notes, "PlayEnded")
    assert position_of(hotline.takes()[0], EXACT) is not None


def test_a_caller_hangs_up_after_signalling_died(hotline: Hotline) -> None:
    async def main() -> None:
        back = asyncio.Event()
        calling = call(hotline, [*SPEAK, WaitFor(back)], hang_up=True)
        await asyncio.sleep(3)
        await asyncio.to_thread(hotline.kill, "signalling")
        await asyncio.to_thread(hotline.start, "signalling")
        await asyncio.sleep(4)
        back.set()
        await asyncio.wait_for(calling, 30)

    asyncio.run(main())
    [notes] = hotline.finished()
    assert notes[-1]["cause"] == "hangup"
    assert position_of(hotline.takes()[0], EXACT) is not None


def test_signalling_is_back_in_service_within_two_seconds(hotline: Hotline) -> None:
    hotline.kill_serving()
    wait_until(lambda: hotline.log("telephony").count("signalling is there") == 2, 2)
    result = asyncio.run(place_call(hotline.address, b"", [Wait(0.3)]))
    assert result.status == 200


def test_telephony_dies_and_what_was_on_disk_is_kept(hotline: Hotline) -> None:
    async def main() -> tuple[CallResult, CallResult]:
        calling = call(hotline, SPEAK)
        await asyncio.to_thread(wait_until, lambda: len(part_of(hotline)) >= 3 * 8000)
        await asyncio.to_thread(hotline.kill, "telephony")
        result = await asyncio.wait_for(calling, 30)
        return result, await place_call(hotline.address, b"", [])

    before, refused = asyncio.run(main())
    assert before.ended_by == "them"
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    kept = part_of(hotline)
    spoken = position_of(kept, EXACT[:8000])
    assert spoken is not None
    assert np.array_equal(kept[spoken:], EXACT[: len(kept) - spoken])
    hotline.start("telephony")
    wait_until(lambda: hotline.log("telephony").count("signalling is there") == 2, 2)
    again = asyncio.run(place_call(hotline.address, b"", [Wait(0.3)]))
    assert again.status == 200


def test_a_clean_stop_finishes_recordings_and_says_goodbye(hotline: Hotline) -> None:
    async def main() -> CallResult:
        calling = call(hotline, SPEAK)
        await asyncio.to_thread(wait_until, lambda: len(part_of(hotline)) >= 2 * 8000)
        codes = await asyncio.to_thread(hotline.stop)
        assert codes == {"signalling": 0, "telephony": 0}
        return await asyncio.wait_for(calling, 30)

    assert asyncio.run(main()).ended_by == "them"
    [take] = hotline.takes()
    assert position_of(take, EXACT[:16000]) is not None
    assert hotline.takes("*.part") == []


def test_a_full_disk_ends_the_take_and_not_the_call(idle_hotline: Hotline) -> None:
    idle_hotline.file_limit_bytes = 50_000
    idle_hotline.start_all()
    result = asyncio.run(place_call(idle_hotline.address, VOICE.tobytes(), SPEAK, hang_up=False))
    assert result.ended_by == "them"
    [notes] = idle_hotline.finished()
    stopped = event(notes, "RecordingStopped")
    assert stopped["reason"] == "disk"
    assert event(notes, "PlayEnded")
    [take] = idle_hotline.takes()
    assert len(take) * 2 == 50_000
    assert stopped["duration_ms"] == 50_000 // 16
    assert position_of(take, EXACT[: len(take) - 8000]) is not None


def test_telephony_needs_no_database() -> None:
    code = (
        "import sys, hotline.telephony, hotline.conversation;"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('sqlalchemy', 'fastapi')]"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_long_data_folder_is_no_trouble(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    hotline = Hotline(deep)
    try:
        hotline.start_all()
    finally:
        hotline.stop()
