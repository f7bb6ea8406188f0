"""A desk for outgoing calls with a fake driver, and a directory with people on duty."""

from __future__ import annotations

import asyncio
import uuid
import wave
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.clock import utc_now
from core.sealed import Sealer
from core.settings import Settings
from hotline import directory
from hotline.directory import Directory, DutyPhone, Village
from hotline.outgoing.contract import Outcome
from hotline.outgoing.desk import OutgoingDesk
from hotline.outgoing.outcomes import Ledger, parse
from hotline.outgoing.texts import TEXTS
from tests.hotline.fake_call import FakeCall
from tests.hotline.fake_driver import FakeDriver

STAFF, RESIDENT, CALLER = "13900000001", "13700000002", "13812345678"
FIRST, SECOND, THIRD = "13100000001", "13100000002", "13100000003"
VILLAGE = "513221100201"


def silence(path: Path) -> None:
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(320))


class Spoken:
    """One silent file for each prompt."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.paths = {name: folder / f"{name}.wav" for name in (*TEXTS["zh_CN"], "pause", "beep")}
        for path in self.paths.values():
            silence(path)

    def sounds(self, ids: tuple[str, ...]) -> list[Path]:
        return [self.paths[name] for name in ids]


class Town:
    """Everything that telephony's side of the outgoing calls needs."""

    def __init__(self, settings: Settings, sealer: Sealer, **changed: Any) -> None:
        self.settings = settings.model_copy(update={"trunk_host": "10.0.0.9", **changed})
        self.sealer = sealer
        self.driver = FakeDriver()
        self.ledger = Ledger(self.settings)
        self.spoken = Spoken(self.settings.data_dir / "spoken")
        self.desk = self.new_desk()

    def new_desk(self) -> OutgoingDesk:
        """As after a restart of the process."""
        return OutgoingDesk(
            self.settings,
            self.sealer,
            self.driver,
            self.spoken,
            pause=self.pause,
            monotonic_s=lambda: self.driver.now_s,
        )

    async def pause(self, seconds: float) -> None:
        """It passes at once."""
        self.driver.now_s += seconds
        await asyncio.sleep(0)

    def people(self, kind: str, *numbers: str, with_sound: bool = True) -> None:
        """Let these phones answer for the village, in this order."""
        sound = directory.folder(self.settings) / "village.wav"
        silence(sound)
        village = Village(VILLAGE, "桃坪村", "101", sound.name if with_sound else None)
        before = directory.Reader(self.settings).current().phones
        phones = before + tuple(
            DutyPhone(f"{kind}:{n}", "值班", kind, self.sealer.seal(number))
            for n, number in enumerate(numbers, 1)
        )
        directory.store(self.settings, Directory({VILLAGE: village}, {}, phones))

    def order(self, **changed: Any) -> dict[str, Any]:
        return {
            "order_id": str(uuid.uuid4()),
            "expires_at": (utc_now() + timedelta(minutes=2)).isoformat(),
            "legs": [
                {"who": "user:1", "number": STAFF, "name": "王"},
                {"who": "resident", "number": RESIDENT},
            ],
            **changed,
        }

    def carry_out(self, order: dict[str, Any]) -> Any:
        """Give the order and let everything it sets off come to its end."""
        return self.live(lambda: self.desk.take_order(order))

    def live(self, do: Callable[[], Awaitable[Any]]) -> Any:
        async def play() -> Any:
            async with asyncio.timeout(20):
                answer = await do()
                while others := asyncio.all_tasks() - {asyncio.current_task()}:
                    await asyncio.wait(others)
                return answer

        return asyncio.run(play())

    def ring_duty(
        self, caller: str = CALLER, village: str | None = VILLAGE, *calls: str
    ) -> Outcome:
        """Of one call, or of several at the same moment; what came of one of them."""

        async def begin() -> None:
            for call_id in calls or ("call-1",):
                self.desk.ring_duty(
                    call_id, caller=caller, village_code=village, reference_no="123456789"
                )

        self.live(begin)
        return next(found for found in self.outcomes() if found.kind == "duty")

    def duty_results(self) -> dict[str | None, str | None]:
        """What came of each call's duty ring."""
        return {one.call_id: one.result for one in self.outcomes() if one.kind == "duty"}

    def find_human(self, call: FakeCall) -> Any:
        return self.live(lambda: self.desk.find_human(call, village_code=VILLAGE))

    def outcomes(self) -> list[Outcome]:
        return [parse(path.read_text(encoding="utf-8")) for path in self.ledger.files()]

    def outcome(self) -> Outcome:
        [found] = self.outcomes()
        return found

    def causes(self) -> list[str]:
        return [attempt.cause for attempt in self.outcome().attempts]
