"""Duties that only one process may have at a time, such as the scheduler's."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from core.clock import utc_now
from core.database import Database, claimed
from core.models import Lease


def hold(database: Database, name: str, holder: str, ttl_s: int) -> bool:
    """Take or prolong the duty ``name``; False while somebody else holds it."""
    now = utc_now()
    until = now + timedelta(seconds=ttl_s)
    with database.write() as session:
        taken = session.execute(
            sa.update(Lease)
            .where(Lease.name == name, sa.or_(Lease.holder == holder, Lease.expires_at < now))
            .values(holder=holder, expires_at=until)
        )
        if claimed(taken):
            return True
        if session.get(Lease, name) is not None:
            return False
        session.add(Lease(name=name, holder=holder, expires_at=until))
        try:
            session.flush()
        except sa.exc.IntegrityError:
            session.rollback()
            return False
        return True


def release(database: Database, name: str, holder: str) -> None:
    """Give the duty back so that another takes it at once."""
    with database.write() as session:
        session.execute(sa.delete(Lease).where(Lease.name == name, Lease.holder == holder))
