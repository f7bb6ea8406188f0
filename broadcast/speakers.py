"""大喇叭 of an area at a glance: who is there, what it holds, what it sounded last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import players
from broadcast.models import ManifestVersion, Player
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_
from core.models import Area
from schedule.models import Play

PROBLEMS = {
    "server": N_("The player has trouble reaching this server."),
    "receipts": N_("Receipts of the player were refused."),
    "manifest": N_("The player refuses the list of plays."),
    "disk": N_("The player's disk is full."),
    "clock": N_("The player's clock is not synchronised."),
}


@dataclass(frozen=True)
class Box:
    """A player of a village. ``problems``: English templates, or words of the player itself."""

    player: Player
    is_online: bool
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Village:
    """A village with its players; ``issued`` is the newest manifest version, if any."""

    area: Area
    boxes: tuple[Box, ...]
    last_play: Play | None
    issued: int | None


def overview(session: Session, actor: Actor) -> list[Village]:
    """All villages of the actor's area, by code."""
    actor.require("speaker.read")
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    codes = [area.code for area in villages]
    boxes: dict[str, list[Box]] = {}
    for player in session.scalars(
        sa.select(Player)
        .where(Player.area_code.in_(codes), Player.revoked_at.is_(None))
        .order_by(Player.enrolled_at)
    ):
        boxes.setdefault(player.area_code, []).append(
            Box(player, players.is_online(player), _problems(player.health or {}))
        )
    last = _last_plays(session, codes)
    issued: dict[str, int] = {
        code: version
        for code, version in session.execute(
            sa.select(ManifestVersion.area_code, ManifestVersion.version)
        )
    }
    return [
        Village(area, tuple(boxes.get(area.code, ())), last.get(area.code), issued.get(area.code))
        for area in villages
    ]


def _last_plays(session: Session, codes: list[str]) -> dict[str, Play]:
    newest = (
        sa.select(Play.area_code, sa.func.max(Play.starts_at).label("starts_at"))
        .where(
            Play.area_code.in_(codes),
            Play.state.in_(("played", "missed")),
            Play.starts_at <= utc_now(),
        )
        .group_by(Play.area_code)
        .subquery()
    )
    found = session.scalars(
        sa.select(Play)
        .join(
            newest,
            sa.and_(newest.c.area_code == Play.area_code, newest.c.starts_at == Play.starts_at),
        )
        .where(Play.state.in_(("played", "missed")))
    )
    return {play.area_code: play for play in found}


def _problems(health: dict[str, Any]) -> tuple[str, ...]:
    told = health.get("problems")
    found = (
        [PROBLEMS.get(str(code), str(words)[:200]) for code, words in told.items()]
        if isinstance(told, dict)
        else []
    )
    clock = health.get("clock")
    if isinstance(clock, dict) and clock.get("synchronised") is False:
        found.append(PROBLEMS["clock"])
    return tuple(dict.fromkeys(found))
