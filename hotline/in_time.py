"""What telephony asks for is done in time or not at all.

Whoever asked has given up at ``answer_by`` and told the caller that nothing was done. An order
that is carried out later would make that a lie.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from core.database import Database
from hotline.ask import ANSWER_BY

COMMIT_S = 1.0
"""Left for a slow disk to commit, and for the way back."""

NO_ANSWER: dict[str, Any] = {"ok": False, "error": "unavailable"}


class TooLate(Exception):
    """Nobody waits for the answer any more; nothing was changed."""


def is_late(asked: Mapping[str, Any]) -> bool:
    """Whether an answer would not be back in time; a question without an end is never late."""
    by = asked.get(ANSWER_BY, math.inf)
    if not isinstance(by, int | float) or isinstance(by, bool):
        raise ValueError(ANSWER_BY)
    return by - time.monotonic() < COMMIT_S


@contextmanager
def write(database: Database, asked: Mapping[str, Any]) -> Iterator[Session]:
    """``Database.write`` for a question: TooLate, with nothing changed, when its time has passed.

    It may pass while another writer holds the database, and on PostgreSQL while a row is held.
    """
    with database.write() as session:
        session.connection()  # the transaction begins here, not with the session
        _be_in_time(asked)
        yield session
        session.flush()
        _be_in_time(asked)


def _be_in_time(asked: Mapping[str, Any]) -> None:
    if is_late(asked):
        raise TooLate
