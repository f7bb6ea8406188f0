"""Prompts: made once, ahead of time, in one form; a county's own recording goes first."""

from __future__ import annotations

import hashlib
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from core.errors import ToolFailed
from core.settings import Settings
from hotline import prompt_sound, prompt_texts, prompts
from hotline.prompt_texts import (
    ALL_IDS,
    CONSENT_TEXTS,
    LANGUAGES,
    TEXTS,
    number_sounds,
    reference_sounds,
)


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

    def speak(text: str, rate_wpm: int, voice: str) -> prompt_sound.Samples:
        asked.append(text)
        return (np.sin(np.arange(800) / 4) * 9000).astype("<i2")

    monkeypatch.setattr(prompt_sound, "spoken", speak)
    return asked


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_prompt_is_spoken_for_the_telephone(config: Settings) -> None:
    """With the real voices."""
    told: list[tuple[int, int, str]] = []
    made = prompts.prepare(config, lambda *step: told.append(step))
    assert [prompt_id for _, _, prompt_id in told] == list(ALL_IDS)
    made = prompts.prepare(config, every=True)
    assert made.languages == ("zh_CN", "en")
    for spoken in made.sets.values():
        assert set(spoken.paths) == set(ALL_IDS)
        assert all(facts(path) == (8000, 1, 2) for path in spoken.paths.values())
        assert seconds(spoken.paths["greeting"]) > 5
        assert max(seconds(path) for path in spoken.paths.values()) < 15
        for prompt_id in TEXTS:
            with wave.open(str(spoken.paths[prompt_id]), "rb") as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
            assert 20_000 < np.abs(samples.astype(int)).max() < 25_000


def test_a_second_start_renders_nothing(config: Settings, quick_voice: list[str]) -> None:
    first = prompts.prepare(config)
    quick_voice.clear()
    assert prompts.prepare(config) == first
    assert quick_voice == []


def test_a_changed_name_renders_only_what_says_it(config: Settings, quick_voice: list[str]) -> None:
    prompts.prepare(config)
    quick_voice.clear()
    prompts.prepare(config.model_copy(update={"station_name": "青石镇派出所"}))
    assert len(quick_voice) == sum("{station}" in text for text in TEXTS.values())
    assert all("青石镇派出所" in text for text in quick_voice)


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
    assert made.consent_version() == prompt_texts.CONSENT_VERSIONS["zh_CN"]


def test_an_own_wording_of_the_consent_has_its_own_version(
    config: Settings, quick_voice: list[str]
) -> None:
    own = config.folder("prompts", "custom") / "consent.wav"
    own.write_bytes(prompts.wav_bytes(bytes(16_000)))
    first = prompts.prepare(config).consent_version()
    own.write_bytes(prompts.wav_bytes(bytes(16_002)))
    second = prompts.prepare(config).consent_version()
    assert first.startswith("county-")
    assert len({first, second, prompt_texts.CONSENT_VERSIONS["zh_CN"]}) == 3
    assert len(first) <= 20


@pytest.mark.parametrize("broken", ["greeting", "digit_3"])
def test_a_prompt_that_cannot_be_made_is_named(
    config: Settings, monkeypatch: pytest.MonkeyPatch, quick_voice: list[str], broken: str
) -> None:
    working = prompt_sound.spoken

    def fail(text: str, rate_wpm: int, voice: str) -> prompt_sound.Samples:
        if text == TEXTS[broken].format(station=""):
            raise ToolFailed("the voice is hoarse")
        return working(text, rate_wpm, voice)

    monkeypatch.setattr(prompt_sound, "spoken", fail)
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


@pytest.mark.parametrize(
    ("language", "version", "digest"),
    [("zh_CN", "2026-12", "c8a125f4dd60"), ("en", "2026-12-en", "2dfadab46908")],
)
def test_the_wording_of_the_consent_changes_only_with_its_version(
    language: str, version: str, digest: str
) -> None:
    """When this fails, give the language a new version and write down the new digest."""
    words = "".join(LANGUAGES[language][name] for name in CONSENT_TEXTS)
    assert hashlib.sha256(words.encode()).hexdigest()[:12] == digest
    assert prompt_texts.CONSENT_VERSIONS[language] == version


def test_every_language_says_the_same() -> None:
    assert {tuple(sorted(texts)) for texts in LANGUAGES.values()} == {tuple(sorted(TEXTS))}


def test_no_language_but_the_first_is_rendered_before_the_start(
    config: Settings, quick_voice: list[str]
) -> None:
    first = prompts.prepare(config)
    assert first.languages == ("zh_CN",)
    assert not any(text.isascii() for text in quick_voice)
    assert prompts.prepare(config, every=True).languages == ("zh_CN", "en")
    assert prompts.prepare(config).languages == ("zh_CN", "en")


def test_each_language_has_its_own_recordings(config: Settings, quick_voice: list[str]) -> None:
    record_own(config, "en/goodbye", 1)
    made = prompts.prepare(config, every=True)
    assert seconds(made.sounds(("goodbye",), "en")[0]) == pytest.approx(1, abs=0.01)
    assert made.sounds(("goodbye",), "zh_CN") != made.sounds(("goodbye",), "en")
    assert TEXTS["goodbye"] in quick_voice


def test_a_dialect_is_recordings_over_mandarin(config: Settings, quick_voice: list[str]) -> None:
    record_own(config, "wu/greeting", 1)
    made = prompts.prepare(speaking(config, "zh_CN, wu"), every=True)
    assert made.languages == ("zh_CN", "wu")
    assert made.sounds(("greeting",), "wu") != made.sounds(("greeting",), "zh_CN")
    assert made.sounds(("menu",), "wu") == made.sounds(("menu",), "zh_CN")
    assert made.offer("wu") == []
    assert made.consent_version("wu") == made.consent_version("zh_CN")
    record_own(config, "wu/language", 1)
    record_own(config, "wu/consent", 2)
    offered = prompts.prepare(speaking(config, "zh_CN,wu"), every=True)
    assert seconds(offered.offer("wu")[0]) == pytest.approx(1, abs=0.01)
    assert offered.consent_version("wu").startswith("county-")


@pytest.mark.parametrize("listed", ["", "xx", "../en", "xx, "])
def test_a_language_without_recordings_does_not_keep_the_hotline_from_starting(
    config: Settings, listed: str
) -> None:
    assert prompts.languages_of(speaking(config, listed)) == ("zh_CN",)


def test_later_languages_join_when_they_are_spoken(
    config: Settings, quick_voice: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(
        *_: object, env: dict[str, str], **__: object
    ) -> subprocess.CompletedProcess[bytes]:
        assert env["XIANGYIN_DATA_DIR"] == str(config.data_dir.resolve())
        prompts.prepare(config, every=True)
        return subprocess.CompletedProcess([], 0, b"", b"")

    monkeypatch.setattr("core.killable.run", at_once)
    ready = prompts.prepare(config)
    prompts.add_later(config, ready)
    assert ready.languages == ("zh_CN", "en")


def test_a_voice_that_fails_later_leaves_the_languages_there_are(
    config: Settings, quick_voice: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 1, b"", b"hoarse")

    monkeypatch.setattr("core.killable.run", fail)
    ready = prompts.prepare(config)
    prompts.add_later(config, ready)
    assert ready.languages == ("zh_CN",)


def speaking(config: Settings, languages: str) -> Settings:
    return config.model_copy(update={"hotline_languages": languages})


def record_own(config: Settings, name: str, length_s: int) -> None:
    path = config.folder("prompts", "custom") / f"{name}.wav"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(prompts.wav_bytes(bytes(16_000 * length_s)))
