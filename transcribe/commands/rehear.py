"""``python -m transcribe rehear``: hear again what an earlier model heard.

What is worth it depends on reports and cases, of which this room knows nothing; so the desk's own
program runs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    return subprocess.call([sys.executable, "-m", "desk", "rehear", *arguments])
