"""Whoever sends large deliveries slowly, or without a right to, keeps nobody else out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from core.clock import FakeClock
from core.database import Database
from core.errors import Unavailable
from core.sealed import Sealer
from core.standard_webhooks import fresh_secret
from hotline.models import IntakeSource
from tests.web.conftest import TOWN
from web.routers import intake
from web.slots import Slots

AT = datetime(2026, 6, 1, tzinfo=UTC)
SourceId = int


@pytest.fixture(autouse=True)
def still(fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(intake, "READ_S", 0.05)
    monkeypatch.setattr(intake, "LARGE_WAIT_S", 0.05)
    intake._brake._failures.clear()
    yield
    intake._brake._failures.clear()


@pytest.fixture
def source(database: Database, sealer: Sealer, cast: dict[str, int]) -> SourceId:
    with database.write() as session:
        made = IntakeSource(
            name="12345", area_code=TOWN, secret_sealed=sealer.seal(fresh_secret()), created_at=AT
        )
        session.add(made)
        session.flush()
        return made.id


class Sound:
    """A large body that begins and never ends; ``read`` when somebody asked for any of it."""

    read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.read = True
        yield b"{"
        await asyncio.Event().wait()


async def send(app: FastAPI, to: int, body: Sound, host: str = "192.0.2.1") -> httpx.Response:
    transport = httpx.ASGITransport(app, client=(host, 5000))
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(AT.timestamp())),
        "webhook-signature": "v1,AAAA",
    }
    async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
        return await client.post(f"/api/v1/intake/{to}", content=body, headers=headers)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await scene()

    asyncio.run(limited())


def test_of_a_source_nobody_knows_no_large_body_is_read(
    app: FastAPI, database: Database, source: SourceId
) -> None:
    async def scene() -> None:
        body = Sound()
        assert (await send(app, source + 1, body)).status_code == 401
        assert not body.read
        with database.write() as session:
            session.get_one(IntakeSource, source).active = False
        assert (await send(app, source, body)).status_code == 401
        assert not body.read

    play(scene)


def test_who_lets_us_wait_for_a_body_has_to_pause(app: FastAPI, source: SourceId) -> None:
    async def scene() -> None:
        answers = [(await send(app, source, Sound())).status_code for _ in range(4)]
        assert answers == [408, 408, 408, 429]
        assert (await send(app, source, Sound(), "192.0.2.2")).status_code == 408

    play(scene)


def test_a_full_house_is_told_to_come_again(app: FastAPI, source: SourceId) -> None:
    async def scene() -> None:
        slots = app.state.intake_slots = Slots(1, 0.05)
        async with slots.hold("192.0.2.9"):
            refused = await send(app, source, Sound())
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert (await send(app, source, Sound())).status_code == 408

    play(scene)


# The places themselves


def test_one_address_holds_one_place_and_others_the_rest() -> None:
    async def scene() -> None:
        slots = Slots(3, 0.05)
        async with slots.hold("a"):
            with pytest.raises(Unavailable):
                async with slots.hold("a"):
                    pass
            async with slots.hold("b"), slots.hold("c"):
                with pytest.raises(Unavailable):
                    async with slots.hold("d"):
                        pass
            async with slots.hold("d"):
                pass
        async with slots.hold("a"):
            pass

    play(scene)


def test_who_waits_comes_in_when_a_place_is_free() -> None:
    async def scene() -> None:
        slots, came = Slots(1, 20), asyncio.Event()

        async def come() -> None:
            async with slots.hold("a"):
                came.set()

        async with slots.hold("a"):
            waiting = asyncio.create_task(come())
            await asyncio.sleep(0)
            assert not came.is_set()
        await waiting
        assert came.is_set()

    play(scene)


def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    async def scene() -> None:
        slots = Slots(1, 20)
        async with slots.hold("a"):
            waiting = [asyncio.create_task(_hold(slots, address)) for address in "ab"]
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        async with slots.hold("b"):
            pass
        assert slots._of == slots._asking == {}

    play(scene)


async def _hold(slots: Slots, address: str) -> None:
    async with slots.hold(address):
        pass
