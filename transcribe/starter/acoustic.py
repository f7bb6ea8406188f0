"""``am/final.mdl``, the file Vosk reads the acoustic model from, to and from plain arrays.

One file holds three parts: which states a phone has (TransitionModel), the network (nnet3), and
how frequent each state is (priors). The network is a text of nodes followed by its components.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from transcribe.starter import kaldi_format as kaldi
from transcribe.starter.kaldi_format import Floats, Reader, TwoByteMatrix

RELU, LOG_SOFTMAX = "RectifiedLinearComponent", "LogSoftmaxComponent"
_AFFINE = "AffineComponent"
_ONE_HALF = math.log(0.5)
_UNUSED_LEARNING_RATE = 0.001


@dataclass(frozen=True)
class Affine:
    """y = weights @ x + bias; ``weights`` has one row per output."""

    name: str
    weights: Floats | TwoByteMatrix
    bias: Floats


@dataclass(frozen=True)
class Pointwise:
    """A component without weights: RELU or LOG_SOFTMAX over ``size`` values."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True)
class AcousticModel:
    """All of final.mdl.

    ``pdfs[p]`` are the outputs for phone p + 1: (its first frame, its further frames); several
    phones may share them. ``nodes`` are nnet3's lines of text, ``context`` the frames of 10 ms it
    looks at before and after. The log of ``priors`` is taken off the outputs; empty: nothing is.
    """

    pdfs: tuple[tuple[int, int], ...]
    nodes: tuple[str, ...]
    components: tuple[Affine | Pointwise, ...]
    context: tuple[int, int]
    priors: Floats


def write(model: AcousticModel) -> bytes:
    """The file for ``model``."""
    parts = [b"\0B", _transitions(model.pdfs), kaldi.token("<Nnet3>"), b"\n"]
    parts.append(("\n".join(model.nodes) + "\n\n").encode("ascii"))
    parts += [kaldi.token("<NumComponents>"), kaldi.int32(len(model.components))]
    parts += [_component(component) for component in model.components]
    left, right = model.context
    parts += [kaldi.token("</Nnet3>"), kaldi.token("<LeftContext>"), kaldi.int32(left)]
    parts += [kaldi.token("<RightContext>"), kaldi.int32(right)]
    parts += [kaldi.token("<Priors>"), kaldi.float_vector(model.priors)]
    return b"".join(parts)


def read(data: bytes) -> AcousticModel:
    """What ``write`` wrote; InvalidInput for a file of another layout."""
    source = Reader(data)
    source.skip(b"\0B")
    pdfs = _read_transitions(source)
    source.expect("<Nnet3>")
    source.skip(b"\n")
    nodes = tuple(source.text_until(b"\n\n").split("\n"))
    source.expect("<NumComponents>")
    components = tuple(_read_component(source) for _ in range(source.int32()))
    source.expect("</Nnet3>", "<LeftContext>")
    left = source.int32()
    source.expect("<RightContext>")
    right = source.int32()
    source.expect("<Priors>")
    return AcousticModel(pdfs, nodes, components, (left, right), source.float_vector())


def _transitions(pdfs: tuple[tuple[int, int], ...]) -> bytes:
    """One state per phone: the first frame takes one pdf, the loop on it another."""
    count = len(pdfs)
    parts = [kaldi.token("<TransitionModel>"), kaldi.token("<Topology>")]
    parts += [kaldi.int_vector(range(1, count + 1)), _topology(count)]
    parts += [kaldi.token("<Tuples>"), kaldi.int32(count)]
    for phone, (first, further) in enumerate(pdfs, 1):
        parts += [kaldi.int32(number) for number in (phone, 0, first, further)]
    parts += [kaldi.token("</Tuples>"), kaldi.token("<LogProbs>")]
    parts.append(kaldi.float_vector([0.0] + [_ONE_HALF] * (2 * count)))
    parts += [kaldi.token("</LogProbs>"), kaldi.token("</TransitionModel>")]
    return b"".join(parts)


def _topology(phones: int) -> bytes:
    """The same for all phones: 0 loops or goes on to 1, which is the end."""
    parts = [kaldi.int_vector([-1] + [0] * phones)]  # which entry a phone has; there is no phone 0
    separate_pdfs, entries, states = -1, 1, 2
    parts += [kaldi.int32(number) for number in (separate_pdfs, entries, states)]
    parts += [kaldi.int32(number) for number in (0, 1, 2)]  # pdf classes of state 0; 2 ways out
    for target in (0, 1):
        parts += [kaldi.int32(target), kaldi.float32(0.5)]
    parts += [kaldi.int32(number) for number in (-1, -1, 0)]  # the end: no pdfs, no way out
    parts.append(kaldi.token("</Topology>"))
    return b"".join(parts)


def _read_transitions(source: Reader) -> tuple[tuple[int, int], ...]:
    source.expect("<TransitionModel>", "<Topology>")
    phones = source.int_vector()
    source.skip(_topology(len(phones)))
    source.expect("<Tuples>")
    pdfs = []
    for _ in range(source.int32()):
        _, _, first, further = (source.int32() for _ in range(4))
        pdfs.append((first, further))
    source.expect("</Tuples>", "<LogProbs>")
    source.float_vector()
    source.expect("</LogProbs>", "</TransitionModel>")
    return tuple(pdfs)


def _component(component: Affine | Pointwise) -> bytes:
    head = kaldi.token("<ComponentName>") + kaldi.token(component.name)
    if isinstance(component, Affine):
        parts = [kaldi.token(f"<{_AFFINE}>"), kaldi.token("<LearningRate>")]
        parts += [kaldi.float32(_UNUSED_LEARNING_RATE), kaldi.token("<LinearParams>")]
        parts += [kaldi.matrix(component.weights), kaldi.token("<BiasParams>")]
        parts += [kaldi.float_vector(component.bias), kaldi.token(f"</{_AFFINE}>")]
        return head + b"".join(parts)
    parts = [kaldi.token(f"<{component.kind}>"), kaldi.token("<Dim>"), kaldi.int32(component.size)]
    for statistics in ("<ValueAvg>", "<DerivAvg>"):
        parts += [kaldi.token(statistics), kaldi.float_vector([])]
    parts += [kaldi.token("<Count>"), kaldi.float64(0), kaldi.token(f"</{component.kind}>")]
    return head + b"".join(parts)


def _read_component(source: Reader) -> Affine | Pointwise:
    source.expect("<ComponentName>")
    name, kind = source.token(), source.token().strip("<>")
    if kind == _AFFINE:
        source.expect("<LearningRate>")
        source.float32()
        source.expect("<LinearParams>")
        weights = source.matrix()
        source.expect("<BiasParams>")
        affine = Affine(name, weights, source.float_vector())
        source.expect(f"</{_AFFINE}>")
        return affine
    if kind not in (RELU, LOG_SOFTMAX):
        raise source.misfit(f"component that we know (there is {kind})")
    source.expect("<Dim>")
    size = source.int32()
    for statistics in ("<ValueAvg>", "<DerivAvg>"):
        source.expect(statistics)
        source.float_vector()
    source.expect("<Count>")
    source.float64()
    source.expect(f"</{kind}>")
    return Pointwise(name, kind, size)
