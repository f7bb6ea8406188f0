"""The starter in each of the layouts Vosk's models come in, and archives of them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from tests.transcribe import static_graph
from transcribe import catalogue


def layered(folder: Path) -> None:
    """am/, conf/, graph/ with a look-ahead graph, as vosk-model-small-cn-0.22 has it."""
    shutil.copytree(catalogue.STARTER, folder, dirs_exist_ok=True)


def static(folder: Path) -> None:
    """graph/HCLG.fst in one piece, as the large models have it; needs OpenFst's tools."""
    layered(folder)
    for name in ("HCLr.fst", "Gr.fst", "disambig_tid.int"):
        (folder / "graph" / name).unlink()
    (folder / "graph" / "HCLG.fst").write_bytes(static_graph.hclg())


def flat(folder: Path) -> None:
    """The old layout: everything in one folder."""
    folder.mkdir(exist_ok=True)
    for name in ("am/final.mdl", "conf/mfcc.conf", "graph/HCLr.fst", "graph/Gr.fst"):
        shutil.copy(catalogue.STARTER / name, folder)
    for name in ("graph/words.txt", "graph/disambig_tid.int", "graph/phones/word_boundary.int"):
        shutil.copy(catalogue.STARTER / name, folder)


def as_published(folder: Path) -> None:
    """Layered, with the features' settings of a published model: nothing of dither or telephone."""
    layered(folder)
    conf = folder / "conf" / "mfcc.conf"
    lines = conf.read_text().splitlines()
    kept = [line for line in lines if "dither" not in line and "upsample" not in line]
    conf.write_text("\n".join(kept) + "\n")


def zipped(folder: Path, archive: Path, top: str = "") -> Path:
    """An archive of ``folder`` whose names begin with ``top``."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                out.write(path, f"{top}{path.relative_to(folder)}")
    return archive


def everything(folder: Path) -> list[tuple[str, bytes]]:
    """Names and contents of all files below ``folder``, locks left out."""
    return sorted(
        (str(path.relative_to(folder)), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name != ".lock"
    )
