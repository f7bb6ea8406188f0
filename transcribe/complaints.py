"""What a decoder process complained about, for people to read."""

from __future__ import annotations

import os
import re
from pathlib import Path

MAX_BYTES = 1 << 20
MAX_CHARACTERS = 300
_SOURCE = re.compile(r"\((?:VoskAPI)?:.*?\) ?")  # Kaldi's "(VoskAPI:Read():matrix.cc:610)"


class Complaints:
    """The file that takes the process' standard error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def so_far(self) -> int:
        """Its size; begun anew when it is too much."""
        size = self.path.stat().st_size
        if size > MAX_BYTES:
            os.truncate(self.path, 0)
            return 0
        return size

    def last(self, since: int = 0) -> str:
        """The last complaint after byte ``since``, or that there is none."""
        try:
            text = self.path.read_bytes()[since:][-8192:].decode(errors="replace")
        except OSError:
            text = ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line or "ASSERT" in line or "what()" in line]
        return _SOURCE.sub("", (errors or lines or ["no reason given"])[-1])[:MAX_CHARACTERS]
