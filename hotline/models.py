"""Tables of answered and missed calls."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList


class CallRecord(Base):
    """One telephone call as the journal told it. ``steps``: [{"at", "state", "event"}]."""

    __tablename__ = "call_record"

    call_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    caller_sealed: Mapped[str | None] = mapped_column(sa.Text)
    caller_hash: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    called: Mapped[str | None] = mapped_column(sa.String(80))
    started_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_cause: Mapped[str] = mapped_column(sa.String(30))
    steps: Mapped[JsonList]
    report_id: Mapped[int | None] = mapped_column(sa.ForeignKey("report.id"))
    needs_call_back: Mapped[bool] = mapped_column(default=False)
