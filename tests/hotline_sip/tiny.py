"""``python -m tests.hotline_sip.tiny``: telephony with a tiny conversation that keeps notes.

It answers, plays a tone until a key comes, records until # (or silence, or the end of the call),
thanks and hangs up. Each call leaves ``notes/<call_id>.json`` and ``takes/<call_id>.pcm``.
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
from hotline import telephony
from hotline.call import Call, HungUp, Key, PlayEnded, RecordingStopped

SILENCE_S = float(os.environ.get("TINY_SILENCE_S", "8"))
LIMIT_S = float(os.environ.get("TINY_LIMIT_S", "60"))
MODE = os.environ.get("TINY_MODE", "menu")


class TinyConversation:
    """Fulfils what telephony asks of a conversation factory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("notes", "takes", "prompts"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._greeting = _tone(folder / "prompts" / "greeting.wav", 440, 2.0)
        self._thanks = _tone(folder / "prompts" / "thanks.wav", 660, 0.5)

    def prompt_paths(self) -> list[Path]:
        return [self._greeting, self._thanks]

    async def converse(self, call: Call) -> None:
        notes: list[dict[str, Any]] = [{"caller": call.caller, "called": call.called}]
        try:
            if MODE == "ring":
                await self._until(call, notes, HungUp)
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
    conversations = TinyConversation(config.folder("tiny"))
    asyncio.run(telephony.serve(config, conversations, _ready))


if __name__ == "__main__":
    main()
    sys.exit(0)
