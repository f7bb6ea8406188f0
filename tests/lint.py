"""All static checks in one go: ``python -m tests.lint``; names each that fails, exits 1 then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_MODULE_LINES = 300
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports", "--no-logo"),
)


def long_modules() -> list[str]:
    """Modules over the house's limit of lines (tests and migrations included)."""
    skipped = {".venv", "var", "node_modules", "build"}
    found = []
    for path in ROOT.rglob("*.py"):
        inner = path.relative_to(ROOT)
        if not skipped.intersection(inner.parts) and "versions" not in inner.parts:
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > MAX_MODULE_LINES and inner.parts[0] != "tests":
                found.append(f"{inner}: {lines} lines, {MAX_MODULE_LINES} are allowed")
    return found


def main() -> int:
    failed = []
    for name, *arguments in CHECKS:
        print(f"> {name} {' '.join(arguments)}", flush=True)
        tool = Path(sys.executable).parent / name
        if subprocess.run([str(tool), *arguments], cwd=ROOT).returncode:
            failed.append(name)
    for line in long_modules():
        print(line)
        failed.append("module length")
    print("lint failed: " + ", ".join(sorted(set(failed))) if failed else "lint: all clean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
