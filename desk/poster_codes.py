"""The three digits by which callers name their village: given or changed by whoever adds areas."""

from __future__ import annotations

from sqlalchemy.orm import Session

from core import areas, audit, outbox
from core.auth import Actor
from core.errors import N_, NotFound
from core.models import Area
from desk.people import own_area_codes

NEWS = "area.changed"
"""The hotline's directory is written anew."""


def village(session: Session, actor: Actor, code: str) -> Area:
    """A village of the administrator's own area, else NotFound."""
    actor.require("people.edit")
    found = areas.get(session, code)
    own = own_area_codes(session, actor)
    if found.level != "village" or (own is not None and code not in own):
        raise NotFound(N_("There is no such area."))
    return found


def change(session: Session, actor: Actor, code: str, digits: str, was: str | None) -> None:
    """Let callers reach the village by these digits. ``was``: the ones the form showed."""
    found = village(session, actor, code)
    if not areas.give_poster_code(session, found, digits, was):
        return
    audit.record(
        session, actor.login, "area.poster_code", f"area:{code}",
        before=was, after=found.poster_code,
    )  # fmt: skip
    outbox.emit(session, NEWS, area_code=code)
