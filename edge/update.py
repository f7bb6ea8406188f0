"""A newer program: fetched, checked, and handed to ``edge.launch`` to be tried.

The running program is not touched. What the wheel needs of other packages must be here already:
the box installs nothing from the network.
"""

from __future__ import annotations

import base64
import binascii
import email
import importlib.metadata
import logging
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge import __version__
from edge.client import Client
from edge.commands import Answer
from edge.errors import ClipDamaged, EdgeError, UpdateRefused
from edge.launch import RELEASE_ENV, Releases, Trial, Wheel

log = logging.getLogger(__name__)
MAX_BYTES = 20_000_000
_RETRY_S = 20.0
_LOOK_S = 1.0
_START_LIMIT_S = 60.0
_VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9][0-9.]*))?")
_FIRST_WORDS = "import edge.__main__, edge.box, edge.decode"


@dataclass(frozen=True)
class Offer:
    """A program somebody wants here. ``downgrade``: signed as a way back."""

    command_id: str
    wheel: Wheel
    size_bytes: int
    downgrade: bool


def signed_text(version: str, sha256: str, size_bytes: int, *, downgrade: bool) -> str:
    """What the signature of a program is over."""
    kind = "downgrade" if downgrade else "release"
    return f"xiangyin-edge {kind}\n{version}\n{sha256}\n{size_bytes}"


