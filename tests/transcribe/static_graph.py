"""The starter's two graphs composed to one HCLG.fst, as Vosk's large models have it.

OpenFst's tools do what Kaldi would: HCLr (look-ahead) to an ordinary transducer, composed with the
grammar, its disambiguation symbols removed. The whole trigram grammar would make 72 million arcs
(1.7 GB, measured); so the histories of the most frequent words stay, the others back off. The
vocabulary is complete.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests import counterparts
from transcribe.catalogue import STARTER

HISTORIES = 30
PLUGIN = "libfstlookahead.so.22"
GRAPH = STARTER / "graph"


@dataclass(frozen=True)
class Arc:
    source: int
    target: int
    label: int
    weight: float


@lru_cache(maxsize=1)
def hclg() -> bytes:
    """The composed graph, a const FST of some 8 MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "olabel_lookahead-fst.so").symlink_to(_plugin())
        (folder / "no_disambig").write_text(
            "".join(f"{symbol} 0\n" for symbol in (GRAPH / "disambig_tid.int").read_text().split())
        )
        grammar = _run(folder, f"fstprint {GRAPH / 'Gr.fst'}")
        (folder / "G.txt").write_text(_pruned(grammar.decode()))
        _run(folder, f"fstconvert --fst_type=vector {GRAPH / 'HCLr.fst'} HCL.fst")
        _run(folder, "fstcompile G.txt | fstarcsort --sort_type=ilabel > G.fst")
        return _run(
            folder,
            "fstcompose HCL.fst G.fst | fstrelabel --relabel_ipairs=no_disambig | fstconnect | "
            "fstarcsort --sort_type=ilabel | fstconvert --fst_type=const",
        )


def _run(folder: Path, command: str) -> bytes:
    environment = {"LD_LIBRARY_PATH": str(folder), "PATH": counterparts.program_path()}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder, env=environment, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


def _plugin() -> Path:
    return next(Path("/usr/lib").glob(f"*/{PLUGIN}"))


def _pruned(printed: str) -> str:
    """The grammar with the start, the empty history and the HISTORIES of the likeliest words."""
    arcs, finals = _parsed(printed)
    start = arcs[0].source
    back = {arc.source: arc for arc in arcs if arc.label == 0}
    empty = next(arc.target for arc in back.values() if arc.target not in back)
    words = sorted((arc for arc in arcs if arc.source == empty), key=lambda arc: arc.weight)
    kept = {start, empty, *(arc.target for arc in words[:HISTORIES])}
    lines = [f"{state} {weight}" for state, weight in finals.items() if state in kept]
    for arc in arcs:
        target, weight = arc.target, arc.weight
        while target not in kept:
            target, weight = back[target].target, weight + back[target].weight
        if arc.source in kept:
            line = f"{arc.source} {target} {arc.label} {arc.label} {weight}"
            lines.insert(0 if arc.source == start else len(lines), line)
    return "\n".join(lines) + "\n"


def _parsed(printed: str) -> tuple[list[Arc], dict[int, float]]:
    arcs, finals = [], {}
    for line in printed.splitlines():
        fields = line.split()
        if len(fields) >= 4:
            weight = float(fields[4]) if len(fields) > 4 else 0.0
            arcs.append(Arc(int(fields[0]), int(fields[1]), int(fields[2]), weight))
        else:
            finals[int(fields[0])] = float(fields[1]) if len(fields) > 1 else 0.0
    return arcs, finals
