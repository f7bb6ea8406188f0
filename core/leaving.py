"""Files nothing needs any more: who still names a file, and how one goes for good.

First its rows go and a LeavingBlob says so, in one transaction; the file goes after that. Whoever
is killed in between leaves the LeavingBlob, and ``remove_left`` finishes. Which columns name files
is read from the database itself, so that a table added tomorrow holds its files today.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import Blob, LeavingBlob

ONLY_TELLING = frozenset(
    {
        ("blob", "sha256"),
        ("leaving_blob", "sha256"),
        ("clip", "sha256"),
        ("clip", "made_from_sha256"),
        ("mailbox_message", "content_sha256"),
        ("hearing", "pcm_sha256"),
        ("area_grammar", "sha256"),
    }
)
"""Columns that tell about a file, or name something else by its hash: no use of it."""
SURELY_THERE = ("report", "audio_sha256")
AT_ONCE = 500
log = structlog.get_logger("core.leaving")


@dataclass(frozen=True)
class Uses:
    """Columns that name files. ``guarded``: by a foreign key, so that the file's row cannot go
    unnoticed; ``loose``: by their name alone."""

    guarded: tuple[sa.ColumnClause[str], ...]
    loose: tuple[sa.ColumnClause[str], ...]


def uses(session: Session) -> Uses:
    """The columns of this database. RuntimeError when it does not show its tables to us."""
    schema = None
    if session.get_bind().dialect.name == "postgresql":
        schema = session.scalar(sa.select(sa.func.current_schema()))
    inspector = sa.inspect(session.connection())
    tables = inspector.get_table_names(schema)
    keys = [
        ((table, key["constrained_columns"][0]), (key["referred_table"], key["referred_columns"]))
        for table in tables
        for key in inspector.get_foreign_keys(table, schema)
        if len(key["constrained_columns"]) == 1
    ]
    guarded = {("blob", "sha256")}
    while more := {own for own, (of, to) in keys if (of, to[0]) in guarded} - guarded:
        guarded |= more
    loose = {
        (table, column["name"])
        for table in tables
        for column in inspector.get_columns(table, schema)
        if column["name"].endswith("sha256")
    } - guarded
    if SURELY_THERE not in guarded:
        raise RuntimeError("the database does not tell which columns name files")
    return Uses(_columns(guarded, schema), _columns(loose, schema))


def _columns(
    names: Collection[tuple[str, str]], schema: str | None
) -> tuple[sa.ColumnClause[str], ...]:
    found = []
    for table, column in sorted(set(names) - ONLY_TELLING):
        made: sa.ColumnClause[str] = sa.column(column, sa.String)
        sa.table(table, made, schema=schema)
        found.append(made)
    return tuple(found)


def still_named(
    session: Session, columns: Collection[sa.ColumnClause[str]], sha256s: Collection[str]
) -> set[str]:
    """Those of the files that one of the columns names."""
    found: set[str] = set()
    for some in _portions(sorted(sha256s)):
        for column in columns:
            found.update(session.scalars(sa.select(column).where(column.in_(some)).distinct()))
    return found


def leave(session: Session, sha256s: Collection[str], why: str) -> None:
    """The files' rows go now, the files once this is committed. IntegrityError when a row that
    ``still_named`` did not see needs one of them."""
    session.execute(sa.delete(Blob).where(Blob.sha256.in_(sha256s)))
    for sha256 in sorted(sha256s):
        session.merge(LeavingBlob(sha256=sha256, since=utc_now(), why=why))
    session.flush()


def remove_left(database: Database, store: BlobStore) -> int:
    """Remove what was left, unless somebody wants it again; how many files went."""
    with database.read() as session:
        waiting = list(session.scalars(sa.select(LeavingBlob.sha256).order_by(LeavingBlob.sha256)))
        wanted = still_named(session, uses(session).loose, waiting) if waiting else set()
    gone = 0
    for sha256 in waiting:
        try:
            gone += _remove(database, store, sha256, keep=sha256 in wanted)
        except OSError as error:
            log.warning("a file could not be removed yet", sha256=sha256, error=str(error)[:200])
    return gone


def _remove(database: Database, store: BlobStore, sha256: str, *, keep: bool) -> bool:
    with database.write() as session:
        row = session.get(LeavingBlob, sha256, with_for_update=True)
        if row is None:
            return False
        keep = keep or session.get(Blob, sha256) is not None
        if not keep and not store.remove(sha256):
            return False
        session.delete(row)
    return not keep


def _portions(sha256s: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(sha256s), AT_ONCE):
        yield sha256s[start : start + AT_ONCE]
