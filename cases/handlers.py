"""Who can be given a case: the roles, and whose area has to do with its village."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Case
from core import areas
from core.errors import N_, InvalidInput
from core.models import User

MERE = frozenset({"handler", "grid_worker"})
"""Roles that work on the cases assigned to them and on no others."""
ROLES = MERE | {"township", "county"}


@dataclass(frozen=True)
class Around:
    """Codes of the areas. ``above``: the village and all over it; None: any area will do.

    ``grids``: inside the village. Grid workers handle what they are given there; nobody else's
    area is so small.
    """

    above: frozenset[str] | None
    grids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, session: Session, village_code: str | None) -> Self:
        if village_code is None:
            return cls(None)
        inside = areas.below(session, village_code) - {village_code}
        return cls(frozenset(areas.upward(session, village_code)), frozenset(inside))

    def reaches(self, roles: Collection[str], area_code: str | None) -> bool:
        """Whether somebody of that area has to do with it by one of ``roles``."""
        if not roles or not area_code:
            return False
        if self.above is None or area_code in self.above:
            return True
        return "grid_worker" in roles and area_code in self.grids

    def people(self) -> sa.Select[User]:
        """Active people of these areas, by name."""
        query = sa.select(User).where(User.active, User.area_code.is_not(None))
        if self.above is not None:
            query = query.where(User.area_code.in_(self.above | self.grids))
        return query.order_by(User.display_name)


def can_take(session: Session, case: Case) -> list[User]:
    """Active people who can be assigned to the case: its village lies in their area, or they
    are grid workers of a grid in it."""
    around = Around.of(session, case.village_code)
    return [user for user in session.scalars(around.people()) if _can_handle(user, around)]


def require(session: Session, case: Case, handler_id: int) -> None:
    """Raise InvalidInput(field="handler_id") unless this person can be assigned to the case."""
    user = session.get(User, handler_id)
    around = Around.of(session, case.village_code)
    if user is None or not user.active or not _can_handle(user, around):
        raise InvalidInput(N_("Choose a handler of this village."), field="handler_id")


def _can_handle(user: User, around: Around) -> bool:
    return around.reaches(ROLES & set(user.roles), user.area_code)
