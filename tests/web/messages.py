"""Finds every sentence that people may read: in templates and behind N_ in the rooms' code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jinja2.ext

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "core", "recordings", "transcribe", "cases", "schedule", "hotline", "broadcast", "desk", "web",
)  # fmt: skip
MARKERS = {"N_", "_", "gettext"}


def of_templates(folder: Path = ROOT / "web" / "templates") -> Iterator[tuple[str, str]]:
    """(message id, file) of each sentence in the templates."""
    for path in sorted(folder.rglob("*.*")):
        with path.open("rb") as stream:
            options = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
            for _line, _function, message, _ in jinja2.ext.babel_extract(
                stream, ("_", "gettext", "ngettext"), (), options
            ):
                first = message if isinstance(message, str) else message[0]  # of a plural
                yield str(first), path.relative_to(ROOT).as_posix()


def of_python(rooms: tuple[str, ...] = ROOMS) -> Iterator[tuple[str, str]]:
    """(message id, file) of each marked sentence in the code."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[0]
                if (
                    name in MARKERS
                    and isinstance(first, ast.Constant)
                    and isinstance(first.value, str)
                ):
                    yield first.value, path.relative_to(ROOT).as_posix()


def everything() -> dict[str, str]:
    """Message id -> the first file that uses it."""
    found: dict[str, str] = {}
    for message, where in (*of_templates(), *of_python()):
        found.setdefault(message, where)
    return found
