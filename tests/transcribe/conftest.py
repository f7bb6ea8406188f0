"""Sound spoken by the machine's voice, as files of the two kinds a decoder takes."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import pytest

from recordings import speech
from tests.transcribe.working import here, start
from transcribe import catalogue
from transcribe.decoder import Decoder

__all__ = ["here", "start"]
SENTENCE = "我家停水两天了请派人来看看"
SENTENCES = (SENTENCE, "村里的路灯坏了好几天", "垃圾没有人清理请尽快处理")


@dataclass(frozen=True)
class Spoken:
    """One sentence: the voice's own WAV, 16 kHz, and what is left after a telephone line."""

    text: str
    original: Path
    wide: Path
    telephone: Path


def ffmpeg(*arguments: str | Path) -> None:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _speak(text: str, folder: Path) -> Spoken:
    original, wide = folder / "original.wav", folder / "wide.wav"
    line, telephone = folder / "line.wav", folder / "telephone.wav"
    speech.render(text, original)
    ffmpeg("-i", original, "-ar", "16000", "-ac", "1", wide)
    ffmpeg("-i", original, "-ar", "8000", "-ac", "1", "-c:a", "pcm_alaw", line)
    ffmpeg("-i", line, "-c:a", "pcm_s16le", telephone)
    return Spoken(text, original, wide, telephone)


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> list[Spoken]:
    """Three sentences as people of the domain say them."""
    return [_speak(text, tmp_path_factory.mktemp("spoken")) for text in SENTENCES]


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """SENTENCE, spoken."""
    return _speak(SENTENCE, tmp_path_factory.mktemp("spoken"))


@pytest.fixture(scope="session")
def long_sound(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sentence over and over, some 5 minutes: seconds of work for the decoder."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    write_wav(path, pcm(spoken.wide) * 80, 16_000)
    return path


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[Decoder]:
    """A decoder with the starter model, loaded."""
    made = Decoder(catalogue.STARTER, tmp_path / "decoder")
    made.start()
    yield made
    made.close()


def pcm(path: Path) -> bytes:
    with wave.open(str(path), "rb") as sound:
        return sound.readframes(sound.getnframes())


def write_wav(path: Path, samples: bytes, rate_hz: int, *, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(samples)
    return path


def error_rate(said: str, heard: str) -> float:
    """Characters wrong, missing or added, per character said."""
    row = list(range(len(heard) + 1))
    for i, one in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return row[-1] / len(said)
