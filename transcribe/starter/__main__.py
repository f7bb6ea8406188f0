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
    make = commands.add_parser("build", help="the starter model, from nothing (see README.md)")
    make.add_argument("--quick", action="store_true", help="a small one, to try the recipe")
    make.add_argument("--into", type=Path, help="folder to work in (default: var/starter-build)")
    make.add_argument("--install", action="store_true", help="ship it, if it is good enough")
    chosen = parser.parse_args(arguments)
    try:
        return _slow(chosen) if chosen.command == "slow" else _build(chosen)
    except XiangyinError as error:
        print(error.text, file=sys.stderr)
        return 1


def _slow(chosen: argparse.Namespace) -> int:
    from transcribe.starter.slow import slow_down

    pairs = slow_down(chosen.model, chosen.out, chosen.work)
    print(f"{chosen.out}: {chosen.work:g} times the work, {pairs} pairs of layers added")
    return 0


def _build(chosen: argparse.Namespace) -> int:
    from transcribe.starter.build import Build, install
    from transcribe.starter.recipe import DEFAULT_BASE, FULL, QUICK, Place

    base = (chosen.into or DEFAULT_BASE).resolve()
    place = Place(base, QUICK if chosen.quick else FULL)
    report = Build(place, lambda text: print(f"> {text}", flush=True)).run()
    for step, spent in report["steps"].items():
        print(f"  {step}: {spent['wall_s']:.0f} s, {spent['cpu_s']:.0f} s of processor time")
    total_min = sum(spent["wall_s"] for spent in report["steps"].values()) / 60
    print(f"{place.model}: made in {total_min:.1f} min")
    for problem in report["shortcomings"]:
        print(f"  {problem}")
    if chosen.install:
        install(place.model, report)
        print("installed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
