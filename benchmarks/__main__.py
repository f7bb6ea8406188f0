"""``python -m benchmarks --list``, ``NAME [--json] [--quick]``; ``--all`` fills var/bench/."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks.harness import Result, missed

EXIT_MISSED = 1
EXIT_USAGE = 2


def modules() -> Iterator[tuple[str, ModuleType]]:
    """Every benchmark of this package, by name."""
    for found in sorted(pkgutil.iter_modules(benchmarks.__path__), key=lambda module: module.name):
        if found.name in ("harness", "__main__"):
            continue
        try:
            module = importlib.import_module(f"benchmarks.{found.name}")
        except ModuleNotFoundError as error:
            if error.name != "pytest":
                raise
            raise SystemExit(
                "The benchmarks need the tools of the tests; set them up:"
                " python3 bootstrap.py setup dev"
            ) from error
        if callable(getattr(module, "run", None)):
            yield found.name, module


def main(arguments: list[str]) -> int:
    """Run one benchmark; 0 only when all its targets are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="the benchmark to run")
    parser.add_argument("--all", action="store_true", help="run all, write a table to var/bench/")
    parser.add_argument("--list", action="store_true", help="name all benchmarks")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quick", action="store_true", help="a short run with its own targets")
    parser.add_argument("--minutes", type=float, help="how long, where a benchmark lets one choose")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        for name, module in modules():
            print(f"{name:16} {(module.__doc__ or '').strip().splitlines()[0]}")
        return 0
    known = dict(modules())
    if chosen.all:
        return run_all(known, chosen.quick)
    if chosen.name not in known:
        parser.print_usage(sys.stderr)
        print(f"Choose one of: {', '.join(known)}", file=sys.stderr)
        return EXIT_USAGE
    run: Callable[..., Result] = known[chosen.name].run
    if chosen.minutes is not None and "minutes" not in inspect.signature(run).parameters:
        print(f"{chosen.name} takes as long as it takes", file=sys.stderr)
        return EXIT_USAGE
    choice = {} if chosen.minutes is None else {"minutes": chosen.minutes}
    found = run(chosen.quick, **choice)
    print(json.dumps(found, ensure_ascii=False, indent=2) if chosen.json else table(found))
    return 0 if found["met"] else EXIT_MISSED


def run_all(known: dict[str, ModuleType], quick: bool) -> int:
    """Run each in turn; results.json and table.txt are complete after each one."""
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    for name, module in known.items():
        print(f"> {name}", flush=True)
        results.append(module.run(quick))
        print(table(results[-1]), flush=True)
        whole = json.dumps(results, ensure_ascii=False, indent=2)
        (folder / "results.json").write_text(whole + "\n", encoding="utf-8")
        tables = "\n\n".join(table(found) for found in results)
        (folder / "table.txt").write_text(tables + "\n", encoding="utf-8")
    return 0 if all(found["met"] for found in results) else EXIT_MISSED


def table(found: Result) -> str:
    """The result for a person's eyes."""
    failed = set(missed(found["figures"], found["targets"]))
    lines = [f"{found['name']}: {'met' if found['met'] else 'NOT met'}"]
    if found["invalid"]:
        lines.append(f"  invalid run: {found['invalid']}")
    for name, figure in found["figures"].items():
        target = found["targets"].get(name, "")
        mark = " MISSED" if name in failed else ""
        lines.append(f"  {name:40} {figure!s:>14}  {target}{mark}")
    lines += [
        f"  {name:40} {'missing':>14}  {target} MISSED"
        for name, target in found["targets"].items()
        if name not in found["figures"]
    ]
    lines.append("  on " + ", ".join(f"{key} {value}" for key, value in found["machine"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
