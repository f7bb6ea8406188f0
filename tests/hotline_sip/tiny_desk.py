"""``python -m tests.hotline_sip.tiny_desk``: telephony with the real desk for outgoing calls.

Nobody answers calls here. Every prompt is a tone: what staff hear 500 Hz, what residents hear 900.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from core import logs, settings
from core.sealed import Sealer
from hotline import telephony
from hotline.call import Driver
from hotline.outgoing.desk import OutgoingDesk
from tests.hotline_sip.tiny import TinyConversation, _ready, _tone

STAFF_HZ, RESIDENT_HZ, PAUSE_HZ = 500, 900, 0


class Tones:
    """Prompts of one second each."""

    def __init__(self, folder: Path) -> None:
        self._paths = {
            "pause": _tone(folder / "pause.wav", PAUSE_HZ, 0.5),
            "out_bridge_resident": _tone(folder / "resident.wav", RESIDENT_HZ, 1.0),
        }
        self._other = _tone(folder / "staff.wav", STAFF_HZ, 1.0)

    def sounds(self, ids: tuple[str, ...]) -> list[Path]:
        return [self._paths.get(name, self._other) for name in ids]


def main() -> None:
    config = settings.load()
    logs.configure("telephony")
    tones = Tones(config.folder("tones"))

    def desk(driver: Driver) -> OutgoingDesk:
        return OutgoingDesk(config, Sealer.from_settings(config), driver, tones)

    asyncio.run(telephony.serve(config, TinyConversation(config), _ready, desk))


if __name__ == "__main__":
    main()
    sys.exit(0)
