"""Texts that people marked as word for word, beside what the machine heard in the same sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from core.clock import utc_now
from core.errors import N_, InvalidInput
from transcribe import confusions, quality
from transcribe.align import TextWord
from transcribe.models import ConfidenceFloor, Transcript
from transcribe.quality import Point
from transcribe.speechio import ErrorCounts

NEWEST = 500
"""So many texts at most decide the floor: what callers say and how they phone changes."""

MAX_REASON = 200


@dataclass(frozen=True)
class Pair:
    """What was said in a subject's sound, and one hearing of it."""

    said: Transcript
    heard: Transcript

    @property
    def counts(self) -> ErrorCounts:
        return quality.counted(self.said.text, self.heard.text)

    @property
    def words(self) -> list[str]:
        return [str(word["text"]) for word in self.heard.words]


@dataclass(frozen=True)
class Floors:
    """Where doubt begins (confidences, 0-1): of a whole text, and of a word.

    ``measured``: the text's floor as it follows from ``pairs`` transcripts of the model.
    ``fixed``: who set another one, and why; None when the measured one counts.
    """

    folded_below: float
    doubtful_below: float
    measured: float
    pairs: int
    fixed: ConfidenceFloor | None = None


_measurements: dict[tuple[Any, ...], tuple[float, float, int]] = {}


def pairs(
    session: Session, subjects: sa.Select[int] | None = None, *, limit: int | None = None
) -> list[Pair]:
    """Every hearing of reports with a text that counts as word for word, the newest texts first.

    That is the newest text a person wrote, if it is marked. ``subjects``: ids of the reports to
    look at. Of several hearings by one model the first counts: it is the one people saw.
    """
    said, heard = aliased(Transcript), aliased(Transcript)
    query = _joined(said, heard).order_by(said.id.desc(), heard.version)
    if subjects is not None:
        query = query.where(said.subject_id.in_(subjects))
    found: dict[tuple[int, str | None], Pair] = {}
    for reference, hearing in session.execute(query.limit(limit)):
        found.setdefault((reference.id, hearing.model_hash), Pair(reference, hearing))
    return list(found.values())


def _joined(said: type[Transcript], heard: type[Transcript]) -> sa.Select[Transcript, Transcript]:
    later = aliased(Transcript)
    superseded = sa.exists().where(
        later.subject_kind == said.subject_kind,
        later.subject_id == said.subject_id,
        later.author_id.is_not(None),
        later.version > said.version,
    )
    return (
        sa.select(said, heard)
        .join(
            heard,
            sa.and_(
                heard.subject_kind == said.subject_kind,
                heard.subject_id == said.subject_id,
                heard.author_id.is_(None),
            ),
        )
        .where(said.subject_kind == "report", said.verbatim, ~superseded)
    )


def floors(session: Session, model_hash: str | None, area_codes: Sequence[str]) -> Floors:
    """Where doubt begins for texts of this model in an area.

    ``area_codes``: the own area first, then those above it: the nearest floor fixed by hand counts
    before the measured one.
    """
    measured, doubtful, count = _measured(session, model_hash)
    fixed = _fixed(session, area_codes)
    folded = fixed.floor if fixed is not None and fixed.floor is not None else measured
    return Floors(folded, doubtful, measured, count, fixed)


def _measured(session: Session, model_hash: str | None) -> tuple[float, float, int]:
    """(floor, doubt, texts behind them) of a model, remembered until another text is marked."""
    said, heard = aliased(Transcript), aliased(Transcript)
    mine = _joined(said, heard).where(heard.model_hash == model_hash)
    state = session.execute(
        mine.with_only_columns(sa.func.count(), sa.func.max(said.id), sa.func.max(heard.id))
    ).one()
    key = (str(session.get_bind().engine.url), model_hash, *state)
    if key not in _measurements:
        if len(_measurements) > 100:
            _measurements.clear()
        rows = session.execute(mine.order_by(said.id.desc()).limit(NEWEST))
        _measurements[key] = _measure([Pair(reference, hearing) for reference, hearing in rows])
    return _measurements[key]


def _measure(found: list[Pair]) -> tuple[float, float, int]:
    points = [
        Point(pair.heard.confidence, pair.counts)
        for pair in found
        if pair.heard.confidence is not None
    ]
    words = [
        outcome
        for pair in found
        for outcome in confusions.outcomes(
            [TextWord(**word) for word in pair.heard.words], pair.said.text
        )
    ]
    return quality.floor(points), quality.doubt(words), len(points)


def _fixed(session: Session, area_codes: Sequence[str]) -> ConfidenceFloor | None:
    """The newest floor fixed for the nearest area; floors without an area hold everywhere."""
    for code in (*area_codes, None):
        place = ConfidenceFloor.area_code.is_not_distinct_from(code)
        newest = session.scalar(
            sa.select(ConfidenceFloor).where(place).order_by(ConfidenceFloor.id.desc()).limit(1)
        )
        if newest is not None and newest.floor is not None:
            return newest
    return None


def fix_floor(
    session: Session, area_code: str | None, floor: float | None, reason: str, author_id: int
) -> ConfidenceFloor:
    """Fix the floor (0-1) of an area, or, with None, let it follow from measurements again.

    Raises InvalidInput for a floor outside 0-1 or one without a reason.
    """
    if floor is not None and not 0 <= floor <= 1:
        raise InvalidInput(N_("Give a floor from 0 to 100 percent."), field="floor")
    reason = reason.strip()[:MAX_REASON]
    if floor is not None and not reason:
        raise InvalidInput(N_("Say why this floor is right for your area."), field="reason")
    row = ConfidenceFloor(
        area_code=area_code, floor=floor, reason=reason, set_by_id=author_id, set_at=utc_now()
    )
    session.add(row)
    session.flush()
    return row
