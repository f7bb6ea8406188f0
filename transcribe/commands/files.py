"""``python -m transcribe FILE...``: print what is said in sound files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transcribe import batch, catalogue
from transcribe.commands import COMMANDS, EXIT_FAILED, load_settings
from transcribe.recogniser import DecoderConfig, Recognition


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe",
        description="Print what is said in sound files.",
        epilog="Other commands:\n"
        + "".join(f"  {name:<13} {what}\n" for name, what in COMMANDS.items())
        + "A file called like a command: ./worker",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a line and file")
    parser.add_argument("--model", type=Path, help="folder of the Vosk model to use")
    parser.add_argument("--jobs", type=int, default=0, help="files at a time; 0: one per core")
    parser.add_argument("--no-gate", action="store_true", help="decode long pauses, too")
    chosen = parser.parse_args(arguments)
    config = DecoderConfig(gate=not chosen.no_gate)
    model = catalogue.at(chosen.model) if chosen.model else catalogue.current(load_settings())
    if model.warning:
        print(f"Warning: {model.warning}", file=sys.stderr)
    failed = False
    for heard in batch.hear(model, chosen.files, jobs=chosen.jobs, config=config):
        if heard.recognition is None:
            failed = True
            why = heard.error.text if heard.error else "?"
            print(f"{heard.path}: {why}", file=sys.stderr, flush=True)
        elif chosen.json:
            print(_as_json(heard.path, heard.recognition, model, config), flush=True)
        else:
            print(heard.recognition.text, flush=True)
    return EXIT_FAILED if failed else 0


def _as_json(
    path: Path, heard: Recognition, model: catalogue.InstalledModel, config: DecoderConfig
) -> str:
    shown: dict[str, Any] = {
        "file": str(path),
        "text": heard.text,
        "confidence": heard.confidence,
        "diagnosis": heard.diagnosis,
        "remarks": list(heard.remarks),
        "duration_ms": heard.duration_ms,
        "sample_rate_hz": heard.sample_rate_hz,
        "utterances": [
            {
                "text": said.text,
                "start_ms": said.start_ms,
                "end_ms": said.end_ms,
                "confidence": round(said.confidence, 4),
                "alternatives": list(said.alternatives),
                "side": said.side,
            }
            for said in heard.utterances
        ],
        "words": [asdict(word) for word in heard.words],
        "model": model.name,
        "model_hash": model.tree_hash,
        "hears_people": model.hears_people,
        "warning": model.warning,
        "decoder": config.to_json(),
    }
    return json.dumps(shown, ensure_ascii=False)
