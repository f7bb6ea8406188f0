"""How well a model hears a set of clips whose words are known: CER, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.clock import utc_now
from core.errors import N_, InvalidInput
from transcribe import batch
from transcribe.catalogue import InstalledModel
from transcribe.speechio import ErrorCounts, errors

RESAMPLES = 2_000
SEED = 1


@dataclass(frozen=True)
class Clip:
    """A sound file and what is said in it."""

    path: Path
    text: str


@dataclass(frozen=True)
class ClipResult:
    """``problem``: why nothing was heard (the sound is broken, say); its characters count as
    missing."""

    clip: Clip
    heard: str
    counts: ErrorCounts
    problem: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """Results in the order of the set."""

    results: tuple[ClipResult, ...]

    @cached_property
    def total(self) -> ErrorCounts:
        return sum((result.counts for result in self.results), ErrorCounts())

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Where the CER lies with 95 % certainty; None with fewer than two clips."""
        return bootstrap([result.counts for result in self.results])

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data, the figures of ``summary`` first."""
        return {
            **figures(self),
            "files": [
                {
                    "file": str(result.clip.path),
                    "said": result.clip.text,
                    "heard": result.heard,
                    "cer": result.counts.rate,
                    **asdict(result.counts),
                    "problem": result.problem,
                }
                for result in self.results
            ],
        }


def bootstrap(counts: Sequence[ErrorCounts], seed: int = SEED) -> tuple[float, float] | None:
    """95 % interval of the CER (Efron's percentile bootstrap over clips, 2,000 resamples).

    Clips are drawn, not characters: errors of one speaker come together. The same counts give the
    same interval. None for fewer than two clips.
    """
    if len(counts) < 2:
        return None
    wrong = np.array([count.errors for count in counts])
    said = np.array([count.characters for count in counts])
    drawn = np.random.default_rng(seed).integers(len(counts), size=(RESAMPLES, len(counts)))
    rates = wrong[drawn].sum(axis=1) / np.maximum(said[drawn].sum(axis=1), 1)
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)


def evaluate(
    model: InstalledModel,
    clips: Sequence[Clip],
    *,
    jobs: int = 0,
    on_clip: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Decode each clip as calls are decoded and count; ``on_clip`` hears how many are done.

    Raises InvalidInput for a set without a character, ToolFailed when the model does not load.
    """
    results: list[ClipResult] = []
    for heard in batch.hear(model, [clip.path for clip in clips], jobs=jobs):
        clip = clips[len(results)]
        text = heard.recognition.text if heard.recognition else ""
        problem = heard.error.text if heard.error else None
        results.append(ClipResult(clip, text, errors(clip.text, text), problem))
        on_clip(len(results))
    found = Evaluation(tuple(results))
    if not found.total.characters:
        raise InvalidInput(N_("The texts of the set are empty: nothing to compare."), field="set")
    return found


def figures(found: Evaluation) -> dict[str, Any]:
    """CER and its interval (0 upward), counts, number of clips; no word of what was said."""
    low, high = found.interval or (None, None)
    return {
        "cer": found.total.rate,
        "cer_low": low,
        "cer_high": high,
        **asdict(found.total),
        "clips": len(found.results),
        "unheard": sum(result.problem is not None for result in found.results),
    }


def summary(found: Evaluation, set_name: str) -> dict[str, Any]:
    """What is kept of an evaluation (``transcribe.records``)."""
    return {"set": set_name, "at": utc_now().isoformat(), **figures(found)}


def read_set(manifest: Path) -> list[Clip]:
    """Clips of a manifest; paths in it are relative to its folder.

    A ``.json`` file is a list of {"file", "text"}; any other has lines of path, tab, text. Raises
    InvalidInput that names the entry for a missing file or text.
    """
    try:
        content = manifest.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            N_("The set cannot be read: %(reason)s"), field="set", params={"reason": str(error)}
        ) from error
    pairs = _json_pairs(content) if manifest.suffix == ".json" else _line_pairs(content)
    clips = [Clip(manifest.parent / name, text) for name, text in pairs]
    for number, clip in enumerate(clips, 1):
        if not clip.path.is_file():
            raise _wrong_entry(number, f"{clip.path} is missing")
    if not clips:
        raise InvalidInput(N_("The set holds no clips."), field="set")
    return clips


def _json_pairs(content: str) -> list[tuple[str, str]]:
    try:
        entries = json.loads(content)
    except ValueError as error:
        raise _wrong_entry(1, str(error)) from error
    if not isinstance(entries, list):
        raise _wrong_entry(1, "no list")
    pairs = []
    for number, entry in enumerate(entries, 1):
        try:
            name, text = entry["file"], entry["text"]
        except (KeyError, TypeError):
            raise _wrong_entry(number, 'needs "file" and "text"') from None
        pairs.append((str(name), str(text)))
    return pairs


def _line_pairs(content: str) -> list[tuple[str, str]]:
    pairs = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        name, tab, text = line.partition("\t")
        if not tab:
            raise _wrong_entry(number, "no tab between path and text")
        pairs.append((name.strip(), text.strip()))
    return pairs


def _wrong_entry(number: int, reason: str) -> InvalidInput:
    return InvalidInput(
        N_("Entry %(number)d of the set cannot be used: %(reason)s."),
        field="set",
        params={"number": number, "reason": reason},
    )
