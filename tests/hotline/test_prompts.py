"""Prompts: made once, ahead of time, in one form; a county's own recording goes first."""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import numpy as np
import pytest

from core.errors import ToolFailed
from core.settings import Settings
from hotline import prompt_texts, prompts
from hotline.prompt_texts import ALL_IDS, TEXTS, number_sounds, reference_sounds
from recordings import speech


def facts(path: Path) -> tuple[int, int, int]:
    with wave.open(str(path), "rb") as sound:
        return sound.getframerate(), sound.getnchannels(), sound.getsampwidth()


def seconds(path: Path) -> float:
    with wave.open(str(path), "rb") as sound:
        return sound.getnframes() / sound.getframerate()


@pytest.fixture
def quick_voice(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A voice that takes no time; returns what it was asked to say."""
    asked: list[str] = []

    def render(text: str, target: Path, *, rate_wpm: int) -> int:
        asked.append(text)
        at_s = np.arange(22_050) / 22_050
        with wave.open(str(target), "wb") as out:
            out.setparams((1, 2, 22_050, 0, "NONE", ""))
            out.writeframes((np.sin(at_s * 2000) * 9000).astype("<i2").tobytes())
        return 1000

    monkeypatch.setattr(speech, "render", render)
    return asked


@pytest.mark.slow
def test_every_prompt_is_spoken_for_the_telephone(config: Settings) -> None:
    """With the real voice."""
    told: list[tuple[int, int, str]] = []
    made = prompts.prepare(config, lambda *step: told.append(step))
    assert set(made.paths) == set(ALL_IDS)
    assert [prompt_id for _, _, prompt_id in told] == list(ALL_IDS)
    for path in made.paths.values():
        assert facts(path) == (8000, 1, 2)
    assert seconds(made.paths["greeting"]) > 5
    assert max(seconds(path) for path in made.paths.values()) < 15
    for prompt_id in TEXTS:
        with wave.open(str(made.paths[prompt_id]), "rb") as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
        assert 20_000 < np.abs(samples.astype(int)).max() < 25_000


def test_a_second_start_renders_nothing(config: Settings, quick_voice: list[str]) -> None:
    first = prompts.prepare(config)
    quick_voice.clear()
    assert prompts.prepare(config) == first
    assert quick_voice == []


def test_a_changed_name_renders_the_greeting_alone(
    config: Settings, quick_voice: list[str]
) -> None:
    prompts.prepare(config)
    quick_voice.clear()
    prompts.prepare(config.model_copy(update={"station_name": "青石镇派出所"}))
    assert len(quick_voice) == 1
    assert "青石镇派出所" in quick_voice[0]


def test_a_countys_own_recording_replaces_a_prompt(
    config: Settings, quick_voice: list[str]
) -> None:
    own = config.folder("prompts", "custom") / "goodbye.wav"
    with wave.open(str(own), "wb") as out:
        out.setparams((2, 2, 44_100, 0, "NONE", ""))
        out.writeframes(bytes(4 * 44_100 * 2))
    made = prompts.prepare(config)
    assert facts(made.paths["goodbye"]) == (8000, 1, 2)
    assert seconds(made.paths["goodbye"]) == pytest.approx(2, abs=0.01)
    assert TEXTS["goodbye"] not in quick_voice
    assert made.consent_version == prompt_texts.CONSENT_VERSION


def test_an_own_wording_of_the_consent_has_its_own_version(
    config: Settings, quick_voice: list[str]
) -> None:
    own = config.folder("prompts", "custom") / "consent.wav"
    own.write_bytes(prompts.wav_bytes(bytes(16_000)))
    first = prompts.prepare(config).consent_version
    own.write_bytes(prompts.wav_bytes(bytes(16_002)))
    second = prompts.prepare(config).consent_version
    assert first.startswith("county-")
    assert len({first, second, prompt_texts.CONSENT_VERSION}) == 3
    assert len(first) <= 20


@pytest.mark.parametrize("broken", ["greeting", "digit_3"])
def test_a_prompt_that_cannot_be_made_is_named(
    config: Settings, monkeypatch: pytest.MonkeyPatch, quick_voice: list[str], broken: str
) -> None:
    working = speech.render

    def fail(text: str, target: Path, *, rate_wpm: int) -> int:
        if text == TEXTS[broken].format(station=""):
            raise ToolFailed("the voice is hoarse")
        return working(text, target, rate_wpm=rate_wpm)

    monkeypatch.setattr(speech, "render", fail)
    with pytest.raises(ToolFailed, match=f"{broken} could not be made: the voice is hoarse"):
        prompts.prepare(config)


def test_a_broken_own_recording_is_named(config: Settings, quick_voice: list[str]) -> None:
    (config.folder("prompts", "custom") / "beep.wav").write_text("not a sound")
    with pytest.raises(ToolFailed, match="The prompt beep could not be made"):
        prompts.prepare(config)


def test_numbers_are_read_in_threes() -> None:
    assert number_sounds("110") == ("digit_1", "digit_1", "digit_0", "pause")
    assert number_sounds("123456789")[3::4] == ("pause",) * 3
    assert TEXTS["digit_1"].startswith("幺")


def test_the_number_is_read_twice_and_the_pin_once() -> None:
    sounds = reference_sounds("123456783", "9999", (), ("goodbye",))
    assert sounds.count("digit_1") == 2
    assert sounds.count("digit_9") == 4
    assert sounds[-1] == "goodbye"


def test_the_wording_of_the_consent_changes_only_with_its_version() -> None:
    """When this fails, give CONSENT_VERSION a new value and write down the new digest."""
    words = TEXTS["consent"] + TEXTS["fraud"]
    digest = hashlib.sha256(words.encode()).hexdigest()[:12]
    assert (prompt_texts.CONSENT_VERSION, digest) == ("2026-11", "cd5a3598318e")
