"""Rounds of overrides as rows: one for each override, village and round, made once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from broadcast import listed
from broadcast.models import OVERRIDE_IDS, Override, OverridePlay
from broadcast.override_rounds import Rhythm, Round
from core import id_floor, outbox
from core.clock import utc_now
from core.database import claimed

OPEN = ("planned", "published", "sounding")
ROWS_AT_ONCE = 5_000
"""Rounds times villages in one transaction: nobody else can write meanwhile."""
ROUNDS_LEFT = "override.rounds_left"
"""News: {override_id, first_round}; it was called off, and rounds from there on are to follow."""
HEARD = "override.heard"
"""News: {override_id}; something was heard, or was not, in one of its villages."""
FIRST_ROUND_IN = timedelta(seconds=5)
"""From the second yes to the first sound. The list reaches players in two to five seconds: horns
that stand in one village begin together then, where each would begin as soon as it can. A player
that needs longer begins at once when it is ready."""
_CLOCKS_DIFFER = timedelta(minutes=1)
_LOCK = 720252


def rhythm(override: Override) -> Rhythm:
    """When its rounds sound; only once it was confirmed."""
    assert override.confirmed_at is not None
    every = override.repeat_every_s
    return Rhythm(
        first_at=override.confirmed_at + FIRST_ROUND_IN,
        valid_until=override.valid_until,
        duration=timedelta(milliseconds=override.duration_ms or 0),
        repeat_every=timedelta(seconds=every) if every else None,
        cancelled_at=override.cancelled_at,
    )


def make(session: Session, override: Override, rounds: Iterable[Round]) -> int:
    """Write down rounds for all villages; those that are there stay. Returns how many rows."""
    codes: list[str] = list(override.villages)
    wanted = [(each, code) for each in rounds for code in codes]
    if not wanted:
        return 0
    postgres = session.get_bind().dialect.name == "postgresql"
    if postgres:  # SQLite has one writer anyway
        session.execute(sa.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    highest = highest_given(session)
    rows: list[dict[str, Any]] = [
        {
            "id": number,
            "override_id": override.id,
            "area_code": code,
            "round_no": each.number,
            "starts_at": each.starts_at,
            "make_up_until": each.make_up_until,
            "state": "planned",
            "revision": 1,
        }
        for number, (each, code) in enumerate(wanted, highest + 1)
    ]
    insert = postgresql.insert(OverridePlay) if postgres else sqlite.insert(OverridePlay)
    once = insert.on_conflict_do_nothing(index_elements=["override_id", "area_code", "round_no"])
    session.execute(once, rows)
    return len(rows)


def highest_given(session: Session) -> int:
    """The highest number that a round has, or may have had before a backup was restored."""
    highest = session.scalar(sa.select(sa.func.max(OverridePlay.id))) or OVERRIDE_IDS
    return max(highest, id_floor.value(session, OverridePlay.__tablename__))


def last_round(session: Session, override_id: int) -> int:
    """Number of the last round that was written down for every village; 0: none."""
    a_village = sa.select(OverridePlay.area_code).where(OverridePlay.override_id == override_id)
    found = session.scalar(
        sa.select(sa.func.max(OverridePlay.round_no)).where(
            OverridePlay.override_id == override_id,
            OverridePlay.area_code == a_village.limit(1).scalar_subquery(),
        )
    )
    return found or 0


def rounds_at_once(override: Override) -> int:
    """How many whole rounds, of all villages, go into one transaction."""
    return max(1, ROWS_AT_ONCE // len(override.villages))


def may_sound(session: Session, override: Override) -> bool:
    """Whether players may still begin a round: it is on air, or was ended by a clock that ran
    ahead and is right again, so that its rounds stand in the lists once more."""
    if override.confirmed_at is None or is_over(override):
        return False
    if override.state != "ended":
        return override.state == "on_air"
    ahead = sa.select(OverridePlay.id).where(
        OverridePlay.override_id == override.id,
        OverridePlay.state.in_(listed.LIVE_ROUNDS),
        OverridePlay.make_up_until > utc_now(),
    )
    return session.scalar(ahead.limit(1)) is not None


def cancel(session: Session, override_id: int, reason: str | None = None) -> None:
    """Take back what has not been heard to its end; ``reason``: one of broadcast.reasons."""
    session.execute(
        sa.update(OverridePlay)
        .where(OverridePlay.override_id == override_id, OverridePlay.state.in_(OPEN))
        .values(state="cancelled", reason=reason, revision=OverridePlay.revision + 1)
        .execution_options(synchronize_session=False)
    )


def cancel_now(session: Session, override: Override) -> None:
    """Take back the rounds that sound or come next; the others follow by news. No list names any
    of them from the moment the override itself is called off."""
    begun = sa.select(sa.func.max(OverridePlay.round_no)).where(
        OverridePlay.override_id == override.id,
        OverridePlay.area_code == override.villages[0],
        OverridePlay.starts_at <= utc_now(),
    )
    cancel_from(session, override, (session.scalar(begun) or 1) - rounds_at_once(override) // 2)


def cancel_from(session: Session, override: Override, number: int) -> None:
    """Take back open rounds from a number on, as many as go into one transaction."""
    beyond = max(number, 1) + rounds_at_once(override)
    session.execute(
        sa.update(OverridePlay)
        .where(
            OverridePlay.override_id == override.id,
            OverridePlay.area_code.in_(override.villages),
            OverridePlay.round_no >= number,
            OverridePlay.round_no < beyond,
            OverridePlay.state.in_(OPEN),
        )
        .values(state="cancelled", revision=OverridePlay.revision + 1)
        .execution_options(synchronize_session=False)
    )
    if beyond <= last_round(session, override.id):
        outbox.emit(session, ROUNDS_LEFT, override_id=override.id, first_round=beyond)


def over_at(override: Override) -> datetime:
    """When even a round that began as late as it may has been heard."""
    return (
        override.valid_until
        + timedelta(milliseconds=override.duration_ms or 0)
        + listed.ROUND_SLACK
    )


def is_over(override: Override) -> bool:
    """Whether nothing more will come of it but late receipts."""
    return utc_now() >= over_at(override)


def note_sounding(session: Session, play_id: int, area_code: str, at: datetime) -> bool:
    """A player says that a round has begun; the receipt at its end is what counts for good."""
    if play_id <= OVERRIDE_IDS or at > utc_now() + _CLOCKS_DIFFER:
        return False
    changed = session.execute(
        sa.update(OverridePlay)
        .where(
            OverridePlay.id == play_id,
            OverridePlay.area_code == area_code,
            OverridePlay.state.in_(("planned", "published", "missed")),
            # Else it speaks of another round of this number, from before a restore.
            OverridePlay.starts_at <= at + _CLOCKS_DIFFER,
            OverridePlay.make_up_until >= at - _CLOCKS_DIFFER,
        )
        .values(state="sounding", reason=None, started_at=at)
        .execution_options(synchronize_session=False)
    )
    return claimed(changed)


def heard_of(session: Session, area_code: str, health: dict[str, Any]) -> bool:
    """Whether a report of health is news of a round that sounds now; nonsense is not."""
    told = health.get("last_play")
    if not isinstance(told, dict) or told.get("outcome") != "sounding":
        return False
    try:
        play_id, at = int(told["play_id"]), datetime.fromisoformat(str(told["at"]))
    except (KeyError, TypeError, ValueError):
        return False
    if at.tzinfo is None or not OVERRIDE_IDS < play_id < 2**31:
        return False
    if not note_sounding(session, play_id, area_code, at.astimezone(UTC)):
        return False
    override_id = session.get_one(OverridePlay, play_id).override_id
    outbox.emit(session, HEARD, override_id=override_id)
    return True
