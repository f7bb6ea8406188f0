"""Slots: planning, changing and ending a recurring broadcast time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict, Forbidden, InvalidInput, NotFound
from recordings.models import Programme
from schedule import rundown
from schedule.models import Slot, SlotVillage

MAX_MAKE_UP_MINUTES = 24 * 60
MAX_NAME = 80
PRIORITIES = {"programme": 50, "notice": 70, "fill": 10}
"""What a slot may be, and its place on the ladder; above them are live addresses and overrides."""
ON_INTERRUPT = ("resume", "restart", "skip")


@dataclass(frozen=True)
class SlotPlan:
    """What a person fills in. ``weekdays``: 1 (Monday) - 7; both dates included."""

    programme_id: int
    local_time: time
    zone: str
    weekdays: Sequence[int]
    first_date: date
    last_date: date
    villages: Sequence[str]
    name: str = ""
    make_up_minutes: int = 60
    priority: int = PRIORITIES["programme"]
    volume_percent: int = 100
    on_interrupt: str = "restart"

    @property
    def recurrence(self) -> rundown.Recurrence:
        return rundown.Recurrence(
            self.local_time, self.zone, tuple(self.weekdays), self.first_date, self.last_date
        )


def recurrence(slot: Slot) -> rundown.Recurrence:
    """The calendar rule of a stored slot."""
    return rundown.Recurrence(
        slot.local_time, slot.zone, tuple(slot.weekdays), slot.first_date, slot.last_date
    )


def villages(session: Session, slot_id: int) -> list[str]:
    """Codes of the villages a slot is for, in order."""
    return list(
        session.scalars(
            sa.select(SlotVillage.area_code)
            .where(SlotVillage.slot_id == slot_id)
            .order_by(SlotVillage.area_code)
        )
    )


def starts_later(plan: SlotPlan) -> datetime | None:
    """The first start, when today's time is over already so that today stays silent."""
    now = utc_now()
    today = rundown.local_date_of(now, plan.zone)
    for found in rundown.occurrences(plan.recurrence, today, today):
        if found.starts_at <= now:
            return rundown.next_start(plan.recurrence, now)
    return None


def create(session: Session, actor: Actor, plan: SlotPlan) -> Slot:
    """Plan a slot; raises InvalidInput with the wrong field, NotFound outside the own area."""
    actor.require("schedule.edit")
    programme = _check(session, actor, plan)
    now = utc_now()
    slot = Slot(created_by_id=actor.id, created_at=now, effective_from=now)
    _fill(slot, plan, programme)
    session.add(slot)
    session.flush()
    _set_villages(session, slot.id, plan.villages)
    _tell(session, actor, "slot.create", slot)
    return slot


def change(session: Session, actor: Actor, slot_id: int, version: int, plan: SlotPlan) -> Slot:
    """Change a slot from now on; what has started stays as it was.

    Raises Conflict when somebody else changed it after ``version`` was read.
    """
    slot = get_for_edit(session, actor, slot_id)
    programme = _check(session, actor, plan)
    _claim(session, slot, version)
    _fill(slot, plan, programme)
    slot.effective_from = utc_now()
    session.flush()
    _set_villages(session, slot.id, plan.villages)
    _tell(session, actor, "slot.change", slot)
    return slot


def cancel(session: Session, actor: Actor, slot_id: int, version: int) -> Slot:
    """End a slot now; its plays to come are cancelled, and those that have begun are no longer made
    up (schedule.begun). Ending it twice changes nothing."""
    slot = get_for_edit(session, actor, slot_id)
    if not slot.active:
        return slot
    _claim(session, slot, version)
    slot.active = False
    session.flush()
    _tell(session, actor, "slot.cancel", slot)
    return slot


def get(session: Session, actor: Actor, slot_id: int) -> Slot:
    """A slot that concerns at least one village of the actor's area, else NotFound."""
    actor.require("schedule.read")
    slot = session.get(Slot, slot_id)
    if slot is None or not actor.reach(session).intersection(villages(session, slot_id)):
        raise NotFound(N_("There is no such slot."))
    return slot


def get_for_edit(session: Session, actor: Actor, slot_id: int) -> Slot:
    """A slot whose villages all lie in the actor's area; Forbidden when only some do."""
    actor.require("schedule.edit")
    slot = session.get(Slot, slot_id)
    own, concerned = actor.reach(session), set(villages(session, slot_id))
    if slot is None or not own & concerned:
        raise NotFound(N_("There is no such slot."))
    if not concerned <= own:
        raise Forbidden(
            N_("This slot also serves villages of another area. Ask the level above to change it.")
        )
    return slot


