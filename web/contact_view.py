"""What a case's page shows of speaking with its resident beside the hotline: number, and notes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from cases import contacts
from cases.models import Case, CaseEvent
from core.auth import Actor
from core.errors import N_, InvalidInput, XiangyinError
from hotline import contact_by_hand, whole_numbers
from hotline.outgoing import orders, roads
from hotline.whole_numbers import WholeNumber
from web.deps import Services

WAYS = {
    contacts.TOLD_BY_PHONE: N_("By telephone"),
    contacts.TOLD_IN_PERSON: N_("Face to face"),
}
FORM_TIME = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True)
class ContactForm:
    """What somebody typed to note a contact, and what is wrong with it."""

    way: str = ""
    spoke_at: str = ""
    words: str = ""
    error: XiangyinError | None = None


@dataclass(frozen=True)
class ContactView:
    """``has_line``: the hotline could call the resident, or nobody gave it a number.

    ``phones``: this handler phones the resident himself; ``number``: while he may read it.
    ``ways``: those that may be noted; ``earliest``: a time before it is refused, as forms have it.
    """

    has_line: bool
    phones: bool
    number: WholeNumber | None
    may_note: bool
    ways: tuple[str, ...]
    earliest: str
    first: CaseEvent | None

    @property
    def is_told(self) -> bool:
        """Whether the first contact was noted by hand."""
        return self.first is not None and self.first.action in contacts.TOLD


def of_case(session: Session, services: Services, actor: Actor, case: Case) -> ContactView:
    """What the actor, who sees the case, is shown."""
    settings, sealer = services.settings, services.sealer
    sealed = orders.resident_of_case(session, case)
    zone = ZoneInfo(settings.zone)
    came_at = contacts.came_to_handler_at(session, case)
    return ContactView(
        has_line=sealed is None or roads.has_line_to(sealed, sealer, settings),
        phones=whole_numbers.handler_may_read(session, sealer, settings, actor, case),
        number=whole_numbers.shown_to_handler(session, sealer, settings, actor, case),
        may_note=contact_by_hand.may_note(actor, case),
        ways=contact_by_hand.ways(session, sealer, settings, case),
        earliest=came_at.astimezone(zone).strftime(FORM_TIME),
        first=contacts.first(session, case),
    )


def instant(typed: str, zone: str) -> datetime | None:
    """The local time of a form; None when it is empty. Raises InvalidInput (field "spoke_at")."""
    if not typed.strip():
        return None
    try:
        local = datetime.fromisoformat(typed.strip())
        return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            N_("Give day and time, such as 2026-06-01 08:00."), field="spoke_at"
        ) from None
