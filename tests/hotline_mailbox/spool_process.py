"""The folder's watcher alone in a process, so that it can be killed: SETTINGS from the environment.

``python -m tests.hotline_mailbox.spool_process`` prints a line for each look that took something.
"""

from __future__ import annotations

import sys
import time

from core import settings
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from hotline.mailbox.duty import duties


def main() -> None:
    config = settings.load()
    (watcher,) = duties(
        Database.from_settings(config),
        BlobStore.from_settings(config),
        Sealer.from_settings(config),
        config,
    )
    while True:
        taken = watcher.run_once()
        sys.stdout.write(f"{taken}\n")
        sys.stdout.flush()
        time.sleep(0.2)


if __name__ == "__main__":
    main()
