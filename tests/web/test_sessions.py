"""A "saved" that a person reads is a commit that has happened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import StreamingResponse

from core import areas, bell, outbox
from core.database import Database
from core.errors import Conflict, InvalidInput
from core.models import Area
from tests.web.conftest import Clients, csrf
from web.deps import WriteSession, attempt
from web.routing import Router

CODE = "513221100299"


def _area_exists(database: Database) -> bool:
    with database.read() as session:
        return session.scalar(sa.select(Area.name).where(Area.code == CODE)) is not None


def _post(client: Clients, url: str) -> int:
    browser = client("administrator")
    return browser.post(url, headers={"x-csrf-token": csrf(browser)}).status_code


def test_the_commit_happens_before_the_first_byte_leaves(
    app: FastAPI, client: Clients, database: Database
) -> None:
    seen: list[bool] = []
    router = Router()

    @router.post("/probe")
    def probe(session: WriteSession) -> StreamingResponse:
        areas.add(session, CODE, "新村", "village")

        async def body() -> AsyncIterator[bytes]:
            seen.append(_area_exists(database))
            yield b"saved"

        return StreamingResponse(body())

    app.include_router(router)
    assert _post(client, "/probe") == 200
    assert seen == [True]


def test_raising_rolls_back(app: FastAPI, client: Clients, database: Database) -> None:
    router = Router()

    @router.post("/probe")
    def probe(session: WriteSession) -> None:
        areas.add(session, CODE, "新村", "village")
        raise Conflict("somebody was faster")

    app.include_router(router)
    assert _post(client, "/probe") == 409
    assert not _area_exists(database)


def test_an_attempt_undoes_itself_alone(app: FastAPI, client: Clients, database: Database) -> None:
    router = Router()

    @router.post("/probe")
    def probe(session: WriteSession) -> None:
        areas.add(session, CODE, "新村", "village")
        with attempt(session) as tried:
            areas.add(session, "513221100298", "又一村", "village")
            raise InvalidInput("wrong", field="name")
        assert tried.error is not None
        assert session.get(Area, "513221100298") is None

    app.include_router(router)
    assert _post(client, "/probe") == 200
    assert _area_exists(database)


def test_news_of_an_attempt_rings_when_all_is_committed(app: FastAPI, client: Clients) -> None:
    router = Router()

    @router.post("/probe")
    def probe(session: WriteSession) -> None:
        with attempt(session):
            outbox.emit(session, "probe.changed")
        assert not waiting.wait(0)

    app.include_router(router)
    browser = client("administrator")
    headers = {"x-csrf-token": csrf(browser)}
    with bell.Bell(outbox.BELL) as waiting:
        assert browser.post("/probe", headers=headers).status_code == 200
        assert waiting.wait(0)


async def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


Loop = Annotated[asyncio.AbstractEventLoop, Depends(_loop)]


@pytest.mark.parametrize("fails", [False, True])
def test_a_held_event_loop_does_not_hold_the_write_lock(
    app: FastAPI, client: Clients, database: Database, fails: bool
) -> None:
    held, let_go = threading.Event(), threading.Event()
    router = Router()

    def hold() -> None:
        held.set()
        let_go.wait(60)

    @router.post("/probe")
    def probe(session: WriteSession, loop: Loop) -> None:
        areas.add(session, CODE, "新村", "village")
        session.flush()
        loop.call_soon_threadsafe(hold)
        assert held.wait(20)
        if fails:
            raise Conflict("somebody was faster")

    app.include_router(router)
    with ThreadPoolExecutor() as pool:
        status = pool.submit(_post, client, "/probe")
        try:
            assert held.wait(20)
            with database.write() as session:  # raises when the lock is held for too long
                areas.add(session, "513221100298", "又一村", "village")
            assert _area_exists(database) is not fails
        finally:
            let_go.set()
        assert status.result() == (409 if fails else 200)


def test_an_endpoint_that_would_leave_its_work_undone_is_a_mistake(
    app: FastAPI, client: Clients, database: Database
) -> None:
    plain, router = APIRouter(), Router()

    @plain.post("/probe")
    def probe(session: WriteSession) -> None:
        areas.add(session, CODE, "新村", "village")
        session.flush()

    app.include_router(plain)
    assert _post(client, "/probe") == 500
    assert not _area_exists(database)

    async def writes(session: WriteSession) -> None:
        """A coroutine."""

    with pytest.raises(TypeError, match="plain function"):
        router.add_api_route("/never", writes)
