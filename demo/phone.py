"""A telephone for demonstrations, tests and benchmarks: calls the hotline by plain SIP over UDP.

It is written by hand, apart from the hotline's own stack, so that it is a foreign caller: it
offers PCMA (or PCMU) and telephone events, speaks and presses keys in real time and keeps what
it hears.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from demo.phone_dialog import Dialog, offer
from demo.phone_sound import FRAME_S, Sound
from hotline.sip.g711 import Codec


@dataclass(frozen=True)
class Wait:
    """Stay silent for ``seconds``."""

    seconds: float


@dataclass(frozen=True)
class WaitQuiet:
    """Listen until the other side has been silent for ``seconds``, at most ``limit_s``."""

    seconds: float = 0.8
    limit_s: float = 60.0


@dataclass(frozen=True)
class WaitVoice:
    """Listen until the other side speaks, at most ``limit_s``.

    What was said when a key was pressed is over after ``settle_s``: the voice is the answer to it.
    """

    settle_s: float = 0.4
    limit_s: float = 20.0


@dataclass(frozen=True)
class Press:
    """Press one key (0-9, * or #)."""

    key: str


@dataclass(frozen=True)
class Say:
    """Speak the call's sound from ``start_s`` to ``end_s`` (None: to its end)."""

    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Vanish:
    """Stop sending without a word, as a phone whose battery died."""


@dataclass(frozen=True)
class WaitFor:
    """Stay silent until ``event`` is set."""

    event: asyncio.Event


Step = Wait | WaitQuiet | WaitVoice | WaitFor | Press | Say | Vanish
SPEAKS_S = 0.1
"""Somebody who was silent for longer than this does not speak at the moment."""


@dataclass
class CallResult:
    """How a call went. ``heard`` is signed 16-bit PCM at 8 kHz, placed by arrival."""

    status: int = 0
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    heard: bytes = b""
    ended_by: str = ""
    """"us", "them" or "" when the call was never answered."""
    talked_s: float = 0.0
    last_packet_s: float = 0.0
    """Monotonic time of our last packet before the call ended."""


async def place_call(
    target: tuple[str, int],
    pcm8k: bytes,
    script: Sequence[Step],
    *,
    caller: str = "13900000001",
    called: str = "hotline",
    host: str = "127.0.0.1",
    codec: Codec = "PCMA",
    hang_up: bool = True,
) -> CallResult:
    """Call ``target``, follow ``script``, then hang up (or wait for the other side to).

    ``pcm8k`` is signed 16-bit little-endian mono at 8 kHz. Returns when the call is over; a call
    that is refused has a ``status`` of 300 and more, one that nobody answers has 0.
    """
    dialog, result = Dialog(host, target, caller, called), CallResult()
    payload_type = 8 if codec == "PCMA" else 0
    sound = Sound(codec, payload_type)
    port = await sound.open(host)
    await dialog.open()
    try:
        answer = await dialog.final("INVITE", offer(host, port, codec, payload_type))
        _note_answer(result, dialog, answer)
        if result.status == 200:
            await _talk(dialog, sound, answer, pcm8k, script, result, hang_up)
    finally:
        sound.close()
        dialog.close()
    return result


def _note_answer(result: CallResult, dialog: Dialog, answer: str) -> None:
    if not answer:
        return
    head = answer.split("\r\n\r\n")[0].split("\r\n")
    result.status, result.reason = int(head[0].split()[1]), head[0].split(" ", 2)[2]
    for line in head[1:]:
        name, _, value = line.partition(":")
        result.headers.setdefault(name.lower(), value.strip())
    dialog.remote = result.headers.get("to", dialog.remote)
    contact = re.search(r"<([^>]+)>", result.headers.get("contact", ""))
    if contact:
        dialog.uri = contact[1]
    dialog.request("ACK")


async def _talk(
    dialog: Dialog,
    sound: Sound,
    answer: str,
    pcm8k: bytes,
    script: Sequence[Step],
    result: CallResult,
    hang_up: bool,
) -> None:
    address = re.search(r"c=IN IP4 (\S+)", answer)
    port = re.search(r"m=audio (\d+)", answer)
    if address is None or port is None:
        raise ValueError("the answer names no place for sound")
    began = time.monotonic()
    speaking = asyncio.create_task(sound.run((address[1], int(port[1]))))
    script_task = asyncio.create_task(_follow(script, sound, pcm8k))
    over = asyncio.create_task(_wait_for_bye(dialog))
    try:
        waiting = {script_task, over} if hang_up else {over}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        result.last_packet_s = sound.sent_at_s
        if over.done():
            result.ended_by = "them"
        else:
            result.ended_by = "us"
            over.cancel()
            if not sound.muted:
                dialog.sequence += 1
                await dialog.final("BYE")
    finally:
        for task in (speaking, script_task, over):
            task.cancel()
        await asyncio.gather(speaking, script_task, over, return_exceptions=True)
        result.heard, result.talked_s = bytes(sound.heard), time.monotonic() - began


async def _follow(script: Sequence[Step], sound: Sound, pcm8k: bytes) -> None:
    for step in script:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, WaitFor):
            await step.event.wait()
        elif isinstance(step, Press):
            sound.press(step.key)
            await sound.all_sent()
        elif isinstance(step, Say):
            end = None if step.end_s is None else int(step.end_s * 8000) * 2
            sound.say(pcm8k[int(step.start_s * 8000) * 2 : end])
            await sound.all_sent()
        elif isinstance(step, WaitQuiet):
            sound.quiet_s, until = 0.0, time.monotonic() + step.limit_s
            while sound.quiet_s < step.seconds and time.monotonic() < until:
                await asyncio.sleep(FRAME_S)
        elif isinstance(step, WaitVoice):
            until = time.monotonic() + step.limit_s
            await asyncio.sleep(step.settle_s)
            while sound.quiet_s > SPEAKS_S and time.monotonic() < until:
                await asyncio.sleep(FRAME_S)
        else:
            sound.muted = True


async def _wait_for_bye(dialog: Dialog) -> None:
    while True:
        text = (await dialog.incoming.get()).decode()
        if text.startswith("BYE "):
            dialog.confirm(text)
            return
        if re.match(r"SIP/2\.0 200", text) and re.search(r"\nCSeq: \d+ INVITE", text):
            dialog.request("ACK")  # our first one was lost
