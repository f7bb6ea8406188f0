"""Pictures that come with a report: made anew in a killable process, then stored and linked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Report, ReportPhoto
from core import blobs
from core.blobs import BlobStore
from core.errors import N_, InvalidInput, ToolFailed
from core.killable import Limits, run
from core.types import Sha256
from web import picture

MB = 1_000_000
MOST = 3
MAX_MB = 15
MEDIA_TYPE = "image/jpeg"
TOO_MANY = N_("At most %(most)d pictures go with one report.")
TOO_LARGE = N_("Picture %(numbers)s is too large. Take a smaller one; at most %(limit_mb)d MB.")
UNREADABLE = N_(
    "Number %(numbers)s is no picture that can be read. Take it anew, or choose a JPEG or PNG."
)
_LIMITS = Limits(wall_s=30, cpu_s=20, memory_mb=1024, file_mb=20)
_ROOT = Path(__file__).resolve().parent.parent


class Unusable(Exception):
    """A picture that cannot go with a report; ``why`` is TOO_LARGE or UNREADABLE."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Refused(InvalidInput):
    """Pictures that cannot go with a report. ``places``: which of them, counted from 0."""

    def __init__(self, why: str, places: Sequence[int]) -> None:
        self.places = list(places)
        numbers = ", ".join(str(place + 1) for place in places)
        given = {"numbers": numbers, "limit_mb": MAX_MB, "most": MOST}
        super().__init__(why, field="photo", params=given)


def refused(unusable: Mapping[int, str]) -> Refused:
    """What is wrong with the pictures at these places: all that share the reason of the first."""
    why = next(iter(unusable.values()))
    return Refused(why, [place for place, other in unusable.items() if other == why])


@dataclass(frozen=True)
class Plain:
    """A picture without hidden facts, not stored yet."""

    path: Path
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Photo:
    """A stored picture without hidden facts."""

    sha256: Sha256
    width_px: int
    height_px: int


def save(stream: BinaryIO, target: Path) -> Path:
    """What a form brings, as a file; Unusable when it is too large."""
    size = 0
    with target.open("wb") as out:
        while data := stream.read(MB):
            size += len(data)
            if size > MAX_MB * MB:
                raise Unusable(TOO_LARGE)
            out.write(data)
    return target


def plain(source: Path, target: Path) -> Plain:
    """Make a plain JPEG of ``source``; Unusable for what is no picture."""
    if source.stat().st_size > MAX_MB * MB:
        raise Unusable(TOO_LARGE)
    try:
        done = run(
            [sys.executable, "-m", "web.picture", source.resolve(), target],
            limits=_LIMITS,
            env={"PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1"},
        )
    except ToolFailed:
        raise Unusable(TOO_LARGE) from None
    if done.returncode == picture.NO_PICTURE:
        raise Unusable(UNREADABLE)
    if done.returncode != 0:
        raise Unusable(TOO_LARGE)
    facts = json.loads(done.stdout)
    return Plain(target, int(facts["width"]), int(facts["height"]))


def keep(store: BlobStore, pictures: Sequence[Plain]) -> list[Photo]:
    """Store pictures that are all good: a refused form leaves none behind."""
    return [Photo(store.put_file(one.path), one.width_px, one.height_px) for one in pictures]


def attach(session: Session, store: BlobStore, report: Report, photos: Sequence[Photo]) -> None:
    """Link pictures with a new report, in the caller's transaction."""
    for photo in {one.sha256: one for one in photos}.values():
        blobs.register(session, store, photo.sha256, MEDIA_TYPE)
        session.add(
            ReportPhoto(
                report_id=report.id,
                sha256=photo.sha256,
                width_px=photo.width_px,
                height_px=photo.height_px,
            )
        )


def of_report(session: Session, report_id: int) -> list[ReportPhoto]:
    """The pictures of a report."""
    query = sa.select(ReportPhoto).where(ReportPhoto.report_id == report_id)
    return list(session.scalars(query.order_by(ReportPhoto.sha256)))