def _check(session: Session, actor: Actor, plan: SlotPlan) -> Programme:
    programme = session.get(Programme, plan.programme_id)
    if programme is None or not _may_use(session, actor, programme):
        raise InvalidInput(N_("Choose a programme of the list."), field="programme_id")
    if len(plan.name) > MAX_NAME:
        raise InvalidInput(N_("The name may have up to 80 characters."), field="name")
    if plan.zone not in available_timezones():
        raise InvalidInput(N_("This time zone is not known."), field="zone")
    if not plan.weekdays or not set(plan.weekdays) <= set(range(1, 8)):
        raise InvalidInput(N_("Choose at least one weekday."), field="weekdays")
    if not 0 <= plan.make_up_minutes <= MAX_MAKE_UP_MINUTES:
        raise InvalidInput(
            N_("Missed plays can be made up for 0 to 1440 minutes."), field="make_up_minutes"
        )
    _check_sound(plan)
    _check_dates(plan)
    actor.require_villages(session, plan.villages)
    return programme


def _may_use(session: Session, actor: Actor, programme: Programme) -> bool:
    """Own programmes, and those of the levels above that are made for everybody below."""
    if actor.sees(session, programme.area_code):
        return True
    return actor.area_code is not None and actor.area_code in areas.below(
        session, programme.area_code
    )


def _check_sound(plan: SlotPlan) -> None:
    if plan.priority not in PRIORITIES.values():
        raise InvalidInput(N_("Choose how important it is."), field="priority")
    if not 1 <= plan.volume_percent <= 100:
        raise InvalidInput(N_("The volume is a number from 1 to 100."), field="volume_percent")
    if plan.on_interrupt not in ON_INTERRUPT:
        raise InvalidInput(
            N_("Choose what happens when something urgent breaks in."), field="on_interrupt"
        )


def _check_dates(plan: SlotPlan) -> None:
    now = utc_now()
    if plan.first_date > plan.last_date:
        raise InvalidInput(
            N_("The last date lies before the first one. Exchange the two."), field="last_date"
        )
    if plan.last_date < rundown.local_date_of(now, plan.zone):
        raise InvalidInput(
            N_("The last date is over already. Choose today or a later day."), field="last_date"
        )
    if next(rundown.occurrences(plan.recurrence, plan.first_date, plan.last_date), None) is None:
        raise InvalidInput(
            N_("None of the chosen weekdays lies between the two dates."), field="weekdays"
        )
    if rundown.next_start(plan.recurrence, now) is None:
        raise InvalidInput(
            N_("This slot lies in the past: its time is over today and no later day follows."),
            field="local_time",
        )


def _fill(slot: Slot, plan: SlotPlan, programme: Programme) -> None:
    slot.programme_id = programme.id
    slot.name = plan.name.strip() or programme.name
    slot.local_time, slot.zone = plan.local_time, plan.zone
    slot.weekdays = sorted(set(plan.weekdays))
    slot.first_date, slot.last_date = plan.first_date, plan.last_date
    slot.make_up_minutes = plan.make_up_minutes
    slot.priority, slot.volume_percent = plan.priority, plan.volume_percent
    slot.on_interrupt = plan.on_interrupt


def _set_villages(session: Session, slot_id: int, codes: Sequence[str]) -> None:
    session.execute(sa.delete(SlotVillage).where(SlotVillage.slot_id == slot_id))
    session.execute(
        sa.insert(SlotVillage),
        [{"slot_id": slot_id, "area_code": code} for code in sorted(set(codes))],
    )


def _claim(session: Session, slot: Slot, version: int) -> None:
    taken = session.execute(
        sa.update(Slot)
        .where(Slot.id == slot.id, Slot.version == version)
        .values(version=version + 1)
        .execution_options(synchronize_session=False)
    )
    if not claimed(taken):
        raise Conflict(
            N_("Somebody else changed this slot meanwhile. Load the page again and look.")
        )
    session.refresh(slot)


def _tell(session: Session, actor: Actor, action: str, slot: Slot) -> None:
    audit.record(session, actor.login, action, f"slot:{slot.id}", version=slot.version)
    outbox.emit(session, "slot.changed", slot_id=slot.id)
