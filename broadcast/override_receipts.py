"""What became of each round in each village: by receipts, or for want of them by the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import after_restore, listed, reasons
from broadcast.models import Override, OverridePlay, Player
from broadcast.override_plays import HEARD, OPEN
from core import outbox
from core.clock import utc_now
from core.database import claimed
from schedule import quiet

GRACE = timedelta(minutes=3)
"""For the way of a receipt: players poll once a minute when nothing wakes them."""
LIMIT = 500


class Said(Protocol):
    """What counts of a receipt."""

    @property
    def play_id(self) -> int: ...
    @property
    def outcome(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def scheduled_at(self) -> datetime | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def start_error_ms(self) -> float | None: ...


def enter(session: Session, player: Player, said: Said) -> bool:
    """Let the round say what the receipt proves; False when it is none of this village's, or
    nobody has approved the player.
    """
    found = session.get(OverridePlay, said.play_id, with_for_update=True)
    if found is None or found.area_code != player.area_code or player.approved_at is None:
        return False
    if after_restore.is_another(said.scheduled_at, found.starts_at):
        return False
    if _apply(found, said):
        outbox.emit(session, HEARD, override_id=found.override_id)
    return True


def _apply(found: OverridePlay, said: Said) -> bool:
    if said.outcome == "missed":
        unexplained = found.state == "missed" and found.reason in reasons.GUESSED
        if found.state not in OPEN and not unexplained:
            return False
        found.state, found.reason = "missed", said.reason or reasons.NOT_SAID
        return True
    if found.state == "played":
        earlier = said.started_at is not None and (
            found.started_at is None or said.started_at < found.started_at
        )
        if not earlier:
            return False
    elif found.state == "cancelled":
        found.reason = reasons.PLAYED_THOUGH_CANCELLED
    elif found.state == "missed" and found.reason in reasons.GUESSED:
        found.reason = reasons.LATE_RECEIPT
    elif found.state == "missed" and found.reason == reasons.VILLAGE_QUIET:
        found.reason = reasons.PLAYED_THOUGH_QUIET
    else:
        found.reason = None
    found.state = "played"
    found.started_at, found.ended_at = said.started_at, said.ended_at
    found.start_error_ms = said.start_error_ms
    return True


def overdue(session: Session) -> bool:
    """Whether ``close_overdue`` would find something."""
    return bool(_late(session, 1))


def close_overdue(session: Session) -> int:
    """Close rounds that nobody told about: missed, with a reason. Returns how many."""
    closed, concerned = 0, set()
    for found, override in _late(session, LIMIT):
        mine = claimed(
            session.execute(
                sa.update(OverridePlay)
                .where(OverridePlay.id == found.id, OverridePlay.state.in_(OPEN))
                .values(state="missed", reason=_reason(session, found, override))
                .execution_options(synchronize_session=False)
            )
        )
        if mine:
            closed += 1
            concerned.add(override.id)
    for override_id in sorted(concerned):
        outbox.emit(session, HEARD, override_id=override_id)
    return closed


def _late(session: Session, limit: int) -> list[tuple[OverridePlay, Override]]:
    """Rounds, at most ``limit``, whose sound must be over and whose receipt had its time."""
    before = utc_now() - GRACE
    is_open = OverridePlay.state.in_(OPEN)
    some = sa.select(OverridePlay.override_id).where(is_open, OverridePlay.make_up_until < before)
    found: list[tuple[OverridePlay, Override]] = []
    for override in session.scalars(sa.select(Override).where(Override.id.in_(some))):
        begun_by = before - timedelta(milliseconds=override.duration_ms or 0) - listed.ROUND_SLACK
        rounds = session.scalars(
            sa.select(OverridePlay)
            .where(is_open, OverridePlay.override_id == override.id)
            .where(OverridePlay.make_up_until < begun_by)
            .order_by(OverridePlay.make_up_until)
            .limit(limit - len(found))
        )
        found += [(each, override) for each in rounds]
    return found


def _reason(session: Session, found: OverridePlay, override: Override) -> str:
    if override.kind not in listed.QUIET_PASSES and session.scalar(
        sa.select(OverridePlay.id).where(
            OverridePlay.id == found.id,
            quiet.binds(OverridePlay.area_code, OverridePlay.starts_at),
        )
    ):
        return reasons.VILLAGE_QUIET
    if found.state == "planned":
        return reasons.without_list(session, found.area_code, found.starts_at, found.make_up_until)
    return reasons.NO_RECEIPT
