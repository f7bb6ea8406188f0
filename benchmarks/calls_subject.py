"""The hotline's telephony with the shortest conversation: answer, record until #, hang up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core import logs, settings
from hotline import telephony
from hotline.call import Call, HungUp, Key, RecordingStopped


class RecordOnly:
    """A conversation factory that plays nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prompt_paths(self) -> list[Path]:
        return []

    def turned_away(self, caller: str, called: str) -> None:
        """Nobody is phoned back here."""

    async def converse(self, call: Call) -> None:
        await call.answer()
        call.record(self._folder / f"{call.call_id}.pcm", limit_s=120, silence_s=30)
        while not isinstance(event := await call.next_event(None), RecordingStopped | HungUp):
            if isinstance(event, Key) and event.digit == "#":
                call.stop_recording()
        await call.hang_up("done")


def main() -> None:
    """Run until SIGTERM; takes lie in <data_dir>/takes."""
    config = settings.load()
    logs.configure("telephony")
    conversations = RecordOnly(config.folder("takes"))
    asyncio.run(telephony.serve(config, conversations, lambda: print("READY", flush=True)))


if __name__ == "__main__":
    main()
