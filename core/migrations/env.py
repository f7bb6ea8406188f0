"""Alembic's entry; core.migrate configures it in code, there is no ini file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from core.database import Base

connection: sa.Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    version_table="xiangyin_version",
    compare_type=True,
    user_module_prefix="core.types.",
)
with context.begin_transaction():
    context.run_migrations()
