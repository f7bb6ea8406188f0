"""``python -m transcribe models``, ``evaluate`` and ``check-model``, as a person types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.settings import Settings
from tests.conftest import ROOT
from tests.transcribe.conftest import Spoken
from tests.transcribe.layouts import as_published, layered
from tests.transcribe.test_command_line import CLIPS, transcribe
from transcribe import catalogue, commands, install, records, spoken
from transcribe.commands import models
from transcribe.fetch import Progress

TOWN = "330123104000"


def manifest(folder: Path, sentences: list[Spoken]) -> Path:
    path = folder / "list.tsv"
    path.write_text("".join(f"{each.telephone}\t{each.text}。\n" for each in sentences))
    return path


def test_an_adjusted_model_is_said_to_be_and_the_list_shows_every_place(tmp_path: Path) -> None:
    as_published(tmp_path / "m")
    done = transcribe("models", "install", "--dir", tmp_path / "m", "--area", TOWN)
    assert "Set in mfcc.conf: --dither=0 --allow-upsample=true" in done.stderr
    assert done.stdout.startswith("* starter-zh")
    assert f"  m  {catalogue.at(tmp_path / 'var/models/m').tree_hash[:16]}" in done.stdout
    assert f"    for area {TOWN}" in done.stdout
    listed = transcribe("models", "use", "m", "--language", "yue").stdout
    assert "    for language yue" in listed
    assert "for area" not in transcribe("models", "unuse", "--area", TOWN).stdout
    refused = transcribe("models", "remove", "m")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "in use" in refused.stderr
    transcribe("models", "unuse", "--language", "yue")
    assert " m  " not in transcribe("models", "remove", "m").stdout


def test_a_place_whose_model_is_gone_is_shown(config: Settings, tmp_path: Path) -> None:
    layered(tmp_path / "m")
    model = install.from_folder(tmp_path / "m", config)
    model.path.rename(tmp_path / "elsewhere")
    assert "(the model chosen for everything else is gone)" in transcribe("models", "list").stderr


@pytest.mark.parametrize(
    "arguments", [["install"], ["install", "x", "--url", "y"], ["unuse"], ["use"], ["remove"]]
)
def test_half_a_command_is_no_command(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        models.run(arguments)


def test_evaluate_counts_each_clip_and_all_and_keeps_the_figures(
    config: Settings, sentences: list[Spoken], tmp_path: Path
) -> None:
    listed = manifest(tmp_path, sentences)
    done = transcribe("evaluate", "--set", listed)
    assert done.returncode == 0
    assert len(re.findall(r"^  0\.0%  0 wrong, 0 missing, 0 too many", done.stdout, re.M)) == 4
    assert "in 3 clips" in done.stdout
    shown = json.loads(transcribe("evaluate", "starter-zh", "--set", listed, "--json").stdout)
    assert (shown["cer"], shown["clips"]) == (0.0, 3)
    assert shown["files"][0]["heard"] == sentences[0].text
    assert shown["model_hash"] == catalogue.starter().tree_hash
    kept = records.evaluations(catalogue.folder(config), catalogue.starter().tree_hash)
    assert [result["set"] for result in kept] == [str(listed)]


def test_a_wrong_set_and_a_wrong_model_are_said_in_a_sentence(tmp_path: Path) -> None:
    for arguments, complaint in (
        (["--set", "nowhere.tsv"], "The set cannot be read"),
        (["gone", "--set", "starter"], "No model called gone"),
        ([f"{tmp_path}/", "--set", "starter"], "There is no Vosk model in"),
    ):
        done = transcribe("evaluate", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_starter_works_on_its_own_set(config: Settings) -> None:
    shown = json.loads(transcribe("evaluate", "--set", "starter", "--json").stdout)
    assert shown["clips"] == 2 * len(spoken.SENTENCES)
    assert shown["cer"] < 0.5


def test_check_model_passes_voices_it_understands(sentences: list[Spoken], tmp_path: Path) -> None:
    done = transcribe("check-model", "--clips", manifest(tmp_path, sentences))
    assert done.returncode == 0
    assert "The model understands these voices: 0.0%" in done.stdout
    assert "weak evidence: 3 clips" in done.stdout


@pytest.mark.skipif(not CLIPS.is_dir(), reason="clips of people are not part of the repository")
def test_check_model_refuses_the_starter_on_peoples_voices() -> None:
    clips = CLIPS / "manifest.json"
    done = transcribe("check-model", catalogue.STARTER, "--clips", clips)
    assert done.returncode == 1
    assert "does NOT understand these voices" in done.stdout
    assert "NOT people" in done.stdout
    lenient = transcribe("check-model", catalogue.STARTER, "--clips", clips, "--limit", "100")
    assert lenient.returncode == 0


def test_progress_is_one_line_for_people() -> None:
    half = Progress(12_300_000, 43_898_754, 1_500_000.0)
    assert models.progress_text(half) == "12.3 of 43.9 MB  28 %  1.5 MB/s  0:21 left"
    assert models.progress_text(Progress(5_000_000, None, 1e6)) == "5.0 MB  1.0 MB/s"


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = transcribe(name, "--help")
    assert done.returncode == 0
    assert f"usage: python -m transcribe {name}" in done.stdout


def test_commands_of_the_guide_are_ones_that_exist() -> None:
    guide = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    found = re.findall(r"python -m transcribe models (.+)$", guide, re.M)
    assert len(found) > 6
    for arguments in found:
        models._parser().parse_args(arguments.split())
