"""``python -m transcribe worker``: a decoder of the office."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence

from core import logs
from core.blobs import BlobStore
from core.database import Database
from transcribe.commands import load_settings
from transcribe.worker import Worker


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe worker")
    parser.add_argument("--name", default="decoder-1", help="unique among running decoders")
    chosen = parser.parse_args(arguments)
    config = load_settings()
    logs.configure(chosen.name, config.log_level)
    database = Database.from_settings(config)
    worker = Worker(
        config,
        database,
        BlobStore.from_settings(config),
        chosen.name,
        on_ready=lambda: print("READY", flush=True),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # stop() rings a bell; from a thread, because a signal may interrupt the bell itself
        signal.signal(number, lambda *_: threading.Thread(target=worker.stop).start())
    try:
        worker.run_forever()
    finally:
        database.close()
    return 0
