"""``python -m broadcast broker``: the embedded MQTT broker; ``release WHEEL``: a program for
village players."""

from __future__ import annotations

import sys
from pathlib import Path

from broadcast import broker, releases
from broadcast.keys import ServerKey
from core import logs, settings
from core.blobs import BlobStore
from core.database import Database
from core.errors import XiangyinError
from core.settings import Settings
from core.supervisor import EXIT_CONFIGURATION, READY


def main(arguments: list[str]) -> int:
    match arguments:
        case ["broker"]:
            return _broker(settings.load())
        case ["release", wheel]:
            return _release(settings.load(), Path(wheel))
    print("usage: python -m broadcast broker | release WHEEL", file=sys.stderr)
    return 2


def _broker(config: Settings) -> int:
    logs.configure("broker", config.log_level)
    try:
        return broker.main(config, lambda: print(READY, flush=True))
    except XiangyinError as error:
        print(error.text, file=sys.stderr)
        return EXIT_CONFIGURATION


def _release(config: Settings, wheel: Path) -> int:
    database = Database.from_settings(config)
    try:
        with database.write() as session:
            store, signer = BlobStore.from_settings(config), ServerKey.from_settings(config)
            release = releases.add(session, store, signer, None, wheel.read_bytes())
            print(f"Version {release.version} is kept, signed and offered to players.")
    except OSError as error:
        print(f"{wheel} cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    except XiangyinError as error:
        print(error.text, file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
