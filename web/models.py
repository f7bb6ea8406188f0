"""Tables of the HTTP conventions."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonObject


class IdempotencyRecord(Base):
    """What came of a creating POST, kept so that sending it again creates nothing twice.

    ``status`` 0: still being worked on, by whoever made the row.
    """

    __tablename__ = "idempotency_record"

    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    request_hash: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[int] = mapped_column(default=0)
    body: Mapped[JsonObject | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
