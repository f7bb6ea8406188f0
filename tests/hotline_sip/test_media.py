"""The sound of one call on a hand-driven clock, and the clock itself."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import Conflict, Unavailable
from hotline.sip import g711, rtp, sdp, wire
from hotline.sip.clock import MediaClock
from hotline.sip.media import MediaLimits, MediaSession
from hotline.sip.ports import RtpPorts
from hotline.sip.prompts import Player, SoundBank
from hotline.sip.recorder import Recorder
from tests.hotline_sip.conftest import voice
from tests.hotline_sip.raw import offer

VOICE = voice(1)


class Session:
    """A media session and the caller's socket."""

    def __init__(self, disk: ThreadPoolExecutor, **limits: float) -> None:
        self.caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.caller.bind(("127.0.0.1", 0))
        self.caller.setblocking(False)
        self.keys: list[str] = []
        self.lost: list[str] = []
        self.played: list[int] = []
        self.stopped: list[Any] = []
        self.bank = SoundBank(disk)
        self.media = MediaSession(
            RtpPorts("127.0.0.1", 20000, 29998).open(),
            rtp.Peer("127.0.0.1", ()),
            Player(self.bank, self.played.append),
            Recorder(disk, on_speech=lambda: None, on_stopped=self.stopped.append),
            MediaLimits(**{"rtp_timeout_s": 1.0, **limits}),
            on_key=self.keys.append,
            on_lost=self.lost.append,
        )
        self.offer = sdp.parse(offer(port=self.caller.getsockname()[1]))
        self.media.agree(self.offer)
        self.media.sending = True
        self.tick = 0
        self.stream = rtp.Stream()

    def hear(self, packet: bytes) -> None:
        self.caller.sendto(packet, self.media.socket.getsockname())
        self.media.readable()

    def beat(self, count: int = 1) -> list[rtp.Packet]:
        """Let time pass; what the caller got meanwhile."""
        got = []
        for _ in range(count):
            self.tick += 1
            self.media.beat(self.tick)
            try:
                got.append(rtp.parse(self.caller.recv(2000)))
            except BlockingIOError:
                continue
        return [packet for packet in got if packet is not None]


def run(steps: Callable[[Session], Any], **limits: float) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as disk:
            session = Session(disk, **limits)
            try:
                await steps(session)
            finally:
                session.media.socket.close()
                session.caller.close()

    asyncio.run(main())


def prompt(path: Path, samples: np.ndarray, rate_hz: int = 8000) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, rate_hz, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return path


def test_silence_is_sent_while_nothing_plays() -> None:
    async def steps(session: Session) -> None:
        packets = session.beat(3)
        assert {packet.payload for packet in packets} == {g711.SILENCE["PCMA"]}
        assert [p.sequence - packets[0].sequence & 0xFFFF for p in packets] == [0, 1, 2]

    run(steps)


def test_prompts_are_sent_in_order_and_told_when_sent(tmp_path: Path) -> None:
    first, second = (
        prompt(tmp_path / "1.wav", VOICE[:320]),
        prompt(tmp_path / "2.wav", VOICE[320:480]),
    )

    async def steps(session: Session) -> None:
        session.bank.encode_ahead([first, second])
        tokens = [session.media.player.play([first, second]), session.media.player.play([first])]
        sent = b"".join(packet.payload for packet in session.beat(3))
        assert sent == g711.encode("PCMA", VOICE[:480].tobytes())
        assert session.played == []
        session.beat(3)
        assert session.played == tokens

    run(steps)


def test_what_was_stopped_is_neither_sent_nor_told(tmp_path: Path) -> None:
    sound = prompt(tmp_path / "1.wav", VOICE)

    async def steps(session: Session) -> None:
        session.bank.encode_ahead([sound])
        session.media.player.play([sound])
        session.beat(5)
        session.media.player.stop()
        assert {packet.payload for packet in session.beat(60)} == {g711.SILENCE["PCMA"]}
        assert session.played == []

    run(steps, rtp_timeout_s=60)


@pytest.mark.parametrize("suffix", ["wav", "pcm"])
def test_a_sound_that_was_not_encoded_ahead_is_loaded_beside_the_clock(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"take.{suffix}"
    if suffix == "wav":
        prompt(path, VOICE[:160])
    else:
        path.write_bytes(VOICE[:160].tobytes())

    async def steps(session: Session) -> None:
        token = session.media.player.play([path])
        sent = []
        while session.played != [token]:
            sent += session.beat()
            await asyncio.sleep(0.005)
        assert g711.encode("PCMA", VOICE[:160].tobytes()) in [packet.payload for packet in sent]

    run(steps, rtp_timeout_s=600)


def test_broken_prompts_are_skipped(tmp_path: Path) -> None:
    wrong_rate = prompt(tmp_path / "wrong.wav", VOICE, 16000)
    (tmp_path / "rubbish.wav").write_bytes(b"rubbish")
    paths = [wrong_rate, tmp_path / "rubbish.wav", tmp_path / "missing.wav"]

    async def steps(session: Session) -> None:
        session.bank.encode_ahead(paths)
        token = session.media.player.play(paths)
        while session.played != [token]:
            session.beat()
            await asyncio.sleep(0.005)

    run(steps, rtp_timeout_s=600)


def sends_silence(session: Session, seconds: float = 4) -> None:
    for _ in range(int(seconds * 50)):
        session.hear(session.stream.packet(8, g711.SILENCE["PCMA"], g711.FRAME_SAMPLES))
        session.beat()


def test_no_packets_end_the_call_of_a_phone_that_sends_always_and_any_packet_keeps_it() -> None:
    async def steps(session: Session) -> None:
        sends_silence(session)
        session.beat(45)
        session.hear(rtp.Stream().packet(13, b"\x7f", 160))
        session.beat(45)
        assert session.lost == []
        session.beat(10)
        assert session.lost[0] == "network"

    run(steps)


def test_a_phone_that_sends_nothing_in_silence_is_not_lost_after_the_take_ended_by_silence(
    tmp_path: Path,
) -> None:
    """The reference number is read out then: eight seconds of silence, then half a minute more."""

    async def steps(session: Session) -> None:
        recorder = session.media.recorder
        recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=False)
        for frame in VOICE.reshape(-1, 160):
            payload = g711.encode("PCMA", frame.tobytes())
            session.hear(session.stream.packet(8, payload, g711.FRAME_SAMPLES))
            session.beat()
        session.beat(401)
        await recorder.finished()
        assert [stopped.reason for stopped in session.stopped] == ["silence"]
        session.beat(40 * 50)
        assert session.lost == []

    run(steps, rtp_timeout_s=8.0)


