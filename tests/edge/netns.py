"""A village behind one cable: a network namespace joined to ours, whose link tests pull."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_count = itertools.count()


def run(*command: str | Path, cwd: Path = Path("/")) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@dataclass
class Village:
    """A network namespace joined to ours by one cable."""

    name: str
    our_end: str
    our_address: str

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command is prefixed with to run there."""
        return ("ip", "netns", "exec", self.name)

    def cable(self, state: str) -> None:
        """``up`` or ``down``."""
        run("ip", "link", "set", self.our_end, state)

    def narrow(self, kbit_per_s: int) -> None:
        """From now on no more than this comes through to the village."""
        limit = ("rate", f"{kbit_per_s}kbit", "burst", "16kbit", "latency", "200ms")
        run("tc", "qdisc", "replace", "dev", self.our_end, "root", "tbf", *limit)

    def widen(self) -> None:
        """As fast as it goes again."""
        run("tc", "qdisc", "del", "dev", self.our_end, "root")


@contextmanager
def village() -> Iterator[Village]:
    """A new one; needs root."""
    number = (os.getpid() * 7 + next(_count)) % 250
    name, ours, theirs = f"village{number}", f"vo{number}", f"vi{number}"
    network = f"10.213.{number}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        run("ip", "addr", "add", f"{network}.1/30", "dev", ours)
        run("ip", "link", "set", ours, "up")
        for command in (
            ("addr", "add", f"{network}.2/30", "dev", theirs),
            ("link", "set", theirs, "up"),
            ("link", "set", "lo", "up"),
        ):
            run("ip", "-n", name, *command)
        yield Village(name, ours, f"{network}.1")
    finally:
        run("ip", "netns", "del", name)
