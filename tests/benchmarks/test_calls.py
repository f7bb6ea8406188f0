"""The call benchmark sees what it is there to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import calls, sipp, sounds
from benchmarks.calls_bare import BareCall, BareEndpoint
from hotline.sip import g711, rtp
from tests.counterparts import require

SPOKEN = sounds.through("PCMA", sounds.voice(1))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.real("sipp")
def test_a_recorder_that_drops_frames_is_not_met() -> None:
    require("sipp")
    found = calls.run(
        True,
        subject=("tests.benchmarks.sabotaged_subject",),
        hotline=("tests.benchmarks.sabotaged_hotline",),
    )
    for name in ("10", "hotline"):
        ratio = found["figures"][f"exact_frames_ratio_{name}"]
        assert isinstance(ratio, float)
        assert 0.9 < ratio < 1
    assert found["invalid"] is None
    assert not found["met"]


@pytest.mark.slow
@pytest.mark.timeout(600)
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


@pytest.mark.parametrize(("quick", "counts"), [(True, (10,)), (False, (10, 50, 100, 200))])
def test_all_callers_of_a_round_are_on_the_line_together(
    quick: bool, counts: tuple[int, ...]
) -> None:
    targets = calls._targets(quick)
    assert {targets[f"calls_at_once_{count}"] for count in counts} == {f"== {n}" for n in counts}


def test_what_counts_is_the_most_calls_sipp_had_at_once(tmp_path: Path) -> None:
    screens = ["  7 concurrent calls (limit 200)  Peak was 7 calls, after 1 s"]
    screens += ["  0 concurrent calls (limit 200)  Peak was 100 calls, after 12 s"]
    (tmp_path / "calls.out").write_text("\n".join(screens))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    assert sipp.finish(ended, tmp_path, "calls", 20).at_once == 100


def test_the_peer_goes_on_after_a_key_that_is_not_its_last(tmp_path: Path) -> None:
    invite = "INVITE sip:hotline@here SIP/2.0\r\nCall-ID: 1\r\n"
    ended: list[BareCall] = []
    endpoint = BareEndpoint(tmp_path, "*")
    endpoint.end = ended.append  # type: ignore[method-assign]
    call = BareCall(endpoint, invite, ("127.0.0.1", 6000))
    stream = rtp.Stream()
    for key in "1#":
        call.datagram_received(stream.packet(101, _pressed(key), 160), ("127.0.0.1", 6000))
    call.datagram_received(stream.packet(8, g711.SILENCE["PCMA"], 160), ("127.0.0.1", 6000))
    assert (ended, len(call.sound)) == ([], 320)
    call.datagram_received(stream.packet(101, _pressed("*"), 160), ("127.0.0.1", 6000))
    assert ended == [call]


def _pressed(key: str) -> bytes:
    return bytes([rtp.KEYS.index(key), 0x8A, 3, 32])
