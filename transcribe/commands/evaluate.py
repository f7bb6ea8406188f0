"""``python -m transcribe evaluate``: how many characters a model hears wrong."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from transcribe import catalogue, evaluate, records, spoken, unpack
from transcribe.catalogue import InstalledModel
from transcribe.commands import load_settings
from transcribe.evaluate import Clip, Evaluation
from transcribe.speechio import ErrorCounts

if TYPE_CHECKING:
    from core.settings import Settings


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe evaluate",
        description="Character error rate after SpeechIO's normalisation.",
        epilog="A set is a manifest: JSON list of {file, text}, or lines of path, tab, text. Made "
        f"here from the machine's own voice (says nothing about people): {', '.join(spoken.SETS)}.",
    )
    add_model(parser)
    parser.add_argument("--set", required=True, dest="set_name", metavar="SET")
    parser.add_argument("--json", action="store_true", help="one JSON object with every file")
    parser.add_argument("--texts", action="store_true", help="show what was said and heard")
    parser.add_argument("--jobs", type=int, default=0, help="files at a time; 0: one per core")
    chosen = parser.parse_args(arguments)
    config = load_settings()
    model = model_of(config, chosen.model)
    found = measure(config, model, clips_of(config, chosen.set_name), chosen.set_name, chosen.jobs)
    if chosen.json:
        shown = {"model": model.name, "model_hash": model.tree_hash, "set": chosen.set_name}
        print(json.dumps(shown | found.to_json(), ensure_ascii=False))
    else:
        print_results(found, with_texts=chosen.texts)
    return 0


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="DIR", help="folder or name of a model; else the default one"
    )


def model_of(config: Settings, given: str | None) -> InstalledModel:
    """The model a person named by its folder or by its name; the default one for None."""
    if given is None:
        return catalogue.current(config)
    if unpack.is_model(Path(given)) or "/" in given:
        return catalogue.at(Path(given))
    return catalogue.named(config, given)


def clips_of(config: Settings, set_name: str) -> list[Clip]:
    """The clips of one of our own sets, or of a manifest."""
    if set_name not in spoken.SETS:
        return evaluate.read_set(Path(set_name))
    size = len(spoken.SENTENCES) * len(spoken.SETS[set_name])
    return spoken.clips(config, set_name, on_clip=_counter("spoken", size))


def measure(
    config: Settings, model: InstalledModel, clips: Sequence[Clip], set_name: str, jobs: int = 0
) -> Evaluation:
    """Evaluate, showing progress, and keep the figures beside the model."""
    found = evaluate.evaluate(model, clips, jobs=jobs, on_clip=_counter("heard", len(clips)))
    records.keep_evaluation(
        catalogue.folder(config), model.tree_hash, evaluate.summary(found, set_name)
    )
    return found


def print_results(found: Evaluation, *, with_texts: bool) -> None:
    for result in found.results:
        print(f"{_line(result.counts)}  {result.clip.path.name}")
        if result.problem:
            print(f"         not heard: {result.problem}")
        elif with_texts:
            print(f"         said:  {result.clip.text}\n         heard: {result.heard}")
    print(f"{_line(found.total)}  in {len(found.results)} clips")
    if found.interval is not None:
        low, high = found.interval
        print(f"with 95 % certainty between {low:.1%} and {high:.1%} (bootstrap over clips)")


def _line(counts: ErrorCounts) -> str:
    rate = "   –  " if counts.rate is None else f"{counts.rate:6.1%}"
    return (
        f"{rate}  {counts.substitutions} wrong, {counts.deletions} missing, {counts.insertions} "
        f"too many of {counts.characters}"
    )


def _counter(what: str, total: int) -> Callable[[int], None]:
    """Shows progress on a terminal; elsewhere it would be litter."""

    def show(done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{what}: {done} of {total}", end=end, file=sys.stderr, flush=True)

    return show
