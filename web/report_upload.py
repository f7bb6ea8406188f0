"""Sounds that somebody sends with a report: saved aside, measured, and proved to be sound."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

from starlette.datastructures import UploadFile

from cases.intake import PLAYABLE_RATE_HZ
from core.errors import N_, InvalidInput
from core.settings import Settings
from hotline.prompt_sound import beep, silence
from recordings import sound

MB = 1_000_000
MOST_FILES = 5


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


def save_as_one(
    settings: Settings, uploads: Sequence[UploadFile], folder: Path, *, max_s: float
) -> Path:
    """Like ``save``, for up to MOST_FILES: several become one sound in their order.

    A beep parts them. ``max_s`` and the limit of size hold for all together.
    """
    if len(uploads) == 1:
        return save(settings, uploads[0], folder, max_s=max_s)
    if len(uploads) > MOST_FILES:
        raise InvalidInput(
            N_("Choose at most %(count)d sound files for one report."),
            field="file",
            params={"count": MOST_FILES},
        )
    most_mb = settings.report_upload_max_mb
    if sum(upload.file.seek(0, 2) for upload in uploads) > most_mb * MB:
        raise InvalidInput(
            N_("The files together are larger than %(limit_mb)d MB. Choose fewer."),
            field="file",
            params={"limit_mb": most_mb},
        )
    parts: list[Path] = []
    left_s = max_s
    for number, upload in enumerate(uploads, 1):
        upload.file.seek(0)
        part = folder / f"{number}.wav"
        left_s -= _decoded_s(settings, upload, folder, part, left_s)
        parts.append(part)
    return _joined(parts, folder / "joined.wav")


def _decoded_s(
    settings: Settings, upload: UploadFile, folder: Path, part: Path, left_s: float
) -> float:
    """How long the sound is that is now in ``part``; who is wrong is named."""
    try:
        if left_s <= 0:
            raise InvalidInput(N_("The sound is too long."))
        whole = save(settings, upload, folder, max_s=left_s)
        facts = sound.to_wav(whole, part, rate_hz=PLAYABLE_RATE_HZ, max_s=left_s)
    except InvalidInput as error:
        raise InvalidInput(
            N_("%(name)s holds no sound that can be read, or makes the whole too long."),
            field="file",
            params={"name": (upload.filename or "")[:60]},
        ) from error
    return facts.duration_ms / 1000


def _joined(parts: Sequence[Path], target: Path) -> Path:
    mark = b"".join(
        piece(PLAYABLE_RATE_HZ).astype("<i2").tobytes() for piece in (silence, beep, silence)
    )
    with wave.open(str(target), "wb") as out:
        out.setparams((1, 2, PLAYABLE_RATE_HZ, 0, "NONE", ""))
        for number, part in enumerate(parts):
            with wave.open(str(part), "rb") as whole:
                out.writeframes(mark * bool(number) + whole.readframes(whole.getnframes()))
    return target
