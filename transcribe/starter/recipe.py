"""How much of everything goes into a model: the full recipe, and a small one for trying it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transcribe.starter.tools import ROOT

DEFAULT_BASE = ROOT / "var" / "starter-build"
LARGEST_CER = 0.03
"""Of held-out sentences of the domain, clean and through a telephone line."""

LARGEST_MODEL_BYTES = 5_000_000
HELD_OUT_VARIANTS, HELD_OUT_RATE_WPM = ("m7", "f4"), 190
"""Voices of espeak-ng, and a rate (with 4 words a minute on either side), kept for measuring."""

_SEED = 1_000


@dataclass(frozen=True)
class Recipe:
    """``shards`` files of ``shard_s`` seconds of speech each are learnt in ``steps`` steps.

    ``general_words``: most frequent words of Mandarin beside those of the domain's ``sentences``.
    ``held_out``: how many sentences measure the result.
    """

    name: str
    shards: int
    shard_s: int
    held_back_s: int
    steps: int
    sentences: int
    general_words: int
    held_out: int

    def shard(self, number: int) -> tuple[int, int]:
        """(seed, seconds) of a shard; number 0 is held back from training."""
        return _SEED + number, self.held_back_s if number == 0 else self.shard_s


@dataclass(frozen=True)
class Place:
    """Where a recipe is followed: what is finished is kept in ``folder``."""

    base: Path
    recipe: Recipe

    @property
    def folder(self) -> Path:
        return self.base / self.recipe.name

    @property
    def model(self) -> Path:
        """Where the finished model appears."""
        return self.base / ("zh" if self.recipe is FULL else f"zh-{self.recipe.name}")

    @property
    def shards(self) -> list[Path]:
        return [self.folder / "data" / f"{n:02}.npz" for n in range(self.recipe.shards + 1)]

    @property
    def network(self) -> Path:
        return self.folder / "network.npz"

    @property
    def graph(self) -> Path:
        return self.folder / "graph"

    @property
    def exam(self) -> Path:
        return self.folder / "exam"

    def part(self, name: str) -> Path:
        """Anything else that a step keeps."""
        return self.folder / name


FULL = Recipe(
    name="full",
    shards=13,
    shard_s=2_800,
    held_back_s=600,
    steps=10_000,
    sentences=40_000,
    general_words=15_000,
    held_out=200,
)
QUICK = Recipe(
    name="quick",
    shards=1,
    shard_s=900,
    held_back_s=60,
    steps=500,
    sentences=3_000,
    general_words=1_000,
    held_out=10,
)
RECIPES = {recipe.name: recipe for recipe in (FULL, QUICK)}


@dataclass(frozen=True)
class ExamSet:
    """Sentences of held-out shapes, or the free ones, and how they are spoken."""

    name: str
    variants: tuple[str, ...] = HELD_OUT_VARIANTS
    rate_wpm: int = HELD_OUT_RATE_WPM
    free: bool = False


HELD_OUT = ExamSet("held-out")
EXAM = (HELD_OUT, ExamSet("usual-voice", ("",), 170), ExamSet("free", free=True))
"""Each is heard clean and through a telephone line. "usual-voice" is ``recordings.speech``'s."""
