"""The shape of the network, shared by its training (PyTorch) and its export (arrays only).

A time-delay network: the first layer sees 9 frames of 10 ms and steps by 30 ms; each further one
sees three values 30 or 60 ms apart. All distances above the first layer are multiples of 30 ms,
so that Vosk computes every layer at 33 Hz only (frame-subsampling-factor 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transcribe.starter import phones

Floats = NDArray[np.float64]
INPUTS = 40
OUTPUTS = phones.OUTPUTS
SUBSAMPLING = 3
FIRST_KERNEL = 9
DILATIONS = (1, 1, 2, 2, 2)
"""Of the further layers, in frames of 30 ms."""

HIDDEN = 192
CONTEXT = FIRST_KERNEL // 2 + SUBSAMPLING * sum(DILATIONS)
"""Frames of 10 ms that an output sees before and after its own."""


def offsets() -> list[list[int]]:
    """Per hidden layer, which frames (10 ms, around its own) of the layer below it sees."""
    first = list(range(-(FIRST_KERNEL // 2), FIRST_KERNEL // 2 + 1))
    return [first, *([-SUBSAMPLING * d, 0, SUBSAMPLING * d] for d in DILATIONS)]


@dataclass(frozen=True)
class Layer:
    """A convolution: ``weights`` [out, in, kernel], ``bias`` [out].

    ``shift`` and ``scale`` [out]: its values after the ReLU become (value - shift) / scale.
    """

    weights: Floats
    bias: Floats
    shift: Floats
    scale: Floats


@dataclass(frozen=True)
class Trained:
    """A trained network: hidden layers, then the output layer (its shift and scale unused).

    ``mean`` and ``deviation`` [INPUTS] normalise the features, ``priors`` [OUTPUTS] say how often
    each output was right in training, ``accuracy`` how often the network was, on other sound.
    """

    layers: list[Layer]
    mean: Floats
    deviation: Floats
    priors: Floats
    accuracy: float

    def save(self, path: Path) -> None:
        """Write one file that appears whole."""
        arrays = {
            f"{name}{number}": getattr(layer, name)
            for number, layer in enumerate(self.layers)
            for name in ("weights", "bias", "shift", "scale")
        }
        part = path.with_suffix(".part")
        with part.open("wb") as out:
            np.savez(
                out,
                mean=self.mean,
                deviation=self.deviation,
                priors=self.priors,
                accuracy=self.accuracy,
                **arrays,
            )
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Trained:
        with np.load(path) as file:
            layers = [
                Layer(*(file[f"{name}{n}"] for name in ("weights", "bias", "shift", "scale")))
                for n in range(len(DILATIONS) + 2)
            ]
            accuracy = float(file["accuracy"])
            return cls(layers, file["mean"], file["deviation"], file["priors"], accuracy)


def affines(trained: Trained) -> list[tuple[Floats, Floats]]:
    """Every layer as (matrix [out, in * kernel], bias), normalisations multiplied in.

    Columns are ordered as nnet3 appends its inputs: by frame, then by value.
    """
    found = []
    shift, scale = trained.mean, trained.deviation
    for layer in trained.layers:
        weights = layer.weights / scale[None, :, None]
        bias = layer.bias - (weights * shift[None, :, None]).sum(axis=(1, 2))
        found.append((weights.transpose(0, 2, 1).reshape(len(weights), -1), bias))
        shift, scale = layer.shift, layer.scale
    return found
