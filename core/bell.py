"""Wake-up calls between the processes of one machine.

A ring carries nothing and may be lost: whoever waits also looks by itself now and then. Each
waiter owns a datagram socket below ``<data_dir>/run``; ringing sends one byte to all of a name.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import uuid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from core import settings

if TYPE_CHECKING:  # telephony rings bells and must not load the database library
    from sqlalchemy.orm import Session

_ORDERED = "bells ordered"


def _folder() -> Path:
    return settings.load().socket_folder()


class Bell:
    """Waits for rings of ``name``; use as a context manager."""

    def __init__(self, name: str) -> None:
        self._path = _folder() / f"{name}.{os.getpid()}.{uuid.uuid4().hex[:6]}.bell"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._socket.setblocking(False)

    def __enter__(self) -> Bell:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a ring or ``timeout_s``; rings that piled up count once."""
        readable, _, _ = select.select([self._socket], [], [], timeout_s)
        if not readable:
            return False
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)
        return True

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


def ring(name: str) -> None:
    """Wake every waiter of ``name``; bells of processes that died are removed."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    with sender:
        for path in _folder().glob(f"{name}.*.bell"):
            try:
                sender.sendto(b"!", str(path))
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
            except OSError:
                continue  # a full queue is already a ring


def ring_after_commit(session: Session, name: str) -> None:
    """Ring ``name`` once when the session's outermost transaction has committed."""
    if _ORDERED not in session.info:
        session.info[_ORDERED] = set()
        from sqlalchemy import event

        event.listen(session, "after_commit", _ring_ordered)
    session.info[_ORDERED].add(name)


def _ring_ordered(session: Session) -> None:
    if session.in_nested_transaction():
        return  # a savepoint's end; nobody else can see the news yet
    names: set[str] = session.info[_ORDERED]
    while names:
        ring(names.pop())
