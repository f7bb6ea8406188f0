"""What the page of quality shows: figures with their counts, plots, the commonest confusions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy.orm import Session

from core import areas
from core.auth import Actor
from core.models import User
from core.settings import Settings
from desk import quality
from desk.quality import Measured, Row
from transcribe import catalogue
from transcribe.quality import ACCEPTABLE_CER, FEW, LEAST_PAIRS, Estimate
from transcribe.verbatim import Floors
from web import i18n
from web.deps import Services
from web.review_view import CHANNELS

PERIODS = (4, 12, 26, 52, 0)
"""Weeks to look back; 0: everything."""

MOST_CONFUSIONS = 20


def floor_context(session: Session, settings: Settings, actor: Actor) -> dict[str, Any]:
    """The floor that holds here for the model in use, who fixed it, and by which rule."""
    chain = areas.upward(session, actor.area_code)
    current = catalogue.choice_for(settings, chain, None)
    floors = quality.floors(session, actor, current.tree_hash)
    setter = session.get(User, floors.fixed.set_by_id) if floors.fixed else None
    return {
        "floors": floors,
        "model": current,
        "setter": setter.display_name if setter else "",
        "starter_warning": None if current.hears_people else catalogue.STARTER_WARNING,
        "least_pairs": LEAST_PAIRS,
        "few": FEW,
        "acceptable_percent": round(ACCEPTABLE_CER * 100),
        "has_figures": False,
        "may_fix": actor.may("quality.floor"),
    }


def figures(
    session: Session, services: Services, actor: Actor, show: str, weeks: int, floors: Floors
) -> dict[str, Any]:
    """Tables and plots of the own area; ``show``: "sample", or "chosen" by operators."""
    since, every = quality.since(weeks), services.settings.verbatim_every
    everything = quality.measured(session, actor, services.sealer, every, since)
    found = _of(everything, show)
    first = quality.first_hearings(found)
    names = quality.village_names(session, actor)
    by_week = quality.by(first, quality.week(services.settings.zone))
    calibration = quality.calibration(first)
    return {
        "has_figures": True,
        "every": every,
        "periods": PERIODS,
        "totals": {
            which: quality.of(quality.first_hearings(_of(everything, which)))
            for which in ("sample", "chosen")
        },
        "coverage": quality.coverage(session, actor, services.sealer, every, since),
        "total": quality.of(first),
        "tables": [
            ("village", _named(quality.by(first, quality.village), names)),
            ("channel", _channels(quality.by(first, quality.channel))),
            ("model", _named(quality.by(found, quality.model), {})),
            ("week", _named(by_week, {})),
        ],
        "week_plot": _week_plot(by_week),
        "calibration": calibration,
        "calibration_plot": [_percent(shelf.estimate.rate) for shelf in calibration],
        "under": quality.under_floor(session, actor, first, floors.folded_below, since),
        "mistaken": quality.mistaken(first, MOST_CONFUSIONS),
    }


def _of(found: Iterable[Measured], show: str) -> list[Measured]:
    return [one for one in found if one.asked == (show == "sample")]


def _named(rows: list[Row], names: Any) -> list[tuple[str, Estimate]]:
    return [(names.get(row.key, row.key), row.estimate) for row in rows]


def _channels(rows: list[Row]) -> list[tuple[str, Estimate]]:
    labels = {key: i18n.gettext(label) for key, label in CHANNELS.items()}
    return _named(rows, labels)


def _week_plot(rows: list[Row]) -> list[list[float | str | None]]:
    """Monday, rate, low and high in percent; weeks with too few texts have a gap."""
    return [
        [
            row.key,
            None if row.estimate.too_few else _percent(row.estimate.rate),
            _percent(row.estimate.low),
            _percent(row.estimate.high),
        ]
        for row in rows
    ]


def _percent(rate: float | None) -> float | None:
    return None if rate is None else round(rate * 100, 1)


def lines(
    session: Session, services: Services, actor: Actor, show: str, weeks: int
) -> Iterator[tuple[str, str, Estimate]]:
    """(group, name, figure) of every line of the page's tables."""
    since, every = quality.since(weeks), services.settings.verbatim_every
    found = _of(quality.measured(session, actor, services.sealer, every, since), show)
    first = quality.first_hearings(found)
    names = quality.village_names(session, actor)
    yield "all", "", quality.of(first)
    groups = (
        ("village", quality.by(first, quality.village)),
        ("channel", quality.by(first, quality.channel)),
        ("model", quality.by(found, quality.model)),
        ("week", quality.by(first, quality.week(services.settings.zone))),
    )
    for group, rows in groups:
        for row in rows:
            yield group, names.get(row.key, row.key), row.estimate


def harmless(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
