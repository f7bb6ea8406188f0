"""Column types and names shared by all rooms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NewType

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

AreaCode = NewType("AreaCode", str)
"""12-digit statistical code of an administrative area."""

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits that name a sound file by its content."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """Timezone-aware instants; stored in UTC, handed out in UTC. Naive values are refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
"""JSON in SQLite, JSONB in PostgreSQL."""

JsonObject = dict[str, Any]
JsonList = list[Any]
