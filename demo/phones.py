"""The demo town's telephones: names of accounts that a softphone on this machine can register.

They ring when the server was started with XIANGYIN_SIP_ACCOUNTS (docs/first-contact.md).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from core.models import User
from core.sealed import Sealer
from core.settings import Settings
from demo.town import TOWN
from hotline.models import DutyPhone, StaffPhone

STAFF = ("demo", "wang")
DUTY = "duty"


def seed(session: Session, settings: Settings) -> None:
    """Add a telephone for each of the cast who calls residents, and one that is on duty."""
    sealer = Sealer.from_settings(settings)
    for login in STAFF:
        user = session.scalars(sa.select(User).where(User.login == login)).one_or_none()
        if user is None or session.get(StaffPhone, user.id) is not None:
            continue
        sealed = sealer.seal(login)
        session.add(StaffPhone(user_id=user.id, number_sealed=sealed, changed_at=utc_now()))
    if session.scalar(sa.select(DutyPhone.id).limit(1)) is not None:
        return
    for kind, name in (("duty", "派出所值班室"), ("human", "派出所值班室")):
        session.add(
            DutyPhone(
                kind=kind,
                area_code=TOWN,
                name=name,
                number_sealed=sealer.seal(DUTY),
                created_at=utc_now(),
            )
        )
