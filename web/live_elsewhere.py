"""Live addresses that another web process of the same database carries.

Speech goes through the memory of the process in which an address was opened. Who reaches the
wrong one is told to try again, by another connection, and never that the address is over.
"""

from __future__ import annotations

from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import live
from broadcast.models import LiveSession
from core.auth import Actor
from core.errors import N_, Unavailable
from web import errors

RETRY_AFTER_S = "1"


def speaks(session: Session, actor: Actor, session_id: str) -> bool:
    """Whether the actor's own address is open, wherever it is carried."""
    row = session.get(LiveSession, session_id)
    return row is not None and row.started_by_id == actor.id and row.state in live.OPEN


def try_again() -> Response:
    """503. The connection ends with it: the next one may come out at the right process."""
    away = Unavailable(N_("This live address runs in another process of the server. Try again."))
    answer = errors.problem(away)
    answer.headers["retry-after"] = RETRY_AFTER_S
    answer.headers["connection"] = "close"
    return answer
