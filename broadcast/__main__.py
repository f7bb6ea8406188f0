"""``python -m broadcast broker``: the embedded MQTT broker."""

from __future__ import annotations

import sys

from broadcast import broker
from core import logs, settings
from core.errors import InvalidInput
from core.supervisor import EXIT_CONFIGURATION, READY


def main(arguments: list[str]) -> int:
    if arguments != ["broker"]:
        print("usage: python -m broadcast broker", file=sys.stderr)
        return 2
    config = settings.load()
    logs.configure("broker", config.log_level)
    try:
        return broker.main(config, lambda: print(READY, flush=True))
    except InvalidInput as error:
        print(error.text, file=sys.stderr)
        return EXIT_CONFIGURATION


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
