"""``python -m transcribe live``: hears recordings while they are spoken."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from core import logs
from transcribe import live
from transcribe.commands import load_settings


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe live")
    parser.parse_args(arguments)
    config = load_settings()
    logs.configure("live", config.log_level)
    return live.main(config, lambda: print("READY", flush=True))
