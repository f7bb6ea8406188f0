"""Runs a network of final.mdl with numpy, as its nodes say: what Vosk should compute."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from transcribe.starter import acoustic
from transcribe.starter.acoustic import AcousticModel, Affine
from transcribe.starter.kaldi_format import TwoByteMatrix

Frames = NDArray[np.float64]
_OFFSET = re.compile(r"Offset\((\w+), (-?\d+)\)|(\w+)")


def scores(model: AcousticModel, features: NDArray[np.floating]) -> Frames:
    """[frames / 3, outputs] for ``features`` [frames, inputs]; edges repeat."""
    left, right = model.context
    rows = np.clip(np.arange(-left, len(features) + right), 0, len(features) - 1)
    values = {"input": features[rows].astype(np.float64)}
    parts = {part.name: part for part in model.components}
    last = "input"
    for node in model.nodes:
        found = re.fullmatch(r"component-node name=(\w+) component=(\w+) input=(.+)", node)
        if found:
            last, component, source = found.groups()
            values[last] = _apply(parts[component], _gather(values, source))
    return values[last][left : left + len(features) : 3]


def _gather(values: dict[str, Frames], source: str) -> Frames:
    """Frames outside are taken from the other end: nobody looks at what comes of them."""
    inner = source.removeprefix("Append(").removesuffix(")") if "Append" in source else source
    blocks = []
    for shifted, offset, plain in _OFFSET.findall(inner):
        blocks.append(np.roll(values[shifted or plain], -int(offset or 0), axis=0))
    return np.concatenate(blocks, axis=1)


def _apply(part: object, x: Frames) -> Frames:
    if isinstance(part, Affine):
        packed = part.weights
        weights = packed.values() if isinstance(packed, TwoByteMatrix) else packed
        return x @ weights.T.astype(np.float64) + part.bias
    assert isinstance(part, acoustic.Pointwise)
    if part.kind == acoustic.RELU:
        return np.maximum(x, 0)
    x = x - x.max(axis=1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=1, keepdims=True)))
