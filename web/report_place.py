"""The place behind a code: a village, or a building or some 30 households of it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import ReportPoint
from core.models import Area


@dataclass(frozen=True)
class Place:
    """Where the sheet hangs. ``point_code`` and ``label``: it is finer than a village.

    ``poster_code``: the three digits a caller types on the telephone.
    """

    code: str
    village_code: str
    village: str
    poster_code: str | None = None
    point_code: str | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """As people read it: 桃坪村 · 3号楼."""
        return f"{self.village} · {self.label}" if self.label else self.village


def find(session: Session, code: str) -> Place | None:
    """The place of ``code``, None for a code nobody gave out.

    A sheet that was taken out of use still leads to its village: it may hang there for years.
    """
    village = session.scalar(sa.select(Area).where(Area.report_code == code))
    if village is not None:
        return Place(code, village.code, village.name, village.poster_code)
    point = session.get(ReportPoint, code)
    if point is None:
        return None
    village = session.get_one(Area, point.village_code)
    place = Place(code, village.code, village.name, village.poster_code)
    if not point.active:
        return place
    return Place(code, village.code, village.name, village.poster_code, point.code, point.label)
