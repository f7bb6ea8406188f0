"""``python -m transcribe models``: install, choose, list and remove speech models."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from transcribe import catalogue, choices, install, known, records
from transcribe.catalogue import InstalledModel
from transcribe.choices import Place
from transcribe.commands import load_settings
from transcribe.fetch import Progress

if TYPE_CHECKING:
    from core.settings import Settings

MEGABYTE = 10**6
QUIET_S = 10.0
"""Between two lines of progress where the output is no terminal."""


def run(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    config = load_settings()
    if chosen.command == "install":
        _install(config, chosen)
    elif chosen.command == "use":
        catalogue.choose(config, chosen.name, _place(chosen), accept_changes=chosen.accept_changes)
    elif chosen.command == "unuse":
        catalogue.release(config, _place(chosen))
    elif chosen.command == "remove":
        catalogue.remove(config, chosen.name)
    _print_models(config)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m transcribe models")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="installed models and where each is used; * is the default")
    installs = commands.add_parser(
        "install",
        help="install a Vosk model and use it",
        description=f"Known by name: {', '.join(known.KNOWN)}.",
    )
    source = installs.add_mutually_exclusive_group(required=True)
    source.add_argument("name", nargs="?", help="a known model, from its publisher's site")
    source.add_argument("--url", help="address of an archive")
    source.add_argument("--zip", type=Path, help="archive as published")
    source.add_argument("--dir", type=Path, help="unpacked model")
    installs.add_argument("--sha256", help="expected hash of the archive")
    installs.add_argument("--mirror", help="folder on the web that holds the known archives")
    use = commands.add_parser("use", help="use another installed model; it is tried first")
    use.add_argument("name")
    use.add_argument(
        "--accept-changes", action="store_true", help="its files were changed on purpose"
    )
    unuse = commands.add_parser("unuse", help="choose nothing any more for a place")
    for command in (installs, use, unuse):
        place = command.add_mutually_exclusive_group(required=command is unuse)
        place.add_argument("--area", metavar="CODE", help="for this area and all below it")
        place.add_argument("--language", metavar="TAG", help="for this language, such as yue or en")
    commands.add_parser("remove", help="delete a model that is used nowhere").add_argument("name")
    return parser


def _place(chosen: argparse.Namespace) -> Place:
    return Place(area_code=chosen.area, language=chosen.language)


def _install(config: Settings, chosen: argparse.Namespace) -> None:
    place = _place(chosen)
    if chosen.zip:
        model = install.from_zip(chosen.zip, config, sha256=chosen.sha256, place=place)
    elif chosen.dir:
        model = install.from_folder(chosen.dir, config, place=place)
    else:
        model = _download(config, chosen, place)
    _tell(config, model)


def _download(config: Settings, chosen: argparse.Namespace, place: Place) -> InstalledModel:
    size_bytes = None
    if chosen.url:
        url = chosen.url
    else:
        found = known.find(chosen.name)
        url, size_bytes = found.url(chosen.mirror or config.model_mirror), found.size_bytes
    print(f"Fetching {url}", file=sys.stderr, flush=True)
    return install.from_url(
        url, config, sha256=chosen.sha256, size_bytes=size_bytes, place=place,
        on_progress=_ProgressLine(),
    )  # fmt: skip


class _ProgressLine:
    """Bytes, percent, rate and what remains: one line that changes, or now and then a new one."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = float("-inf")

    def __call__(self, progress: Progress) -> None:
        is_last = progress.done_bytes == progress.total_bytes
        if not self._is_terminal and not is_last and time.monotonic() - self._shown_at < QUIET_S:
            return
        self._shown_at = time.monotonic()
        begin, end = ("\r", "\n" if is_last else "") if self._is_terminal else ("", "\n")
        print(f"{begin}{progress_text(progress)}", end=end, file=sys.stderr, flush=True)


def progress_text(progress: Progress) -> str:
    """One line: "12.3 of 43.9 MB  28 %  1.5 MB/s  0:21 left"."""
    done, rate = progress.done_bytes / MEGABYTE, progress.rate / MEGABYTE
    if progress.total_bytes is None or progress.left_s is None:
        return f"{done:.1f} MB  {rate:.1f} MB/s"
    minutes, seconds = divmod(round(progress.left_s), 60)
    total = progress.total_bytes
    percent = progress.done_bytes * 100 // max(total, 1)
    amount = f"{done:.1f} of {total / MEGABYTE:.1f} MB  {percent} %"
    return f"{amount}  {rate:.1f} MB/s  {minutes}:{seconds:02d} left"


def _tell(config: Settings, model: InstalledModel) -> None:
    """What was done beside unpacking."""
    folder = catalogue.folder(config)
    facts = records.installed(folder, model.name) or {}
    if facts.get("adjusted"):
        print(
            f"Set in mfcc.conf: {' '.join(facts['adjusted'])} (repeatable text, telephone sound); "
            "the original is kept beside it as mfcc.conf.orig-…",
            file=sys.stderr,
        )
    file_name = Path(facts.get("source", "")).name
    if (seen := records.archive(folder, file_name)) is not None:
        print(
            f"No published hash of {file_name} is known. Its SHA-256 at this download was "
            f"{seen['sha256']}; another one will be refused from now on.",
            file=sys.stderr,
        )


def _print_models(config: Settings) -> None:
    used = catalogue.current(config)
    models = catalogue.installed(config)
    if used not in models:
        models.append(used)
    chosen = choices.read(catalogue.folder(config))
    for model in models:
        mark = "*" if model == used else " "
        hears = "hears people" if model.hears_people else "does NOT hear people"
        print(f"{mark} {model.name}  {model.tree_hash[:16]}  {hears}  {model.path}")
        for place in chosen.places(model.name):
            if place.area_code or place.language:
                print(f"    for {place_text(place)}")
        for result in records.evaluations(catalogue.folder(config), model.tree_hash):
            print(f"    {result_text(result)}")
    for place in _orphans(chosen, {model.name for model in models}):
        print(f"  (the model chosen for {place_text(place)} is gone)", file=sys.stderr)
    if used.warning:
        print(f"Warning: {used.warning}", file=sys.stderr)


def _orphans(chosen: choices.Choices, present: set[str]) -> list[Place]:
    names = {*chosen.areas.values(), *chosen.languages.values(), chosen.default} - {None}
    return [
        place for name in sorted(set(map(str, names)) - present) for place in chosen.places(name)
    ]


def place_text(place: Place) -> str:
    if place.area_code:
        return f"area {place.area_code}"
    return f"language {place.language}" if place.language else "everything else"


def result_text(result: records.Record) -> str:
    """A kept result in one line."""
    spread = ""
    if result["cer_low"] is not None:
        spread = f" (95 %: {result['cer_low']:.1%} to {result['cer_high']:.1%})"
    return (
        f"{result['cer']:.1%} of {result['characters']} characters wrong{spread} on "
        f"{result['set']}, {result['at'][:10]}"
    )
