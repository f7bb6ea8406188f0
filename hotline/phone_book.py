"""Whom the hotline rings and which lines it answers: duty phones, lines of villages, staff."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit, outbox, phone_numbers
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput, NotFound
from core.models import Area, User
from core.sealed import Sealer
from core.settings import Settings
from hotline import staff_pins
from hotline.models import DutyPhone, HotlineLine, StaffPhone
from hotline.outgoing import numbers
from recordings.models import Programme

NEWS = "hotline.changed"
RIGHT = "hotline.edit"
KINDS = ("duty", "human")
MAX_ORDER = 99
LINE = re.compile(r"\+?[0-9A-Za-z_.-]{2,40}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_IGNORED = re.compile(r"[\s()（）·-]")
NAME_CHARS = 80


@dataclass(frozen=True)
class DutyForm:
    """What somebody typed about a duty phone; ``number`` empty keeps the stored one."""

    kind: str
    area_code: str
    name: str
    number: str
    order_no: str = "1"
    from_time: str = "00:00"
    until_time: str = "24:00"
    active: bool = True


def own_codes(session: Session, actor: Actor) -> set[str]:
    """Codes of the areas whose phones and lines the actor looks after."""
    actor.require(RIGHT)
    if actor.area_code is None:
        return set(session.scalars(sa.select(Area.code)))
    return areas.below(session, actor.area_code)


def duty_phones(session: Session, actor: Actor) -> list[DutyPhone]:
    """The duty phones of the own area, in the order of ringing."""
    query = sa.select(DutyPhone).where(DutyPhone.area_code.in_(own_codes(session, actor)))
    order = (DutyPhone.kind, DutyPhone.order_no, DutyPhone.id)
    return list(session.scalars(query.order_by(*order)))


def duty_phone(session: Session, actor: Actor, phone_id: int) -> DutyPhone:
    """One of them, else NotFound."""
    found = session.get(DutyPhone, phone_id)
    if found is None or found.area_code not in own_codes(session, actor):
        raise NotFound(N_("There is no such thing here."))
    return found


def store_duty_phone(
    session: Session,
    settings: Settings,
    sealer: Sealer,
    actor: Actor,
    form: DutyForm,
    phone_id: int | None = None,
) -> DutyPhone:
    """Add a duty phone or change one; InvalidInput names the wrong field, nothing is stored."""
    own = own_codes(session, actor)
    found = duty_phone(session, actor, phone_id) if phone_id is not None else None
    number = plain_number(form.number, settings)
    if form.kind not in KINDS:
        raise InvalidInput(N_("Choose what the telephone is for."), field="kind")
    if form.area_code not in own:
        raise InvalidInput(N_("Choose an area that belongs to yours."), field="area_code")
    if not form.name.strip():
        raise InvalidInput(N_("Say who answers this telephone."), field="name")
    if number or found is None:
        require_dialable(number, settings)
    if not form.order_no.isdecimal() or not 1 <= int(form.order_no) <= MAX_ORDER:
        raise InvalidInput(
            N_("The order is a number from 1 to %(most)d."),
            field="order_no",
            params={"most": MAX_ORDER},
        )
    for field in ("from_time", "until_time"):
        if not _CLOCK.fullmatch(getattr(form, field)):
            raise InvalidInput(N_("Give the time like 08:30, at most 24:00."), field=field)
    if found is None:
        found = DutyPhone(created_at=utc_now(), number_sealed="")
        session.add(found)
    found.kind, found.area_code, found.active = form.kind, form.area_code, form.active
    found.name, found.order_no = form.name.strip()[:NAME_CHARS], int(form.order_no)
    found.from_time, found.until_time = form.from_time, form.until_time
    if number:
        found.number_sealed = sealer.seal(number)
    session.flush()
    _changed(session, actor, "duty_phone.stored", f"duty:{found.id}", number=bool(number))
    return found


def remove_duty_phone(session: Session, actor: Actor, phone_id: int) -> None:
    """Never ring it again."""
    found = duty_phone(session, actor, phone_id)
    session.delete(found)
    _changed(session, actor, "duty_phone.removed", f"duty:{phone_id}")


def lines(session: Session, actor: Actor) -> list[HotlineLine]:
    """Numbers people dial that belong to villages of the own area."""
    query = sa.select(HotlineLine).where(HotlineLine.village_code.in_(own_codes(session, actor)))
    return list(session.scalars(query.order_by(HotlineLine.called)))


def store_line(session: Session, actor: Actor, called: str, village_code: str) -> None:
    """Say which village a dialled number belongs to; the same number again moves it."""
    own, called = own_codes(session, actor), phone_numbers.normal(called)
    if not LINE.fullmatch(called):
        raise InvalidInput(N_("Give the number people dial: digits alone."), field="called")
    village = session.get(Area, village_code)
    if village is None or village.code not in own or village.level != "village":
        raise InvalidInput(N_("Choose a village of your area."), field="village_code")
    found = session.get(HotlineLine, called)
    if found is not None and found.village_code not in own:
        raise Conflict(N_("This number belongs to a village of another area."))
    if found is None:
        session.add(HotlineLine(called=called, village_code=village_code, created_at=utc_now()))
    else:
        found.village_code = village_code
    session.flush()
    _changed(session, actor, "hotline_line.stored", f"line:{called}", village=village_code)


def remove_line(session: Session, actor: Actor, called: str) -> None:
    """Callers of this number are asked for their village from now on."""
    found = session.get(HotlineLine, called)
    if found is None or found.village_code not in own_codes(session, actor):
        raise NotFound(N_("There is no such thing here."))
    session.delete(found)
    _changed(session, actor, "hotline_line.removed", f"line:{called}")


def staff_phone(session: Session, user_id: int) -> StaffPhone | None:
    """What the hotline knows of a person."""
    return session.get(StaffPhone, user_id)


def set_staff_number(
    session: Session, settings: Settings, sealer: Sealer, actor: Actor, user: User, typed: str
) -> None:
    """The telephone the hotline rings for this person; empty forgets it.

    Who may: the person, or whoever may edit people (the caller checks that).
    """
    number = plain_number(typed, settings)
    if number:
        require_dialable(number, settings)
    row = _row(session, user)
    row.number_sealed = sealer.seal(number) if number else None
    row.changed_at = utc_now()
    session.flush()
    action = "staff_phone.stored" if number else "staff_phone.removed"
    audit.record(session, actor.login, action, f"user:{user.id}")


def set_programme(session: Session, actor: Actor, user: User, programme_id: int | None) -> None:
    """The programme whose episodes this person records by telephone; None: the newest there."""
    if programme_id is not None and programme_id not in {
        one.id for one in programmes_for(session, user)
    }:
        raise InvalidInput(N_("Choose a programme of the person's area."), field="programme_id")
    row = _row(session, user)
    row.programme_id, row.changed_at = programme_id, utc_now()
    session.flush()
    audit.record(session, actor.login, "staff_phone.programme", f"user:{user.id}")


def programmes_for(session: Session, user: User) -> list[Programme]:
    """Programmes of the person's area, by name."""
    if user.area_code is None:
        return []
    own = areas.below(session, user.area_code)
    query = sa.select(Programme).where(Programme.area_code.in_(own)).order_by(Programme.name)
    return list(session.scalars(query))


