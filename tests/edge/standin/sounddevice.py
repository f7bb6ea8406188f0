"""A sound card for the player as a process: keeps PortAudio's contract, writes what it is given.

Each opened stream writes raw 16-bit samples to a file in the folder ``CARD_FOLDER``. With
``CARD_HANGS`` set it does not return from ``stop``: the sound has left, and nobody knows it yet.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_LATENCY_S = 0.1
_FOLDER = Path(os.environ["CARD_FOLDER"])


class PortAudioError(Exception):
    pass


def query_devices(kind: str | None = None) -> dict[str, str]:
    return {"name": "stand-in"}


def _terminate() -> None:
    pass


def _initialize() -> None:
    pass


class OutputStream:
    """Calls back in a thread of its own, as a card asks for its next buffer."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._running.set()
        self._thread.start()

    def stop(self, ignore_errors: bool = False) -> None:
        if os.environ.get("CARD_HANGS"):
            (_FOLDER / "stopping").touch()
            time.sleep(600)
        self._running.clear()
        self._thread.join()

    def abort(self, ignore_errors: bool = False) -> None:
        self._running.clear()
        self._thread.join()

    def close(self, ignore_errors: bool = False) -> None:
        pass

    def _run(self) -> None:
        count = self._options["blocksize"]
        block_s = count / self._options["samplerate"]
        opened_s, number = time.monotonic(), 0
        with (_FOLDER / f"{time.time_ns()}.raw").open("wb", buffering=0) as out:
            while self._running.is_set():
                due_s = opened_s + number * block_s
                time.sleep(max(0.0, due_s - time.monotonic()))
                stamps = SimpleNamespace(
                    currentTime=time.monotonic(), outputBufferDacTime=due_s + _LATENCY_S
                )
                block = np.zeros((count, 1), np.float32)
                status = SimpleNamespace(output_underflow=False)
                self._options["callback"](block, count, stamps, status)
                out.write((block[:, 0] * 32767).astype("<i2").tobytes())
                number += 1
