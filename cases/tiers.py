"""Which tier handles a case, and who of it takes one that was not solved below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.lifecycle import FIRST_TIER, CaseFacts, CaseStatus, higher_tiers
from cases.models import Case
from core.models import User

WITH_HANDLERS = ("township", "county")
"""Tiers above the village whose people handle cases; a role of that name stands for each."""


def tier_of(case: Case) -> str:
    """One of lifecycle.TIERS."""
    return case.tier or FIRST_TIER[case.level]


def taken_over(session: Session, raised: CaseFacts, people: Sequence[User]) -> CaseFacts:
    """``raised`` in the hands of whoever of its tier has least to do, else of a tier above.

    ``people`` could handle the case. Without anybody so high the old handler keeps it.
    """
    for tier in (raised.tier, *higher_tiers(raised.tier)):
        there = [user for user in people if tier in user.roles and tier in WITH_HANDLERS]
        if there:
            chosen = min(there, key=lambda user: (open_cases(session, user), user.id))
            return replace(raised, handler_id=chosen.id, owner_id=chosen.id)
    return raised


def open_cases(session: Session, user: User) -> int:
    """How many cases wait for somebody."""
    query = sa.select(sa.func.count()).where(
        Case.owner_id == user.id, Case.status != CaseStatus.CLOSED
    )
    return session.scalar(query) or 0
