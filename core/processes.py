"""The processes of one machine; their rooms by name, because core stands below them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.settings import Settings
from core.supervisor import ChildSpec

SERVER = Path(__file__).resolve().parent.parent / "server.py"


def children(config: Settings) -> list[ChildSpec]:
    """In the order of their start when nothing has to wait; they stop in reverse."""
    decoders = config.decoders or max(1, (os.cpu_count() or 2) - 1)
    names = [f"decoder-{number}" for number in range(1, decoders + 1)]
    broker = [] if config.mqtt_url else [_module("broker", "broadcast", "broker")]
    live = [_module("live", "transcribe", "live")] if config.live_streams else []
    sip = config.telephony == "sip"
    signalling = [_module("signalling", "hotline", "signalling")] if sip else []
    return [
        *broker,
        ChildSpec("web", [sys.executable, str(SERVER), "web"], needs_database=True),
        *(_decoder(name) for name in names),
        *live,
        _module("telephony", "hotline", "telephony"),
        *signalling,
    ]


def _module(name: str, *words: str, needs_database: bool = False) -> ChildSpec:
    return ChildSpec(name, [sys.executable, "-m", *words], needs_database=needs_database)


def _decoder(name: str) -> ChildSpec:
    return _module(name, "transcribe", "worker", "--name", name, needs_database=True)
