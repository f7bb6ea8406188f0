"""Calls by SIPp against both real processes: every frame of every recording is exact."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sipp
from hotline.sip import g711
from hotline.sip.g711 import Codec
from tests.counterparts import require
from tests.hotline_sip.conftest import Hotline, event, position_of, voice

pytestmark = [pytest.mark.real("sipp"), pytest.mark.slow]

VOICE = voice(4)
PRESS_1 = sipp.KeyPress(0.4, "1")
SPOKEN = sipp.Sound(0.8, VOICE.tobytes())
HASH = sipp.KeyPress(5.0, "#")


@pytest.fixture(autouse=True)
def _sipp() -> None:
    require("sipp")


def through(codec: Codec) -> np.ndarray:
    """The voice after G.711."""
    decoded = g711.decode(codec, g711.encode(codec, VOICE.tobytes()))
    return np.frombuffer(decoded, "<i2")


@pytest.mark.parametrize(("codec", "types"), [("PCMA", (8, 101)), ("PCMU", (0, 101))])
def test_a_report_ended_by_the_hash_key_is_exact(
    hotline: Hotline, tmp_path: Path, codec: Codec, types: tuple[int, ...]
) -> None:
    capture = sipp.write_capture(tmp_path / "a.pcap", codec, [PRESS_1, SPOKEN, HASH], 5.4)
    body = sipp.invite(types) + sipp.play(capture) + sipp.wait_for_bye(20)
    outcome = sipp.make_calls(tmp_path, body, hotline.address, calls=3, timeout_s=30)
    assert (outcome.successful, outcome.failed) == (3, 0), outcome
    for notes in hotline.finished(3):
        assert event(notes, "RecordingStopped")["reason"] == "stopped"
        assert [note["digit"] for note in notes if note.get("event") == "Key"] == ["1", "#"]
    takes = hotline.takes()
    assert len(takes) == 3
    for take in takes:
        assert position_of(take, through(codec)) is not None


def test_a_caller_who_hangs_up_leaves_an_exact_recording(hotline: Hotline, tmp_path: Path) -> None:
    capture = sipp.write_capture(tmp_path / "b.pcap", "PCMA", [PRESS_1, SPOKEN], 5.0)
    body = sipp.invite() + sipp.play(capture) + sipp.pause(5.2) + sipp.hang_up()
    assert sipp.make_calls(tmp_path, body, hotline.address).successful == 1
    [notes] = hotline.finished()
    assert event(notes, "RecordingStopped")["reason"] == "hangup"
    assert notes[-1]["cause"] == "hangup"
    assert position_of(hotline.takes()[0], through("PCMA")) is not None


def test_a_caller_who_vanishes_is_noticed_and_kept(hotline: Hotline, tmp_path: Path) -> None:
    capture = sipp.write_capture(tmp_path / "c.pcap", "PCMA", [PRESS_1, SPOKEN], 9.0)
    body = sipp.invite() + sipp.play(capture) + sipp.pause(9.5)
    sipp.make_calls(tmp_path, body, hotline.address)
    [notes] = hotline.finished()
    assert event(notes, "RecordingStopped")["reason"] == "network"
    assert notes[-1]["cause"] == "network"
    assert position_of(hotline.takes()[0], through("PCMA")) is not None


def test_hold_does_not_end_the_call_nor_lose_what_came_before(
    hotline: Hotline, tmp_path: Path
) -> None:
    spoken = sipp.Sound(0.8, VOICE[:16000].tobytes())
    capture = sipp.write_capture(tmp_path / "d.pcap", "PCMA", [PRESS_1, spoken], 2.9)
    again = sipp.write_capture(
        tmp_path / "e.pcap", "PCMA", [sipp.Sound(0, VOICE[16000:].tobytes())], 2
    )
    body = (
        sipp.invite()
        + sipp.play(capture)
        + sipp.pause(3)
        + sipp.change("sendonly", 2)
        + sipp.pause(5)  # longer than the time-out for lost packets, which is 4 s here
        + sipp.change("sendrecv", 3)
        + sipp.play(again)
        + sipp.pause(2.2)
        + sipp.hang_up(4)
    )
    outcome = sipp.make_calls(tmp_path, body, hotline.address)
    assert outcome.successful == 1, outcome
    [notes] = hotline.finished()
    assert notes[-1]["cause"] == "hangup"
    take, exact = hotline.takes()[0], through("PCMA")
    assert position_of(take, exact[:16000]) is not None
    assert position_of(take, exact[16000:]) is not None


@pytest.mark.parametrize("types", [(18,), (111, 101)])
def test_foreign_codecs_are_refused_with_488(
    hotline: Hotline, tmp_path: Path, types: tuple[int, ...]
) -> None:
    outcome = sipp.make_calls(tmp_path, sipp.invite(types, expect=488), hotline.address)
    assert outcome.successful == 1, outcome
    assert hotline.notes() == []


def test_a_caller_who_gives_up_while_it_rings(idle_hotline: Hotline, tmp_path: Path) -> None:
    idle_hotline.environment["TINY_MODE"] = "ring"
    idle_hotline.start_all()
    outcome = sipp.make_calls(tmp_path, sipp.cancel(0.5), idle_hotline.address)
    assert outcome.successful == 1, outcome
    [notes] = idle_hotline.finished()
    assert notes[-1]["cause"] == "cancel"


def test_silence_ends_the_recording(idle_hotline: Hotline, tmp_path: Path) -> None:
    idle_hotline.environment["TINY_SILENCE_S"] = "1.5"
    idle_hotline.start_all()
    capture = sipp.write_capture(tmp_path / "s.pcap", "PCMA", [PRESS_1, SPOKEN], 9)
    body = sipp.invite() + sipp.play(capture) + sipp.wait_for_bye(20)
    assert sipp.make_calls(tmp_path, body, idle_hotline.address).successful == 1
    [notes] = idle_hotline.finished()
    stopped = event(notes, "RecordingStopped")
    assert stopped["reason"] == "silence"
    assert 3500 <= stopped["speech_ms"] <= 4500
    assert position_of(idle_hotline.takes()[0], through("PCMA")) is not None


def test_the_limit_cuts_the_recording_to_its_length(idle_hotline: Hotline, tmp_path: Path) -> None:
    idle_hotline.environment["TINY_LIMIT_S"] = "2"
    idle_hotline.start_all()
    capture = sipp.write_capture(tmp_path / "l.pcap", "PCMA", [PRESS_1, SPOKEN], 6)
    body = sipp.invite() + sipp.play(capture) + sipp.wait_for_bye(20)
    assert sipp.make_calls(tmp_path, body, idle_hotline.address).successful == 1
    [notes] = idle_hotline.finished()
    assert event(notes, "RecordingStopped")["reason"] == "limit"
    assert len(idle_hotline.takes()[0]) == 2 * 8000


def test_calls_above_the_cap_are_told_busy(idle_hotline: Hotline, tmp_path: Path) -> None:
    idle_hotline.environment |= {"XIANGYIN_CALL_CAP": "1", "TINY_MODE": "ring"}
    idle_hotline.start_all()
    first = sipp.start(tmp_path, sipp.cancel(2), idle_hotline.address, name="first")
    time.sleep(0.7)
    second = sipp.make_calls(tmp_path, sipp.invite(expect=486), idle_hotline.address, name="second")
    assert second.successful == 1, second
    assert sipp.finish(first, tmp_path, "first", 20).successful == 1
    assert list((idle_hotline.data / "tiny" / "notes").glob("refused-*")), "nobody phones back"
