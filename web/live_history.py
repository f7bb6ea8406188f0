"""Live addresses as lists show them: who spoke, to which villages, how many heard it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import live
from broadcast.models import LiveListener, LiveSession, Player
from core import areas
from core.auth import Actor
from core.models import Area, User

LISTED = 50
LOOKED_AT = 1_000
"""So many addresses are read for one page, however few of them reach into the own area."""


@dataclass(frozen=True)
class Past:
    """An address in a list: ``villages`` are names, ``heard`` of ``called`` players sounded."""

    session: LiveSession
    speaker: str
    villages: list[str]
    heard: int
    called: int


@dataclass(frozen=True)
class Page:
    """A piece of the history. ``older``: where the next page goes on, None at the very end."""

    sessions: list[Past]
    older: str | None


def history(session: Session, actor: Actor, before: str = "") -> Page:
    """Addresses that reach into the own area and the own ones, the newest first.

    ``before``: the id of an address, those older than it are shown; an unknown one is ignored.
    """
    newest_first = sa.select(LiveSession).order_by(
        LiveSession.created_at.desc(), LiveSession.id.desc()
    )
    last = session.get(LiveSession, before)
    if last is not None:
        newest_first = newest_first.where(
            sa.or_(
                LiveSession.created_at < last.created_at,
                sa.and_(LiveSession.created_at == last.created_at, LiveSession.id < last.id),
            )
        )
    rows = session.scalars(newest_first.limit(LOOKED_AT + 1)).all()
    older = rows[LOOKED_AT - 1].id if len(rows) > LOOKED_AT else None
    found = _reaching(session, actor, rows[:LOOKED_AT])
    if len(found) > LISTED:
        found = found[:LISTED]
        older = found[-1][0].id
    return Page(_pasts(session, found), older)


def on_air(session: Session, actor: Actor) -> list[Past]:
    """Addresses that are not over, whoever speaks and by which way, if they reach so far."""
    return _pasts(session, _reaching(session, actor, live.running(session)))


def past(session: Session, actor: Actor, row: LiveSession) -> Past:
    """One address for its own page; visible to the actor."""
    [found] = _pasts(session, _reaching(session, actor, [row]) or [(row, [])])
    return found


def _reaching(
    session: Session, actor: Actor, rows: Sequence[LiveSession]
) -> list[tuple[LiveSession, list[Any]]]:
    """Each address with the codes of those of its villages that the actor may know of."""
    own = areas.below(session, actor.area_code) if actor.area_code else set()
    found = []
    for row in rows:
        mine = row.started_by_id == actor.id
        inside = [code for code in row.villages if mine or code in own]
        if inside:
            found.append((row, inside))
    return found


def _pasts(session: Session, found: list[tuple[LiveSession, list[Any]]]) -> list[Past]:
    speakers = _speakers(session, {row.started_by_id for row, _ in found})
    names = _names(session, {code for _, inside in found for code in inside})
    counts = _counts(session, [row.id for row, _ in found])
    pasts = []
    for row, inside in found:
        counted = [counts.get((row.id, code), (0, 0)) for code in inside]
        pasts.append(
            Past(
                session=row,
                speaker=speakers[row.started_by_id],
                villages=[names[code] for code in sorted(inside) if code in names],
                heard=sum(heard for heard, _ in counted),
                called=sum(called for _, called in counted),
            )
        )
    return pasts


def _speakers(session: Session, ids: set[int]) -> dict[int, str]:
    query = sa.select(User.id, User.display_name).where(User.id.in_(ids))
    return {user_id: name for user_id, name in session.execute(query)}


def _names(session: Session, codes: set[Any]) -> dict[str, str]:
    query = sa.select(Area.code, Area.name).where(Area.code.in_(codes))
    return {code: name for code, name in session.execute(query)}


def _counts(session: Session, ids: list[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """Of each address and village: how many players sounded, how many were called."""
    query = (
        sa.select(
            LiveListener.session_id,
            Player.area_code,
            sa.func.count(LiveListener.first_sound_at),
            sa.func.count(),
        )
        .join(Player, Player.id == LiveListener.player_id)
        .where(LiveListener.session_id.in_(ids))
        .group_by(LiveListener.session_id, Player.area_code)
    )
    return {
        (row_id, code): (heard, called) for row_id, code, heard, called in session.execute(query)
    }
