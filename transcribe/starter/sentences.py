"""Sentences of the domain: made from the lists and templates of ``phrases.toml``."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from random import Random

_FILE = Path(__file__).with_name("phrases.toml")
_SLOT = re.compile(r"\{(\w+)\}")
_EVERYDAY_SHARE = 0.12


class Phrases:
    """Everything of the file, ready to draw from."""

    def __init__(self, path: Path = _FILE) -> None:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        statistics = content["statistics"]
        lists = {**content["lists"], **statistics["lists"]}
        self._lists = {name: _entries(text) for name, text in lists.items()}
        self.statistics_templates: list[str] = statistics["templates"]
        self.templates: list[str] = content["training"]["templates"]
        self.everyday = _entries(content["training"]["everyday"])
        self.held_out_templates: list[str] = content["held_out"]["templates"]
        self.free = _entries(content["held_out"]["free"])

    def training_sentence(self, chance: Random) -> str:
        """A sentence the network and the statistics of words may learn from."""
        if chance.random() < _EVERYDAY_SHARE:
            return chance.choice(self.everyday)
        return self._fill(chance.choice(self.templates), chance)

    def statistics_sentence(self, chance: Random) -> str:
        """Words in an order that people use; only the statistics of words learn from it."""
        return self._fill(chance.choice(self.statistics_templates), chance)

    def held_out_sentence(self, chance: Random) -> str:
        """A sentence of a shape that is never used for training."""
        return self._fill(chance.choice(self.held_out_templates), chance)

    def _fill(self, text: str, chance: Random) -> str:
        while _SLOT.search(text):
            text = _SLOT.sub(lambda slot: chance.choice(self._lists[slot[1]]), text)
        return text


@lru_cache(maxsize=1)
def phrases() -> Phrases:
    return Phrases()


def training(seed: int, count: int) -> list[str]:
    """``count`` different training sentences, the same for the same seed, in order of text."""
    chance, found = Random(seed), set[str]()
    while len(found) < count:
        found.add(phrases().training_sentence(chance))
    return sorted(found)


def statistics(seed: int, count: int) -> list[str]:
    """``count`` sentences for the statistics of words alone, repetitions included."""
    chance = Random(seed)
    return [phrases().statistics_sentence(chance) for _ in range(count)]


def held_out(seed: int, count: int) -> list[str]:
    """``count`` different sentences of held-out shapes, in the order they were drawn."""
    chance, found = Random(seed), dict[str, None]()
    while len(found) < count:
        found[phrases().held_out_sentence(chance)] = None
    return list(found)


def _entries(text: str) -> list[str]:
    return ["" if entry == "-" else entry for entry in text.split()]
