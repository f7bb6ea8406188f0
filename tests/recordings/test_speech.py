"""The machine's voice: it needs no installed library, says Hanzi, and never hangs anybody."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core import killable
from core.errors import InvalidInput, ToolFailed
from recordings import speech

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "transcribe" / "starter" / "zh"
SENTENCE = "我家停水两天了请派人来看看"
DECODER = """
import json, sys, wave
from vosk import KaldiRecognizer, Model, SetLogLevel
SetLogLevel(-1)
sound = wave.open(sys.argv[2])
hearing = KaldiRecognizer(Model(sys.argv[1]), sound.getframerate())
texts = []
while data := sound.readframes(sound.getframerate() // 5):
    if hearing.AcceptWaveform(data):
        texts.append(json.loads(hearing.Result())["text"])
texts.append(json.loads(hearing.FinalResult())["text"])
print("".join(texts).replace(" ", ""))
"""


def test_a_sentence_becomes_a_wav_of_its_length(tmp_path: Path) -> None:
    target = tmp_path / "spoken.wav"
    duration_ms = speech.render(SENTENCE, target)
    with wave.open(str(target)) as spoken:
        assert (spoken.getframerate(), spoken.getnchannels(), spoken.getsampwidth()) == (
            22_050,
            1,
            2,
        )
        assert duration_ms == round(spoken.getnframes() / 22.05)
    assert 60 * len(SENTENCE) < duration_ms < 600 * len(SENTENCE)
    assert list(tmp_path.iterdir()) == [target]


def test_the_hanzi_are_understood_by_the_starter_model(tmp_path: Path) -> None:
    speech.render(SENTENCE, tmp_path / "spoken.wav")
    heard = subprocess.run(
        [sys.executable, "-c", DECODER, MODEL, tmp_path / "spoken.wav"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert heard.stdout.strip() == SENTENCE


def test_no_library_of_the_system_is_needed(tmp_path: Path) -> None:
    """The process maps the espeak-ng of our packages and no other."""
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        from recordings import speech
        speech._speak_here("你好", Path({str(tmp_path / "a.wav")!r}), 170)
        maps = Path("/proc/self/maps").read_text()
        used = {{line.split()[-1] for line in maps.splitlines() if "espeak" in line}}
        assert used and all("espeakng_loader" in path for path in used), used
        print("own", flush=True)
        import os; os._exit(0)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip().endswith("own"), done.stderr


@pytest.mark.parametrize("text", ["", "  \n ", "。。。！", "\x00\x07"])
def test_a_text_with_nothing_to_say_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        speech.render(text, tmp_path / "spoken.wav")
    assert refused.value.field == "text"
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_is_too_long_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        speech.render("水" * 5_001, tmp_path / "spoken.wav")
    assert refused.value.field == "text"
    assert "5001" in refused.value.text
    assert "5000" in refused.value.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["请大家注意防汛。" * 100, "水" * 1_500, "a1" * 900, "防汛！\n\n" * 200],
    ids=["sentences", "no punctuation", "latin and digits", "short lines"],
)
def test_a_long_text_is_spoken_whole(tmp_path: Path, text: str) -> None:
    assert "".join(speech._pieces(text)) == text
    duration_ms = speech.render(text, tmp_path / "spoken.wav")
    assert duration_ms > 60 * sum(char.isalnum() for char in text)


def test_numbers_and_latin_letters_are_spoken(tmp_path: Path) -> None:
    text = "2026年6月1日上午8点30分，请拨打110或 WiFi 热线13800138000"
    assert speech.render(text, tmp_path / "spoken.wav") > 3_000


def test_a_voice_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[object], **options: object) -> subprocess.CompletedProcess[bytes]:
        return killable.run(["sleep", "60"], limits=killable.Limits(wall_s=0.3))

    monkeypatch.setattr(speech, "run", hang)
    started = time.monotonic()
    with pytest.raises(ToolFailed):
        speech.render(SENTENCE, tmp_path / "spoken.wav")
    assert time.monotonic() - started < 30
    assert list(tmp_path.iterdir()) == []


def test_a_voice_that_swallows_words_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = speech._speak_apart

    def half(text: str, part: Path, rate_wpm: int, voice: str) -> None:
        whole(text[:1], part, rate_wpm, voice)

    monkeypatch.setattr(speech, "_speak_apart", half)
    with pytest.raises(ToolFailed):
        speech.render(SENTENCE * 2, tmp_path / "spoken.wav")
    assert list(tmp_path.iterdir()) == []


def test_a_faster_rate_speaks_shorter(tmp_path: Path) -> None:
    slow = speech.render(SENTENCE, tmp_path / "slow.wav", rate_wpm=120)
    fast = speech.render(SENTENCE, tmp_path / "fast.wav", rate_wpm=260)
    assert fast < slow
    with pytest.raises(InvalidInput):
        speech.render(SENTENCE, tmp_path / "fast.wav", rate_wpm=1_000)


def test_the_child_runs_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert speech.render("你好", Path(os.fspath(tmp_path)) / "spoken.wav") > 200


@pytest.mark.slow
def test_a_busy_machine_speaks_at_the_rate_that_was_asked_for(tmp_path: Path) -> None:
    """espeak-ng takes its rate in a thread: some in a hundred sounds were a fifth too fast."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(6)]
    try:
        with ThreadPoolExecutor(6) as pool:
            paths = [tmp_path / f"{number}.wav" for number in range(150)]
            lengths_ms = set(pool.map(lambda path: speech.render("请马上上山。", path), paths))
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert len(lengths_ms) == 1
