"""Alembic's entry; core.migrate configures it in code, there is no ini file."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext

from core.database import Base
from core.types import UtcDateTime


def _render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from core.types import UtcDateTime")
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, sa.JSON):
        autogen.imports.add("from core.types import Json")
        return "Json"
    return False


connection: sa.Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    version_table="xiangyin_version",
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
