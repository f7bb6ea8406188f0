"""Tables every room uses."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList, JsonObject


class Area(Base):
    """区划: a node of the tree province > city > county > township > village > grid."""

    __tablename__ = "area"

    code: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    level: Mapped[str] = mapped_column(sa.String(12))
    parent_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"), index=True)
    poster_code: Mapped[str | None] = mapped_column(sa.String(3), unique=True)
    report_code: Mapped[str | None] = mapped_column(sa.String(16), unique=True)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]


class User(Base):
    """A person who logs in."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(sa.String(64), unique=True)
    display_name: Mapped[str] = mapped_column(sa.String(80))
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    roles: Mapped[JsonList]
    area_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"))
    active: Mapped[bool] = mapped_column(default=True)
    must_change_password: Mapped[bool] = mapped_column(default=False)
    failed_logins: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    dialects: Mapped[JsonList | None]  # names of dialects this person understands
    created_at: Mapped[datetime]


class LoginSession(Base):
    """A browser that is logged in; the cookie's value is stored only as a hash."""

    __tablename__ = "login_session"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A program that calls the API on behalf of a user; stored only as a hash."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class OutboxEvent(Base):
    """News for the rooms above, written in the transaction that made it true."""

    __tablename__ = "outbox_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(60))
    payload: Mapped[JsonObject]
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(10), default="new")  # new, leased, done, failed
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    failure: Mapped[str | None] = mapped_column(sa.Text)

    __table_args__ = (sa.Index("ix_outbox_event_state_due_at", "state", "due_at"),)


class AuditEntry(Base):
    """Who did or read what, when and why; each row carries the hash of the row before."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(80))
    action: Mapped[str] = mapped_column(sa.String(60))
    subject: Mapped[str] = mapped_column(sa.String(120), index=True)
    detail: Mapped[JsonObject]
    previous_hash: Mapped[str] = mapped_column(sa.String(64))
    hash: Mapped[str] = mapped_column(sa.String(64), unique=True)


class Lease(Base):
    """Who holds a duty that only one process may have, and until when."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(sa.String(80))
    expires_at: Mapped[datetime]


class IdFloor(Base):
    """Up to where the numbers of a table count as given, whatever its rows say; core.id_floor.

    ``cause``: who or what raised it last.
    """

    __tablename__ = "id_floor"

    table_name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    value: Mapped[int] = mapped_column(sa.BigInteger)
    raised_at: Mapped[datetime]
    cause: Mapped[str] = mapped_column(sa.String(80))


class Blob(Base):
    """A stored file, named by the SHA-256 of its bytes."""

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    media_type: Mapped[str] = mapped_column(sa.String(80))
    created_at: Mapped[datetime]


class LeavingBlob(Base):
    """A file nothing needs any more: its rows are gone, itself perhaps not yet; core.leaving."""

    __tablename__ = "leaving_blob"

    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    since: Mapped[datetime]
    why: Mapped[str] = mapped_column(sa.String(40))
