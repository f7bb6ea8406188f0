"""A call about a report that exists: "not satisfied", and the voice that says why."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import residents
from cases.models import Report
from hotline.journal import Entry

Follow = Callable[[Session, Report | None], None]


def follow(entry: Entry) -> Follow:
    """What is done with such a call when it is entered, beside storing what was said.

    The office may have acted while the call lasted; the call's key makes both count once. The
    journal names the report only after number and PIN were right.
    """
    key = f"call:{entry.call_id}"

    def act(session: Session, said: Report | None) -> None:
        about = session.scalar(
            sa.select(Report).where(Report.reference_no == entry.about_reference_no)
        )
        if about is None:
            return
        if entry.not_satisfied:
            residents.not_satisfied(session, about.id, key)
        if said is not None and said.id != about.id:
            residents.attach(session, said, about, key)

    return act
