"""Sound files that come by a form: looked at before they are kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import UploadFile

from core.blobs import BlobStore
from core.errors import N_, InvalidInput
from core.types import Sha256
from recordings import clips, ingest

MB = 1_000_000
NONE_CHOSEN = N_("Choose a sound file or record one.")


def given(*files: UploadFile | None) -> UploadFile | None:
    """The first field of a form in which a file was chosen."""
    return next((file for file in files if file is not None and file.filename), None)


def keep(file: UploadFile | None, store: BlobStore, max_mb: int) -> Sha256:
    """Put an upload into the store; InvalidInput(field="file") for what is no sound.

    The caller writes a row that names it: else it stays for ever. What is refused leaves nothing
    behind. Takes as long as copying: hold no write session.
    """
    with copied(file, max_mb) as copy:
        return store.put_file(copy)


@contextmanager
def copied(file: UploadFile | None, max_mb: int) -> Iterator[Path]:
    """A copy of an upload, gone when the block ends; InvalidInput(field="file") like ``keep``."""
    if file is None or not file.filename:
        raise InvalidInput(NONE_CHOSEN, field="file")
    size = file.file.seek(0, 2)
    file.file.seek(0)
    if size > max_mb * MB:
        raise InvalidInput(
            N_("The file is larger than %(limit_mb)d MB. Send a shorter one."),
            field="file",
            params={"limit_mb": max_mb},
        )
    with tempfile.NamedTemporaryFile(prefix="upload-", dir=clips.work_folder()) as copy:
        shutil.copyfileobj(file.file, copy, 1 << 20)
        copy.flush()
        ingest.glance(Path(copy.name))
        yield Path(copy.name)


def media_type(file: UploadFile) -> str:
    """What the browser says it is, when that is sound or film."""
    said = (file.content_type or "").split(";")[0].strip().lower()
    kinds = ("audio/", "video/")
    return said if said.startswith(kinds) and len(said) <= 80 else "application/octet-stream"
