"""What the database says about villages, lines, people on duty and news, for the directory."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import phone_numbers
from core.models import Area
from hotline import directory, news
from hotline.models import DutyPhone, HotlineLine

FORM = "1"
"""Changes when sounds are to be made anew."""


@dataclass(frozen=True)
class Sound:
    """One sound of the directory and what it is made of: a text, or a blob."""

    file: str
    text: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Place:
    """A village with the sounds it should have."""

    code: str
    name: str
    poster_code: str | None
    sound: Sound
    news: tuple[Sound, ...]


@dataclass(frozen=True)
class Wanted:
    """All that is to be in the directory."""

    places: tuple[Place, ...] = ()
    lines: dict[str, str] = field(default_factory=dict)
    phones: tuple[directory.DutyPhone, ...] = ()

    def sounds(self) -> list[Sound]:
        """Each sound once: names before news, so that confirming a village works first."""
        names = [place.sound for place in self.places]
        return list(dict.fromkeys([*names, *(s for place in self.places for s in place.news)]))


def read(session: Session) -> Wanted:
    """What should be there now; some queries, whatever the number of villages."""
    rows = session.execute(
        sa.select(Area.code, Area.name, Area.level, Area.parent_code, Area.poster_code).order_by(
            Area.code
        )
    ).all()
    outcomes, episodes = news.outcomes(session), news.episodes(session)
    places = tuple(
        Place(
            row.code,
            row.name,
            row.poster_code,
            spoken("name", f"{row.name}。"),
            _news(outcomes.get(row.code), episodes.get(row.code, [])),
        )
        for row in rows
        if row.level == "village"
    )
    parents = {row.code: row.parent_code for row in rows}
    known = {place.code for place in places}
    lines = {
        phone_numbers.normal(line.called): line.village_code
        for line in session.scalars(sa.select(HotlineLine).order_by(HotlineLine.called))
        if line.village_code in known
    }
    return Wanted(places, lines, _phones(session, parents, known))


def spoken(kind: str, text: str) -> Sound:
    """A sound the machine speaks; the same text is the same file."""
    return Sound(f"{kind}-{_digest(FORM, text)}.wav", text=text)


def _news(outcome: str | None, episodes: list[str]) -> tuple[Sound, ...]:
    """The short one first: whoever waits through an episode seldom hears what follows."""
    told = [spoken("outcome", outcome)] if outcome else []
    return (*told, *(Sound(f"episode-{_digest(FORM, sha)}.wav", sha256=sha) for sha in episodes))


def _phones(
    session: Session, parents: dict[str, str | None], villages: set[str]
) -> tuple[directory.DutyPhone, ...]:
    below: dict[str, list[str]] = defaultdict(list)
    for village in sorted(villages):
        code: str | None = village
        seen: set[str] = set()
        while code is not None and code not in seen:
            below[code].append(village)
            seen.add(code)
            code = parents.get(code)
    rows = session.scalars(
        sa.select(DutyPhone).where(DutyPhone.active).order_by(DutyPhone.order_no, DutyPhone.id)
    )
    return tuple(
        directory.DutyPhone(
            who=f"duty:{row.id}",
            name=row.name,
            kind=row.kind,
            number_sealed=row.number_sealed,
            villages=_unless_all(below.get(row.area_code, []), villages),
            from_time=row.from_time,
            until_time=row.until_time,
        )
        for row in rows
    )


def _unless_all(mine: list[str], villages: set[str]) -> tuple[str, ...] | None:
    """None when it is every village: such a phone also rings when the place is not known."""
    return None if set(mine) == villages else tuple(mine)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]
