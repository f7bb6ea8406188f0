"""Programs: tokens, and POSTs that may be sent again."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy.orm import Session
from starlette.responses import Response
from starlette.testclient import TestClient

from core import areas, auth
from core.clock import FakeClock
from core.database import Database
from core.errors import Conflict
from core.models import Area, User
from tests.web.conftest import Clients, post
from web import idempotency
from web.deps import CurrentActor
from web.idempotency import OnceDep


@pytest.fixture
def token(database: Database, cast: dict[str, int]) -> str:
    with database.write() as session:
        return auth.issue_token(session, session.get_one(User, cast["recorder"]), "tests")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_token_stands_for_its_person(client: Clients, token: str) -> None:
    told = client(None).get("/api/v1/me", headers=bearer(token)).json()
    assert told["login"] == "recorder"
    assert "episode.record" in told["rights"]
    assert "report.hear" not in told["rights"]


def test_a_token_opens_no_pages(client: Clients, token: str) -> None:
    assert client(None).get("/", headers=bearer(token)).status_code == 303


def test_a_page_makes_a_token_once_and_revokes_it(client: Clients) -> None:
    browser = client("recorder")
    found = re.search(r"xy_[\w-]+", post(browser, "/tokens", {"name": "calendar"}).text)
    assert found is not None
    public = client(None)
    assert public.get("/api/v1/me", headers=bearer(found[0])).status_code == 200
    page = browser.get("/tokens").text
    assert found[0] not in page
    action = re.search(r"/tokens/\d+/revoke", page)
    assert action is not None
    assert post(client("operator"), action[0]).status_code == 404
    post(browser, action[0])
    answer = public.get("/api/v1/me", headers=bearer(found[0]))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


CODE = "513221100299"


class Probe:
    """A creating endpoint whose work a test can hold up or let fail."""

    def __init__(self, app: FastAPI, browser: TestClient, token: str) -> None:
        self.runs = 0
        self.error: Exception | None = None
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self._browser, self._token = browser, token
        router = APIRouter()

        @router.post("/api/v1/areas-probe")
        def create(actor: CurrentActor, once: OnceDep, code: str = CODE) -> Response:
            return once.run(actor, code.encode(), lambda session: self._work(session, code))

        app.include_router(router)

    def _work(self, session: Session, code: str) -> tuple[int, dict[str, Any]]:
        self.runs += 1
        self.entered.set()
        assert self.go_on.wait(10)
        areas.add(session, code, "新村", "village")
        if self.error:
            raise self.error
        return 201, {"code": code, "run": self.runs}

    def send(self, key: str | None = "one", code: str = CODE) -> Any:
        headers = bearer(self._token) | ({"idempotency-key": key} if key else {})
        return self._browser.post(f"/api/v1/areas-probe?code={code}", headers=headers)


@pytest.fixture
def probe(app: FastAPI, client: Clients, token: str) -> Probe:
    return Probe(app, client(None), token)


def test_sending_again_creates_nothing_twice(probe: Probe) -> None:
    first, second = probe.send(), probe.send()
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert probe.runs == 1
    assert second.headers["idempotency-replayed"] == "true"


def test_without_a_key_nothing_is_created(probe: Probe) -> None:
    answer = probe.send(key=None)
    assert (answer.status_code, probe.runs) == (400, 0)
    assert answer.json()["code"] == "idempotency_key_missing"


def test_a_key_belongs_to_one_body(probe: Probe) -> None:
    probe.send()
    assert probe.send(code="513221100298").status_code == 422
    assert probe.runs == 1


def test_the_same_request_meanwhile_is_told_to_wait(probe: Probe) -> None:
    probe.go_on.clear()
    answers: list[Any] = []
    slow = threading.Thread(target=lambda: answers.append(probe.send()))
    slow.start()
    assert probe.entered.wait(10)
    answer = probe.send()
    probe.go_on.set()
    slow.join(10)
    assert (answer.status_code, answers[0].status_code) == (409, 201)
    assert answer.json()["retriable"] is True


def test_a_failure_keeps_nothing_so_that_one_can_try_again(
    probe: Probe, database: Database
) -> None:
    probe.error = Conflict("not now")
    assert probe.send().status_code == 409
    with database.read() as session:
        assert session.get(Area, CODE) is None
    probe.error = None
    assert probe.send().status_code == 201


def test_a_claim_of_a_process_that_died_is_taken_over(
    fake_clock: FakeClock, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency.Once, "_forget", lambda *_: None)
    probe.error = Conflict("died")
    probe.send()
    probe.error = None
    assert probe.send().json()["code"] == "idempotency_in_progress"
    fake_clock.advance(idempotency.GIVEN_UP + timedelta(seconds=1))
    assert probe.send().status_code == 201
