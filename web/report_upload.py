"""A sound that somebody sends with a report: saved aside, measured, and proved to be sound."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import UploadFile

from core.errors import N_, InvalidInput
from core.settings import Settings
from recordings import sound

MB = 1_000_000


def save(settings: Settings, upload: UploadFile, folder: Path, *, max_s: float) -> Path:
    """The upload as a file in ``folder`` that holds readable sound of at most ``max_s``.

    Raises InvalidInput(field="file") for anything else; then nothing has been stored.
    """
    limit = settings.report_upload_max_mb * MB
    path, size = folder / "upload", 0
    with path.open("wb") as out:
        while data := upload.file.read(MB):
            size += len(data)
            if size > limit:
                raise InvalidInput(
                    N_("The file is larger than %(limit_mb)d MB. Send a shorter one."),
                    field="file",
                    params={"limit_mb": limit // MB},
                )
            out.write(data)
    sound.probe(path, max_s=max_s)
    return path
