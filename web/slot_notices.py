"""What is said after a slot was planned, changed or ended: what villages hear, and from when."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from core.clock import utc_now
from core.errors import N_
from schedule import begun, rundown, slots
from schedule.models import Slot
from web import i18n

PLANNED = N_("The slot is planned.")
LATER = N_("The slot is planned. Its time is over for today, so it begins later.")
CHANGED = N_("The slot is changed. What has started already stays as it was.")
CHANGED_AFTER_TODAY = N_(
    "The slot is changed. Today's play has begun or is over already in %(count)d of %(all)d "
    "villages; there the new time counts from %(date)s. For today plan a new slot."
)
CHANGED_AFTER_ALL = N_(
    "The slot is changed. Today's play has begun or is over already in %(count)d of %(all)d "
    "villages, and no later day follows. For today plan a new slot."
)
ENDED = N_("The slot is ended. Its plays to come are cancelled.")
ENDED_LATE = N_(
    "The slot is ended. Its plays to come are cancelled. What has begun is heard to its end, and a "
    "village that was away may still begin it until %(until)s."
)


def planned(plan: slots.SlotPlan) -> str:
    """After a new slot."""
    return LATER if slots.starts_later(plan) is not None else PLANNED


def changed(session: Session, slot: Slot, plan: slots.SlotPlan) -> str:
    """After a change, once its plays are planned anew: villages that have had today's play do not
    hear it again at a later time of today."""
    if slots.starts_later(plan) is not None:
        return LATER
    now = utc_now()
    today = rundown.local_date_of(now, plan.zone)
    silent = begun.villages(session, slot.id, today).intersection(plan.villages)
    at = next((each.starts_at for each in rundown.occurrences(plan.recurrence, today, today)), now)
    if at <= now or not silent:
        return CHANGED
    counts = {"count": len(silent), "all": len(set(plan.villages))}
    following = rundown.next_start(plan.recurrence, at)
    if following is None:
        return i18n.gettext(CHANGED_AFTER_ALL) % counts
    first = rundown.local_date_of(following, plan.zone).isoformat()
    return i18n.gettext(CHANGED_AFTER_TODAY) % (counts | {"date": first})


def ended(session: Session, slot: Slot) -> str:
    """After the end, once its plays are taken back."""
    until = begun.last_start(session, slot.id)
    if until is None:
        return ENDED
    minute = (until + timedelta(seconds=59)).astimezone(ZoneInfo(slot.zone))
    return i18n.gettext(ENDED_LATE) % {"until": f"{minute:%H:%M}"}
