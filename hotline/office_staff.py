"""What telephony asks for staff: who is behind a number and PIN; the village head's quiet.

What a purpose allows is asked of ``purposes``: rooms above this one may add theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import guessing
from core import areas, audit, auth
from core.auth import Actor
from core.clock import utc_now
from core.database import Database
from core.errors import XiangyinError
from core.models import User
from core.sealed import Sealer
from hotline import in_time, staff_pins
from hotline.models import StaffPhone
from hotline.office_residents import Asked, source_of, text
from recordings.models import Programme
from schedule import quiet

TRIES_PER_STAFF_NO = 5
STUDIO, QUIET = "studio", "quiet"
UNTIL_MORNING = 12
"""So many hours stand for "until the next 06:00"."""
Purpose = Callable[[Session, Actor], Asked | None]
"""What telephony must know of somebody who wants it; None when the person may not."""
Keys = tuple[str, str | None]
"""What tries are counted by: the number (a new PIN begins a new count), and the caller if known."""
_UNKNOWN: Asked = {"ok": True, "found": False, "locked": False}


class StaffDesk:
    """Answers about people who work here. Unknown, wrong and not allowed look alike."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        zone: str,
        purposes: Mapping[str, Purpose] | None = None,
    ) -> None:
        self._purposes: dict[str, Purpose] = {QUIET: _quiet, **(purposes or {})}
        self._database = database
        self._sealer = sealer
        self._zone = zone
        staff_pins.fits("", None)  # so that the first question takes no longer than others

    def staff(self, asked: Asked) -> Asked:
        """Who it is, when number and PIN fit and the role may do what is asked for."""
        staff_no, pin, purpose = (text(asked, name) for name in ("staff_no", "pin", "purpose"))
        with in_time.write(self._database, asked) as session:
            row = session.scalar(sa.select(StaffPhone).where(StaffPhone.staff_no == staff_no))
            stored = row.pin_hash if row is not None else None
            keys = self._keys(staff_no, stored, text(asked, "caller"))
            if self._is_locked(session, row, keys):
                return {**_UNKNOWN, "locked": True}
        # The hash is computed without a transaction: nobody shall wait for it.
        if not staff_pins.fits(pin, stored) or row is None:
            return _UNKNOWN
        with self._database.write() as session:
            _forgive(session, row, keys)  # the PIN was right, even if nobody waits any more
            if in_time.is_late(asked):
                return in_time.NO_ANSWER
            user = session.get_one(User, row.user_id)
            follows = self._follows(session, user, row, purpose) if user.active else None
            if follows is None:
                return _UNKNOWN
            audit.record(session, user.login, "phone.signed_in", f"user:{user.id}", purpose=purpose)
            return {"ok": True, "found": True, "locked": False, "user_id": user.id, **follows}

    def _follows(self, session: Session, user: User, row: StaffPhone, purpose: str) -> Asked | None:
        actor = auth.actor_of(user)
        if purpose == STUDIO:
            programme = programme_for(session, actor, row.programme_id)
            if programme is None:
                return None
            return {"programme_id": programme.id, "programme": programme.name}
        asked = self._purposes.get(purpose)
        return asked(session, actor) if asked is not None else None

    def quiet(self, asked: Asked) -> Asked:
        """Order or lift (0 hours) the quiet of the village this person is head of."""
        user_id, hours = asked.get("user_id"), asked.get("hours")
        if not isinstance(user_id, int) or not isinstance(hours, int) or isinstance(hours, bool):
            raise ValueError("user_id, hours")
        with in_time.write(self._database, asked) as session:
            user = session.get(User, user_id)
            actor = auth.actor_of(user) if user is not None and user.active else None
            village = _village_of(session, actor)
            if actor is None or village is None:
                return {"ok": True, "done": False, "until": None}
            try:
                if hours == 0:
                    quiet.lift(session, actor, village, "phone")
                    return {"ok": True, "done": True, "until": None}
                until = utc_now() + timedelta(hours=hours)
                if hours == UNTIL_MORNING:
                    until = quiet.until_morning(self._zone)
                quiet.order(session, actor, village, until, "phone")
            except XiangyinError:
                return {"ok": True, "done": False, "until": None}
            return {"ok": True, "done": True, "until": _iso(until)}

    def _keys(self, staff_no: str, stored: str | None, caller: str) -> Keys:
        number = self._sealer.keyed_hash("staff", staff_no, stored or "")
        source = source_of(self._sealer, caller)
        place = f"staff-from:{self._sealer.keyed_hash('guess', source)[:40]}" if source else None
        return f"staff:{number[:40]}", place

    def _is_locked(self, session: Session, row: StaffPhone | None, keys: Keys) -> bool:
        """Count the try; what the person's page shows is kept beside it."""
        until = guessing.take_try(session, keys[0], TRIES_PER_STAFF_NO)
        elsewhere = guessing.take_from_place(session, keys[1]) if keys[1] is not None else None
        if row is not None:
            row.failed_pins = row.failed_pins + 1
            row.locked_until = until
        return until is not None or elsewhere is not None


def _forgive(session: Session, row: StaffPhone, keys: Keys) -> None:
    """Take back the tries that were counted until the right PIN came."""
    guessing.forget(session, keys[0])
    if keys[1] is not None:
        guessing.give_back_to_place(session, keys[1])
    session.execute(
        sa.update(StaffPhone)
        .where(StaffPhone.user_id == row.user_id)
        .values(failed_pins=0, locks=0, locked_until=None)
    )


def _quiet(session: Session, actor: Actor) -> Asked | None:
    village = _village_of(session, actor)
    if village is None:
        return None
    running = quiet.running(session, village)
    return {"village_code": village, "quiet_until": _iso(running.ends_at) if running else None}


def programme_for(session: Session, actor: Actor, chosen_id: int | None) -> Programme | None:
    """The programme somebody records for by telephone: the chosen one, else the newest there."""
    if not actor.may("episode.record") or actor.area_code is None:
        return None
    own = areas.below(session, actor.area_code)
    query = sa.select(Programme).where(Programme.area_code.in_(own))
    if chosen_id is not None:
        chosen = session.scalar(query.where(Programme.id == chosen_id))
        if chosen is not None:
            return chosen
    return session.scalar(query.order_by(Programme.id.desc()).limit(1))


def _village_of(session: Session, actor: Actor | None) -> str | None:
    """The one village somebody may order quiet for by telephone: the own."""
    if actor is None or not actor.may("quiet.order") or actor.area_code is None:
        return None
    area = areas.get(session, actor.area_code)
    return area.code if area.level == "village" else None


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