def new_pin(session: Session, actor: Actor, user: User) -> tuple[str, str]:
    """A staff number (kept when there is one) and a new PIN: shown once, stored as a hash."""
    row = _row(session, user)
    row.staff_no = row.staff_no or _fresh_staff_no(session)
    pin = _fresh_pin()
    row.pin_hash = staff_pins.hashed(pin)
    row.failed_pins, row.locks, row.locked_until = 0, 0, None
    row.changed_at = utc_now()
    session.flush()
    audit.record(session, actor.login, "staff_pin.reset", f"user:{user.id}")
    return row.staff_no, pin


def remove_pin(session: Session, actor: Actor, user: User) -> None:
    """Nobody gets in by telephone as this person any more; the staff number stays theirs."""
    row = _row(session, user)
    row.pin_hash, row.changed_at = None, utc_now()
    session.flush()
    audit.record(session, actor.login, "staff_pin.removed", f"user:{user.id}")


def _row(session: Session, user: User) -> StaffPhone:
    found = session.get(StaffPhone, user.id)
    if found is None:
        found = StaffPhone(user_id=user.id, changed_at=utc_now())
        session.add(found)
    return found


def _fresh_staff_no(session: Session) -> str:
    taken = set(session.scalars(sa.select(StaffPhone.staff_no)))
    while (drawn := f"{100_000 + secrets.randbelow(900_000)}") in taken:
        continue
    return drawn


def _fresh_pin() -> str:
    """Six digits that ``staff_pins`` does not call easy."""
    while True:
        drawn = f"{secrets.randbelow(1_000_000):06}"
        if len(set(drawn)) >= 4:
            return drawn


def plain_number(typed: str, settings: Settings) -> str:
    """A number as people write it, without its spaces and dashes; the name of a phone of ours."""
    name = typed.strip()
    return name if name in numbers.accounts(settings) else _IGNORED.sub("", name)


def require_dialable(number: str, settings: Settings) -> None:
    """Raise InvalidInput(field="number") for what the hotline could never dial."""
    if not numbers.is_dialable(number, settings):
        raise InvalidInput(
            N_("Give a telephone number of 3 to 18 digits, or a phone registered here."),
            field="number",
        )


def _changed(session: Session, actor: Actor, action: str, subject: str, **detail: object) -> None:
    audit.record(session, actor.login, action, subject, **detail)
    outbox.emit(session, NEWS)
