"""What somebody loses who is shut out, moved or given other roles: no case waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import answering
from cases.handlers import Around
from cases.lifecycle import CaseStatus
from cases.models import Case
from core.models import User


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
    it stays as it is. What is closed is looked at when it is taken up again, see cases.answering.
    Returns how many went.
    """
    now = Standing.of(user)
    mine = session.scalars(
        sa.select(Case)
        .where(
            sa.or_(
                Case.owner_id == user.id,
                sa.and_(Case.handler_id == user.id, Case.status.not_in(answering.DONE)),
            ),
            Case.status != CaseStatus.CLOSED.value,
        )
        .order_by(Case.id)
        .with_for_update()
    ).all()
    people = answering.others(session, user)
    lost = [case for case in mine if _lost(session, case, user, before, now)]
    return sum(answering.give(session, case, user, people) for case in lost)


def _lost(session: Session, case: Case, user: User, before: Standing, now: Standing) -> bool:
    around = Around.of(session, case.village_code)
    return any(
        around.reaches(roles & before.roles, before.area_code)
        and not around.reaches(roles & now.roles, now.area_code)
        for roles in (answering.working(case, user.id), answering.at_need(case))
    )
