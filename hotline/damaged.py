"""Calls whose journal cannot be read: sealed and set aside, never deleted by a program.

Whether the caller agreed to the recording is unknown, so nobody hears it by accident; it can be
opened on purpose (``open_sealed``) by whoever holds the installation's secret.
"""

from __future__ import annotations

import base64
from pathlib import Path

import structlog

from core.files import sync_folder, write_durably
from core.sealed import Sealer
from hotline.takes import sound_files

SUFFIX = ".sealed"
log = structlog.get_logger("hotline.damaged")


def set_aside(folder: Path, sealer: Sealer, why: str) -> Path:
    """Seal the sound in ``folder`` and move it to ``damaged/`` beside the spool."""
    kept = sound_files(folder)
    for path in kept:
        if path.suffix == SUFFIX:
            continue
        secret = sealer.seal(base64.b64encode(path.read_bytes()).decode())
        write_durably(path.with_name(path.name + SUFFIX), secret.encode())
        path.unlink()
    (folder / "report.wav").unlink(missing_ok=True)
    room = folder.parent.parent / "damaged"
    room.mkdir(mode=0o700, exist_ok=True)
    target = room / folder.name
    for number in range(2, 1000):
        if not target.exists():
            break
        target = room / f"{folder.name}-{number}"
    folder.rename(target)
    sync_folder(room)
    log.error(
        "a call's journal is damaged; its sound is sealed and kept",
        call_id=folder.name,
        takes=len(kept),
        kept_in=f"damaged/{target.name}",
        why=why[:200],
    )
    return target


def open_sealed(path: Path, sealer: Sealer) -> bytes:
    """The raw PCM (16 bit, 8 kHz, mono) of a sealed take."""
    return base64.b64decode(sealer.unseal(path.read_text(encoding="ascii")))
