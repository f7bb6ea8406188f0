"""A model that hears exactly what another one hears, only slower: a stand-in for a large model.

After the first hidden layer come pairs of layers that widen its values by zeros and narrow them
again. A ReLU follows each, which changes nothing, since the values come from a ReLU; it keeps the
loader from multiplying the pair out. All sums gain only zeros: the output is the same to the bit.

How the work relates to the real-time factor (processor seconds per second of sound): the network
needs ``base`` seconds for a second of sound, its multiplications, and ``rest`` is the search,
which stays as it is: RTF = rest + base * work. On a core of a shared x86-64 machine the shipped
starter took 0.015, and its copies 0.06 (30 times the work), 0.15 (100), 0.30 (200), 0.43 (300).
For measurements only: nobody should install such a copy.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import N_, InvalidInput
from transcribe import catalogue
from transcribe.starter import acoustic
from transcribe.starter.acoustic import AcousticModel, Affine, Pointwise
from transcribe.starter.kaldi_format import Floats

PAIR_WIDTH = 2_048
"""Values in the middle of a pair. All pairs use the same two matrices: the file grows once."""

MODEL_FILE = Path("am", "final.mdl")


def slow_down(model: Path, out: Path, work: float) -> int:
    """Make ``out``, a new folder: ``model`` with ``work`` times the multiplications per frame.

    Returns how many pairs of layers that took. ``model`` must have a final.mdl as the starter's.
    InvalidInput when it has not, when ``work`` is below 1, or when ``out`` exists.
    """
    if work < 1:
        raise InvalidInput(N_("A model can only be made slower: give 1 or more."), field="work")
    if out.exists():
        raise InvalidInput(N_("%(path)s exists already."), field="out", params={"path": str(out)})
    original = acoustic.read((model / MODEL_FILE).read_bytes())
    slower, pairs = with_more_work(original, work)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(model, part)
    (part / MODEL_FILE).write_bytes(acoustic.write(slower))
    if not catalogue.at(model).hears_people:
        (part / catalogue.MACHINE_VOICES_ONLY).touch()
    part.rename(out)
    return pairs


def multiplications(model: AcousticModel) -> int:
    """Multiplications of the network for one frame of its output, each node counted."""
    cost = {
        part.name: part.weights.shape[0] * part.weights.shape[1]
        for part in model.components
        if isinstance(part, Affine)
    }
    return sum(cost.get(_value(node, "component"), 0) for node in model.nodes)


def with_more_work(model: AcousticModel, work: float) -> tuple[AcousticModel, int]:
    """``model`` with ``work`` times its multiplications, and the number of pairs added."""
    layer = _first_hidden(model)
    extra = (work - 1) * multiplications(model)
    pairs = max(1, round(extra / (2 * layer.size * PAIR_WIDTH)))
    width = max(layer.size, round(extra / (2 * layer.size * pairs)))
    if extra < 2 * layer.size * layer.size:
        return model, 0
    nodes = [_renamed_input(node, layer.name, f"same{pairs}") for node in model.nodes]
    place = next(i for i, node in enumerate(nodes) if _value(node, "name") == layer.name) + 1
    nodes[place:place] = _pair_nodes(layer.name, pairs)
    components = (*model.components, *_pair_components(layer.size, width))
    return replace(model, nodes=tuple(nodes), components=components), pairs


def _pair_nodes(source: str, pairs: int) -> list[str]:
    """Lines of a chain: source -> wide -> same1 -> wide -> same2 ..."""
    lines, before = [], source
    for number in range(1, pairs + 1):
        for component in ("widen", "wide", "narrow", "same"):
            name = f"{component}{number}"
            lines.append(f"component-node name={name} component={component} input={before}")
            before = name
    return lines


def _pair_components(size: int, width: int) -> tuple[Affine | Pointwise, ...]:
    identity: Floats = np.eye(width, size, dtype=np.float32)
    return (
        Affine("widen", identity, np.zeros(width, np.float32)),
        Pointwise("wide", acoustic.RELU, width),
        Affine("narrow", identity.T.copy(), np.zeros(size, np.float32)),
        Pointwise("same", acoustic.RELU, size),
    )


def _first_hidden(model: AcousticModel) -> Pointwise:
    for part in model.components:
        if isinstance(part, Pointwise) and part.kind == acoustic.RELU:
            return part
    raise InvalidInput(N_("The model has no hidden layer that could be widened."), field="model")


def _value(node: str, key: str) -> str:
    """The value of ``key=`` in a line of nodes; empty when it has none."""
    _, found, rest = node.partition(f" {key}=")
    return rest.split(" ")[0] if found else ""


def _renamed_input(node: str, old: str, new: str) -> str:
    """The line with the node ``old`` replaced in its input only."""
    head, found, source = node.partition(" input=")
    return head + found + re.sub(rf"\b{re.escape(old)}\b", new, source)
