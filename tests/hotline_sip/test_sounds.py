"""Sounds that were not encoded before the call: read piece by piece while they are heard."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hotline.sip import g711
from hotline.sip.g711 import Codec
from hotline.sip.prompts import Player, SoundBank
from hotline.sip.sounds import PIECE_SAMPLES

PIECE_FRAMES = PIECE_SAMPLES // g711.FRAME_SAMPLES
FRAMES_A_MINUTE = 60 * 1000 // g711.FRAME_MS


class Listener:
    """A player, and what it says it has sent."""

    def __init__(self, disk: ThreadPoolExecutor) -> None:
        self.ended: list[int] = []
        self.bank = SoundBank(disk)
        self.player = Player(self.bank, self.ended.append)

    async def hear(self, frames: int | None = None, codec: Codec = "PCMA") -> list[bytes]:
        """So many frames, or all until something ends."""
        got: list[bytes] = []
        while not self.ended and len(got) != frames:
            frame = self.player.next_frame(codec)
            if frame is None:
                await asyncio.sleep(0.001)
            else:
                got.append(frame)
        return got


def listen(steps: Callable[[Listener], Awaitable[None]]) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as disk:
            await steps(Listener(disk))

    asyncio.run(main())


def noise(frames: int, seed: int = 1) -> np.ndarray:
    """No two frames of it are alike."""
    samples = np.random.default_rng(seed).integers(-20_000, 20_000, frames * g711.FRAME_SAMPLES)
    return samples.astype("<i2")


def wav(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return path


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Codec, int]]:
    """What was encoded, as codec and samples."""
    done: list[tuple[Codec, int]] = []
    encode = g711.encode

    def noted(codec: Codec, pcm: bytes) -> bytes:
        done.append((codec, len(pcm) // 2))
        return encode(codec, pcm)

    monkeypatch.setattr(g711, "encode", noted)
    return done


def test_a_sound_longer_than_ten_minutes_is_heard_to_its_end(tmp_path: Path) -> None:
    samples = noise(10 * FRAMES_A_MINUTE + 77)
    path = wav(tmp_path / "episode.wav", samples)

    async def steps(listener: Listener) -> None:
        token = listener.player.play([path])
        assert b"".join(await listener.hear()) == g711.encode("PCMA", samples.tobytes())
        assert listener.ended == [token]

    listen(steps)


def test_a_long_sound_begins_when_its_first_seconds_are_read(
    tmp_path: Path, encoded: list[tuple[Codec, int]]
) -> None:
    path = wav(tmp_path / "episode.wav", noise(10 * FRAMES_A_MINUTE))

    async def steps(listener: Listener) -> None:
        listener.player.play([path])
        await listener.hear(1)
        while len(encoded) < 2:  # the next piece, long before it is needed
            await asyncio.sleep(0.001)
        await listener.hear(PIECE_FRAMES)
        assert 2 <= len(encoded) <= 3
        assert {*encoded} == {("PCMA", PIECE_SAMPLES)}

    listen(steps)


def test_a_sound_is_encoded_in_the_codec_of_its_call(
    tmp_path: Path, encoded: list[tuple[Codec, int]]
) -> None:
    samples = noise(3 * PIECE_FRAMES)
    path = wav(tmp_path / "episode.wav", samples)

    async def steps(listener: Listener) -> None:
        assert listener.player.next_frame("PCMU") is None
        listener.player.play([path])
        heard = b"".join(await listener.hear(codec="PCMU"))
        assert {codec for codec, _ in encoded} == {"PCMU"}
        assert heard == g711.encode("PCMU", samples.tobytes())

    listen(steps)


def test_a_call_whose_codec_changes_goes_on_where_it_was(tmp_path: Path) -> None:
    samples = noise(2 * PIECE_FRAMES)
    path = wav(tmp_path / "episode.wav", samples)
    in_alaw = g711.encode("PCMA", samples.tobytes())

    async def steps(listener: Listener) -> None:
        listener.player.play([path])
        first = await listener.hear(100)
        then = await listener.hear(100, "PCMU")
        parts = in_alaw[: 100 * 160], in_alaw[100 * 160 : 200 * 160]
        assert b"".join(first) == parts[0]
        assert b"".join(then) == g711.translate("PCMA", "PCMU", parts[1])

    listen(steps)


@pytest.mark.parametrize("name", ["episode.wav", "take-1.pcm"])
def test_a_file_that_goes_while_it_is_heard_is_heard_to_its_end(tmp_path: Path, name: str) -> None:
    samples, path = noise(4 * PIECE_FRAMES), tmp_path / name
    if path.suffix == ".wav":
        wav(path, samples)
    else:
        path.write_bytes(samples.tobytes())

    async def steps(listener: Listener) -> None:
        listener.player.play([path])
        heard = await listener.hear(10)
        path.unlink()
        heard += await listener.hear()
        assert b"".join(heard) == g711.encode("PCMA", samples.tobytes())

    listen(steps)


def test_one_sound_follows_the_other_and_the_last_frame_is_filled_up(tmp_path: Path) -> None:
    parts = noise(3)[:400], noise(PIECE_FRAMES + 2, 2), noise(2, 3)
    paths = [wav(tmp_path / f"{number}.wav", part) for number, part in enumerate(parts)]

    async def steps(listener: Listener) -> None:
        listener.bank.encode_ahead(paths[2:])
        listener.player.play(paths)
        first = g711.encode("PCMA", parts[0].tobytes()) + g711.SILENCE["PCMA"][:80]
        rest = (g711.encode("PCMA", part.tobytes()) for part in parts[1:])
        assert b"".join(await listener.hear()) == b"".join((first, *rest))

    listen(steps)


def holds_open(path: Path) -> bool:
    return any(opened.resolve() == path for opened in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("heard", [0, 1])
def test_what_was_stopped_is_not_held_open(tmp_path: Path, heard: int) -> None:
    path = wav(tmp_path / "episode.wav", noise(10 * PIECE_FRAMES))

    async def steps(listener: Listener) -> None:
        listener.player.play([path])
        await listener.hear(heard)
        kept = [*listener.player._queue[0].sounds]  # else it closes when it is forgotten
        listener.player.stop()
        while holds_open(path):
            await asyncio.sleep(0.001)
        assert listener.player.next_frame("PCMA") is None
        assert listener.ended == []
        del kept

    listen(steps)


def test_a_sound_cut_short_on_disk_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    samples = noise(PIECE_FRAMES + 50)
    path = wav(tmp_path / "episode.wav", samples)
    path.write_bytes(path.read_bytes()[: 44 + 2 * PIECE_SAMPLES + 320])

    async def steps(listener: Listener) -> None:
        listener.player.play([path])
        whole = g711.encode("PCMA", samples.tobytes())
        assert b"".join(await listener.hear()) == whole[: PIECE_SAMPLES + 160]

    listen(steps)
