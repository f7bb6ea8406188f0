"""Village by village: who will hear an override as things stand, and who heard it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import (
    health_view,
    override,
    override_reach,
    override_volumes,
    presence,
    reasons,
    unstopped,
    volumes,
)  # fmt: skip
from broadcast.models import Override, Player
from broadcast.override_reach import Rounds
from core import areas
from core.clock import utc_now
from core.errors import N_
from schedule import quiet
from web import i18n

CAME_LATER = timedelta(seconds=60)
"""A village that heard it for the first time after this was away when it began."""
LINE_STATES = {
    "sounding": (N_("sounding"), "bad", "▶"),
    "sounded": (N_("sounded"), "good", "✓"),
    "waiting": (N_("waiting"), "warn", "●"),
    "away": (N_("player away: gets it when it comes back"), "warn", "●"),
    "quiet": (N_("quiet was ordered: left out"), "warn", "■"),
    "no_player": (N_("no player"), "bad", "⚠"),
    "no_card": (N_("no sound card: it goes into a file, nobody hears it"), "bad", "⚠"),
    "switched": (N_("the quiet switch on the box is on"), "warn", "■"),
    "muted": (N_("the volume of the player is 0: nobody hears it"), "bad", "⚠"),
    "muted_now": (N_("the volume of this hour is 0: nobody hears it"), "bad", "⚠"),
    "silent": (N_("not heard"), "bad", "⚠"),
    "unstopped": (N_("has not heard of the stop: may repeat it"), "bad", "▶"),
}


@dataclass(frozen=True)
class Line:
    """One village. ``after_s``: from the click to its first sound; ``percent``: how loud the
    softest of its players is set at this hour, as far as it holds for this override."""

    code: str
    name: str
    state: str
    first_at: datetime | None = None
    after_s: float | None = None
    came_later: bool = False
    heard: int = 0
    missed: int = 0
    reason: str = ""
    percent: int = 100


@dataclass
class _Players:
    """The approved players of a village; of those that can be heard, who is in contact and turned
    up, and how loud each is set. ``is_switched``: one would be heard if its quiet switch were off;
    ``hour_percent``: how loud the village is at this hour."""

    count: int = 0
    is_switched: bool = False
    hour_percent: int = 100
    online: list[bool] = field(default_factory=list)
    percent: list[int] = field(default_factory=list)


def lines(
    session: Session, found: Override, codes: list[str], may_sound: bool, zone: str
) -> list[Line]:
    """A line for each of these villages, in their order. ``zone``: by which they count hours."""
    names = areas.names(session, codes)
    rounds = override_reach.by_village(session, found, codes)
    players = _players(session, found, codes, utc_now().astimezone(ZoneInfo(zone)).hour)
    deaf = unstopped.villages(session, found, codes)
    silenced = set() if found.kind == "emergency" else set(quiet.running_in(session, codes))
    made = []
    for code in codes:
        so_far = rounds.get(code, Rounds())
        state = _state(found, so_far, players[code], code in silenced, may_sound)
        state = "unstopped" if code in deaf else state
        made.append(_line(found, code, names.get(code, code), state, so_far, players[code]))
    return made


def _players(session: Session, found: Override, codes: list[str], hour: int) -> dict[str, _Players]:
    of_village: dict[str, _Players] = defaultdict(_Players)
    is_held_back = found.kind != "emergency"
    if is_held_back:
        for code, percent in override_volumes.at_hour(session, codes, hour).items():
            of_village[code].hour_percent = percent
    rows = session.execute(
        sa.select(Player.area_code, presence.online(), Player.health, Player.volume_percent).where(
            Player.area_code.in_(codes),
            Player.revoked_at.is_(None),
            Player.approved_at.is_not(None),
        )
    )
    for code, is_online, health, percent in rows:
        players = of_village[code]
        players.count += 1
        if health_view.has_no_card(health):
            continue
        if is_held_back and health_view.switch_is_on(health):
            players.is_switched = True
        else:
            loud = volumes.holds_for(percent, found.kind)
            players.online.append(bool(is_online) and loud > 0)
            players.percent.append(loud)
    return of_village


def _line(
    found: Override, code: str, name: str, state: str, rounds: Rounds, players: _Players
) -> Line:
    after_s = None
    if rounds.first_at is not None and found.confirmed_at is not None:
        after_s = max(0.0, (rounds.first_at - found.confirmed_at).total_seconds())
    return Line(
        code=code,
        name=name,
        state=state,
        first_at=rounds.first_at,
        after_s=after_s,
        came_later=after_s is not None and after_s > CAME_LATER.total_seconds(),
        heard=rounds.heard,
        missed=rounds.missed,
        reason=i18n.gettext(reasons.words(rounds.reason)) if rounds.reason else "",
        percent=_of(players.hour_percent, min(players.percent, default=100)),
    )


def _of(hour_percent: int, player_percent: int) -> int:
    """Both together; what can be heard at all is no 0."""
    return math.ceil(hour_percent * player_percent / 100)


def _state(
    found: Override, rounds: Rounds, players: _Players, is_quiet: bool, may_sound: bool
) -> str:
    if may_sound and rounds.newest == "sounding":
        return "sounding"
    if rounds.first_at is not None:
        return "sounded"
    if is_quiet:
        return "quiet"
    if not players.count:
        return "no_player"
    if found.state not in override.OPEN and not may_sound:
        return "silent"
    return _dumb(players) or ("waiting" if any(players.online) else "away")


def _dumb(players: _Players) -> str:
    """Why nobody hears any of them, "" when somebody does."""
    if not players.online:
        return "switched" if players.is_switched else "no_card"
    if not any(players.percent):
        return "muted"
    return "" if players.hour_percent else "muted_now"
