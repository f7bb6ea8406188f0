"""``python -m transcribe reindex``: have everything made findable anew."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import sqlalchemy as sa

from core import outbox
from core.database import Database
from core.models import OutboxEvent
from transcribe import search
from transcribe.commands import load_settings
from transcribe.models import SearchText


def run(arguments: Sequence[str]) -> int:
    """Order it, or say how far it is; the running server does the work in small steps."""
    argparse.ArgumentParser(
        prog="python -m transcribe reindex",
        description="Make the search index anew. The running server does it a little at a time, "
        "goes on after a restart where it was, and people go on searching meanwhile. Called "
        "again, it says how far it is.",
    ).parse_args(arguments)
    database = Database.from_settings(load_settings())
    try:
        with database.write() as session:
            waiting = session.scalar(
                sa.select(OutboxEvent)
                .where(OutboxEvent.kind == search.REINDEX, OutboxEvent.state.in_(("new", "leased")))
                .order_by(OutboxEvent.id.desc())
                .limit(1)
            )
            indexed = session.scalar(sa.select(sa.func.count()).select_from(SearchText))
            if waiting is not None:
                print(f"Under way: done up to number {waiting.payload['after']}.")
            else:
                outbox.emit(session, search.REINDEX, after=0)
                print("Ordered: the running server begins now, or when it starts.")
            print(f"Findable by their words: {indexed}.")
    finally:
        database.close()
    return 0
