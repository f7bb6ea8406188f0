"""The whole recipe in small, with PyTorch; and what a build that was killed does next."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import InvalidInput
from tests.transcribe.starter_tools import run_there, training_python
from transcribe import catalogue
from transcribe.evaluate import Clip, evaluate
from transcribe.starter import tools
from transcribe.starter.build import Build
from transcribe.starter.recipe import QUICK, Place

SENTENCE = "张家村停水了请派人来看看"
SPEAK = """
import sys, wave
from transcribe.starter import voices
spoken = voices.Espeak().speak(sys.argv[2], voices.Manner())
with wave.open(sys.argv[1], "wb") as out:
    out.setparams((1, 2, voices.SAMPLE_RATE_HZ, 0, "NONE", ""))
    out.writeframes(bytes(13_000) + spoken.samples.tobytes() + bytes(13_000))
"""
TRAIN = """
import json, sys
from pathlib import Path
import numpy as np, torch
from transcribe.starter import training
from transcribe.starter.utterances import Utterance
torch.set_num_threads(1)
chance = np.random.default_rng(1)
data = [
    Utterance(
        chance.normal(0, 5, (240, 40)).astype(np.float16),
        chance.integers(0, 424, 80).astype(np.int16),
    )
    for _ in range(30)
]
training._CHECKPOINT_STEPS = 3
class Killed(Exception): pass
def kill(text):
    if "step 4 " in text: raise Killed
training._REPORT_STEPS = 4 if sys.argv[2] == "killed" else 100
said = []
try:
    trained = training.train(data, data[:2], Path(sys.argv[1]), training.Plan(6),
                             kill if sys.argv[2] == "killed" else said.append)
    print(json.dumps([float(abs(trained.layers[0].weights).sum()), trained.accuracy, said[0]]))
except Killed:
    print("killed")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_recipe_in_small_makes_a_model_that_hears_more_than_chance(tmp_path: Path) -> None:
    python = training_python(torch=True)
    command = [sys.executable, "-m", "transcribe.starter", "build", "--quick"]
    done = subprocess.run(
        [*command, "--into", str(tmp_path)], cwd=tools.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    place = Place(tmp_path, QUICK)
    report = json.loads((tmp_path / "zh-quick-report.json").read_text(encoding="utf-8"))
    assert report["figures"]["held-out clean"]["clips"] == QUICK.held_out
    assert report["steps"].keys() == {"speech", "training", "graph", "exam", "measuring"}
    sound = tmp_path / "sentence.wav"
    run_there(python, SPEAK, sound, SENTENCE)
    found = evaluate(catalogue.at(place.model), [Clip(sound, SENTENCE)], jobs=1)
    assert found.total.rate is not None
    assert found.total.rate < 0.6
    assert not catalogue.at(place.model).hears_people


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_training_that_was_killed_ends_as_one_that_was_not(tmp_path: Path) -> None:
    python = training_python(torch=True)
    whole = json.loads(run_there(python, TRAIN, tmp_path / "one", "whole"))
    assert run_there(python, TRAIN, tmp_path / "two", "killed").strip() == "killed"
    resumed = json.loads(run_there(python, TRAIN, tmp_path / "two", "whole"))
    assert resumed[2] == "going on after step 3"
    assert resumed[:2] == pytest.approx(whole[:2], rel=1e-6)


def test_a_folder_with_steps_of_another_recipe_is_not_used(tmp_path: Path) -> None:
    place = Place(tmp_path, QUICK)
    place.folder.mkdir()
    place.part("recipe.json").write_text('{"name": "quick", "steps": 7}', encoding="utf-8")
    with pytest.raises(InvalidInput, match="remove it"):
        Build(place, lambda _: None)
