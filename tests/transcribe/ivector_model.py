"""The starter with an i-vector extractor, as Vosk's larger models have one.

The extractor is a toy (two Gaussians over two cepstra, three dimensions), but Vosk loads and runs
it for every sound, and the network takes its output beside the cepstra of the first layer. There
its weights are zero, so the text must be the starter's own.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from tests.transcribe.layouts import layered

DIM = 3
FILES = {
    "splice.conf": "--left-context=0\n--right-context=0\n",
    "online_cmvn.conf": "",
    # sums and count, squared sums: mean 0 and variance 1 of the 40 cepstra
    "global_cmvn.stats": f" [\n  {'0 ' * 40}100\n  {'100 ' * 40}0 ]\n",
    "final.mat": f" [\n  1 {'0 ' * 39}\n  0 1 {'0 ' * 38}]\n",
    "final.dubm": (
        "<DiagGMM>\n<GCONSTS>  [ 0 0 ]\n<WEIGHTS>  [ 0.5 0.5 ]\n"
        "<MEANS_INVVARS>  [\n  1 0\n  -1 0 ]\n<INV_VARS>  [\n  1 1\n  1 1 ]\n</DiagGMM>\n"
    ),
    "final.ie": (
        "<IvectorExtractor>\n<w>  [ ]\n<w_vec>  [ 0.5 0.5 ]\n<M> 2\n"
        " [\n  0.01 1 0\n  0 0 1 ]\n [\n  -0.01 1 0\n  0 0 1 ]\n"
        "<SigmaInv>\n [\n  1\n  0 1 ]\n [\n  1\n  0 1 ]\n"
        "<IvectorOffset> 100 </IvectorExtractor>\n"
    ),
}


def with_ivector(folder: Path, weight: float = 0.0) -> None:
    """A layered model in ``folder`` with ivector/ and a network that heeds it by ``weight``."""
    layered(folder)
    (folder / "ivector").mkdir()
    for name, content in FILES.items():
        (folder / "ivector" / name).write_text(content)
    path = folder / "am" / "final.mdl"
    path.write_bytes(_widened(path.read_bytes(), weight))


def _widened(model: bytes, weight: float) -> bytes:
    """The acoustic model with ``ivector`` as a further input of its first layer."""
    model = model.replace(
        b"input-node name=input dim=40\n",
        f"input-node name=ivector dim={DIM}\ninput-node name=input dim=40\n".encode(), 1,
    )  # fmt: skip
    model = model.replace(
        b"Offset(input, 4))", b"Offset(input, 4), ReplaceIndex(ivector, t, 0))", 1
    )
    start = model.index(b"<LinearParams> CM2 ") + len(b"<LinearParams> ")
    low, spread, rows, columns = struct.unpack_from("<ffii", model, start + 4)
    first = start + 4 + 16
    packed = np.frombuffer(model, "<u2", rows * columns, first).reshape(rows, columns)
    weights = (low + packed.astype(np.float32) * spread / 65_535).astype("<f4")
    wide = np.hstack([weights, np.full((rows, DIM), weight, "<f4")])
    header = b"FM \x04" + struct.pack("<i", rows) + b"\x04" + struct.pack("<i", columns + DIM)
    return model[:start] + header + wide.tobytes() + model[first + packed.nbytes :]
