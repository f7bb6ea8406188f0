"""Trains the network with PyTorch. A killed run goes on from its last checkpoint.

Which pieces of sound a step sees follows from the seed and the step's number alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from transcribe.starter import layout
from transcribe.starter.alignment import IGNORED
from transcribe.starter.utterances import Utterance

PIECE = 80
"""Output frames (30 ms) of an utterance that are learnt at once."""

BATCH = 24
_PEAK_RATE, _LAST_SHARE, _WARM_UP_STEPS = 2e-3, 0.005, 200
_STATISTICS_OF = 2_000
_REPORT_STEPS, _CHECKPOINT_STEPS = 100, 300
Array32 = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    steps: int
    seed: int = 0


def build_network() -> Any:
    """Convolution, ReLU, batch norm for each hidden layer; one convolution on top."""
    parts = [nn.Conv1d(layout.INPUTS, layout.HIDDEN, layout.FIRST_KERNEL, stride=3)]
    parts += [nn.ReLU(), nn.BatchNorm1d(layout.HIDDEN, affine=False)]
    for dilation in layout.DILATIONS:
        parts += [nn.Conv1d(layout.HIDDEN, layout.HIDDEN, 3, dilation=dilation)]
        parts += [nn.ReLU(), nn.BatchNorm1d(layout.HIDDEN, affine=False)]
    return nn.Sequential(*parts, nn.Conv1d(layout.HIDDEN, layout.OUTPUTS, 1))


def train(
    data: Sequence[Utterance],
    held_back: Sequence[Utterance],
    checkpoint: Path,
    plan: Plan,
    say: Callable[[str], None],
) -> layout.Trained:
    """Train for ``plan.steps`` steps; ``held_back`` only tells how well it goes."""
    torch.manual_seed(plan.seed)
    network = build_network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_PEAK_RATE, weight_decay=1e-4)
    mean, deviation = _statistics(data)
    first = _resume(checkpoint, network, optimizer)
    pieces = [
        (number, start)
        for number, one in enumerate(data)
        for start in range(0, max(1, len(one.labels) - PIECE // 3), PIECE)
    ]
    if first:
        say(f"going on after step {first}")
    started, loss_seen = time.monotonic(), 0.0
    for step in range(first, plan.steps):
        batch = [pieces[number] for number in _choice(plan.seed, step, len(pieces))]
        inputs, labels = _batch(data, batch, mean, deviation)
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, plan.steps)
        loss = _learn(network, optimizer, inputs, labels)
        loss_seen = loss if step == first else 0.98 * loss_seen + 0.02 * loss
        if (step + 1) % _REPORT_STEPS == 0 or step + 1 == plan.steps:
            pace = (time.monotonic() - started) / (step + 1 - first)
            left = pace * (plan.steps - step - 1) / 60
            say(f"step {step + 1} of {plan.steps}: loss {loss_seen:.3f}, {left:.0f} min left")
        if (step + 1) % _CHECKPOINT_STEPS == 0:
            _keep(checkpoint, step + 1, network, optimizer)
    accuracy = _accuracy(network, held_back, mean, deviation)
    say(f"{accuracy:.1%} of the frames of other sound are right")
    return layout.Trained(_layers(network), mean, deviation, _priors(data), accuracy)


def _rate(step: int, steps: int) -> float:
    warm = min(1.0, step / _WARM_UP_STEPS)
    return _PEAK_RATE * warm * (0.5 * (1 + math.cos(math.pi * step / steps)) + _LAST_SHARE)


def _choice(seed: int, step: int, count: int) -> NDArray[np.int64]:
    """Pieces of one step: in each round through the data every piece comes once."""
    per_round = max(1, count // BATCH)
    order = _order(seed, step // per_round, count)
    start = step % per_round * BATCH
    return order[start : start + BATCH]


_orders: dict[tuple[int, int, int], NDArray[np.int64]] = {}


def _order(seed: int, turn: int, count: int) -> NDArray[np.int64]:
    key = (seed, turn, count)
    if key not in _orders:
        _orders.clear()
        _orders[key] = np.random.default_rng((seed, turn)).permutation(count)
    return _orders[key]


def _batch(
    data: Sequence[Utterance],
    pieces: Sequence[tuple[int, int]],
    mean: layout.Floats,
    deviation: layout.Floats,
) -> tuple[Any, Any]:
    """Tensors [pieces, INPUTS, frames] and [pieces, PIECE]; edges repeat as Vosk repeats them."""
    frames = layout.SUBSAMPLING * (PIECE - 1) + 1 + 2 * layout.CONTEXT
    inputs = np.zeros((len(pieces), frames, layout.INPUTS), np.float32)
    labels = np.full((len(pieces), PIECE), IGNORED, np.int64)
    for row, (number, start) in enumerate(pieces):
        one = data[number]
        inputs[row] = _window(one.features, layout.SUBSAMPLING * start, frames)
        part = one.labels[start : start + PIECE]
        labels[row, : len(part)] = part
    inputs = ((inputs - mean) / deviation).astype(np.float32)
    return torch.from_numpy(inputs).transpose(1, 2), torch.from_numpy(labels)


def _window(features: NDArray[np.float16], start: int, frames: int) -> Array32:
    rows = np.arange(start - layout.CONTEXT, start - layout.CONTEXT + frames)
    return features[np.clip(rows, 0, len(features) - 1)].astype(np.float32)


def _learn(network: Any, optimizer: Any, inputs: Any, labels: Any) -> float:
    scores = network(inputs).transpose(1, 2).reshape(-1, layout.OUTPUTS)
    loss = nn.functional.cross_entropy(scores, labels.reshape(-1), ignore_index=IGNORED)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()
    return float(loss.item())


def _accuracy(
    network: Any, data: Sequence[Utterance], mean: layout.Floats, deviation: layout.Floats
) -> float:
    right = count = 0
    network.eval()
    with torch.no_grad():
        for one in data:
            frames = layout.SUBSAMPLING * (len(one.labels) - 1) + 1 + 2 * layout.CONTEXT
            window = ((_window(one.features, 0, frames) - mean) / deviation).astype(np.float32)
            best = network(torch.from_numpy(window.T[None]))[0].argmax(0).numpy()
            right += int((best == one.labels).sum())
            count += len(one.labels)
    return right / max(1, count)


def _statistics(data: Sequence[Utterance]) -> tuple[layout.Floats, layout.Floats]:
    rows = np.concatenate([one.features for one in data[:_STATISTICS_OF]]).astype(np.float64)
    return rows.mean(axis=0), rows.std(axis=0) + 1e-5


def _priors(data: Sequence[Utterance]) -> layout.Floats:
    seen = np.concatenate([one.labels for one in data])
    counts = np.bincount(seen[seen != IGNORED], minlength=layout.OUTPUTS) + 1.0
    return np.asarray(counts / counts.sum(), np.float64)


def _layers(network: Any) -> list[layout.Layer]:
    found = []
    parts = list(network)
    for place in range(0, len(parts), 3):
        weights = parts[place].weight.detach().double().numpy()
        bias = parts[place].bias.detach().double().numpy()
        shift, scale = np.zeros(len(bias)), np.ones(len(bias))
        if place + 2 < len(parts):
            norm = parts[place + 2]
            shift = norm.running_mean.double().numpy()
            scale = np.sqrt(norm.running_var.double().numpy() + norm.eps)
        found.append(layout.Layer(weights, bias, shift, scale))
    return found


def _keep(path: Path, step: int, network: Any, optimizer: Any) -> None:
    part = path.with_suffix(".part")
    state = {"step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, part)
    part.replace(path)


def _resume(path: Path, network: Any, optimizer: Any) -> int:
    """Take up the state of ``path`` when there is one; the number of steps it has behind it."""
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
