"""Keys by all their ways into one call."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from hotline.sip import g711, rtp
from tests.hotline_sip.test_media import Session, run
from tests.hotline_sip.test_tone_keys import tone


def test_a_key_sent_both_ways_counts_once() -> None:
    async def steps(session: Session) -> None:
        event = rtp.Stream().packet(101, bytes([5, 10, 0, 160]), 0)
        session.hear(event)
        session.hear(event)
        session.media.pressed("5", "info")
        assert session.keys == ["5"]
        session.beat(30)
        session.media.pressed("5", "info")
        assert session.keys == ["5", "5"]

    run(steps)


def press_by_sound(session: Session, key: str) -> None:
    pressed = np.concatenate([tone(key, ms=60), np.zeros(800)]).astype("<i2").reshape(-1, 160)
    for frame in pressed:
        session.hear(session.stream.packet(8, g711.encode("PCMA", frame.tobytes()), 160))
        session.beat()


def test_keys_that_come_as_sound_count_where_no_other_way_was_offered() -> None:
    async def steps(session: Session) -> None:
        press_by_sound(session, "5")
        assert session.keys == []
        session.media.agree(dataclasses.replace(session.offer, event_type=None))
        press_by_sound(session, "5")
        assert session.keys == ["5"]

    run(steps)


def test_a_phone_that_tells_keys_by_info_is_not_listened_to() -> None:
    async def steps(session: Session) -> None:
        session.media.agree(dataclasses.replace(session.offer, event_type=None))
        session.media.pressed("1", "info")
        press_by_sound(session, "5")
        session.media.agree(dataclasses.replace(session.offer, event_type=None))
        press_by_sound(session, "5")
        assert session.keys == ["1"]

    run(steps)


def test_a_key_that_comes_as_sound_stays_in_the_recording(tmp_path: Path) -> None:
    async def steps(session: Session) -> None:
        session.media.agree(dataclasses.replace(session.offer, event_type=None))
        recorder = session.media.recorder
        recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=False)
        press_by_sound(session, "5")
        recorder.stop("stopped")
        await recorder.finished()
        assert session.keys == ["5"]

    run(steps)
    sent = np.concatenate([tone("5", ms=60), np.zeros(800)]).astype("<i2").tobytes()
    assert (tmp_path / "t").read_bytes() == g711.decode("PCMA", g711.encode("PCMA", sent))
