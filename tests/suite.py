"""The whole suite: ``python -m tests.suite``; exits as pytest does.

Calls, players and browsers of the slow tests live in real time, which a busy machine does not
always give them. Where at most ``MAX_FILES`` files had slow tests that failed, and nothing else
did, these run once more with the machine to themselves. One that passes then is named as unsteady
and written to ``var/test/unsteady.txt``; one that fails again fails the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile", "--durations", "25")
"""Most tests wait for processes and calls: three at a time fit two cores."""
MAX_FILES = 2


class Suite:
    """The tests of the project in ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes = root / "var" / "test"
        self.unsteady = self.notes / "unsteady.txt"
        self._last_failed = self.notes / "cache" / "v" / "cache" / "lastfailed"

    def run(self) -> int:
        """All tests side by side and then, if need be, some alone."""
        self.unsteady.unlink(missing_ok=True)
        self._last_failed.unlink(missing_ok=True)
        code = self._pytest(*SIDE_BY_SIDE, "-o", f"cache_dir={self.notes / 'cache'}")
        failed = self._failed()
        if code != pytest.ExitCode.TESTS_FAILED or not self._deserve_another_run(failed):
            return code
        print(f"once more, alone: {', '.join(failed)}", flush=True)
        if (code := self._pytest("-p", "no:cacheprovider", *failed)) == pytest.ExitCode.OK:
            self._note_unsteady(failed)
        return code

    def _pytest(self, *arguments: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *arguments], cwd=self.root
        ).returncode

    def _failed(self) -> list[str]:
        if not self._last_failed.is_file():
            return []
        return sorted(json.loads(self._last_failed.read_text("utf-8")))

    def _deserve_another_run(self, failed: list[str]) -> bool:
        """Whether all of them live in real time, in few files."""
        if not failed or len({name.split("::")[0] for name in failed}) > MAX_FILES:
            return False
        slow = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "slow",
             "-p", "no:cacheprovider", *failed],
            cwd=self.root, capture_output=True, text=True,
        ).stdout  # fmt: skip
        return set(failed) <= set(slow.splitlines())

    def _note_unsteady(self, failed: list[str]) -> None:
        text = "".join(f"{name}\n" for name in failed)
        self.unsteady.write_text(text, encoding="utf-8")
        print(f"UNSTEADY: failed beside other tests, passed alone. Find out why:\n{text}", end="")


if __name__ == "__main__":
    sys.exit(Suite(ROOT).run())
