"""The demo town's people. Their one password is made at the first start and kept in data_dir."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import auth
from core.models import User
from core.settings import Settings
from demo.town import COUNTY, TOWN

CAST = (
    ("demo", "陈所长", ["operator", "dispatcher", "recorder", "approver", "county"], COUNTY),
    ("wang", "王警官", ["handler"], TOWN),
    ("custodian", "周保密专员", ["custodian"], COUNTY),
    ("admin", "管理员", ["administrator"], COUNTY),
)


@dataclass(frozen=True)
class Credentials:
    """What the newcomer needs to get in."""

    login: str
    password: str
    token: str


def credentials_path(settings: Settings) -> Path:
    return settings.folder("demo") / "credentials.json"


def known(settings: Settings) -> Credentials | None:
    """The credentials of an earlier start, or None."""
    path = credentials_path(settings)
    return Credentials(**json.loads(path.read_text())) if path.is_file() else None


def seed(session: Session, settings: Settings) -> Credentials:
    """Add the cast unless it is there; returns the newcomer's credentials."""
    before = known(settings)
    if before is not None and session.scalar(sa.select(User.id).where(User.login == "demo")):
        return before
    password = "-".join(secrets.token_hex(2) for _ in range(3))
    for login, name, roles, area in CAST:
        auth.create_user(session, login, name, password, roles, area)
    newcomer = session.scalars(sa.select(User).where(User.login == "demo")).one()
    made = Credentials("demo", password, auth.issue_token(session, newcomer, "demo"))
    path = credentials_path(settings)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(asdict(made), out)
    return made
