"""Who owes the answers of somebody who may no longer give them: no case waits for who cannot come.

Shut out, moved to another area, or without the role that the work needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, casework, deadlines, handlers, tiers
from cases.handlers import Around
from cases.lifecycle import CaseStatus
from cases.models import Case
from core.auth import RIGHTS
from core.models import User

TO_DISPATCH = (CaseStatus.TRIAGED.value, CaseStatus.RETURN_REQUESTED.value)

DONE = tuple(status.value for status in deadlines.DONE)
"""Who did the work stays known: whoever phones the resident back must be somebody else."""


@dataclass(frozen=True)
class Standing:
    """What somebody's reach follows from; the roles of who is shut out are none."""

    roles: frozenset[str]
    area_code: str | None

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(frozenset(user.roles) if user.active else frozenset(), user.area_code)


def of(session: Session, user: User, before: Standing) -> int:
    """Give open cases that ``user`` lost since ``before`` to others, those with least to do first.

    Lost is what could be seen or worked on then and cannot now. Where nobody else may take a case,
    it stays as it is. Returns how many went.
    """
    now = Standing.of(user)
    mine = session.scalars(
        sa.select(Case)
        .where(
            sa.or_(
                Case.owner_id == user.id,
                sa.and_(Case.handler_id == user.id, Case.status.not_in(DONE)),
            ),
            Case.status != CaseStatus.CLOSED.value,
        )
        .order_by(Case.id)
        .with_for_update()
    ).all()
    others = sa.select(User).where(User.active, User.id != user.id).order_by(User.id)
    people = session.scalars(others).all()
    lost = [case for case in mine if _lost(session, case, before, now)]
    return sum(_give(session, case, user, people) for case in lost)


def _lost(session: Session, case: Case, before: Standing, now: Standing) -> bool:
    around = Around.of(session, case.village_code)
    return any(
        around.reaches(roles & before.roles, before.area_code)
        and not around.reaches(roles & now.roles, now.area_code)
        for roles in (_working(case), _at_need(case))
    )


def _give(session: Session, case: Case, user: User, people: Sequence[User]) -> bool:
    around = Around.of(session, case.village_code)

    def having(roles: frozenset[str]) -> list[User]:
        return [one for one in people if around.reaches(roles & set(one.roles), one.area_code)]

    there = having(_best(case)) or having(_at_need(case) - {"grid_worker"})
    if not there:
        return False
    heir = min(there, key=lambda person: (tiers.open_cases(session, person), person.id))
    facts = casework.facts_of(session, case)
    after = replace(
        facts,
        owner_id=heir.id if case.owner_id == user.id else case.owner_id,
        handler_id=heir.id
        if case.handler_id == user.id and case.status not in DONE
        else case.handler_id,
    )
    casework.hand_over(session, case, after, user.display_name)
    return True


def _working(case: Case) -> frozenset[str]:
    """Roles that may take every step the case needs."""
    wanted = RIGHTS["case.dispatch" if case.status in TO_DISPATCH else "case.resolve"]
    return wanted & access.CONFIDENTIAL_ROLES if case.confidential else wanted


def _best(case: Case) -> frozenset[str]:
    """Who is asked first; a handler is chosen by somebody."""
    return _working(case) - handlers.MERE


def _at_need(case: Case) -> frozenset[str]:
    """Roles that at least see it and can say that somebody is missing."""
    return access.CONFIDENTIAL_ROLES if case.confidential else RIGHTS["case.read"]
