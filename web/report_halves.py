"""A voice that broke off and was entered all the same, found again when more of it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, broken_off, references, residents
from cases.intake import Examined
from cases.models import Report
from core.auth import Actor
from core.errors import N_, NotFound
from web.deps import Services

PIECE_BYTES = 1_000_000
_WORDS = {
    broken_off.MORE_OF: N_(
        "Report %(number)s broke off. This one holds all of it and more: go by this one."
    ),
    broken_off.CAME_AGAIN: N_(
        "This recording broke off. Report %(number)s holds all of it and more: go by that one."
    ),
}


@dataclass(frozen=True)
class Halves:
    """Ids of the reports of one form that broke off, the oldest first.

    ``within``: the new sound begins with theirs. ``others``: something else was said then.
    """

    within: Sequence[int] = ()
    others: Sequence[int] = ()


@dataclass(frozen=True)
class Tie:
    """What the page of a report says of another one. ``report_id`` None: not this reader's."""

    words: str
    number: str
    report_id: int | None


def of_form(token: str) -> sa.Select[Report]:
    """Reports that came of the form with this token."""
    return sa.select(Report).where(Report.source_key.startswith(f"web:{token}:", autoescape=True))


def find(services: Services, token: str, examined: Examined | None) -> Halves:
    """What of this form broke off before; ``examined``: what has arrived now."""
    with services.database.read() as session:
        halves = session.scalars(of_form(token).where(Report.cut_off).order_by(Report.id)).all()
    within: list[int] = []
    others: list[int] = []
    for half in halves:
        is_within = examined is not None and _begins_with(services, examined, half)
        (within if is_within else others).append(half.id)
    return Halves(within, others)


def tie(session: Session, report: Report, halves: Halves) -> None:
    """Say in both reports how they belong together, in the caller's transaction."""
    for report_id in halves.within:
        broken_off.tie(session, report, report_id)
    for report_id in halves.others[-1:]:
        residents.attach(session, report, session.get_one(Report, report_id), report.source_key)


def ties(session: Session, actor: Actor, report: Report) -> list[Tie]:
    """The reports that hold more of this one, and those of which this one holds more."""
    found = []
    for event in broken_off.ties(session, report.id):
        seen = access.reports_seen(session, actor).where(Report.reference_no == event.reason)
        other = session.scalar(seen)
        number = references.spoken(event.reason or "")
        found.append(Tie(_WORDS[event.action], number, other.id if other else None))
    return found


def _begins_with(services: Services, examined: Examined, half: Report) -> bool:
    try:
        part = services.store.existing_path(half.audio_sha256 or "")
        return is_beginning(part, services.store.existing_path(examined.original))
    except NotFound:
        return False  # its time was over and it was deleted


def is_beginning(part: Path, whole: Path) -> bool:
    """Whether the file ``whole`` begins with all of ``part``."""
    with part.open("rb") as short, whole.open("rb") as long:
        while piece := short.read(PIECE_BYTES):
            if long.read(len(piece)) != piece:
                return False
    return True
