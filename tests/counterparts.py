"""Which real counterparts are on this machine; in CI a missing one is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAMS = {
    "sipp": "sipp",
    "baresip": "baresip",
    "mosquitto": "mosquitto",
    "postgresql": "initdb",
    "chromium": "chromium",
    "faketime": "faketime",
    "openfst": "fstcompose",
    "fail2ban": "fail2ban-regex",
    "dovecot": "dovecot",
    "pulseaudio": "pulseaudio",
    "snapcast": "snapserver",
}


def program_path() -> str:
    """PATH with the folders Debian keeps these programs in."""
    extra = ["/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))]
    return os.pathsep.join([os.environ.get("PATH", ""), *extra])


def find(name: str) -> str | None:
    """Path of the counterpart ``name``, or None."""
    return shutil.which(PROGRAMS.get(name, name), path=program_path())


def missing(name: str) -> str | None:
    """Why the counterpart ``name`` cannot be used here, or None when it can."""
    if name == "netns":
        if os.geteuid() != 0 or not shutil.which("ip"):
            return "network namespaces need root and iproute2"
        trial = subprocess.run(["unshare", "--net", "true"], capture_output=True)
        return None if trial.returncode == 0 else "network namespaces are not allowed here"
    return None if find(name) else f"{PROGRAMS.get(name, name)} is not installed"


def require(name: str) -> None:
    """Skip (or in CI fail) the running test unless the counterpart is there."""
    why = missing(name)
    if why is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"a counterpart is missing in CI: {why}")
    pytest.skip(why)
