"""Puts a model's folder together from the trained network and the graph; arrays only."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from transcribe.starter import acoustic, layout, phones
from transcribe.starter.acoustic import AcousticModel, Affine, Pointwise
from transcribe.starter.kaldi_format import TwoByteMatrix

MFCC_CONF = {
    "sample-frequency": "16000",
    "use-energy": "false",
    "num-mel-bins": "40",
    "num-ceps": "40",
    "low-freq": "20",
    "high-freq": "-400",
    "dither": "0",  # the same sound gives the same text
    "allow-upsample": "true",  # without it Vosk refuses 8 kHz
}
MODEL_CONF = {
    "min-active": "200",
    "max-active": "3000",
    "beam": "13.0",
    "lattice-beam": "5.0",
    "acoustic-scale": "0.4",  # flat from 0.35 to 0.5 for a network trained frame by frame
    "frame-subsampling-factor": str(layout.SUBSAMPLING),  # Vosk counts words' times in 30 ms
    "endpoint.silence-phones": str(phones.PHONE_ID[phones.SILENCE, ""]),
    "endpoint.rule2.min-trailing-silence": "0.5",
    "endpoint.rule3.min-trailing-silence": "0.75",
    "endpoint.rule4.min-trailing-silence": "1.0",
}


def write_model(trained: layout.Trained, graph: Path, target: Path) -> None:
    """Make ``target``, Vosk's layout with a look-ahead graph; it is replaced whole."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for name in ("am", "conf"):
        (part / name).mkdir(parents=True)
    (part / "am" / "final.mdl").write_bytes(acoustic.write(acoustic_model(trained)))
    for name, options in (("mfcc", MFCC_CONF), ("model", MODEL_CONF)):
        lines = "".join(f"--{key}={value}\n" for key, value in options.items())
        (part / "conf" / f"{name}.conf").write_text(lines, encoding="ascii")
    shutil.copytree(graph, part / "graph")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def acoustic_model(trained: layout.Trained) -> AcousticModel:
    """The network as Vosk's nnet3 runs it: an affine layer and a ReLU for each hidden layer."""
    nodes = [f"input-node name=input dim={layout.INPUTS}"]
    components: list[Affine | Pointwise] = []
    *hidden, last = layout.affines(trained)
    before = "input"
    for number, ((weights, bias), seen) in enumerate(zip(hidden, layout.offsets(), strict=True)):
        affine, relu = f"affine{number}", f"relu{number}"
        nodes.append(_node(affine, _append(before, seen)))
        nodes.append(_node(relu, affine))
        components.append(_affine(affine, weights, bias))
        components.append(Pointwise(relu, acoustic.RELU, len(bias)))
        before = relu
    components.append(_affine("out", *last))
    components.append(Pointwise("scores", acoustic.LOG_SOFTMAX, layout.OUTPUTS))
    nodes += [_node("out", before), _node("scores", "out")]
    nodes.append("output-node name=output input=scores objective=linear")
    return AcousticModel(
        pdfs=tuple(phones.outputs_of(unit) for unit, _ in phones.PHONES),
        nodes=tuple(nodes),
        components=tuple(components),
        context=(layout.CONTEXT, layout.CONTEXT),
        priors=trained.priors.astype(np.float32),
    )


def _affine(name: str, weights: layout.Floats, bias: layout.Floats) -> Affine:
    return Affine(name, TwoByteMatrix.of(weights), bias.astype(np.float32))


def _node(name: str, source: str) -> str:
    return f"component-node name={name} component={name} input={source}"


def _append(source: str, seen: list[int]) -> str:
    parts = [source if offset == 0 else f"Offset({source}, {offset})" for offset in seen]
    return f"Append({', '.join(parts)})"
