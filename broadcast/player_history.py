"""What became of a player: its days in numbers, and its events and plays as one line of time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import reasons
from broadcast.models import Override, OverridePlay, Player, PlayerEvent, Receipt
from broadcast.player_words import PROBLEMS
from broadcast.silence import EXCUSES
from core import audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_
from recordings.models import Episode
from schedule.models import Play

DAYS = 30
LINES = 150
EVENTS = {
    "enrolled": N_("Came in with a code"),
    "approved": N_("Approved"),
    "revoked": N_("Shut out"),
    "online": N_("Came into contact"),
    "offline": N_("Fell out of contact"),
    "problem": N_("A problem began"),
    "over": N_("A problem ended"),
    "cloned": N_("Two boxes used its key"),
    "single": N_("Declared to be one box again"),
    "updated": N_("Program updated"),
    "rolled_back": N_("Went back to the program before"),
    "command": N_("Did a command"),
    "renamed": N_("Renamed"),
    "played": N_("Sounded"),
    "missed": N_("Did not sound"),
}
"""Kind of a line -> words; the last two are plays."""
OF_SWITCH = {"problem": N_("Quiet switch turned on"), "over": N_("Quiet switch turned off")}
HOW_CLONED = {
    "boots": N_("two programs speak in turns"),
    "receipts": N_("two chains of receipts"),
    "key": N_("two players came in with one key"),
}


@dataclass(frozen=True)
class Day:
    """One local day of a player in numbers. ``left_out``: on purpose, no horn's fault."""

    day: date
    played: int = 0
    missed: int = 0
    left_out: int = 0
    waiting: int = 0

    @property
    def planned(self) -> int:
        return self.played + self.missed + self.left_out + self.waiting

    @property
    def state(self) -> str:
        """In one word: none (nothing planned), missed (any), played, waiting, left_out."""
        if not self.planned:
            return "none"
        if self.missed:
            return "missed"
        if self.played:
            return "played"
        return "waiting" if self.waiting else "left_out"


@dataclass(frozen=True)
class Line:
    """Something that happened. ``kind``: see EVENTS; ``detail``: words, a code or a title."""

    at: datetime
    kind: str
    title: str = ""
    detail: str = ""
    start_error_ms: float | None = None

    @property
    def words(self) -> str:
        known = OF_SWITCH if self.detail == "quiet_switch" else EVENTS
        return known.get(self.kind, self.kind)

    @property
    def more(self) -> str:
        """What is added to the words: a code in words, or what was written down."""
        if self.kind == "cloned":
            return HOW_CLONED.get(self.detail, self.detail)
        if self.kind in OF_SWITCH:
            return "" if self.detail == "quiet_switch" else PROBLEMS.get(self.detail, self.detail)
        if (self.kind, self.detail) == ("revoked", "refused"):
            return N_("it was never let in")
        return self.detail


def days(session: Session, player: Player, zone: str) -> list[Day]:
    """The last 30 local days, the oldest first: what this player did of what was planned."""
    today = utc_now().astimezone(ZoneInfo(zone)).date()
    first = today - timedelta(days=DAYS - 1)
    counts: dict[date, dict[str, int]] = {}
    rows = session.execute(
        sa.select(Play.local_date, Play.state, Play.reason, Receipt.outcome, Receipt.reason)
        .outerjoin(Receipt, _mine(Play.id, player))
        .where(
            Play.area_code == player.area_code,
            Play.local_date.between(first, today),
            Play.state != "cancelled",
            Play.starts_at >= player.enrolled_at,
        )
    )
    for day, state, reason, outcome, told_reason in rows:
        of_day = counts.setdefault(day, {})
        word = _word(state, outcome, told_reason or reason)
        of_day[word] = of_day.get(word, 0) + 1
    every = (first + timedelta(days=number) for number in range(DAYS))
    return [Day(day, **counts.get(day, {})) for day in every]


def _word(state: str, outcome: str | None, reason: str | None) -> str:
    if outcome == "played":
        return "played"
    if reason in EXCUSES:
        return "left_out"
    if outcome == "missed" or state in ("missed", "played"):
        return "missed"
    return "waiting"


def lines(session: Session, player: Player) -> list[Line]:
    """Events, sounds and misses of the last 30 days, the newest first; 150 at most."""
    since = utc_now() - timedelta(days=DAYS)
    found = [*_events(session, player, since), *_receipts(session, player, since)]
    found += _untold(session, player, since)
    return sorted(found, key=lambda line: line.at, reverse=True)[:LINES]


def _events(session: Session, player: Player, since: datetime) -> Iterator[Line]:
    for event in session.scalars(
        sa.select(PlayerEvent)
        .where(PlayerEvent.player_id == player.id, PlayerEvent.at >= since)
        .order_by(PlayerEvent.id.desc())
        .limit(LINES)
    ):
        yield Line(event.at, event.kind, detail=event.detail or "")


def _receipts(session: Session, player: Player, since: datetime) -> Iterator[Line]:
    rows = session.execute(
        sa.select(Receipt, Episode.title, Override.title, Play.starts_at, OverridePlay.starts_at)
        .outerjoin(Play, Play.id == Receipt.play_id)
        .outerjoin(Episode, Episode.id == Play.episode_id)
        .outerjoin(OverridePlay, OverridePlay.id == Receipt.play_id)
        .outerjoin(Override, Override.id == OverridePlay.override_id)
        .where(Receipt.player_id == player.id, Receipt.received_at >= since)
        .order_by(Receipt.seq.desc())
        .limit(LINES)
    )
    for receipt, episode, override, planned_at, round_at in rows:
        at = receipt.started_at or planned_at or round_at or receipt.received_at
        yield Line(
            at,
            receipt.outcome,
            title=episode or override or "",
            detail=reasons.words(receipt.reason),
            start_error_ms=receipt.start_error_ms,
        )


def _untold(session: Session, player: Player, since: datetime) -> Iterator[Line]:
    """Plays the server closed as missed, of which this player said nothing."""
    rows = session.execute(
        sa.select(Play.starts_at, Play.reason, Episode.title)
        .outerjoin(Episode, Episode.id == Play.episode_id)
        .outerjoin(Receipt, _mine(Play.id, player))
        .where(
            Play.area_code == player.area_code,
            Play.starts_at >= max(since, player.enrolled_at),
            Play.state == "missed",
            Receipt.id.is_(None),
        )
        .order_by(Play.starts_at.desc())
        .limit(LINES)
    )
    for starts_at, reason, title in rows:
        yield Line(starts_at, "missed", title=title or "", detail=reasons.words(reason))


def receipts_for_audit(
    session: Session, actor: Actor, player: Player
) -> Iterator[tuple[dict[str, Any], Receipt]]:
    """(what the player signed, the stored receipt) of the whole chain, in order; audited.

    Hash = SHA-256 of the hash before followed by the body; the signature is Ed25519 over the
    hash's 64 letters with the player's public key.
    """
    audit.record(session, actor.login, "receipts.exported", f"player:{player.id}")
    chain = sa.select(Receipt).where(Receipt.player_id == player.id).order_by(Receipt.seq)
    for receipt in session.scalars(chain.execution_options(yield_per=500)):
        yield json.loads(receipt.body), receipt


def _mine(play_id: Any, player: Player) -> sa.ColumnElement[bool]:
    return sa.and_(Receipt.play_id == play_id, Receipt.player_id == player.id)
