"""``python -m transcribe FILE...``, ``python -m transcribe models …``, ``… worker``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import XiangyinError
from transcribe import audio, catalogue
from transcribe.decoder import Decoder
from transcribe.recogniser import STANDARD, Recognition

if TYPE_CHECKING:
    from core.settings import Settings

EXIT_FAILED = 1


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    commands = {"models": _models, "worker": _worker}
    try:
        if arguments and arguments[0] in commands:
            return commands[arguments[0]](arguments[1:])
        return _files(arguments)
    except XiangyinError as error:
        print(error.text, file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _settings() -> Settings:
    from core import settings

    return settings.load()


def _files(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe",
        description="Print what is said in sound files.",
        epilog="Other commands: 'models list', 'models install --zip FILE | --dir DIR', "
        "'models use NAME', 'worker --name NAME'. A file called like a command: ./worker",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a line and file")
    parser.add_argument("--model", type=Path, help="folder of the Vosk model to use")
    parser.add_argument("--jobs", type=int, default=0, help="files at a time; 0: one per core")
    chosen = parser.parse_args(arguments)
    model = catalogue.at(chosen.model) if chosen.model else catalogue.current(_settings())
    if model.warning:
        print(f"Warning: {model.warning}", file=sys.stderr)
    jobs = min(chosen.jobs or len(os.sched_getaffinity(0)), len(chosen.files))
    failed = False
    with _decoder(model) as (decoder, work_dir), ThreadPoolExecutor(max(jobs, 1)) as pool:
        hearings = [
            pool.submit(_hear, decoder, model, path, work_dir / f"{number}.wav")
            for number, path in enumerate(chosen.files)
        ]
        for path, hearing in zip(chosen.files, hearings, strict=True):
            try:
                heard = hearing.result()
            except (XiangyinError, OSError) as error:
                failed = True
                why = error.text if isinstance(error, XiangyinError) else error
                print(f"{path}: {why}", file=sys.stderr, flush=True)
                continue
            print(_as_json(path, heard, model) if chosen.json else heard.text, flush=True)
    return EXIT_FAILED if failed else 0


@contextlib.contextmanager
def _decoder(model: catalogue.InstalledModel) -> Iterator[tuple[Decoder, Path]]:
    with tempfile.TemporaryDirectory(prefix="xiangyin-") as name:
        work_dir = Path(name)
        decoder = Decoder(model.path, work_dir / "decoder")
        try:
            decoder.start()
            yield decoder, work_dir
        finally:
            decoder.close()


def _hear(
    decoder: Decoder, model: catalogue.InstalledModel, path: Path, prepared: Path
) -> Recognition:
    try:
        return decoder.decode(audio.prepare(path, prepared, takes_8khz=model.takes_8khz))
    finally:
        prepared.unlink(missing_ok=True)


def _as_json(path: Path, heard: Recognition, model: catalogue.InstalledModel) -> str:
    shown: dict[str, Any] = {
        "file": str(path),
        "text": heard.text,
        "confidence": heard.confidence,
        "diagnosis": heard.diagnosis,
        "duration_ms": heard.duration_ms,
        "sample_rate_hz": heard.sample_rate_hz,
        "utterances": [
            {"text": said.text, "start_ms": said.start_ms, "end_ms": said.end_ms}
            for said in heard.utterances
        ],
        "words": [asdict(word) for word in heard.words],
        "model": model.name,
        "model_hash": model.tree_hash,
        "hears_people": model.hears_people,
        "warning": model.warning,
        "decoder": STANDARD.to_json(),
    }
    return json.dumps(shown, ensure_ascii=False)


def _models(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe models")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="installed models; * marks the one in use")
    install = commands.add_parser("install", help="install a Vosk model and use it")
    source = install.add_mutually_exclusive_group(required=True)
    source.add_argument("--zip", type=Path, help="archive as published")
    source.add_argument("--dir", type=Path, help="unpacked model")
    install.add_argument("--sha256", help="expected hash of the archive")
    use = commands.add_parser("use", help="use another installed model")
    use.add_argument("name")
    chosen = parser.parse_args(arguments)
    settings = _settings()
    if chosen.command == "install":
        if chosen.zip:
            catalogue.install_zip(chosen.zip, settings, sha256=chosen.sha256)
        else:
            catalogue.install_dir(chosen.dir, settings)
    elif chosen.command == "use":
        catalogue.choose(settings, chosen.name)
    _print_models(settings)
    return 0


def _print_models(settings: Settings) -> None:
    used = catalogue.current(settings)
    models = catalogue.installed(settings)
    if used not in models:
        models.append(used)
    for model in models:
        mark = "*" if model == used else " "
        hears = "hears people" if model.hears_people else "does NOT hear people"
        print(f"{mark} {model.name}  {model.tree_hash[:16]}  {hears}  {model.path}")
    if used.warning:
        print(f"Warning: {used.warning}", file=sys.stderr)


def _worker(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe worker")
    parser.add_argument("--name", default="decoder-1", help="unique among running decoders")
    chosen = parser.parse_args(arguments)
    from core import logs
    from core.blobs import BlobStore
    from core.database import Database
    from transcribe.worker import Worker

    settings = _settings()
    logs.configure(chosen.name, settings.log_level)
    database = Database.from_settings(settings)
    worker = Worker(
        settings,
        database,
        BlobStore.from_settings(settings),
        chosen.name,
        on_ready=lambda: print("READY", flush=True),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # stop() rings a bell; from a thread, because a signal may interrupt the bell itself
        signal.signal(number, lambda *_: threading.Thread(target=worker.stop).start())
    try:
        worker.run_forever()
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