def read_offer(payload: Mapping[str, Any], server_key: bytes) -> Offer:
    """The offer in a command; raises UpdateRefused unless it is signed and no step back."""
    try:
        wheel = Wheel(str(payload["version"]), str(payload["sha256"]))
        size_bytes, downgrade = int(payload["size_bytes"]), payload.get("downgrade") is True
        signature = base64.b64decode(str(payload["signature"]), validate=True)
        command_id = str(payload["id"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UpdateRefused(f"the offer is not understood: {error!r}") from error
    # Both become part of a file's name.
    if not _VERSION.fullmatch(wheel.version) or not _SHA256.fullmatch(wheel.sha256):
        raise UpdateRefused("the offer names an impossible version or hash")
    if not 0 < size_bytes <= MAX_BYTES:
        raise UpdateRefused(f"{size_bytes} bytes are more than a program may have")
    text = signed_text(wheel.version, wheel.sha256, size_bytes, downgrade=downgrade)
    try:
        Ed25519PublicKey.from_public_bytes(server_key).verify(signature, text.encode())
    except InvalidSignature:
        raise UpdateRefused("the signature of the program is wrong") from None
    if order(wheel.version) < order(__version__) and not downgrade:
        raise UpdateRefused(f"{wheel.version} is older than {__version__}, which runs here")
    return Offer(command_id, wheel, size_bytes, downgrade)


def order(version: str) -> tuple[int, ...]:
    """Versions as numbers, so that 0.10 comes after 0.9."""
    numbers = [int(part) for part in re.findall(r"\d+", version)[:4]]
    return tuple(numbers + [0] * (4 - len(numbers)))


def check_wheel(file: Path, version: str, python: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raise UpdateRefused unless the file is this program and finds here what it needs."""
    try:
        with zipfile.ZipFile(file) as wheel:
            names = wheel.namelist()
            (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
            told = email.message_from_bytes(wheel.read(about))
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UpdateRefused(f"it is no wheel: {error}") from error
    if told["Name"] != "xiangyin-edge" or told["Version"] != version:
        raise UpdateRefused(f"it is {told['Name']} {told['Version']}")
    if any(name.endswith((".so", ".pyd")) for name in names):
        raise UpdateRefused("it holds parts that cannot be run from a wheel")
    least = re.match(r">=(\d+)\.(\d+)", (told["Requires-Python"] or "").replace(" ", ""))
    if least and python < (int(least[1]), int(least[2])):
        raise UpdateRefused(f"it needs Python {told['Requires-Python']}")
    for line in told.get_all("Requires-Dist") or []:
        if "extra" not in line:
            _check_requirement(line.split(";")[0].strip())


def _check_requirement(line: str) -> None:
    found = _REQUIREMENT.fullmatch(line)
    if found is None:
        raise UpdateRefused(f"its requirement is not understood: {line}")
    name, least = found[1], found[2]
    try:
        here = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise UpdateRefused(f"it needs {line}, which is not installed here") from None
    if least and order(here) < order(least):
        raise UpdateRefused(f"it needs {line}, here is {here}")


def check_start(file: Path) -> None:
    """Raise UpdateRefused unless the program in the wheel can be loaded."""
    command = [sys.executable, "-P", "-c", _FIRST_WORDS]
    environment = {**os.environ, "PYTHONPATH": str(file.resolve())}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_START_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise UpdateRefused("it does not start in time") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UpdateRefused(f"it does not start: {last[:150]}")


class Updater:
    """Does the command ``update`` in the background, and says how it ended."""

    def __init__(
        self,
        releases: Releases,
        client: Client,
        server_key: bytes,
        trial_s: float,
        *,
        finish: Callable[[str, Answer], None],
        is_idle: Callable[[], bool],
        restart: Callable[[], None],
    ) -> None:
        """``is_idle``: nothing sounds now or soon; ``restart``: end this program with
        ``EXIT_RESTART``."""
        self._releases = releases
        self._client = client
        self._server_key = server_key
        self._trial_s = trial_s
        self._finish = finish
        self._is_idle = is_idle
        self._restart = restart
        self._stopped = threading.Event()
        self._busy = threading.Lock()

    def stop(self) -> None:
        """A transfer under way is continued when the command is repeated."""
        self._stopped.set()

    def take(self, payload: Mapping[str, Any]) -> Answer | None:
        """The handler of the command."""
        offer = read_offer(payload, self._server_key)
        if offer.wheel.version == __version__:
            return "done", f"{__version__} runs already"
        if self._releases.read().trial is not None:
            raise UpdateRefused("another program is on trial")
        if not self._busy.acquire(blocking=False):
            raise UpdateRefused("another update is under way")
        threading.Thread(target=self._run, args=(offer,), name="update", daemon=True).start()
        return None

    def report(self, begun: Collection[str], forget: Callable[[str], None]) -> None:
        """After a start: say how the last update ended, if it was given up.

        ``begun``: ids of updates without a result. Those that were cut off before their trial are
        forgotten, so that the server's repetition begins them again.
        """
        state = self._releases.read()
        if state.failed is not None and state.failed.command_id:
            self._finish(
                state.failed.command_id, ("refused", f"rolled back: {state.failed.reason}")
            )
        known = {found.command_id for found in (state.trial, state.failed) if found is not None}
        for command_id in set(begun) - known:
            forget(command_id)

    def prove(self) -> None:
        """The server has taken a report of this program: it has proved itself."""
        trial = self._releases.confirm()
        if trial is not None:
            log.warning("version %s has proved itself", trial.wheel.version)
            self._finish(trial.command_id, ("done", f"{trial.wheel.version} runs"))

    def _run(self, offer: Offer) -> None:
        try:
            self._stage(offer)
        except EdgeError as error:
            self._finish(offer.command_id, ("refused", str(error)))
        except Exception as error:
            log.exception("the update failed")
            self._finish(offer.command_id, ("refused", f"failed: {error!r}"))
        finally:
            self._busy.release()

    def _stage(self, offer: Offer) -> None:
        file = self._releases.path(offer.wheel.version)
        self._fetch(offer, file)
        try:
            check_wheel(file, offer.wheel.version)
            check_start(file)
        except UpdateRefused:
            file.unlink(missing_ok=True)
            raise
        while not self._is_idle():
            if self._stopped.wait(_LOOK_S):
                return
        trial = Trial(offer.wheel, offer.command_id, self._trial_s)
        state = self._releases.read()
        base = state.base if os.environ.get(RELEASE_ENV) else __version__
        self._releases.write(replace(state, base=base, trial=trial, failed=None))
        log.warning("version %s is here and will be tried", offer.wheel.version)
        self._restart()

    def _fetch(self, offer: Offer, file: Path) -> None:
        wheel = offer.wheel
        path = f"/releases/{wheel.version}"
        for attempt in range(3):
            if self._releases.is_whole(wheel):
                return
            try:
                self._try_fetch(offer, path, file)
            except ClipDamaged:
                if attempt == 2:
                    raise

    def _try_fetch(self, offer: Offer, path: str, file: Path) -> None:
        wheel = offer.wheel
        while not self._stopped.is_set():
            try:
                stopped = self._stopped.is_set
                self._client.fetch(path, wheel.sha256, offer.size_bytes, file, stopped)
                return
            except ClipDamaged:
                raise
            except EdgeError as error:
                if not error.again:
                    raise
                log.info("the program is not here yet: %s", error)
            self._stopped.wait(_RETRY_S)
        raise UpdateRefused("stopped")
