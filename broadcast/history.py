"""What happened to players, for people to read: only what changed, and no flood of it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from broadcast import presence
from broadcast.models import Player, PlayerEvent
from core import outbox
from core.clock import utc_now
from core.database import Database, claimed

FLAPS_PER_HOUR = 6
"""So often an hour the same thing may come and go in the history; then it waits for calm."""
HOT_C = 80.0
MAX_PROBLEMS = 20
CODE_LENGTH = 40
POLL_S = 10.0
LOOK_BACK = timedelta(days=30)
log = structlog.get_logger("broadcast.history")


def note(session: Session, player_id: str, kind: str, detail: str | None = None) -> None:
    """Write one line into the history of a player."""
    event = PlayerEvent(
        player_id=player_id, at=utc_now(), kind=kind, detail=detail[:200] if detail else None
    )
    session.add(event)
    session.flush()


def problem_codes(health: dict[str, Any]) -> set[str]:
    """What is wrong by the player's own words, or by its figures."""
    told = health.get("problems")
    codes = {str(code)[:CODE_LENGTH] for code in told} if isinstance(told, dict) else set()
    clock, sink = health.get("clock"), health.get("sink")
    if isinstance(clock, dict) and clock.get("synchronised") is False:
        codes.add("clock")
    if isinstance(sink, dict) and sink.get("ok") is False:
        codes.add("sink")
    temperature_c = health.get("temperature_c")
    if isinstance(temperature_c, int | float) and temperature_c >= HOT_C:
        codes.add("hot")
    if health.get("quiet_switch") is True:
        codes.add("quiet_switch")
    return set(sorted(codes)[:MAX_PROBLEMS])


def note_problems(session: Session, player_id: str, health: dict[str, Any]) -> None:
    """Write down which problems began or ended since the history last said so."""
    found, standing = problem_codes(health), standing_problems(session, player_id)
    for code in sorted(found - standing):
        if not _flaps(session, player_id, code):
            note(session, player_id, "problem", code)
    for code in sorted(standing - found):
        note(session, player_id, "over", code)


def standing_problems(session: Session, player_id: str) -> set[str]:
    """Codes whose last word in the history is that they began."""
    newest = (
        sa.select(sa.func.max(PlayerEvent.id))
        .where(
            PlayerEvent.player_id == player_id,
            PlayerEvent.kind.in_(("problem", "over")),
            PlayerEvent.at > utc_now() - LOOK_BACK,
        )
        .group_by(PlayerEvent.detail)
    )
    return {
        str(code)
        for code in session.scalars(
            sa.select(PlayerEvent.detail).where(
                PlayerEvent.id.in_(newest), PlayerEvent.kind == "problem"
            )
        )
    }


def note_presence(session: Session) -> int:
    """Write down who came and who went since the history last said so; returns how many lines."""
    now, here = utc_now(), presence.online()
    told = 0
    for is_here in (True, False):
        changed = session.scalars(
            sa.select(Player.id)
            .where(Player.noted_online.is_(not is_here), here if is_here else sa.not_(here))
            .order_by(Player.id)
        ).all()
        told += sum(_note_presence_of(session, player_id, is_here, now) for player_id in changed)
    return told


def _note_presence_of(session: Session, player_id: str, is_here: bool, now: datetime) -> bool:
    """Players that come and go all the time stay in the history as they last were."""
    kind = "online" if is_here else "offline"
    recent = session.scalar(
        sa.select(sa.func.count(PlayerEvent.id)).where(
            PlayerEvent.player_id == player_id,
            PlayerEvent.kind.in_(("online", "offline")),
            PlayerEvent.at > now - timedelta(hours=1),
        )
    )
    if (recent or 0) >= FLAPS_PER_HOUR:
        return False
    mine = session.execute(
        sa.update(Player)
        .where(Player.id == player_id, Player.noted_online.is_(not is_here))
        .values(noted_online=is_here)
    )
    if not claimed(mine):
        return False
    note(session, player_id, kind)
    outbox.emit(session, "player.presence", player_id=player_id, online=is_here)
    return True


def _flaps(session: Session, player_id: str, code: str) -> bool:
    begun = session.scalar(
        sa.select(sa.func.count(PlayerEvent.id)).where(
            PlayerEvent.player_id == player_id,
            PlayerEvent.kind == "problem",
            PlayerEvent.detail == code,
            PlayerEvent.at > utc_now() - timedelta(hours=1),
        )
    )
    return (begun or 0) >= FLAPS_PER_HOUR // 2


class Chronicler:
    """Background service around ``note_presence``."""

    name = "chronicler"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopped = threading.Event()

    def run_forever(self) -> None:
        """Look every few seconds until ``stop``."""
        while not self._stopped.wait(POLL_S):
            try:
                with self._database.write() as session:
                    note_presence(session)
            except sa.exc.SQLAlchemyError as error:
                log.warning("the chronicler waits for the database", error=str(error)[:200])

    def stop(self) -> None:
        self._stopped.set()
