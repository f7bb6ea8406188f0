"""``python -m transcribe.starter``: makes the starter model, and slower copies of a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import XiangyinError


def main(arguments: Sequence[str]) -> int:
    """Run one sub-command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m transcribe.starter", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    slow = commands.add_parser("slow", help="a slower copy of a model that hears exactly the same")
    slow.add_argument("model", type=Path, help="folder of the model to copy")
    slow.add_argument("out", type=Path, help="folder to make")
    slow.add_argument("--work", type=float, required=True, help="times the multiplications")
    chosen = parser.parse_args(arguments)
    try:
        return _slow(chosen)
    except XiangyinError as error:
        print(error.text, file=sys.stderr)
        return 1


def _slow(chosen: argparse.Namespace) -> int:
    from transcribe.starter.slow import slow_down

    pairs = slow_down(chosen.model, chosen.out, chosen.work)
    print(f"{chosen.out}: {chosen.work:g} times the work, {pairs} pairs of layers added")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
