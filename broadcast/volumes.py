"""How loud a village is at each hour of the day, and each player on top of that.

An area without numbers of its own takes those of the nearest area above it; where nobody set any,
it is loud all day. Players never go above the cap of their own box. Emergencies are not lowered by
the hour, and by the volume of a player to the half at most: a horn that somebody turned off must
not be dumb in a flood, and one that is too loud for its place need not be at its loudest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import lookup
from broadcast.models import HourVolume, Player
from core import areas, audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput

HOURS = 24
EMERGENCY_FLOOR_PERCENT = 50
"""So much of its loudness a player keeps in an emergency. Half is 6 dB: as if one stood twice as
far from the horn, and still clear. edge.volume keeps to it."""
LOUD_ALL_DAY = (100,) * HOURS
CHANGED = "volume.changed"
"""News: {area_code}; everything below it is concerned."""
_NIGHT = (22, 23, 0, 1, 2, 3, 4, 5)
NIGHT_QUIET = tuple(30 if hour in _NIGHT else 100 for hour in range(HOURS))
NIGHT_AND_NOON_QUIET = tuple(
    30 if hour in _NIGHT else 60 if hour in (12, 13) else 100 for hour in range(HOURS)
)


@dataclass(frozen=True)
class Hours:
    """24 per cents by the local hour. ``set_by``: code of the area they were set for, if any."""

    percent: tuple[int, ...]
    set_by: str | None


def by_hour(session: Session, area_code: str) -> Hours:
    """What holds in the area."""
    chain = areas.upward(session, area_code)
    found = {
        row.area_code: row
        for row in session.scalars(sa.select(HourVolume).where(HourVolume.area_code.in_(chain)))
    }
    for code in chain:
        if code in found:
            return Hours(tuple(found[code].percent), code)
    return Hours(LOUD_ALL_DAY, None)


def of_players(session: Session, area_code: str) -> dict[str, int]:
    """Player id -> per cent, for the players of an area that are let in."""
    rows = session.execute(
        sa.select(Player.id, Player.volume_percent)
        .where(Player.area_code == area_code, Player.revoked_at.is_(None))
        .order_by(Player.id)
    )
    return {player_id: percent for player_id, percent in rows}


def holds_for(player_percent: int, kind: str) -> int:
    """How loud a player set to ``player_percent`` sounds an override of this kind."""
    return max(player_percent, EMERGENCY_FLOOR_PERCENT) if kind == "emergency" else player_percent


def set_by_hour(session: Session, actor: Actor, area_code: str, percent: Sequence[str]) -> None:
    """Set the 24 numbers of an area; InvalidInput names the hour (``hour-7``) that is wrong."""
    _check(session, actor, area_code)
    if len(percent) != HOURS:
        raise InvalidInput(N_("Give a volume for each of the 24 hours."), field="hour-0")
    numbers = [_percent(text, f"hour-{hour}") for hour, text in enumerate(percent)]
    row = session.get(HourVolume, area_code, with_for_update=True)
    if row is None:
        row = HourVolume(area_code=area_code)
        session.add(row)
    elif row.percent == numbers:
        return
    row.percent, row.changed_by_id, row.changed_at = numbers, actor.id, utc_now()
    _tell(session, actor, area_code, "volume.set", percent=numbers)


def forget_by_hour(session: Session, actor: Actor, area_code: str) -> None:
    """Let the area take the numbers of the area above it again."""
    _check(session, actor, area_code)
    row = session.get(HourVolume, area_code, with_for_update=True)
    if row is not None:
        session.delete(row)
        session.flush()
        _tell(session, actor, area_code, "volume.forgotten")


def set_of_player(session: Session, actor: Actor, player_id: str, percent: str) -> Player:
    """Set how loud one player is; InvalidInput(field="volume_percent")."""
    player = lookup.player(session, actor, "speaker.volume", player_id)
    wanted = _percent(percent, "volume_percent")
    if wanted != player.volume_percent:
        player.volume_percent = wanted
        audit.record(session, actor.login, "player.volume", f"player:{player_id}", percent=wanted)
        outbox.emit(session, "player.changed", player_id=player_id)
    return player


def _check(session: Session, actor: Actor, area_code: str) -> None:
    actor.require("speaker.volume")
    actor.require_area(session, area_code)
    areas.get(session, area_code)


def _tell(session: Session, actor: Actor, area_code: str, action: str, **detail: object) -> None:
    audit.record(session, actor.login, action, f"area:{area_code}", **detail)
    outbox.emit(session, CHANGED, area_code=area_code)


def _percent(text: str, field: str) -> int:
    plain = text.strip().removesuffix("%").strip()
    if not (plain.isascii() and plain.isdigit()) or int(plain[:4]) > 100 or len(plain) > 3:
        raise InvalidInput(N_("Give a whole number from 0 (silent) to 100 (full)."), field=field)
    return int(plain)
