"""Whether the hotline could join somebody with a resident, or people see to it themselves."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from cases.models import Case
from core.sealed import Sealer
from core.settings import Settings
from hotline.outgoing import numbers, orders


def has_line_to(sealed: str, sealer: Sealer, settings: Settings) -> bool:
    """Whether something is set up that could dial it; what cannot be opened is found out there."""
    try:
        return numbers.can_dial(sealer.unseal(sealed), settings)
    except (InvalidTag, ValueError):
        return True


def can_connect(session: Session, sealer: Sealer, settings: Settings, case: Case) -> bool:
    """Whether the hotline has the number of a case's resident, may call it and has a line to it."""
    sealed = orders.resident_of_case(session, case)
    return (
        sealed is not None
        and numbers.may_call_sealed(sealed, sealer, settings)
        and has_line_to(sealed, sealer, settings)
    )
