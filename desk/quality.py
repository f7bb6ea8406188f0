"""How good the machine's words are, by village, channel, model and week, within one's own area."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, sampling
from cases.models import Report
from core import areas, audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput
from core.sealed import Sealer
from transcribe import confusions, quality, verbatim
from transcribe.confusions import Confusion
from transcribe.models import ConfidenceFloor, Transcript
from transcribe.quality import Bin, Estimate, Point
from transcribe.verbatim import Floors, Pair


@dataclass(frozen=True)
class Measured:
    """A report whose words a person wrote word for word. ``asked``: chance had chosen it."""

    report: Report
    pair: Pair
    asked: bool


@dataclass(frozen=True)
class Row:
    """One line of a table; ``key``: a village's code, a channel, a model's name or a Monday."""

    key: str
    estimate: Estimate


@dataclass(frozen=True)
class Coverage:
    """How far the sample got: reports asked word for word, and those of them that were written."""

    asked: int
    written: int


@dataclass(frozen=True)
class UnderFloor:
    """Texts below the floor: of ``texts`` with a confidence, and how wrong measured ones are."""

    texts: int
    below: int
    estimate: Estimate


def measured(
    session: Session, actor: Actor, sealer: Sealer, every: int, since: datetime | None = None
) -> list[Measured]:
    """Every hearing with a text to compare with, of reports the actor may read."""
    seen = _seen(session, actor, since)
    found = verbatim.pairs(session, seen.with_only_columns(Report.id))
    ids = {pair.said.subject_id for pair in found}
    reports = {one.id: one for one in session.scalars(seen.where(Report.id.in_(ids)))}
    asked = {
        number: sampling.in_sample(sealer, report.reference_no, every)
        for number, report in reports.items()
    }
    return [
        Measured(reports[pair.said.subject_id], pair, asked[pair.said.subject_id]) for pair in found
    ]


def first_hearings(found: Iterable[Measured]) -> list[Measured]:
    """What people saw first, once a report."""
    return [one for one in found if one.pair.heard.version == 0]


def of(found: Iterable[Measured]) -> Estimate:
    return quality.estimate(one.pair.counts for one in found)


def by(found: Iterable[Measured], key: Callable[[Measured], str]) -> list[Row]:
    """A line for each value of ``key``, by that value."""
    groups: dict[str, list[Measured]] = defaultdict(list)
    for one in found:
        groups[key(one)].append(one)
    return [Row(name, of(group)) for name, group in sorted(groups.items())]


def village(one: Measured) -> str:
    return one.report.village_code or ""


def channel(one: Measured) -> str:
    return one.report.channel


def model(one: Measured) -> str:
    """Name of the model, with the beginning of its hash: one name may have had two contents."""
    heard = one.pair.heard
    return f"{heard.model_name or '?'} · {(heard.model_hash or '')[:8]}".rstrip(" ·")


def week(zone: str) -> Callable[[Measured], str]:
    """The Monday of the week in which a report came, by the town's clock."""
    local = ZoneInfo(zone)

    def monday(one: Measured) -> str:
        day: date = one.report.received_at.astimezone(local).date()
        return (day - timedelta(days=day.weekday())).isoformat()

    return monday


def coverage(
    session: Session, actor: Actor, sealer: Sealer, every: int, since: datetime | None = None
) -> Coverage:
    """Decided reports with a hearing that the sample asked for; what nobody wrote is missing in
    the figures, which is why the page shows how many that are."""
    heard = sa.exists().where(
        Transcript.subject_kind == "report",
        Transcript.subject_id == Report.id,
        Transcript.version == 0,
    )
    decided = Report.state.not_in(("received", "under_review"))
    query = _seen(session, actor, since).where(heard, decided)
    rows = session.execute(query.with_only_columns(Report.id, Report.reference_no)).all()
    asked = {number for number, text in rows if sampling.in_sample(sealer, text, every)}
    written = {
        pair.said.subject_id for pair in verbatim.pairs(session, query.with_only_columns(Report.id))
    }
    return Coverage(len(asked), len(asked & written))


def under_floor(
    session: Session,
    actor: Actor,
    found: Iterable[Measured],
    floor: float,
    since: datetime | None = None,
) -> UnderFloor:
    """What share of the first hearings lies below ``floor``, and how wrong measured ones are."""
    ids = _seen(session, actor, since).with_only_columns(Report.id)
    confidences = session.scalars(
        sa.select(Transcript.confidence).where(
            Transcript.subject_kind == "report",
            Transcript.subject_id.in_(ids),
            Transcript.version == 0,
            Transcript.confidence.is_not(None),
        )
    ).all()
    below = [one for one in found if (one.pair.heard.confidence or 0) < floor]
    count = sum(value is not None and value < floor for value in confidences)
    return UnderFloor(len(confidences), count, of(below))


def calibration(found: Iterable[Measured]) -> list[Bin]:
    """Confidence against wrong characters, in steps of ten percent."""
    return quality.calibration(
        Point(one.pair.heard.confidence, one.pair.counts)
        for one in found
        if one.pair.heard.confidence is not None
    )


def mistaken(found: Iterable[Measured], most: int = 30) -> list[Confusion]:
    """The commonest confusions, with reports that the actor may open as examples."""
    pairs = ((one.report.id, one.pair.said.text, one.pair.words) for one in found)
    return confusions.tally(pairs, most)


def village_names(session: Session, actor: Actor) -> Mapping[str, str]:
    return {area.code: area.name for area in areas.villages(session, actor.area_code)}


def floors(session: Session, actor: Actor, model_hash: str | None) -> Floors:
    """The floors that hold in the actor's area."""
    return verbatim.floors(session, model_hash, areas.upward(session, actor.area_code))


def fix_floor(session: Session, actor: Actor, percent: str, reason: str) -> ConfidenceFloor:
    """Fix the floor of the own area by hand ("65"), or let it follow from measurements ("")."""
    actor.require("quality.floor")
    row = verbatim.fix_floor(session, actor.area_code, _share(percent), reason, actor.id)
    subject = f"area:{actor.area_code or '*'}"
    audit.record(session, actor.login, "quality.floor", subject, floor=row.floor, reason=row.reason)
    return row


def _share(percent: str) -> float | None:
    plain = percent.strip().rstrip("%％").strip()
    if not plain:
        return None
    try:
        return float(plain) / 100
    except ValueError:
        raise InvalidInput(N_("Give a floor from 0 to 100 percent."), field="floor") from None


def _seen(session: Session, actor: Actor, since: datetime | None) -> sa.Select[Report]:
    query = access.reports_seen(session, actor)
    return query.where(Report.received_at >= since) if since is not None else query


def since(weeks: int) -> datetime | None:
    """The beginning of the last so many weeks; None for 0: everything."""
    return utc_now() - timedelta(weeks=weeks) if weeks > 0 else None
