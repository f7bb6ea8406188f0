"""``python -m transcribe``: files to text, models, and what goes wrong said plainly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CLIPS, ROOT
from tests.transcribe.conftest import Spoken, pcm, write_wav
from transcribe import catalogue
from transcribe.recogniser import STANDARD


def transcribe(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "transcribe", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_text_goes_to_standard_output_and_the_starters_warning_to_standard_error(
    spoken: Spoken,
) -> None:
    done = transcribe(spoken.wide, spoken.telephone)
    assert (done.returncode, done.stdout) == (0, f"{spoken.text}\n" * 2)
    assert "hears synthetic voices and NOT people" in done.stderr


def test_json_has_words_times_confidence_and_what_heard_them(spoken: Spoken) -> None:
    done = transcribe("--json", spoken.original)
    assert spoken.text in done.stdout
    found = json.loads(done.stdout)
    assert found["text"] == "".join(word["text"] for word in found["words"]) == spoken.text
    assert set(found["words"][0]) == {"text", "start_ms", "end_ms", "confidence"}
    assert found["utterances"][0]["text"]
    assert (found["model"], found["hears_people"]) == ("starter-zh", False)
    assert found["model_hash"] == catalogue.starter().tree_hash
    assert found["warning"] == catalogue.STARTER_WARNING
    assert found["decoder"] == STANDARD.to_json()
    [said] = found["utterances"]
    assert (said["text"], said["alternatives"], said["side"]) == (spoken.text, [], None)
    assert (found["diagnosis"], found["remarks"]) == (None, [])


def test_doubts_remarks_and_the_gate_show_in_json(spoken: Spoken, tmp_path: Path) -> None:
    slow = write_wav(tmp_path / "slow.wav", pcm(spoken.wide), 8_000)
    done = transcribe("--json", "--no-gate", slow)
    found = json.loads(done.stdout)
    assert "wrong_rate:16000" in found["remarks"]
    assert found["decoder"]["gate"] is False
    assert any(said["alternatives"] for said in found["utterances"])


def test_a_bad_file_is_named_and_the_others_are_still_done(spoken: Spoken, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_text("this is no sound")
    done = transcribe(bad, spoken.wide, tmp_path / "missing.wav")
    assert done.returncode == 1
    assert done.stdout == f"{spoken.text}\n"
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert len(complaints) == 2
    assert "Traceback" not in done.stderr


def test_names_with_quotes_blanks_and_hanzi_are_just_names(spoken: Spoken, tmp_path: Path) -> None:
    odd = tmp_path / '王大妈\'s "停水" $(x).wav'
    odd.write_bytes(spoken.wide.read_bytes())
    assert transcribe(odd).stdout == f"{spoken.text}\n"


def test_it_works_from_any_folder_even_one_that_holds_a_vosk_py(
    spoken: Spoken, tmp_path: Path
) -> None:
    (tmp_path / "vosk.py").write_text("raise SystemExit('the wrong vosk')")
    (tmp_path / "here.wav").write_bytes(spoken.wide.read_bytes())
    assert transcribe("here.wav", cwd=tmp_path).stdout == f"{spoken.text}\n"


def test_a_model_by_its_folder_and_a_folder_that_is_none(spoken: Spoken, tmp_path: Path) -> None:
    assert transcribe("--model", catalogue.STARTER, spoken.wide).returncode == 0
    done = transcribe("--model", tmp_path, spoken.wide)
    assert done.returncode == 1
    assert "There is no Vosk model in" in done.stderr


def test_models_are_listed_installed_and_chosen(tmp_path: Path) -> None:
    done = transcribe("models", "list")
    assert done.stdout.startswith("* starter-zh")
    assert "does NOT hear people" in done.stdout
    done = transcribe("models", "install", "--dir", catalogue.STARTER)
    assert done.returncode == 0
    assert [line[:4] for line in done.stdout.splitlines()] == ["  st", "* zh"]
    assert transcribe("models", "use", "starter-zh").stdout.startswith("* starter-zh")
    junk = tmp_path / "junk.zip"
    junk.write_text("no zip")
    done = transcribe("models", "install", "--zip", junk)
    assert (done.returncode, done.stdout) == (1, "")
    assert "damaged or is none" in done.stderr
    assert transcribe("models", "install").returncode == 2


@pytest.mark.skipif(not CLIPS.is_dir(), reason="clips of people are not part of the repository")
def test_for_peoples_voices_the_starter_warns_before_anybody_trusts_its_text() -> None:
    done = transcribe("--json", sorted(CLIPS.glob("*.wav"))[0])
    assert json.loads(done.stdout)["warning"]
    assert "NOT people" in done.stderr
