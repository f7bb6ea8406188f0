"""Weighted graphs as lists of arcs, their text form, and OpenFST's programs that work on them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from core.errors import N_, ToolFailed
from transcribe.starter.tools import FstPrograms

EPSILON = 0
Labels = dict[int, int]


class Arc(NamedTuple):
    """From ``source`` to ``target``; ``cost`` is the negative log of a probability."""

    source: int
    target: int
    enters: int
    leaves: int
    cost: float


@dataclass
class Graph:
    """Arcs and final states with their cost; state 0 is where it starts."""

    arcs: list[Arc] = field(default_factory=list)
    final: dict[int, float] = field(default_factory=dict)

    def to_text(self) -> str:
        """One arc a line, sorted by source: OpenFST starts where the first line does."""
        lines = [
            f"{arc.source}\t{arc.target}\t{arc.enters}\t{arc.leaves}\t{arc.cost:.5f}"
            for arc in sorted(self.arcs, key=lambda arc: arc.source)
        ]
        lines += [f"{state}\t{cost:.5f}" for state, cost in sorted(self.final.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Graph:
        """OpenFST's text, with the starting state renamed to 0."""
        rows = [line.split() for line in text.splitlines() if line.strip()]
        start = int(rows[0][0])

        def state(name: str) -> int:
            number = int(name)
            return {start: 0, 0: start}.get(number, number)

        graph = cls()
        for row in rows:
            if len(row) < 4:
                graph.final[state(row[0])] = float(row[1]) if len(row) > 1 else 0.0
            else:
                cost = float(row[4]) if len(row) > 4 else 0.0
                arc = Arc(state(row[0]), state(row[1]), int(row[2]), int(row[3]), cost)
                graph.arcs.append(arc)
        return graph


class Workshop:
    """Runs OpenFST's programs on files of the folder ``folder``."""

    def __init__(self, programs: FstPrograms, folder: Path) -> None:
        self._programs, self.folder = programs, folder
        folder.mkdir(parents=True, exist_ok=True)

    def compile(self, graph: Graph, name: str, *, sort: str) -> Path:
        """``graph`` in OpenFST's own form, arcs sorted by "ilabel" or "olabel"."""
        text, raw = self.folder / f"{name}.txt", self.folder / f"{name}.raw"
        text.write_text(graph.to_text(), encoding="ascii")
        self._run("fstcompile", text, raw)
        return self.sorted(raw, name, by=sort)

    def sorted(self, source: Path, name: str, *, by: str) -> Path:
        target = self.folder / f"{name}.fst"
        self._run("fstarcsort", f"--sort_type={by}", source, target)
        return target

    def look_ahead(self, source: Path, target: Path) -> Labels:
        """Make ``target`` from a graph sorted by olabel; returns old -> new number of each word.

        New numbers let the decoder know which words can still be reached from a state.
        """
        pairs = self.folder / "relabel.txt"
        options = ("--fst_type=olabel_lookahead", f"--save_relabel_opairs={pairs}")
        self._run("fstconvert", *options, source, target)
        rows = (line.split() for line in pairs.read_text(encoding="ascii").splitlines())
        return {int(old): int(new) for old, new in rows}

    def relabel(self, source: Path, name: str) -> Path:
        """The same graph with the words' new numbers on both sides."""
        pairs, target = self.folder / "relabel.txt", self.folder / f"{name}.fst"
        options = (f"--relabel_ipairs={pairs}", f"--relabel_opairs={pairs}")
        self._run("fstrelabel", *options, source, target)
        return target

    def constant(self, source: Path, target: Path) -> None:
        """A form of the graph that loads fast."""
        self._run("fstconvert", "--fst_type=const", source, target)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._programs.program(program), *map(str, arguments)],
            env={**os.environ, "LD_LIBRARY_PATH": self._programs.library_path(self.folder)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise ToolFailed(
                N_("%(program)s failed: %(detail)s"),
                params={"program": program, "detail": done.stderr.strip()[-500:]},
            )
