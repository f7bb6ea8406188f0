"""Villagers who phone a town under test, one or twenty at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from core.settings import Settings
from demo.call import heard_reference
from demo.phone import CallResult, Press, Say, Step, Wait, WaitQuiet, place_call
from hotline import prompts
from tests.road.town import Town

VOICE_S = 4
REPORT: list[Step] = [
    Wait(1.5), Press("1"), Wait(1.0), Press("1"), WaitQuiet(1.2), Say(), Wait(0.5), Press("#"),
]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What one caller was told; the numbers are None when none was heard."""

    result: CallResult
    reference_no: str | None


def phone(
    town: Town, voice_8k: bytes, count: int = 1, script: list[Step] | None = None
) -> list[Answer]:
    """``count`` calls at the same time; returns what each heard."""
    return asyncio.run(phone_soon(town, voice_8k, count, script))


async def phone_soon(
    town: Town, voice_8k: bytes, count: int = 1, script: list[Step] | None = None
) -> list[Answer]:
    """As ``phone``, inside an event loop that also breaks things meanwhile."""
    spoken = prompts.prepare(Settings(data_dir=town.folder))
    results = await asyncio.gather(
        *(
            place_call(
                ("127.0.0.1", town.sip_port),
                voice_8k,
                script or REPORT,
                caller=f"1390000{number:04d}",
                called="hotline",
                host="127.0.0.1",
                hang_up=False,
            )
            for number in range(count)
        )
    )
    return [Answer(result, heard_reference(result.heard, spoken)[0]) for result in results]
