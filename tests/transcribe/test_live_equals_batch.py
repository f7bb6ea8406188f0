"""200 messages and twelve people, heard while they grow, word for word as decoded afterwards."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import Settings
from recordings import sound, speech
from tests.conftest import CLIPS
from tests.transcribe.conftest import ffmpeg, pcm, write_wav
from tests.transcribe.growing import LiveProcess, Tape, live_process, wait_for
from transcribe import catalogue, hearings
from transcribe.decoder import Decoder
from transcribe.recogniser import STANDARD

TEXTS = (
    "我家停水两天了请派人来看看", "村里的路灯坏了好几天", "垃圾没有人清理请尽快处理",
    "井盖不见了晚上很危险", "电线掉下来了在小学门口", "有人乱倒污水", "我的低保没有发下来",
    "路面塌了一块车子过不去", "邻居家半夜很吵", "请给我们一个答复", "老人出门很不方便",
    "水管漏水很严重",
)  # fmt: skip
SPEEDS_WPM = (140, 170, 220)
MESSAGES = 200
AT_A_TIME = 4
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[bytes]]:
    """Sentences at three speeds by rate: 8 kHz went through G.711, 16 kHz did not."""
    folder = tmp_path_factory.mktemp("said")
    found: dict[int, list[bytes]] = {8000: [], 16_000: []}
    for number, text in enumerate(TEXTS):
        spoken = folder / f"{number}.wav"
        speech.render(text, spoken, rate_wpm=SPEEDS_WPM[number % len(SPEEDS_WPM)])
        wide, line = folder / "wide.wav", folder / "line.wav"
        sound.to_wav(spoken, wide, rate_hz=16_000)
        ffmpeg("-i", spoken, "-ar", "8000", "-ac", "1", "-c:a", "pcm_alaw", line)
        sound.to_wav(line, folder / "narrow.wav", rate_hz=8000)
        found[16_000].append(pcm(wide))
        found[8000].append(pcm(folder / "narrow.wav"))
    return found


def message(said: dict[int, list[bytes]], dice: random.Random) -> tuple[int, bytes]:
    """(rate, samples): up to four pieces of sentences, some cut off, with gaps between them."""
    rate_hz = dice.choice((8000, 16_000))
    whole = bytes(2 * dice.randrange(rate_hz // 2))
    for _ in range(dice.randint(1, 4)):
        sentence = dice.choice(said[rate_hz])
        whole += sentence[: 2 * dice.randrange(len(sentence) // 4, len(sentence) // 2)]
        whole += bytes(2 * int(rate_hz * dice.choice((0, 0.05, 0.3, 0.9, 2.5))))
    return rate_hz, whole


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveProcess]:
    with live_process(tmp_path, XIANGYIN_LIVE_STREAMS=str(2 * AT_A_TIME)) as process:
        yield process


def grow(config: Settings, folder: Path, sounds: list[tuple[int, bytes]], seed: int) -> list[Tape]:
    """Write some sounds at the same time, in pieces of any size, much faster than they speak."""
    dice = random.Random(seed)
    tapes = []
    for number, (rate_hz, _) in enumerate(sounds):
        (folder / f"{seed}-{number}").mkdir()
        path = folder / f"{seed}-{number}" / "take-1.pcm"
        tapes.append(Tape(config, path, rate_hz=rate_hz))
    places = [0] * len(sounds)
    while any(place < len(samples) for place, (_, samples) in zip(places, sounds, strict=True)):
        for number, (rate_hz, samples) in enumerate(sounds):
            piece = samples[places[number] : places[number] + dice.randrange(1, rate_hz)]
            places[number] += len(piece)
            if piece:
                tapes[number].write(piece)
                tapes[number].tell()
        time.sleep(0.01 * dice.random())
    for tape in tapes:
        tape.finish()
    return tapes


def compare(tapes: list[Tape], decoder: Decoder, folder: Path, differ: list[str]) -> None:
    for tape in tapes:
        wav = write_wav(folder / "whole.wav", tape.path.read_bytes(), tape.rate_hz)
        name = hearings.sound_of(wav).pcm_sha256
        wait_for(lambda tape=tape: tape.key in tape.shelf.ready(), f"hearing {tape.key}")
        heard = tape.shelf.get(
            tape.key, pcm_sha256=name, model_hash=catalogue.starter().tree_hash,
            config_hash=STANDARD.hash,
        )  # fmt: skip
        if heard != decoder.decode(wav):
            differ.append(tape.key)


@pytest.mark.usefixtures("live")
def test_every_message_is_heard_as_it_is_decoded(
    config: Settings, tmp_path: Path, said: dict[int, list[bytes]], decoder: Decoder
) -> None:
    dice = random.Random(20_261_124)
    differ: list[str] = []
    for batch in range(MESSAGES // AT_A_TIME):
        sounds = [message(said, dice) for _ in range(AT_A_TIME)]
        compare(grow(config, tmp_path, sounds, batch), decoder, tmp_path, differ)
    assert differ == []


@pytest.mark.skipif(not CLIPS.is_dir(), reason="clips of people are not part of the repository")
@pytest.mark.usefixtures("live")
def test_people_are_heard_live_as_they_are_decoded(
    config: Settings, tmp_path: Path, decoder: Decoder
) -> None:
    clips = [CLIPS / one["file"] for one in json.loads((CLIPS / "manifest.json").read_text())]
    differ: list[str] = []
    for number, clip in enumerate(clips):
        wide = sound_at(tmp_path, clip, 16_000), 16_000
        narrow = sound_at(tmp_path, clip, 8000), 8000
        sounds = [(rate_hz, pcm(path)) for path, rate_hz in (wide, narrow)]
        compare(grow(config, tmp_path, sounds, number), decoder, tmp_path, differ)
    assert len(clips) == 12
    assert differ == []


def sound_at(folder: Path, clip: Path, rate_hz: int) -> Path:
    sound.to_wav(clip, folder / f"{rate_hz}.wav", rate_hz=rate_hz)
    return folder / f"{rate_hz}.wav"
