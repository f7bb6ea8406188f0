"""Routers whose endpoints finish their own transaction.

FastAPI opens a dependency in one thread, runs the endpoint in another and closes the dependency in
a third, by way of the event loop. A write session that was committed when it is closed would keep
SQLite's one write lock for as long as the loop is busy with a thousand other requests. Here the
endpoint's own thread commits: the lock lasts from its first statement to its last.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from fastapi import APIRouter
from sqlalchemy.orm import Session

from web.deps import WriteSession


class Router(APIRouter):
    """The APIRouter of all modules below web/routers."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Raises TypeError for a coroutine that writes: it would stop the loop for everybody."""
        super().add_api_route(path, finishing(endpoint), **options)


def finishing(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """``endpoint``, which now commits its WriteSession, or undoes it when it raises."""
    hints = get_type_hints(endpoint, include_extras=True)
    names = [name for name, hint in hints.items() if hint == WriteSession]
    if not names:
        return endpoint
    if inspect.iscoroutinefunction(endpoint) or len(names) > 1:
        raise TypeError(f"{endpoint.__name__}: one write session, in a plain function")

    @functools.wraps(endpoint)
    def whole(**values: Any) -> Any:
        session: Session = values[names[0]]
        try:
            answer = endpoint(**values)
            session.commit()
        except BaseException:
            session.rollback()
            raise
        return answer

    return whole
