"""``python -m transcribe grammar build|measure|on|off --area CODE``."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.blobs import BlobStore
from core.database import Database
from core.errors import N_, NotFound
from core.settings import Settings
from transcribe import grammar, grammar_trial
from transcribe.commands import load_settings
from transcribe.decoder import Decoder
from transcribe.models import AreaGrammar
from transcribe.sounds import Sounds

LOGIN = "command line"


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe grammar",
        description="A language model of an area's own words and sentences.",
    )
    steps = {
        "build": "make it from the area's words and corrected texts",
        "measure": "hear the held out recordings with it and without it",
        "on": "use it, if it was measured to help",
        "off": "hear without it again",
    }
    parser.add_argument(
        "step", choices=steps, help="; ".join(f"{k}: {v}" for k, v in steps.items())
    )
    parser.add_argument("--area", required=True, metavar="CODE", help="12 digits")
    chosen = parser.parse_args(arguments)
    config = load_settings()
    database = Database.from_settings(config)
    try:
        if chosen.step == "measure":
            _measure(config, database, _latest(database, chosen.area))
        else:
            _change(config, database, chosen.step, chosen.area)
        _print(_latest(database, chosen.area))
    finally:
        database.close()
    return 0


def _change(config: Settings, database: Database, step: str, area_code: str) -> None:
    with database.write() as session:
        if step == "build":
            grammar.build(session, config, area_code)
            return
        row = grammar.latest(session, area_code)
        if row is None:
            raise NotFound(N_("This area has no grammar yet. Build it first."))
        if step == "on":
            grammar.switch_on(session, config, row, LOGIN)
        else:
            grammar.switch_off(session, row, LOGIN)


def _latest(database: Database, area_code: str) -> AreaGrammar:
    with database.read() as session:
        row = grammar.latest(session, area_code)
    if row is None:
        raise NotFound(N_("This area has no grammar yet. Build it first."))
    return row


def _measure(config: Settings, database: Database, row: AreaGrammar) -> None:
    with database.read() as session:
        model = grammar.model_of(session, config, row.area_code)
    if model.warning:
        print(f"Warning: {model.warning}")
    sounds = Sounds.from_settings(config, BlobStore.from_settings(config))
    with tempfile.TemporaryDirectory(prefix="xiangyin-") as folder:
        decoder = Decoder(model.path, Path(folder) / "decoder")
        try:
            decoder.start()
            grammar_trial.measure(config, database, sounds, Path(folder), row.id, decoder)
        finally:
            decoder.close()


def _print(row: AreaGrammar) -> None:
    used = "in use" if row.active else "not in use"
    print(
        f"{row.area_code}  {row.state}, {used}  {len(row.sentences)} sentences  {row.sha256[:16]}"
    )
    if row.cer_without is not None and row.cer_with is not None:
        print(
            f"characters wrong: {row.cer_without:.2%} without, {row.cer_with:.2%} with it "
            f"({row.characters} characters of {row.held_out} held out recordings; "
            f"{row.better} better, {row.worse} worse)"
        )
    if row.note:
        print(f"no word of the model has: {row.note}")
