"""People read what happened and what to do; programs read problem+json."""

from __future__ import annotations

import errno
import json

import pytest
import sqlalchemy as sa
import structlog
from fastapi import APIRouter, FastAPI

from core.database import Database
from core.errors import Conflict
from tests.web.conftest import Clients


def failing(app: FastAPI, error: Exception, path: str = "/probe") -> str:
    """A route that raises ``error``."""
    router = APIRouter()

    @router.get(path)
    def probe() -> None:
        raise error

    app.include_router(router)
    return path


def test_an_unknown_page_leads_back(client: Clients) -> None:
    answer = client(None).get("/nothing")
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


def test_programs_get_problem_json(client: Clients) -> None:
    answer = client(None).get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


def test_a_conflict_tells_programs_its_code(app: FastAPI, client: Clients) -> None:
    path = failing(app, Conflict("The report was changed.", field="version"), "/api/v1/probe")
    told = client(None).get(path).json()
    assert (told["code"], told["field"], told["detail"]) == (
        "conflict",
        "version",
        "The report was changed.",
    )


def test_a_crash_shows_a_number_and_no_inside(app: FastAPI, client: Clients) -> None:
    path = failing(app, RuntimeError("secret inside"))
    answer = client(None).get(path)
    assert answer.status_code == 500
    assert "secret inside" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.OperationalError("SELECT 1", {}, Exception("database is locked")),
        sa.exc.TimeoutError("QueuePool limit"),
        sa.exc.InterfaceError("SELECT 1", {}, Exception("connection already closed")),
    ],
)
def test_an_absent_database_is_told_in_plain_words(
    app: FastAPI, client: Clients, error: Exception
) -> None:
    answer = client(None).get(failing(app, error))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "database does not answer" in answer.text
    assert "SELECT" not in answer.text


@pytest.mark.parametrize("name", ["recorder", None])
def test_a_really_locked_database_is_told_in_plain_words(
    client: Clients, database: Database, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    browser = client(name)
    form = {"csrf_token": _token(browser), "login": "recorder", "password": "x"}
    database.engine.dispose()
    sa.event.listen(
        database.engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=50")
    )
    with database.engine.connect() as other:
        other.begin()
        other.exec_driver_sql("UPDATE area SET name = name")
        answer = browser.post("/login", data=form)
    assert answer.status_code == 503
    assert "was not stored" in answer.text


def _token(browser: object) -> str:
    from tests.web.conftest import csrf

    return csrf(browser)  # type: ignore[arg-type]


def test_a_full_disk_is_told_in_plain_words(app: FastAPI, client: Clients) -> None:
    answer = client(None).get(failing(app, OSError(errno.ENOSPC, "No space left on device")))
    assert answer.status_code == 503
    assert "disk of the server is full" in answer.text


def test_a_wrong_number_in_an_address_is_just_not_found(client: Clients) -> None:
    assert client("administrator").get("/people/not-a-number").status_code == 404


def test_errors_speak_the_language_of_the_person(client: Clients) -> None:
    browser = client(None)
    del browser.headers["accept-language"]
    assert "没有这个页面" in browser.get("/nothing").text
    assert "There is no such page" in browser.get("/nothing?lang=en").text


def test_the_log_tells_the_route_and_no_secret(client: Clients) -> None:
    with structlog.testing.capture_logs() as lines:
        client("recorder").get("/people/77?token=verysecret")
    requests = [line for line in lines if line["event"] == "request"]
    assert requests[0]["route"] == "/people/{user_id}"
    assert requests[0]["status"] == 403
    assert requests[0]["actor"] == "recorder"
    assert "verysecret" not in json.dumps(lines, default=str)
