"""``python -m tests.hotline_sip.tiny``: telephony with a tiny conversation that keeps notes.

It answers, plays a tone until a key comes, records until # (or silence, or the end of the call),
thanks and hangs up. Each call leaves ``notes/<call_id>.json`` and ``takes/<call_id>.pcm``.
``TINY_MODE``: "menu" as said, "record" at once, "ring" only, "journal" records at once into the
spool, as the real conversation does after consent.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

from core import logs, settings
from core.sealed import Sealer
from core.settings import Settings
from hotline import telephony
from hotline.call import Call, HungUp, Key, PlayEnded, RecordingStopped
from hotline.journal import Journal, spool_of

SILENCE_S = float(os.environ.get("TINY_SILENCE_S", "8"))
LIMIT_S = float(os.environ.get("TINY_LIMIT_S", "60"))
MODE = os.environ.get("TINY_MODE", "menu")


class TinyConversation:
    """Fulfils what telephony asks of a conversation factory."""

    def __init__(self, config: Settings) -> None:
        self._folder = folder = config.folder("tiny")
        self._spool, self._sealer = spool_of(config), Sealer.from_settings(config)
        for part in ("notes", "takes", "prompts"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._greeting = _tone(folder / "prompts" / "greeting.wav", 440, 2.0)
        self._thanks = _tone(folder / "prompts" / "thanks.wav", 660, 0.5)

    def prompt_paths(self) -> list[Path]:
        return [self._greeting, self._thanks]

    def turned_away(self, caller: str, called: str) -> None:
        (self._folder / "notes" / f"refused-{caller}").touch()

    async def converse(self, call: Call) -> None:
        notes: list[dict[str, Any]] = [{"caller": call.caller, "called": call.called}]
        try:
            if MODE == "ring":
                await self._until(call, notes, HungUp)
            elif MODE == "journal":
                await self._spool_it(call, notes)
            else:
                await self._menu(call, notes)
        finally:
            self._keep(call, notes)

    async def _menu(self, call: Call, notes: list[dict[str, Any]]) -> None:
        await call.answer()
        self._keep(call, notes)
        take = self._folder / "takes" / f"{call.call_id}.pcm"
        if MODE == "menu":
            call.play([self._greeting])
            if isinstance(await self._until(call, notes, Key, HungUp), HungUp):
                return
            call.stop_playing()
        call.record(take, limit_s=LIMIT_S, silence_s=SILENCE_S)
        stopped = await self._until(call, notes, RecordingStopped, on_key=call.stop_recording)
        if isinstance(stopped, RecordingStopped) and stopped.reason not in ("hangup", "network"):
            call.play([self._thanks])
            await self._until(call, notes, PlayEnded, HungUp)
            await call.hang_up("done")
        await self._until(call, notes, HungUp)

    async def _spool_it(self, call: Call, notes: list[dict[str, Any]]) -> None:
        journal = await asyncio.to_thread(
            Journal.begin, self._spool, self._sealer, call.call_id, call.caller, call.called
        )
        await call.answer()
        journal.answered()
        journal.consent("1", "speech", confidential=False)
        await asyncio.to_thread(journal.save)
        call.record(journal.take_path(1), limit_s=LIMIT_S, silence_s=SILENCE_S)
        self._keep(call, notes)
        stopped = await self._until(call, notes, RecordingStopped, on_key=call.stop_recording)
        journal.keep_take(1, stopped)
        await call.hang_up("done")
        journal.finish("completed")
        journal.save()
        journal.close()

    async def _until(
        self, call: Call, notes: list[dict[str, Any]], *kinds: type, on_key: Any = None
    ) -> Any:
        while True:
            event = await call.next_event(60)
            notes.append({"event": type(event).__name__, **_fields(event)})
            if event is None or isinstance(event, kinds):
                return event
            if on_key is not None and isinstance(event, Key) and event.digit == "#":
                on_key()

    def _keep(self, call: Call, notes: list[dict[str, Any]]) -> None:
        part = self._folder / "notes" / f"{call.call_id}.tmp"
        part.write_text(json.dumps(notes), encoding="utf-8")
        part.replace(part.with_suffix(".json"))


def _fields(event: Any) -> dict[str, Any]:
    return dataclasses.asdict(event) if dataclasses.is_dataclass(event) else {}


def _tone(path: Path, hertz: float, seconds: float) -> Path:
    time_s = np.arange(int(seconds * 8000)) / 8000
    samples = (8000 * np.sin(2 * np.pi * hertz * time_s)).astype("<i2")
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return path


def _ready() -> None:
    sys.stdout.write("READY\n")
    sys.stdout.flush()


def main() -> None:
    config = settings.load()
    logs.configure("telephony")
    conversations = TinyConversation(config)
    asyncio.run(telephony.serve(config, conversations, _ready))


if __name__ == "__main__":
    main()
    sys.exit(0)
