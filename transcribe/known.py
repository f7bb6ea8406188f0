"""Models that are known by name: where the publisher keeps them, and what is known of each.

Figures are the publisher's own (https://alphacephei.com/vosk/models). A hash stands here only
when a trustworthy one is known; None is never filled by guessing.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import N_, InvalidInput

SITE = "https://alphacephei.com/vosk/models/"


@dataclass(frozen=True)
class KnownModel:
    """``size_bytes`` of the archive, None where only about ``size_mb`` is known.

    ``published_cer``: percent of characters wrong on (SpeechIO-02, SpeechIO-06, THCHS).
    """

    name: str
    size_mb: int
    published_cer: tuple[float, float, float]
    size_bytes: int | None = None
    sha256: str | None = None

    @property
    def file_name(self) -> str:
        return f"{self.name}.zip"

    def url(self, mirror: str = "") -> str:
        """Where to fetch it: the publisher's site, or the folder ``mirror`` names."""
        return (mirror.rstrip("/") + "/" if mirror else SITE) + self.file_name


KNOWN = {
    model.name: model
    for model in (
        KnownModel(
            "vosk-model-small-cn-0.22",
            size_mb=42,
            published_cer=(23.54, 38.29, 17.15),
            size_bytes=43_898_754,
            sha256="3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba",
        ),
        KnownModel(
            "vosk-model-cn-0.22",
            size_mb=1_300,
            published_cer=(13.98, 27.30, 7.43),
        ),
    )
}
_BY_FILE = {model.file_name: model for model in KNOWN.values()}


def find(name: str) -> KnownModel:
    """The model called ``name``; InvalidInput that lists the known ones."""
    if name not in KNOWN:
        raise InvalidInput(
            N_("No model called %(name)s is known. Known are %(known)s; others by --url or --zip."),
            field="name",
            params={"name": name, "known": ", ".join(KNOWN)},
        )
    return KNOWN[name]


def sha256_of(file_name: str) -> str | None:
    """The published archive's hash, if one is known."""
    found = _BY_FILE.get(file_name)
    return found.sha256 if found else None
