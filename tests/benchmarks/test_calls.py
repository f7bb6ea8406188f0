"""The call benchmark sees what it is there to see."""

from __future__ import annotations

import pytest

from benchmarks import calls, sounds
from tests.counterparts import require

SPOKEN = sounds.through("PCMA", sounds.voice(1))


@pytest.mark.slow
@pytest.mark.real("sipp")
def test_a_recorder_that_drops_frames_is_not_met() -> None:
    require("sipp")
    found = calls.run(True, subject=("tests.benchmarks.sabotaged_subject",))
    ratio = found["figures"]["exact_frames_ratio_10"]
    assert isinstance(ratio, float)
    assert 0.9 < ratio < 1
    assert found["invalid"] is None
    assert not found["met"]


@pytest.mark.slow
@pytest.mark.real("sipp")
def test_the_hotline_meets_the_quick_targets() -> None:
    require("sipp")
    assert calls.run(True)["met"]


def test_without_sipp_the_run_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = calls.run(True)
    assert found["invalid"] == "sipp is not installed"
    assert not found["met"]


def test_exact_frames_are_counted_at_their_place() -> None:
    sound = bytes(320) + SPOKEN.tobytes() + bytes(320)
    assert sounds.exact_frames(sound, SPOKEN) == 50
    assert sounds.exact_frames(sound[:-640], SPOKEN) == 49
    assert sounds.exact_frames(b"", SPOKEN) == 0
    moved = sound[: 320 * 11] + bytes(2) + sound[320 * 11 :]
    assert sounds.exact_frames(moved, SPOKEN) == 10


def test_the_first_frame_may_be_the_lost_one() -> None:
    assert sounds.exact_frames(bytes(320) + SPOKEN.tobytes()[320:], SPOKEN) == 49