def test_a_dead_line_ends_the_call_of_any_phone_at_last() -> None:
    async def steps(session: Session) -> None:
        session.beat(149)
        assert session.lost == []
        session.beat(2)
        assert session.lost[0] == "network"

    run(steps, unsure_limit_s=3.0)


def test_hold_has_its_own_limit() -> None:
    async def steps(session: Session) -> None:
        session.media.agree(dataclasses.replace(session.offer, direction="sendonly"))
        assert session.beat(99) == []
        assert session.lost == []
        session.beat(3)
        assert session.lost[0] == "hold"

    run(steps, hold_limit_s=2.0)


def test_a_new_source_in_the_middle_of_a_call_is_recorded_on(tmp_path: Path) -> None:
    async def steps(session: Session) -> None:
        recorder = session.media.recorder
        recorder.record(tmp_path / "t", limit_s=60, silence_s=8, keep_heard=False)
        for part in (VOICE[:4000], VOICE[4000:]):
            stream = rtp.Stream()
            for frame in part.reshape(-1, 160):
                session.hear(stream.packet(8, g711.encode("PCMA", frame.tobytes()), 160))
                session.beat()
        recorder.stop("stopped")
        await recorder.finished()

    run(steps)
    whole = g711.decode("PCMA", g711.encode("PCMA", VOICE.tobytes()))
    assert (tmp_path / "t").read_bytes() == whole


def test_a_tick_that_fails_does_not_stop_the_clock() -> None:
    ticks: list[int] = []

    def beat(tick: int) -> None:
        ticks.append(tick)
        raise ValueError("a call's trouble")

    async def main() -> None:
        clock = asyncio.create_task(MediaClock(beat).run())
        while len(ticks) < 5:
            await asyncio.sleep(0.01)
        clock.cancel()

    asyncio.run(main())
    assert ticks[:5] == [1, 2, 3, 4, 5]


def test_when_all_ports_are_taken_it_says_what_to_change() -> None:
    first = 29000
    ports = RtpPorts("127.0.0.1", first, first + 2)
    taken = [ports.open(), ports.open()]
    assert {opened.getsockname()[1] % 2 for opened in taken} == {0}
    with pytest.raises(Unavailable, match="XIANGYIN_RTP_PORT"):
        ports.open()
    for opened in taken:
        opened.close()


def test_a_second_telephony_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    lock = wire.claim(tmp_path / "line.sock")
    with pytest.raises(Conflict):
        wire.claim(tmp_path / "line.sock")
    lock.close()
    wire.claim(tmp_path / "line.sock").close()


def speak(session: Session, frames: int, mark: int) -> bytes:
    """Frames of one value; returns what was said."""
    said = b""
    for _ in range(frames):
        pcm = bytes([mark, mark]) * g711.FRAME_SAMPLES
        payload = g711.encode("PCMA", pcm)
        session.hear(session.stream.packet(8, payload, g711.FRAME_SAMPLES))
        session.beat()
        said += g711.decode("PCMA", payload)
    return said


def test_what_is_said_is_handed_out_until_it_is_no_longer_wanted() -> None:
    out: list[tuple[int, bytes]] = []

    async def steps(session: Session) -> None:
        speak(session, 10, 1)
        session.media.hand_out(lambda at_ms, pcm: out.append((at_ms, pcm)))
        said = speak(session, 30, 2)
        whole = b"".join(pcm for _, pcm in out)
        assert len(whole) >= 25 * g711.FRAME_SAMPLES * 2
        assert said.startswith(whole)
        assert out[0][0] == 0
        session.media.hand_out(None)
        count = len(out)
        speak(session, 30, 3)
        assert len(out) == count

    run(steps)


def test_the_music_of_a_call_on_hold_is_not_handed_out() -> None:
    out: list[bytes] = []

    async def steps(session: Session) -> None:
        session.media.hand_out(lambda _at_ms, pcm: out.append(pcm))
        speak(session, 20, 1)
        session.media.agree(dataclasses.replace(session.offer, direction="sendonly"))
        before = len(out)
        speak(session, 50, 2)
        assert not any(any(pcm) for pcm in out[before + 1 :])

    run(steps)
