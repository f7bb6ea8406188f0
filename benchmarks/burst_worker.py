"""The product's decoder worker, its decoder process replaced by one that can be poisoned."""

from __future__ import annotations

import sys

from transcribe import decoder_process
from transcribe.commands import worker

if __name__ == "__main__":
    decoder_process.PROGRAM = "benchmarks.burst_poison"
    sys.exit(worker.run(sys.argv[1:]))
