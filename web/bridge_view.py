"""How far a call is that joins somebody here with a resident, in words; no number is among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import contacts
from cases.models import Case
from core.auth import Actor
from core.errors import N_
from core.models import User
from hotline.models import CallBack, OutgoingCall
from hotline.outgoing import numbers, orders
from hotline.outgoing.contract import CONTACT_AT_LEAST_MS
from web.deps import Services

RESULTS = {
    "joined": N_("You spoke with the resident."),
    "no_trunk": N_("No telephone line is set up that could call out. Tell your administrator."),
    "limit": N_("The hotline made all calls it may make within an hour. Try again later."),
    "expired": N_("The telephone part did not answer for two minutes; nobody was called."),
    "killed": N_("The telephone part stopped in the middle of the call. Try again."),
}
NOBODY = {
    "busy": N_(
        "The resident's telephone was busy, or the hotline had no free line. Try again later."
    ),
    "no_answer": N_("The resident did not answer. Try again later."),
    "answered": N_("You hung up before the resident answered."),
    "cancelled": N_("You hung up before the resident answered."),
    "machine": N_("An answering machine took the call. Try again later."),
    "limit": N_("All lines of the hotline are in use. Try again in a minute."),
    "unjoined": N_(
        "The resident answered, but the line did not join you. Try again; if it happens again, "
        "ask the IT office to look at the telephone line."
    ),
}
TOO_SHORT = N_("The talk was over within 10 seconds, so it does not count as contact.")
UNREACHED = N_(
    "The resident could not be reached. Try again later; if no number at all can be reached, ask "
    "the IT office to look at the telephone line."
)
UNDIALLED = N_("Nobody was called: one of both numbers cannot be dialled. Tell your administrator.")
OWN_PHONE = {
    "busy": N_(
        "Your own telephone was busy, or the hotline had no free line. Hang up and try again in a "
        "minute; if it stays so, ask the IT office to look at the telephone line."
    ),
    "refused": N_(
        "The call to your own telephone was refused. If you did not refuse it yourself, ask the IT "
        "office to look at the telephone line: its account and password."
    ),
    "unreachable": N_(
        "The call did not get through to your own telephone. See whether it is switched on and "
        "its number right (“My telephone”); if both are, ask the IT office to look at the "
        "telephone line."
    ),
    "limit": NOBODY["limit"],
}
"""By why no call came to who pressed the button; ``NOT_TAKEN`` when it rang."""
NOT_TAKEN = N_("Your own telephone was not answered, or nobody pressed 1 on it.")
BEGUN = N_("The hotline is told to call you …")
YOURS_RINGS = N_("Your telephone rings: pick it up.")
PRESS_ONE = N_("Press 1 on your telephone.")
THEIRS_RINGS = N_("The resident's telephone rings. Stay on the line.")
SPEAKING = N_("You are speaking with the resident.")


@dataclass(frozen=True)
class BridgeView:
    """What the part of the page shows. ``allowed``: there is a button at all.

    ``may_be_called``: the number is none that a forged one could cost us or alarm somebody by.
    ``running``: words of the call in progress, ``colleague`` who is on it when it is not the
    actor; ``last``, ``last_at``, ``good``: how the actor's last one ended.
    """

    url: str
    allowed: bool
    has_own_phone: bool
    has_number: bool
    may_be_called: bool
    running: str | None = None
    colleague: str | None = None
    last: str | None = None
    last_at: datetime | None = None
    good: bool = False
    first_contact: datetime | None = None

    @property
    def not_called(self) -> str:
        """Why there is no button though there is a number, to translate; "" when there is one."""
        return orders.NOT_CALLED if self.has_number and not self.may_be_called else ""

    @property
    def shown(self) -> bool:
        return self.allowed or self.first_contact is not None


def of_case(session: Session, services: Services, actor: Actor, case: Case) -> BridgeView:
    """The part of a case's page."""
    return _view(
        session,
        actor,
        OutgoingCall.case_id == case.id,
        url=f"/cases/{case.id}/bridge",
        allowed=orders.may_call_resident(actor, case),
        **_number(services, orders.resident_of_case(session, case)),
        first_contact=contacts.first_contact(session, case),
    )


def of_call_back(session: Session, services: Services, actor: Actor, task: CallBack) -> BridgeView:
    """The part of a call-back's page; the caller has checked that the actor sees the task."""
    return _view(
        session,
        actor,
        OutgoingCall.call_back_id == task.id,
        url=f"/callbacks/{task.id}/bridge",
        allowed=task.state == "open",
        **_number(services, orders.resident_of_call_back(session, task)),
        first_contact=None,
    )


def _number(services: Services, sealed: str | None) -> dict[str, bool]:
    may = sealed is not None and numbers.may_call_sealed(sealed, services.sealer, services.settings)
    return {"has_number": sealed is not None, "may_be_called": may}


def _view(
    session: Session, actor: Actor, of_subject: sa.ColumnElement[bool], **known: Any
) -> BridgeView:
    order = orders.newest(session, of_subject)
    is_running = order is not None and order.state in orders.RUNNING
    is_mine = order is not None and order.requested_by_id == actor.id
    colleague = None
    if order is not None and is_running and not is_mine:
        colleague = session.scalar(
            sa.select(User.display_name).where(User.id == order.requested_by_id)
        )
    ended = order if order is not None and is_mine and not is_running else None
    return BridgeView(
        has_own_phone=orders.has_own_phone(session, actor),
        running=progress(order) if order is not None and is_running else None,
        colleague=colleague,
        last=result_words(ended) if ended is not None else None,
        last_at=(ended.ended_at or ended.requested_at) if ended is not None else None,
        good=ended is not None and _spoke(ended),
        **known,
    )


def progress(order: OutgoingCall) -> str:
    """How far a running order is, as a sentence to translate."""
    if order.joined_at is not None:
        return SPEAKING
    attempts = order.attempts or []
    if not attempts:
        return BEGUN
    if attempts[-1]["who"] == "resident":
        return THEIRS_RINGS
    return PRESS_ONE if attempts[-1]["answered_at"] else YOURS_RINGS


def _spoke(order: OutgoingCall) -> bool:
    return order.result == "joined" and order.talked_ms >= CONTACT_AT_LEAST_MS


def result_words(order: OutgoingCall) -> str:
    """How an order ended, as a sentence to translate."""
    if order.result == "joined" and not _spoke(order):
        return TOO_SHORT
    if order.result in RESULTS:
        return RESULTS[order.result]
    if not order.attempts:
        return UNDIALLED
    last = order.attempts[-1]
    if last["who"] == "resident":
        return NOBODY.get(last["cause"], UNREACHED)
    return OWN_PHONE.get(last["cause"], NOT_TAKEN)
