"""A trained network in Vosk's form computes what it computed in training; folders are whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidInput
from tests.transcribe.starter_network import scores
from transcribe.catalogue import STARTER
from transcribe.starter import acoustic, build, export, layout, phones, report
from transcribe.starter.examination import shortcomings
from transcribe.starter.layout import Layer, Trained
from transcribe.starter.slow import MODEL_FILE


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A network of random numbers, with means and deviations that matter."""
    chance = np.random.default_rng(5)
    sizes = [layout.INPUTS, *[layout.HIDDEN] * len(layout.DILATIONS)]
    kernels = [layout.FIRST_KERNEL, *[3] * len(layout.DILATIONS)]
    layers = [
        Layer(
            chance.normal(0, 0.05, (layout.HIDDEN, inputs, kernel)),
            chance.normal(0, 0.3, layout.HIDDEN),
            chance.uniform(0.1, 0.5, layout.HIDDEN),
            chance.uniform(0.5, 2, layout.HIDDEN),
        )
        for inputs, kernel in zip(sizes, kernels, strict=True)
    ]
    last = chance.normal(0, 0.1, (layout.OUTPUTS, layout.HIDDEN, 1))
    layers.append(Layer(last, np.zeros(layout.OUTPUTS), np.zeros(1), np.ones(1)))
    mean, deviation = chance.normal(0, 5, layout.INPUTS), chance.uniform(1, 9, layout.INPUTS)
    priors = np.full(layout.OUTPUTS, 1 / layout.OUTPUTS)
    return Trained(layers, mean, deviation, priors, 0.5)


def convolved(trained: Trained, features: np.ndarray) -> np.ndarray:
    """The network as PyTorch computes it: [frames / 3, outputs], before the log-softmax."""
    frames = -(-len(features) // 3)
    rows = np.arange(-layout.CONTEXT, 3 * (frames - 1) + 1 + layout.CONTEXT)
    x = (features[np.clip(rows, 0, len(features) - 1)] - trained.mean) / trained.deviation
    strides = [(3, 1), *((1, dilation) for dilation in layout.DILATIONS), (1, 1)]
    for layer, (stride, dilation) in zip(trained.layers, strides, strict=True):
        kernel = layer.weights.shape[2]
        starts = np.arange(0, len(x) - (kernel - 1) * dilation, stride)
        y = layer.bias + sum(
            x[starts + tap * dilation] @ layer.weights[:, :, tap].T for tap in range(kernel)
        )
        x = y if layer is trained.layers[-1] else (np.maximum(y, 0) - layer.shift) / layer.scale
    return np.asarray(x)


def test_vosks_form_computes_what_was_trained(trained: Trained) -> None:
    features = np.random.default_rng(1).normal(0, 6, (50, layout.INPUTS))
    expected = convolved(trained, features)
    expected = expected - np.log(np.exp(expected).sum(axis=1, keepdims=True))
    found = scores(export.acoustic_model(trained), features)
    assert found.shape == expected.shape == (17, layout.OUTPUTS)
    assert np.abs(found - expected).max() < 0.02  # weights have 16 bits


def test_a_trained_network_survives_its_file(trained: Trained, tmp_path: Path) -> None:
    trained.save(tmp_path / "network.npz")
    again = Trained.load(tmp_path / "network.npz")
    assert acoustic.write(export.acoustic_model(again)) == acoustic.write(
        export.acoustic_model(trained)
    )


def test_the_written_model_has_an_output_for_every_sound(trained: Trained) -> None:
    model = acoustic.read(acoustic.write(export.acoustic_model(trained)))
    assert len(model.pdfs) == len(phones.PHONES)
    assert max(max(pair) for pair in model.pdfs) + 1 == len(model.priors) == layout.OUTPUTS


def test_a_model_replaces_the_one_before_it_whole(trained: Trained, tmp_path: Path) -> None:
    target = tmp_path / "zh"
    (target / "leftover").mkdir(parents=True)
    export.write_model(trained, STARTER / "graph", target)
    assert not (target / "leftover").exists()
    for path in STARTER.rglob("*.fst"):
        assert (target / path.relative_to(STARTER)).read_bytes() == path.read_bytes()


def test_the_shipped_model_was_made_with_the_configuration_of_the_recipe() -> None:
    for name, options in (("mfcc", export.MFCC_CONF), ("model", export.MODEL_CONF)):
        lines = (STARTER / "conf" / f"{name}.conf").read_text(encoding="ascii").splitlines()
        assert sorted(lines) == sorted(f"--{key}={value}" for key, value in options.items())


def figures(clean: float, telephone: float) -> dict[str, dict[str, float | int]]:
    """Figures of all sets; those of the domain as given."""
    rest = {"cer_low": 0.0, "cer_high": 0.1, "clips": 20}
    return {
        f"{name} {line}": {"cer": cer if name == "held-out" else 0.2, **rest}
        for name in ("held-out", "usual-voice", "free")
        for line, cer in (("clean", clean), ("telephone", telephone))
    }


@pytest.mark.parametrize(
    ("clean", "telephone", "problems"),
    [(0.03, 0.03, 0), (0.031, 0.03, 1), (0.02, 0.04, 1), (0.04, 0.04, 2)],
)
def test_three_percent_wrong_are_allowed_clean_and_by_telephone(
    clean: float, telephone: float, problems: int
) -> None:
    assert len(shortcomings(STARTER, figures(clean, telephone))) == problems


def test_a_model_file_too_large_for_the_repository_is_a_shortcoming(tmp_path: Path) -> None:
    (tmp_path / "am").mkdir()
    with (tmp_path / MODEL_FILE).open("wb") as large:
        large.truncate(5_000_001)
    assert "5000001 bytes" in shortcomings(tmp_path, figures(0.01, 0.01))[0]


def test_a_model_with_shortcomings_is_not_installed(tmp_path: Path) -> None:
    shipped = tmp_path / "zh"
    shipped.mkdir()
    (shipped / "old").touch()
    with pytest.raises(InvalidInput, match="too bad"):
        build.install(STARTER, {"shortcomings": ["too bad"]}, shipped)
    assert [path.name for path in shipped.iterdir()] == ["old"]


def test_an_installed_model_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    shipped = tmp_path / "zh"
    shipped.mkdir()
    (shipped / "old").touch()
    build.install(STARTER, {"shortcomings": []}, shipped)
    assert (shipped / MODEL_FILE).read_bytes() == (STARTER / MODEL_FILE).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["zh"]
    assert not (shipped / "old").exists()


def test_the_readme_says_that_people_are_not_heard_and_gives_the_measured_figures() -> None:
    made = {"figures": figures(0.0123, 0.0234), "recipe": {"shards": 3, "shard_s": 3_600}}
    text = report.readme(made)
    assert "It does not hear people" in text
    assert "1.23%" in text
    assert "2.34%" in text
    assert "3.0 hours" in text
