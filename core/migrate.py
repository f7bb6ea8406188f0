"""Brings the database to the newest form: ``python -m core.migrate``."""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from core import settings
from core.database import Database


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Create our schema when missing (PostgreSQL) and run all migrations, one at a time."""
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(720250)"))
            connection.execute(sa.schema.CreateSchema(database.schema, if_not_exists=True))
        command.upgrade(_config(connection), revision)


def new_revision(database: Database, message: str) -> None:
    """Write a migration from what the models have and the database lacks (for developers)."""
    with database.engine.begin() as connection:
        command.revision(_config(connection), message, autogenerate=True)


def main(arguments: list[str]) -> None:
    database = Database.from_settings(settings.load())
    if arguments[:1] == ["new"]:
        import_all_models()
        new_revision(database, " ".join(arguments[1:]))
    else:
        upgrade(database)


def import_all_models() -> None:
    """Make every room's tables known; by name, because core stands below the rooms."""
    from importlib import import_module

    for room in (
        "core",
        "recordings",
        "transcribe",
        "cases",
        "schedule",
        "hotline",
        "broadcast",
        "web",
    ):
        import_module(f"{room}.models")


if __name__ == "__main__":
    main(sys.argv[1:])
