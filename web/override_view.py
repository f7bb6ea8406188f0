"""What the pages show of an override: village by village, in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import override, override_plays, override_rounds
from broadcast.models import Override
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_
from core.models import User
from recordings.models import Episode, Programme
from web import i18n, override_lines
from web.override_form import REPEATS
from web.override_lines import LINE_STATES, Line

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
PLAYER_THERE = (N_("player online"), "good", "✓")
NOBODY_THERE = ("no_player", "away")


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
        bad = (
            "no_player", "no_card", "switched", "muted", "muted_now", "away", "quiet", "silent",
        )  # fmt: skip
        return [line for line in self.lines if line.state in bad and line.first_at is None]

    @property
    def turned_down(self) -> list[Line]:
        """Villages in which it is to be heard, and softer than it could be."""
        heard = ("waiting", "away")
        return [line for line in self.lines if line.state in heard and line.percent < 100]


def see(session: Session, actor: Actor, found: Override, zone: str) -> Seen:
    """Everything the page shows. ``zone``: of the town."""
    own = actor.reach(session)
    may_sound = override_plays.may_sound(session, found)
    return Seen(
        row=found,
        state=STATES["on_air"] if may_sound else state_of(found),
        lines=override_lines.lines(
            session, found, sorted(own.intersection(found.villages)), may_sound, zone
        ),
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
        "title": found.title if found.text is None and not _is_untitled(found) else "",
        "text": found.text or "",
        "repeat_minutes": _repeat(found),
        "valid_minutes": str(round(lasts)),
        "volume_percent": str(found.volume_percent),
        "villages": list(found.villages),
        "instead_of": str(found.id),
        "has_sound": found.source_sha256 is not None,
    }


def _is_untitled(found: Override) -> bool:
    """Rows of before have their kind for a title."""
    return found.title in (override.UNTITLED[found.kind], found.kind)


def _repeat(found: Override) -> str:
    """As the form offers it: a rhythm that was moved apart becomes the next longer one."""
    if found.repeat_every_s is None:
        return ""
    minutes = found.repeat_every_s // 60
    return str(next((each for each in REPEATS if each >= minutes), REPEATS[-1]))


def _next_at(found: Override) -> datetime | None:
    coming = override_rounds.following(override_plays.rhythm(found), utc_now())
    return coming.starts_at if coming else None


def _failure(stored: str | None) -> str:
    if stored is None:
        return ""
    said = json.loads(stored)
    text = i18n.gettext(str(said["message"]))
    return text % said["params"] if said["params"] else text


def _name(session: Session, user_id: int | None) -> str:
    return session.get_one(User, user_id).display_name if user_id is not None else ""
