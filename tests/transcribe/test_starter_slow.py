"""Slower copies of a model, and the file of the acoustic model that they are made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidInput
from tests.transcribe.conftest import Spoken
from transcribe import catalogue
from transcribe.catalogue import STARTER
from transcribe.decoder import Decoder
from transcribe.starter import acoustic, slow
from transcribe.starter.kaldi_format import TwoByteMatrix

WORK = 12
SHIPPED = (STARTER / slow.MODEL_FILE).read_bytes()


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter with WORK times its multiplications."""
    path = tmp_path_factory.mktemp("slow") / "model"
    slow.slow_down(STARTER, path, WORK)
    return path


def heard(model: Path, sound: Path, work_dir: Path) -> object:
    decoder = Decoder(model, work_dir)
    decoder.start()
    try:
        return decoder.decode(sound)
    finally:
        decoder.close()


@pytest.mark.slow
def test_a_slower_model_hears_the_same_words_at_the_same_times(
    slower: Path, sentences: list[Spoken], tmp_path: Path
) -> None:
    for number, spoken in enumerate(sentences):
        original = heard(STARTER, spoken.wide, tmp_path / f"a{number}")
        assert heard(slower, spoken.wide, tmp_path / f"b{number}") == original


def test_a_slower_starter_still_says_that_it_does_not_hear_people(slower: Path) -> None:
    assert not catalogue.at(slower).hears_people


def test_the_work_is_what_was_asked_for(slower: Path) -> None:
    before = slow.multiplications(acoustic.read(SHIPPED))
    after = slow.multiplications(acoustic.read((slower / slow.MODEL_FILE).read_bytes()))
    assert after / before == pytest.approx(WORK, rel=0.01)


def test_no_more_work_leaves_the_model_file_as_it_was(tmp_path: Path) -> None:
    slow.slow_down(STARTER, tmp_path / "model", 1)
    assert (tmp_path / "model" / slow.MODEL_FILE).read_bytes() == SHIPPED


def test_a_faster_model_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        slow.slow_down(STARTER, tmp_path / "model", 0.5)
    assert refused.value.field == "work"


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        slow.slow_down(STARTER, tmp_path, 2)
    assert refused.value.field == "out"


def test_the_command_makes_the_folder_and_says_how_many_layers_it_added(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "transcribe.starter", "slow", str(STARTER)]
    done = subprocess.run(
        [*command, str(tmp_path / "model"), "--work", "3"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 times the work, 2 pairs of layers added" in done.stdout


def test_what_was_read_from_a_model_file_writes_the_same_bytes() -> None:
    assert acoustic.write(acoustic.read(SHIPPED)) == SHIPPED


def test_a_file_of_another_layout_is_refused_with_the_place_where_it_differs() -> None:
    damaged = SHIPPED.replace(b"<RectifiedLinearComponent> ", b"<SigmoidComponent> ", 1)
    with pytest.raises(InvalidInput, match=r"SigmoidComponent.*at byte"):
        acoustic.read(damaged)


def test_a_cut_file_is_refused() -> None:
    with pytest.raises(InvalidInput, match="further bytes"):
        acoustic.read(SHIPPED[:100_000])


def test_sixteen_bits_keep_a_weight_within_half_a_step() -> None:
    weights = np.random.default_rng(1).normal(size=(30, 40))
    kept = TwoByteMatrix.of(weights)
    half_step = np.ptp(weights) / 65_535 / 2
    assert np.abs(kept.values() - weights).max() <= half_step * 1.01


def test_equal_weights_survive_sixteen_bits() -> None:
    kept = TwoByteMatrix.of(np.full((2, 3), 0.25, np.float32))
    assert kept.values().tolist() == [[0.25] * 3] * 2
