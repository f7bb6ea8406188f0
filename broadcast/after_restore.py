"""A database that came back from a backup: what was given out since is known to players alone.

They remember for weeks what they have sounded, by its number, and would keep silent about
something new under an old one. So the numbers of plays and rounds go on far above. A person says
that it happened (``python server.py restored``); where that was forgotten, an approved player
proves it: with a list, or a receipt of a number, that this database never issued.

A player's word moves numbers and the lists' time of issue, once a day, and nothing else: it calls
nothing off, and one that lies can neither silence a village nor use the numbers up. At most a
round of the last hour is heard once more.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from broadcast import override, override_plays, reasons
from broadcast.commands import BELL
from broadcast.models import OVERRIDE_IDS, ManifestVersion, Override, OverridePlay, Player
from core import audit, bell, id_floor, outbox
from core.clock import utc_now
from core.database import claimed
from core.models import IdFloor
from schedule import horizon
from schedule.models import Play

STEP = 1_000_000
LIST_STEP = 1_000
COMMAND = "command"
ROUNDS_LEFT = "override.rounds_to_move"
"""News: {override_id, first, up_to, by}; see ``move_rounds``."""
ONE_WORD_A = timedelta(days=1)
"""So often a player's word may raise the floors."""
TOLD_FOR = timedelta(days=7)
LAST_BY_PLAYERS = OVERRIDE_IDS + OVERRIDE_IDS // 2
"""Above it only a person raises the floors: half of all numbers stays out of players' reach."""
FRESH = timedelta(hours=1)
"""Overrides this young may have been ordered before a player's word came."""
_SAME_MOMENT = timedelta(seconds=1)
_FLOOR = OverridePlay.__tablename__
log = structlog.get_logger("broadcast.after_restore")


def restored(session: Session) -> list[Override]:
    """Raise the floors and call off whatever is on air; returns what was called off."""
    id_floor.lock(session)
    _raise_floors(session, COMMAND)
    called_off = [each for each in _on_air(session) if _call_off(session, each)]
    ids = [each.id for each in called_off]
    audit.record(session, "command line", "database.restored", "database", called_off=ids)
    return called_off


def notice_list(session: Session, player: Player, version: Any) -> bool:
    """Raise the floors when a player holds a newer list than was ever signed here.

    ``version``: as it came from the player, anything. Returns whether that was news.
    """
    if player.approved_at is None or not isinstance(version, int) or not 0 < version < 2**31:
        return False
    issued = session.scalar(
        sa.select(ManifestVersion.version).where(ManifestVersion.area_code == player.area_code)
    )
    return issued is not None and version > issued and _believe(session, player, "list")


def notice_receipt(
    session: Session, player: Player, number: int, scheduled_at: datetime | None
) -> bool:
    """Raise the floors when a receipt's number was never given here, or to something else.

    Returns whether that was news.
    """
    if player.approved_at is None:
        return False
    found: Play | OverridePlay | None
    if number > OVERRIDE_IDS:
        found, highest = session.get(OverridePlay, number), override_plays.highest_given(session)
    else:
        found, highest = session.get(Play, number), horizon.highest_given(session)
    if found is None:
        is_lost = number > highest
    else:
        is_mine = found.area_code == player.area_code
        is_lost = not is_mine or is_another(scheduled_at, found.starts_at)
    return is_lost and _believe(session, player, "receipt")


def is_another(scheduled_at: datetime | None, starts_at: datetime) -> bool:
    """Whether a receipt speaks of something else under the same number, by its signed time."""
    return scheduled_at is not None and abs(scheduled_at - starts_at) > _SAME_MOMENT


def noticed_at(session: Session) -> datetime | None:
    """When a player proved that nobody had said ``restored``; None once that is a week old."""
    found = id_floor.find(session, _FLOOR)
    if found is None or found.cause == COMMAND or found.raised_at < utc_now() - TOLD_FOR:
        return None
    return found.raised_at


def _believe(session: Session, player: Player, how: str) -> bool:
    if not _may_raise(session):
        return False
    id_floor.lock(session)
    if not _may_raise(session):  # another player said so a moment sooner
        return False
    log.error("the database is an older copy: a player knows more", player=player.id, how=how)
    highest = override_plays.highest_given(session)
    _raise_floors(session, player.id)
    _move_fresh_rounds(session, highest, override_plays.highest_given(session) - highest)
    audit.record(session, "player", "database.older", f"player:{player.id}", how=how)
    return True


def _may_raise(session: Session) -> bool:
    if override_plays.highest_given(session) > LAST_BY_PLAYERS:
        return False
    found: IdFloor | None = id_floor.find(session, _FLOOR)
    if found is None or found.cause == COMMAND:
        return True
    return abs(utc_now() - found.raised_at) >= ONE_WORD_A


def _raise_floors(session: Session, cause: str) -> None:
    """By a step, and by chance as much again: the same backup may be restored twice."""
    for name, highest in (
        (Play.__tablename__, horizon.highest_given(session)),
        (_FLOOR, override_plays.highest_given(session)),
    ):
        id_floor.raise_to(session, name, highest + STEP + secrets.randbelow(STEP), cause)
    _issue_lists_anew(session)


def _move_fresh_rounds(session: Session, up_to: int, by: int) -> None:
    """Rounds that were just ordered may bear numbers that players keep silent about."""
    for each in _on_air(session):
        if each.confirmed_at is not None and each.confirmed_at > utc_now() - FRESH:
            move_rounds(session, each, 1, up_to, by)


def move_rounds(session: Session, found: Override, first: int, up_to: int, by: int) -> None:
    """Give what nobody has heard of an override numbers that are higher ``by``, unless they lie
    above ``up_to``: from round ``first`` on as many as go into one transaction, others by news.
    """
    beyond = first + override_plays.rounds_at_once(found)
    session.execute(
        sa.update(OverridePlay)
        .where(OverridePlay.override_id == found.id, OverridePlay.id <= up_to)
        .where(OverridePlay.round_no >= first, OverridePlay.round_no < beyond)
        .where(OverridePlay.state.in_(("planned", "published")))
        .values(id=OverridePlay.id + by)
        .execution_options(synchronize_session=False)
    )
    if beyond <= override_plays.last_round(session, found.id):
        rest = {"first": beyond, "up_to": up_to, "by": by}
        outbox.emit(session, ROUNDS_LEFT, override_id=found.id, **rest)
    else:
        override.tell(session, found, override_plays.last_round(session, found.id))


def _issue_lists_anew(session: Session) -> None:
    """Players refuse lists signed before the one they hold, which the backup does not know.

    A list that somebody is making at this moment is left to them.
    """
    free = sa.select(ManifestVersion.area_code).with_for_update(skip_locked=True)
    session.execute(
        sa.update(ManifestVersion)
        .where(ManifestVersion.area_code.in_(free))
        .values(version=ManifestVersion.version + LIST_STEP, issued_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    bell.ring_after_commit(session, BELL)


def _on_air(session: Session) -> list[Override]:
    return list(session.scalars(sa.select(Override).where(Override.state == "on_air")))


def _call_off(session: Session, found: Override) -> bool:
    """It may have been stopped since the backup, and nobody would know that it sounds again."""
    taken = session.execute(
        sa.update(Override)
        .where(Override.id == found.id, Override.state == "on_air")
        .values(state="cancelled", cancelled_at=utc_now(), version=Override.version + 1)
        .execution_options(synchronize_session=False)
    )
    if not claimed(taken):
        return False
    session.refresh(found)
    override_plays.cancel(session, found.id, reasons.RESTORED)
    override.tell(session, found)
    return True
