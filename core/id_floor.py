"""Floors of numbers, so that none is given twice though the database came back from a backup.

What went out into the world with a number (a village player remembers for weeks what it has
sounded) cannot be asked back. A floor says up to where the numbers of a table, its column ``id``,
count as given. Who draws numbers from the highest row asks ``value`` as well; a sequence of
PostgreSQL is moved by ``raise_to`` and needs no asking.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from core.models import IdFloor

_LOCK = 720253
_MOVE_SEQUENCE = sa.text(
    "SELECT setval(sequence, greatest(nextval(sequence), :value))"
    " FROM (SELECT pg_get_serial_sequence(:name, 'id')::regclass AS sequence) AS found"
    " WHERE sequence IS NOT NULL"
)


def value(session: Session, table_name: str) -> int:
    """The floor of a table; 0 when none was ever raised."""
    query = sa.select(IdFloor.value).where(IdFloor.table_name == table_name)
    return session.scalar(query) or 0


def find(session: Session, table_name: str) -> IdFloor | None:
    """The floor of a table as it stands in the database now, with when and why it was raised."""
    return session.get(IdFloor, table_name, populate_existing=True)


def lock(session: Session) -> None:
    """Nobody else raises a floor before this transaction ends."""
    if _is_postgres(session):  # SQLite has one writer anyway
        session.execute(sa.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def raise_to(session: Session, table_name: str, wanted: int, cause: str) -> None:
    """Give no number up to ``wanted`` from now on. A floor is never lowered. Needs ``lock``."""
    found = find(session, table_name)
    if found is None:
        found = IdFloor(table_name=table_name, value=0, raised_at=utc_now(), cause=cause)
        session.add(found)
    found.value = max(found.value, wanted)
    found.raised_at, found.cause = utc_now(), cause[:80]
    session.flush()
    if _is_postgres(session):
        session.execute(_MOVE_SEQUENCE, {"name": table_name, "value": found.value})


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
