"""What the live process listens at: the socket where news arrives, the bell of its children."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from core.errors import N_, Conflict
from core.files import lock_now
from core.settings import Settings
from transcribe.stream import socket_path


@contextlib.contextmanager
def only_one(settings: Settings) -> Iterator[socket.socket]:
    """The socket where news arrives."""
    path = socket_path(settings)
    try:
        lock = lock_now(path.with_suffix(".lock"))
    except BlockingIOError:
        raise Conflict(N_("A live process runs on this data folder already.")) from None
    with lock:
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.bind(str(path))
            path.chmod(0o600)
            line.setblocking(False)
            try:
                yield line
            finally:
                path.unlink(missing_ok=True)
