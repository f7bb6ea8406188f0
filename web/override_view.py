"""What the pages show of an override: village by village, in plain words."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import (
    override,
    override_plays,
    override_reach,
    override_rounds,
    presence,
    reasons,
    unstopped,
)  # fmt: skip
from broadcast.models import Override, Player
from broadcast.override_reach import Rounds
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_
from core.models import User
from recordings.models import Episode, Programme
from schedule import quiet
from web import i18n
from web.override_form import REPEATS

CAME_LATER = timedelta(seconds=60)
"""A village that heard it for the first time after this was away when it began."""
STATES = {
    "preparing": (N_("the sound is being made"), "info", "…"),
    "ready": (N_("waits for you to start it"), "warn", "●"),
    "on_air": (N_("on air"), "bad", "▶"),
    "cancelled": (N_("called off"), "info", "■"),
    "ended": (N_("over"), "info", "✓"),
    "failed": (N_("no sound could be made"), "bad", "⚠"),
}
NEVER_SENT = (N_("never sent"), "info", "–")
KIND_NAMES = {"emergency": N_("Emergency"), "drill": N_("Drill"), "notice": N_("Notice")}
LINE_STATES = {
    "sounding": (N_("sounding"), "bad", "▶"),
    "sounded": (N_("sounded"), "good", "✓"),
    "waiting": (N_("waiting"), "warn", "●"),
    "away": (N_("player away: gets it when it comes back"), "warn", "●"),
    "quiet": (N_("quiet was ordered: left out"), "warn", "■"),
    "no_player": (N_("no player"), "bad", "⚠"),
    "silent": (N_("not heard"), "bad", "⚠"),
    "unstopped": (N_("has not heard of the stop: may repeat it"), "bad", "▶"),
}
PLAYER_THERE = (N_("player online"), "good", "✓")
NOBODY_THERE = ("no_player", "away")


@dataclass(frozen=True)
class Line:
    """One village. ``after_s``: from the click to its first sound."""

    code: str
    name: str
    state: str
    first_at: datetime | None = None
    after_s: float | None = None
    came_later: bool = False
    heard: int = 0
    missed: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Mark:
    """A village on the map. ``tone``: of the map's paints, ``none`` is grey; ``label``: English
    template of the words beside the sign."""

    code: str
    tone: str
    sign: str
    label: str
    after_s: float | None


@dataclass(frozen=True)
class Seen:
    """An override as its page needs it; ``lines`` are villages of the reader's own area."""

    row: Override
    state: tuple[str, str, str]
    lines: list[Line]
    failure: str
    created_by: str
    confirmed_by: str
    cancelled_by: str
    may_decide: bool
    may_sound: bool
    next_at: datetime | None

    @property
    def heard(self) -> int:
        """Villages in which it has been heard, or is being heard."""
        return sum(line.first_at is not None for line in self.lines)

    @property
    def marks(self) -> list[Mark]:
        """What the map paints: grey is a village without any player that is online."""
        return [_mark(self.row, line) for line in self.lines]

    @property
    def ready(self) -> int:
        """Villages that will hear it at once."""
        return len(self.lines) - len(self.troubled)

    @property
    def unstopped(self) -> list[Line]:
        """Villages that may go on hearing what was called off."""
        return [line for line in self.lines if line.state == "unstopped"]

    @property
    def median_s(self) -> float | None:
        """Half of the villages that heard it heard it sooner."""
        waits = sorted(line.after_s for line in self.lines if line.after_s is not None)
        return waits[len(waits) // 2] if waits else None

    @property
    def troubled(self) -> list[Line]:
        """Villages that will not hear it as things stand."""
        bad = ("no_player", "away", "quiet", "silent")
        return [line for line in self.lines if line.state in bad and line.first_at is None]


def see(session: Session, actor: Actor, found: Override) -> Seen:
    """Everything the page shows."""
    own = actor.reach(session)
    may_sound = override_plays.may_sound(session, found)
    return Seen(
        row=found,
        state=STATES["on_air"] if may_sound else state_of(found),
        lines=_lines(session, found, sorted(own.intersection(found.villages)), may_sound),
        failure=_failure(found.failure),
        created_by=_name(session, found.created_by_id),
        confirmed_by=_name(session, found.confirmed_by_id),
        cancelled_by=_name(session, found.cancelled_by_id),
        may_decide=own.issuperset(found.villages),
        may_sound=may_sound,
        next_at=_next_at(found) if may_sound else None,
    )


def state_of(found: Override) -> tuple[str, str, str]:
    """Words, colour and sign."""
    if found.confirmed_at is None and found.state in ("cancelled", "ended"):
        return NEVER_SENT
    return STATES[found.state]


def _mark(found: Override, line: Line) -> Mark:
    words, tone, sign = LINE_STATES[line.state]
    if line.first_at is None and line.state in NOBODY_THERE:
        tone, sign = "none", "–"
    elif found.confirmed_at is None and line.state == "waiting":
        words, tone, sign = PLAYER_THERE
    return Mark(line.code, tone, sign, words, line.after_s)


def episodes(session: Session, actor: Actor) -> list[tuple[int, str]]:
    """Approved episodes that may be sent instead of a text: (id, words), the newest first."""
    if actor.area_code is None:
        return []
    upward = areas.below(session, actor.area_code) | set(areas.upward(session, actor.area_code))
    rows = session.execute(
        sa.select(Episode.id, Programme.name, Episode.title)
        .join(Programme, Programme.id == Episode.programme_id)
        .where(Programme.area_code.in_(upward), Episode.state == "approved")
        .order_by(Episode.id.desc())
        .limit(30)
    )
    return [(row.id, f"{row.name} · {row.title}") for row in rows]


def as_typed(found: Override) -> dict[str, Any]:
    """An earlier one as the values of the form; its sound is taken again when no other is given."""
    lasts = ((found.valid_until - (found.confirmed_at or found.created_at)).total_seconds()) // 60
    return {
        "kind": found.kind,
        "title": found.title if found.text is None else "",
        "text": found.text or "",
        "repeat_minutes": _repeat(found),
        "valid_minutes": str(round(lasts)),
        "volume_percent": str(found.volume_percent),
        "villages": list(found.villages),
        "instead_of": str(found.id),
        "has_sound": found.source_sha256 is not None,
    }


def _repeat(found: Override) -> str:
    """As the form offers it: a rhythm that was moved apart becomes the next longer one."""
    if found.repeat_every_s is None:
        return ""
    minutes = found.repeat_every_s // 60
    return str(next((each for each in REPEATS if each >= minutes), REPEATS[-1]))


def _next_at(found: Override) -> datetime | None:
    coming = override_rounds.following(override_plays.rhythm(found), utc_now())
    return coming.starts_at if coming else None


def _lines(session: Session, found: Override, codes: list[str], may_sound: bool) -> list[Line]:
    names = areas.names(session, codes)
    rounds = override_reach.by_village(session, found, codes)
    present: dict[str, list[bool]] = defaultdict(list)
    for code, is_online in session.execute(
        sa.select(Player.area_code, presence.online()).where(
            Player.area_code.in_(codes),
            Player.revoked_at.is_(None),
            Player.approved_at.is_not(None),
        )
    ):
        present[code].append(bool(is_online))
    deaf = unstopped.villages(session, found, codes)
    silenced = set() if found.kind == "emergency" else set(quiet.running_in(session, codes))
    lines = []
    for code in codes:
        so_far = rounds.get(code, Rounds())
        state = _line_state(found, so_far, present[code], code in silenced, may_sound)
        state = "unstopped" if code in deaf else state
        lines.append(_line(found, code, names.get(code, code), state, so_far))
    return lines


def _line(found: Override, code: str, name: str, state: str, rounds: Rounds) -> Line:
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
    )


def _line_state(
    found: Override, rounds: Rounds, present: list[bool], is_quiet: bool, may_sound: bool
) -> str:
    if may_sound and rounds.newest == "sounding":
        return "sounding"
    if rounds.first_at is not None:
        return "sounded"
    if is_quiet:
        return "quiet"
    if not present:
        return "no_player"
    if found.state not in override.OPEN and not may_sound:
        return "silent"
    return "waiting" if any(present) else "away"


def _failure(stored: str | None) -> str:
    if stored is None:
        return ""
    said = json.loads(stored)
    text = i18n.gettext(str(said["message"]))
    return text % said["params"] if said["params"] else text


def _name(session: Session, user_id: int | None) -> str:
    return session.get_one(User, user_id).display_name if user_id is not None else ""
