"""A "saved" that a person reads is a commit that has happened."""

from __future__ import annotations

from collections.abc import AsyncIterator

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from starlette.responses import StreamingResponse

from core import areas
from core.database import Database
from core.errors import Conflict, InvalidInput
from core.models import Area
from tests.web.conftest import Clients, csrf
from web.deps import WriteSession, attempt

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
    router = APIRouter()

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
    router = APIRouter()

    @router.post("/probe")
    def probe(session: WriteSession) -> None:
        areas.add(session, CODE, "新村", "village")
        raise Conflict("somebody was faster")

    app.include_router(router)
    assert _post(client, "/probe") == 409
    assert not _area_exists(database)


def test_an_attempt_undoes_itself_alone(app: FastAPI, client: Clients, database: Database) -> None:
    router = APIRouter()

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
