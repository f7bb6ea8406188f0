"""A PulseAudio of our own, whose sinks are pipes that somebody else drains at a pace of his own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48000
_READY_S = 20.0
_ALSA = Path("/usr/share/alsa")


class Daemon:
    """PulseAudio with one pipe-sink a name, away from any of the user's; may be killed."""

    def __init__(self, folder: Path, sinks: Sequence[str]) -> None:
        self.folder = folder
        self.sinks = tuple(sinks)
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        # The default device of ALSA, and so of PortAudio, is PulseAudio here.
        (folder / ".asoundrc").write_text(
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        (folder / "client.conf").write_text("autospawn = no\n")
        self._alsa = _bare_alsa(folder)

    def env(self, sink: str) -> dict[str, str]:
        """For a program whose sound shall go to ``sink``."""
        return {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "PULSE_RUNTIME_PATH": str(self.folder),
            "PULSE_SERVER": f"unix:{self.folder}/native",
            "PULSE_CLIENTCONFIG": str(self.folder / "client.conf"),
            "PULSE_SINK": sink,
            **self._alsa,
        }

    def pipe(self, sink: str) -> Path:
        """Where the sound of ``sink`` comes out."""
        return self.folder / f"{sink}.fifo"

    def start(self) -> None:
        """Run, and wait until programs can connect."""
        modules = [f"module-native-protocol-unix auth-anonymous=1 socket={self.folder}/native"]
        for name in self.sinks:
            self.pipe(name).unlink(missing_ok=True)
            modules.append(
                f"module-pipe-sink sink_name={name} file={self.pipe(name)}"
                f" rate={RATE_HZ} channels=1 format=s16le"
            )
        command = [*_first_of_all(), "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"]
        command += ["--disable-shm=yes", "--use-pid-file=no", "--high-priority=no"]
        for module in modules:
            command += ["-L", module]
        (self.folder / "native").unlink(missing_ok=True)
        with (self.folder / "pulse.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.env(""), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until_s = time.monotonic() + _READY_S
        wanted = [self.folder / "native", *map(self.pipe, self.sinks)]
        while not all(file.exists() for file in wanted):
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise RuntimeError((self.folder / "pulse.log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """As when it crashes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _bare_alsa(folder: Path) -> dict[str, str]:
    """Of ALSA's plug-ins the one to PulseAudio alone, as a box has none but its card.

    PulseAudio's package brings others, whose video codecs are 18 MB that no village player loads.
    """
    usual, bridge = _ALSA / "alsa.conf", _ALSA / "alsa.conf.d" / "50-pulseaudio.conf"
    if not usual.exists() or not bridge.exists():
        return {}
    bare = usual.read_text().replace('"/etc/alsa/conf.d"', f'"{bridge}"')
    (folder / "alsa.conf").write_text(bare)
    return {"ALSA_CONFIG_PATH": str(folder / "alsa.conf")}


def urgent() -> list[str]:
    """What to put before a command, so that it goes before other work, as a service may."""
    return _if_allowed(["nice", "-n", "-10"])


def _first_of_all() -> list[str]:
    """Real-time priority where it is allowed: a card's interrupt does not wait for its turn."""
    return _if_allowed(["chrt", "--fifo", "15"])


def _if_allowed(command: list[str]) -> list[str]:
    if shutil.which(command[0]) is None:
        return []
    trial = subprocess.run([*command, "true"], capture_output=True)
    return command if trial.returncode == 0 and not trial.stderr else []


@dataclass(frozen=True)
class Tape:
    """What came out of one sink. ``samples``: int16, the first at wall ``began_s``; ``rate_hz``:
    true pace. ``holes``: samples the program did not deliver in time."""

    samples: NDArray[np.int16]
    rate_hz: float
    began_s: float
    holes: int


class Drain:
    """A process that takes sound out of the pipes like converters whose crystals run wrong."""

    def __init__(
        self, daemon: Daemon, seconds: float, ppm: dict[str, float], pipe_bytes: int = 4096
    ) -> None:
        """``ppm`` of each sink; ``pipe_bytes``: how much sound its converter keeps in store."""
        self._folder = daemon.folder
        wishes = [f"{daemon.pipe(name)}:{deviation}" for name, deviation in ppm.items()]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.pulse_drain",
                str(seconds),
                str(pipe_bytes),
                *wishes,
            ],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has begun

    def tapes(self) -> tuple[dict[str, Tape], float]:
        """Wait for the end: what came out of each sink, and the longest stall of the host in ms."""
        out, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise RuntimeError("the drain failed")
        said = json.loads(out)
        tapes = {}
        for name, found in said["sinks"].items():
            samples = np.fromfile(self._folder / f"{name}.raw", dtype="<i2")
            tapes[name] = Tape(samples, found["rate_hz"], said["began_s"], found["holes"])
        return tapes, float(said["longest_gap_ms"])

    def finish(self) -> tuple[dict[str, Tape], float]:
        """End now instead."""
        self._process.send_signal(signal.SIGTERM)
        return self.tapes()

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def missing(*programs: str) -> str | None:
    """Which of these programs is not installed."""
    gone = [name for name in programs if shutil.which(name) is None]
    return f"not installed: {', '.join(gone)}" if gone else None
