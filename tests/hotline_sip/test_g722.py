"""A phone that speaks G.722 alone is heard, answered and joined."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hotline.sip import g711, rtp
from hotline.sip.g722 import Wideband
from tests.hotline_sip.conftest import voice
from tests.hotline_sip.test_baresip import likeness
from tests.hotline_sip.test_media import Session, prompt, run
from tests.hotline_sip.test_relay import talk

VOICE = voice(2)
FRAMES = [frame.tobytes() for frame in VOICE.reshape(-1, 160)]


def use_wideband(session: Session) -> None:
    session.media.agree(dataclasses.replace(session.offer, payload_type=9, codec="G722"))


def speak(session: Session) -> list[rtp.Packet]:
    """Say it all in G.722; what came back meanwhile."""
    codec, stream, got = Wideband(), rtp.Stream(), []
    for frame in FRAMES:
        session.hear(stream.packet(9, codec.encode(frame), 160))
        got += session.beat()
    return got


def as_sound(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2").astype(float)


def test_it_is_recorded(tmp_path: Path) -> None:
    async def steps(session: Session) -> None:
        use_wideband(session)
        session.media.recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=False)
        speak(session)
        session.media.recorder.stop("stopped")
        await session.media.recorder.finished()

    run(steps, rtp_timeout_s=60)
    kept = as_sound((tmp_path / "t").read_bytes())
    assert len(kept) == len(VOICE)
    assert likeness(kept[800:-800], VOICE.astype(float)) > 0.95


def test_it_hears_prompts(tmp_path: Path) -> None:
    async def steps(session: Session) -> None:
        use_wideband(session)
        sound = prompt(tmp_path / "a.wav", VOICE)
        session.bank.encode_ahead([sound])
        session.media.player.play([sound])
        codec, packets = Wideband(), session.beat(len(FRAMES))
        assert {packet.payload_type for packet in packets} == {9}
        heard = as_sound(b"".join(codec.decode(packet.payload) for packet in packets))
        assert likeness(heard[800:-800], VOICE.astype(float)) > 0.95

    run(steps, rtp_timeout_s=60)


def test_it_is_joined_with_a_phone_of_another_codec() -> None:
    async def steps(one: Session, two: Session) -> None:
        use_wideband(one)
        one.media.join(two.media)
        codec, stream, got = Wideband(), rtp.Stream(), []
        for frame in FRAMES:
            one.hear(stream.packet(9, codec.encode(frame), 160))
            got += two.beat()
        assert {packet.payload_type for packet in got} == {8}
        heard = as_sound(g711.decode("PCMA", b"".join(packet.payload for packet in got)))
        assert likeness(heard[800:-800], VOICE.astype(float)) > 0.95

    talk(steps)


@given(st.lists(st.binary(max_size=1500), max_size=5))
def test_any_payload_is_a_sample_for_each_byte(payloads: list[bytes]) -> None:
    codec = Wideband()
    for payload in payloads:
        assert len(codec.decode(payload)) == 2 * len(payload)
