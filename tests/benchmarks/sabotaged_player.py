"""The village player, which holds memory, works without pause, and has lost its way to the server.

It fetches one list and tells its health; it asks for no other list, and has no line to the broker.
"""

from __future__ import annotations

import sys
import threading
import time

from edge.__main__ import main
from edge.client import Client, FetchedManifest
from edge.mqtt import WakeLine

HELD_BYTES = 60_000_000
BUSY_S, PAUSE_S = 0.02, 0.05
_ask = Client.manifest


def ask_once(self: Client, etag: str | None) -> FetchedManifest | None:
    """A list when there is none yet; then it is said to be the newest."""
    return None if etag else _ask(self, etag)


def stay_away(self: WakeLine) -> None:
    """Connect to nobody."""


def work_for_nothing() -> None:
    """A good part of a core."""
    while True:
        until_s = time.thread_time() + BUSY_S
        while time.thread_time() < until_s:
            pass
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    held = b"\1" * HELD_BYTES
    Client.manifest = ask_once  # type: ignore[method-assign]
    WakeLine.start = stay_away  # type: ignore[method-assign]
    threading.Thread(target=work_for_nothing, daemon=True).start()
    sys.exit(main())
