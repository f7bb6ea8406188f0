"""The decoder process with sounds that break it: a crash, an abort, no end, all the memory.

``python -m benchmarks.burst_poison MODEL`` is ``transcribe.decoding`` but for sounds that begin
with a marker of ``KINDS``: what those do to their process is real.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from transcribe import decoding
from transcribe.recogniser import STANDARD, DecoderConfig, Recognition
from transcribe.vosk import VoskRecogniser

MARK_BYTES = 16


def crash() -> None:
    """Read from address 0."""
    ctypes.string_at(0)


def spin() -> None:
    """Use the processor without end."""
    while True:
        pass


def swell() -> None:
    """Take memory, and touch it, until there is none."""
    taken = []
    while True:
        taken.append(b"x" * (1 << 25))


KINDS: dict[bytes, Callable[[], None]] = {
    b"burst:crash 0123": crash,
    b"burst:abort 0123": os.abort,
    b"burst:spin  0123": spin,
    b"burst:swell 0123": swell,
}


class Poisonable(VoskRecogniser):
    """Vosk, but a marked sound does to the process what its marker says."""

    def recognise(
        self,
        pcm: Iterable[bytes],
        sample_rate_hz: int,
        config: DecoderConfig = STANDARD,
        grammar: Path | None = None,
    ) -> Recognition:
        pieces = iter(pcm)
        first = next(pieces, b"")
        KINDS.get(first[:MARK_BYTES], lambda: None)()
        return super().recognise(itertools.chain([first], pieces), sample_rate_hz, config, grammar)


def load(model: Path) -> VoskRecogniser:
    """As ``transcribe.decoding.load``."""
    recogniser = Poisonable(model)
    recogniser.recognise([bytes(decoding.WARM_UP_HZ)], decoding.WARM_UP_HZ)
    return recogniser


if __name__ == "__main__":
    decoding.load = load
    sys.exit(decoding.main(sys.argv[1:]))
