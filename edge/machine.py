"""What the machine tells of itself; whatever it does not tell is None."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

_THERMAL = Path("/sys/class/thermal")
_UPTIME = Path("/proc/uptime")


class Machine:
    """The box this program runs on. ``boot_id``: drawn anew at each start of the program."""

    def __init__(self, folder: Path, thermal: Path = _THERMAL, uptime: Path = _UPTIME) -> None:
        self.boot_id = uuid.uuid4().hex
        self._folder = folder
        self._thermal = thermal
        self._uptime = uptime

    def uptime_s(self) -> int | None:
        """Seconds since the machine was switched on."""
        try:
            return int(float(self._uptime.read_text().split()[0]))
        except (OSError, ValueError, IndexError):
            return None

    def temperature_c(self) -> float | None:
        """The hottest of its sensors."""
        found = []
        for sensor in self._thermal.glob("thermal_zone*/temp"):
            try:
                found.append(int(sensor.read_text()) / 1000)
            except (OSError, ValueError):
                continue
        return round(max(found), 1) if found else None

    def disk_free_bytes(self) -> int | None:
        """What is left on the disk of the player's folder."""
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return None
