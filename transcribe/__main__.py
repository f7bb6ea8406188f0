"""``python -m transcribe FILE...`` and the sub-commands of ``transcribe.commands.COMMANDS``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from core.errors import XiangyinError
from transcribe.commands import COMMANDS, EXIT_FAILED, EXIT_INTERRUPTED


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    name, rest = "files", arguments
    if arguments and arguments[0] in COMMANDS:
        name, rest = arguments[0], arguments[1:]
    try:
        return _command(name)(rest)
    except XiangyinError as error:
        print(error.text, file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _command(name: str) -> Callable[[Sequence[str]], int]:
    """The command's own module, loaded only when asked for: libraries take their time."""
    module = import_module(f"transcribe.commands.{name.replace('-', '_')}")
    run: Callable[[Sequence[str]], int] = module.run
    return run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
