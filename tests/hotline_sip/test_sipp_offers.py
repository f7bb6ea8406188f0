"""Callers by SIPp who offer late, change everything, prove who they are, or whistle their keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import sipp, sipp_offers
from benchmarks.sounds import through
from hotline.sip.g711 import Codec
from tests.hotline_sip.conftest import Hotline, event, position_of, voice
from tests.hotline_sip.test_tone_keys import tone

pytestmark = [pytest.mark.real("sipp"), pytest.mark.slow]

VOICE = voice(4)
PRESS_1 = sipp.KeyPress(0.4, "1")
SPOKEN = sipp.Sound(0.8, VOICE.tobytes())
HASH = sipp.KeyPress(5.0, "#")


@pytest.mark.parametrize(("codec", "types"), [("PCMA", (8, 101)), ("PCMU", (0, 101))])
def test_a_late_offer_is_answered_with_ours_and_heard_exactly(
    hotline: Hotline, tmp_path: Path, codec: Codec, types: tuple[int, ...]
) -> None:
    capture = sipp.write_capture(tmp_path / "a.pcap", codec, [PRESS_1, SPOKEN, HASH], 5.4)
    body = sipp_offers.late_offer(types) + sipp.play(capture) + sipp.wait_for_bye(20)
    outcome = sipp.make_calls(tmp_path, body, hotline.address, timeout_s=30)
    assert outcome.successful == 1, outcome
    [notes] = hotline.finished()
    assert [note["digit"] for note in notes if note.get("event") == "Key"] == ["1", "#"]
    assert position_of(hotline.takes()[0], through(codec, VOICE)) is not None


def test_codec_and_port_may_change_while_it_records(hotline: Hotline, tmp_path: Path) -> None:
    first, second = VOICE[:16000], VOICE[16000:]
    before = sipp.write_capture(
        tmp_path / "a.pcap", "PCMA", [PRESS_1, sipp.Sound(0.8, first.tobytes())], 2.9
    )
    after = sipp.write_capture(tmp_path / "b.pcap", "PCMU", [sipp.Sound(0, second.tobytes())], 2.1)
    body = (
        sipp.invite((8, 0, 101))
        + sipp.play(before)
        + sipp.pause(3.1)
        + sipp_offers.move((0, 101), 2)
        + sipp.play(after)
        + sipp.pause(2.4)
        + sipp.hang_up(3)
    )
    outcome = sipp.make_calls(tmp_path, body, hotline.address, timeout_s=30)
    assert outcome.successful == 1, outcome
    [notes] = hotline.finished()
    assert notes[-1]["cause"] == "hangup"
    [take] = hotline.takes()
    told = position_of(take, through("PCMA", first))
    asked = position_of(take, through("PCMU", second))
    assert told is not None
    assert asked is not None
    assert asked >= told + len(first)


def test_a_stranger_with_an_account_proves_it_and_is_heard(
    idle_hotline: Hotline, tmp_path: Path
) -> None:
    guarded(idle_hotline)
    capture = sipp.write_capture(tmp_path / "a.pcap", "PCMA", [PRESS_1, SPOKEN, HASH], 5.4)
    body = sipp_offers.invite_with_password("hamlet", "a-long-password")
    body += sipp.play(capture) + sipp.wait_for_bye(20)
    outcome = sipp.make_calls(tmp_path, body, idle_hotline.address, timeout_s=30)
    assert outcome.successful == 1, outcome
    idle_hotline.finished()
    assert position_of(idle_hotline.takes()[0], through("PCMA", VOICE)) is not None


def test_a_stranger_with_a_wrong_password_leaves_nothing(
    idle_hotline: Hotline, tmp_path: Path
) -> None:
    guarded(idle_hotline)
    body = sipp_offers.invite_with_password("hamlet", "guessed", expect=403)
    outcome = sipp.make_calls(tmp_path, body, idle_hotline.address, timeout_s=30)
    assert outcome.successful == 1, outcome
    assert idle_hotline.notes() == []


def guarded(hotline: Hotline) -> None:
    """Only another address may call without a password."""
    hotline.environment |= {
        "XIANGYIN_SIP_ACL": "127.0.0.200",
        "XIANGYIN_SIP_ACCOUNTS": "hamlet:a-long-password",
    }
    hotline.start_all()


def test_a_gateway_that_sends_keys_as_sound_is_understood(hotline: Hotline, tmp_path: Path) -> None:
    one, hash_key = (tone(key, ms=100).astype("<i2").tobytes() for key in "1#")
    parts = [sipp.Sound(0.4, one), SPOKEN, sipp.Sound(5.0, hash_key)]
    capture = sipp.write_capture(tmp_path / "a.pcap", "PCMA", parts, 5.4)
    body = sipp.invite((8,)) + sipp.play(capture) + sipp.wait_for_bye(20)
    outcome = sipp.make_calls(tmp_path, body, hotline.address, timeout_s=30)
    assert outcome.successful == 1, outcome
    [notes] = hotline.finished()
    assert [note["digit"] for note in notes if note.get("event") == "Key"] == ["1", "#"]
    assert event(notes, "RecordingStopped")["reason"] == "stopped"
    [take] = hotline.takes()
    assert position_of(take, through("PCMA", VOICE)) is not None
    assert np.abs(take[-400:]).max() > 2000  # the key's own sound stays as it was
