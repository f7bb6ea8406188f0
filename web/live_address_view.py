"""What the page for speaking live shows: who would hear, who hears, who heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import health_view, live, live_calls, presence
from broadcast.live_hub import Channel, Facts
from broadcast.models import LiveListener, LiveSession, Player, PlayerCommand
from core import areas
from core.auth import Actor
from core.models import Area, User
from core.types import JsonObject
from schedule import quiet

_BEST_FIRST = (
    "hears", "joined", "dropped", "held", "no_card", "refused", "ringing", "away", "none",
)  # fmt: skip


@dataclass(frozen=True)
class Village:
    """A village one may speak to. ``state``: ready, away, none (no approved player).

    ``is_switched_quiet``: the quiet switches of all its boxes are on; ``has_no_card``: none of them
    has a sound card. ``percent``: how loud the softest of them is set.
    """

    code: str
    name: str
    state: str
    quiet_until: datetime | None = None
    speaker: str | None = None
    is_switched_quiet: bool = False
    has_no_card: bool = False
    percent: int = 100


@dataclass(frozen=True)
class Group:
    """Villages of a township."""

    name: str
    villages: list[Village] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A player in a session, as it stands."""

    village: str
    player: str
    state: str
    facts: Facts


def groups(session: Session, actor: Actor) -> list[Group]:
    """The villages of the own area, by township."""
    if actor.area_code is None:
        return []
    villages = areas.villages(session, actor.area_code)
    codes = [village.code for village in villages]
    boxes = _boxes(session, codes)
    orders = quiet.running_in(session, codes)
    busy = _speakers(session)
    found: dict[str | None, Group] = {}
    for area in villages:
        group = found.get(area.parent_code)
        if group is None:
            parent = session.get(Area, area.parent_code) if area.parent_code else None
            group = found[area.parent_code] = Group(parent.name if parent else "")
        order = orders.get(area.code)
        group.villages.append(
            _village(area, boxes[area.code], order.ends_at if order else None, busy.get(area.code))
        )
    return list(found.values())


def _village(
    area: Area, boxes: list[Player], quiet_until: datetime | None, speaker: str | None
) -> Village:
    ready = any(presence.is_online(box) for box in boxes)
    return Village(
        code=area.code,
        name=area.name,
        state="ready" if ready else "away" if boxes else "none",
        quiet_until=quiet_until,
        speaker=speaker,
        is_switched_quiet=_all(health_view.switch_is_on, boxes),
        has_no_card=_all(health_view.has_no_card, boxes),
        percent=min((box.volume_percent for box in boxes), default=100),
    )


def _all(is_so: Callable[[JsonObject | None], bool], boxes: list[Player]) -> bool:
    return bool(boxes) and all(is_so(box.health) for box in boxes)


def _boxes(session: Session, codes: list[str]) -> dict[str, list[Player]]:
    query = sa.select(Player).where(
        Player.area_code.in_(codes), Player.revoked_at.is_(None), Player.approved_at.is_not(None)
    )
    boxes: dict[str, list[Player]] = {code: [] for code in codes}
    for player in session.scalars(query):
        boxes[player.area_code].append(player)
    return boxes


def _speakers(session: Session) -> dict[str, str]:
    return {
        str(code): session.get_one(User, row.started_by_id).display_name
        for row in live.running(session)
        for code in row.villages
    }


def rows(
    session: Session, row: LiveSession, actor: Actor, channel: Channel | None = None
) -> list[Row]:
    """The players of a session that lie in the actor's area, by village."""
    own = areas.below(session, actor.area_code) if actor.area_code else set()
    mine = row.started_by_id == actor.id
    fresh = channel.facts() if channel else {}
    called = session.execute(
        sa.select(LiveListener, Player, Area)
        .join(Player, Player.id == LiveListener.player_id)
        .join(Area, Area.code == Player.area_code)
        .where(LiveListener.session_id == row.id)
        .order_by(Area.code, Player.name)
    ).all()
    refused = _refused(session, row, [player.id for _, player, _ in called])
    is_open = not _is_over(row, channel)
    found = []
    for listener, player, area in called:
        if mine or area.code in own:
            facts = _together(fresh.get(player.id), _kept(listener))
            state = _state(row, player, facts, is_open=is_open, refused=player.id in refused)
            found.append(Row(area.name, player.name, state, facts))
    return found


def _kept(row: LiveListener) -> Facts:
    return Facts(row.joined_at, row.first_sound_at, row.left_at, row.cause, row.lost_ms)


def _together(fresh: Facts | None, kept: Facts) -> Facts:
    """What a player tells of its horn may have come in by another process of the server."""
    if fresh is None:
        return kept
    first_sound_at = fresh.first_sound_at or kept.first_sound_at
    return replace(fresh, first_sound_at=first_sound_at, lost_ms=max(fresh.lost_ms, kept.lost_ms))


def _refused(session: Session, row: LiveSession, player_ids: list[str]) -> set[str]:
    """Who of these players refused the call to this session."""
    calls = [live_calls.command_id(row.id, player_id) for player_id in player_ids]
    query = sa.select(PlayerCommand.player_id).where(
        PlayerCommand.id.in_(calls), PlayerCommand.state == "refused"
    )
    return set(session.scalars(query))


def _is_over(row: LiveSession, channel: Channel | None) -> bool:
    """The channel falls silent first; the row may have to wait for the database."""
    return row.state not in live.OPEN or (channel is not None and channel.ended)


def _state(row: LiveSession, player: Player, facts: Facts, *, is_open: bool, refused: bool) -> str:
    if facts.joined_at is not None:
        if is_open and facts.left_at is not None:
            return "dropped"
        if facts.first_sound_at is not None:
            return "hears"
        if health_view.has_no_card(player.health):
            return "no_card"
        held = not row.emergency and health_view.switch_is_on(player.health)
        return "held" if held else "joined"
    if refused:
        return "refused"
    return "ringing" if is_open and presence.is_online(player) else "away"


def state(
    session: Session, row: LiveSession, actor: Actor, channel: Channel | None
) -> dict[str, Any]:
    """What the speaker's page asks for each second.

    ``go``: the first horns have chimed (or waiting longer makes no sense): speak now.
    """
    listed = rows(session, row, actor, channel)
    since = [each.facts.joined_at for each in listed if each.facts.joined_at is not None]
    by_village: dict[str, list[str]] = {name: [] for name in _names(session, row.villages)}
    for each in listed:
        by_village.setdefault(each.village, []).append(each.state)
    return {
        "over": _is_over(row, channel),
        "cause": row.end_cause or (channel.end_cause if channel else None) or None,
        "go": row.state == "on_air" or live.may_begin(min(since, default=None), row.created_at),
        "hearing": sum(each.state == "hears" for each in listed),
        "called": len(listed),
        "villages": [
            {"name": name, "state": min(states, key=_BEST_FIRST.index) if states else "none"}
            for name, states in by_village.items()
        ],
    }


def _names(session: Session, codes: list[Any]) -> list[str]:
    query = sa.select(Area.name).where(Area.code.in_(codes)).order_by(Area.code)
    return list(session.scalars(query))
