"""Who owes the answer of a case as it stands, and who takes it up when that person cannot.

Shut out, in another area by now, or without the role that the step needs which the case waits for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, case_ledger, deadlines, handlers, tiers
from cases.handlers import Around
from cases.lifecycle import CaseStatus
from cases.models import Case
from core.auth import RIGHTS
from core.clock import utc_now
from core.models import User

HANDED_OVER = "handed_over"
"""Action of the event that tells that a case went to other hands; its reason is who had it."""
MADE_CONFIDENTIAL = "made_confidential"
TO_DISPATCH = (CaseStatus.TRIAGED.value, CaseStatus.RETURN_REQUESTED.value)
DONE = tuple(status.value for status in deadlines.DONE)
"""Who did the work stays known: whoever phones the resident back must be somebody else."""


def working(case: Case, person_id: int) -> frozenset[str]:
    """Roles by which this person may take every step that the case needs now.

    A confidential case is for few, and for the handler it was given to.
    """
    is_given = case.handler_id == person_id and case.status not in TO_DISPATCH
    return _step_roles(case) if is_given else _kept_by_few(case, _step_roles(case))


def at_need(case: Case) -> frozenset[str]:
    """Roles that at least see it and can say that somebody is missing."""
    return access.CONFIDENTIAL_ROLES if case.confidential else RIGHTS["case.read"]


def ensure(session: Session, case: Case, actor_id: int | None) -> None:
    """Give the case to somebody else when its owner, known from before, cannot answer for it.

    Who gives it (``actor_id``) gets it last. Nobody shuts the owner out while this looks.
    """
    owner = session.scalars(
        sa.select(User)
        .where(User.id == case.owner_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).one()
    roles = working(case, owner.id) & set(owner.roles)
    around = Around.of(session, case.village_code)
    if not (owner.active and around.reaches(roles, owner.area_code)):
        give(session, case, owner, others(session, owner), last={case.handler_id, actor_id})


def make_confidential(session: Session, case: Case) -> None:
    """From now on few see the case; whoever else had it, the handler too, gives it to them."""
    if case.confidential:
        return
    case_ledger.change(session, case, case.version, confidential=True)
    status, now = case.status, utc_now()
    case_ledger.note(session, case, None, MADE_CONFIDENTIAL, status, status, None, now)
    case_ledger.tell(session, case)
    around = Around.of(session, case.village_code)
    for person_id in dict.fromkeys((case.owner_id, case.handler_id)):
        person = session.get(User, person_id) if person_id is not None else None
        if person is None:
            continue
        trusted = access.CONFIDENTIAL_ROLES & set(person.roles) if person.active else frozenset()
        if not around.reaches(trusted, person.area_code):
            give(session, case, person, others(session, person))


def others(session: Session, person: User) -> Sequence[User]:
    """Everybody else who can log in."""
    query = sa.select(User).where(User.active, User.id != person.id).order_by(User.id)
    return session.scalars(query).all()


def give(
    session: Session,
    case: Case,
    person: User,
    people: Sequence[User],
    *,
    last: Collection[int | None] = (),
) -> bool:
    """Give what ``person`` has of the case to whoever of ``people`` has least to do.

    ``last``: only when there is nobody else. Where nobody may take it, it stays as it is.
    """
    owns = case.owner_id == person.id
    handles = case.handler_id == person.id and case.status not in DONE
    heir = _heir(session, case, people, last) if owns or handles else None
    if heir is None:
        return False
    case_ledger.change(
        session,
        case,
        case.version,
        owner_id=heir.id if owns else case.owner_id,
        handler_id=heir.id if handles else case.handler_id,
    )
    status, who = case.status, person.display_name
    case_ledger.note(session, case, None, HANDED_OVER, status, status, who, utc_now())
    case_ledger.tell(session, case)
    return True


def _heir(
    session: Session, case: Case, people: Sequence[User], last: Collection[int | None]
) -> User | None:
    around = Around.of(session, case.village_code)

    def having(roles: frozenset[str]) -> list[User]:
        return [one for one in people if around.reaches(roles & set(one.roles), one.area_code)]

    best = _kept_by_few(case, _step_roles(case)) - handlers.MERE  # a handler is chosen by somebody
    there = having(best) or having(at_need(case) - {"grid_worker"})
    return min(
        there,
        key=lambda one: (one.id in last, tiers.open_cases(session, one), one.id),
        default=None,
    )


def _step_roles(case: Case) -> frozenset[str]:
    return RIGHTS["case.dispatch" if case.status in TO_DISPATCH else "case.resolve"]


def _kept_by_few(case: Case, roles: frozenset[str]) -> frozenset[str]:
    return roles & access.CONFIDENTIAL_ROLES if case.confidential else roles
