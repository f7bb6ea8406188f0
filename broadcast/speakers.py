"""大喇叭 of an area at a glance: who is there, what it holds, since when it is dumb."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import health_view, heard, history, lookup, presence
from broadcast.health_view import NO_PLAYER, Glance, Signs
from broadcast.models import ManifestVersion, Player, Speaker
from broadcast.silence import Due, silent_since
from core import areas, audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput
from core.models import Area
from schedule import quiet
from schedule.models import VillageQuiet


@dataclass(frozen=True)
class Box:
    """A player of a village. ``problems``: English templates, or words of the player itself.

    ``quiet``: "order", "switch" or "". ``last_sounded_at``: its last sound that was proved.
    """

    player: Player
    is_online: bool
    problems: tuple[str, ...]
    glance: Glance
    last_sounded_at: datetime | None = None
    quiet: str = ""
    quiet_until: datetime | None = None


@dataclass(frozen=True)
class Village:
    """A village with its players, the worst first; ``issued``: its newest list of plays."""

    area: Area
    boxes: tuple[Box, ...]
    issued: int | None

    @property
    def glance(self) -> Glance:
        """The state of its worst player."""
        return self.boxes[0].glance if self.boxes else NO_PLAYER


def overview(session: Session, actor: Actor) -> list[Village]:
    """All villages of the actor's area that have players or none, the worst first."""
    actor.require("speaker.read")
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    boxes = _boxes(session, [area.code for area in villages], Player.revoked_at.is_(None))
    issued: dict[str, int] = {
        code: version
        for code, version in session.execute(
            sa.select(ManifestVersion.area_code, ManifestVersion.version)
        )
    }
    found = [
        Village(area, tuple(boxes.get(area.code, ())), issued.get(area.code)) for area in villages
    ]
    return sorted(found, key=lambda village: (village.glance.rank, village.area.code))


def shut_out(session: Session, actor: Actor) -> list[Box]:
    """Players of the actor's area that were shut out, the last first."""
    actor.require("speaker.read")
    codes = actor.reach(session)
    boxes = _boxes(session, codes, Player.revoked_at.is_not(None))
    found = [box for of_village in boxes.values() for box in of_village]
    return sorted(found, key=lambda box: box.glance.since or box.player.enrolled_at, reverse=True)


def of_player(session: Session, actor: Actor, player_id: str) -> Box:
    """One player as it is now; NotFound outside the actor's area."""
    player = lookup.player(session, actor, "speaker.read", player_id, to_change=False)
    return _boxes(session, [player.area_code], Player.id == player_id)[player.area_code][0]


def _boxes(
    session: Session, codes: Collection[str], which: sa.ColumnElement[bool]
) -> dict[str, list[Box]]:
    found = session.scalars(
        sa.select(Player)
        .where(Player.area_code.in_(codes), which)
        .order_by(Player.enrolled_at, Player.id)
    ).all()
    orders = quiet.running_in(session, {player.area_code for player in found})
    ids = [player.id for player in found]
    last, due = heard.last_sounded(session, ids), heard.due_since(session, ids)
    boxes: dict[str, list[Box]] = {}
    for player in found:
        box = _box(player, last.get(player.id), due, orders.get(player.area_code))
        boxes.setdefault(player.area_code, []).append(box)
    for of_village in boxes.values():
        of_village.sort(key=lambda box: box.glance.rank)
    return boxes


def _box(
    player: Player,
    last_sounded_at: datetime | None,
    due: Mapping[str, list[Due]],
    order: VillageQuiet | None,
) -> Box:
    is_online = presence.is_online(player)
    problems = health_view.problems(player.health)
    switch = health_view.switch_is_on(player.health)
    signs = Signs(
        online=is_online,
        last_seen_at=player.last_seen_at,
        approved_at=player.approved_at,
        revoked_at=player.revoked_at,
        cloned_at=player.cloned_at,
        silent_since=silent_since(
            due.get(player.id, ()), last_sounded_at, utc_now() if is_online else player.last_seen_at
        ),
        last_sounded_at=last_sounded_at,
        is_quiet=order is not None or switch,
        problems=problems,
    )
    return Box(
        player=player,
        is_online=is_online,
        problems=problems,
        glance=health_view.glance(signs),
        last_sounded_at=last_sounded_at,
        quiet="order" if order is not None else "switch" if switch else "",
        quiet_until=order.ends_at if order is not None else None,
    )


def rename(session: Session, actor: Actor, player_id: str, name: str) -> Player:
    """Give a player another name; InvalidInput(field="name")."""
    player = lookup.player(session, actor, "speaker.edit", player_id)
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise InvalidInput(N_("Give the player a name of up to 80 characters."), field="name")
    if name != player.name:
        history.note(session, player_id, "renamed", f"{player.name} > {name}")
        player.name = name
        session.execute(sa.update(Speaker).where(Speaker.player_id == player_id).values(name=name))
        audit.record(session, actor.login, "player.rename", f"player:{player_id}", name=name)
        outbox.emit(session, "player.changed", player_id=player_id)
    return player
