"""Reports for programs: words or their absence, pages, one report per key, never a number."""

# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from cases.models import Report
from core import auth
from core.database import Database
from core.models import User
from tests.web.conftest import OTHER_VILLAGE, VILLAGE
from tests.web.test_report import tone
from tests.web.test_review import NUMBER, Arrive, arrive, call, hear_words  # noqa: F401
from transcribe.models import TranscriptionJob

Program = Callable[[str], TestClient]


@pytest.fixture
def program(app: FastAPI, database: Database, cast: dict[str, int]) -> Program:
    """A program that calls on behalf of one of the cast."""

    def make(name: str) -> TestClient:
        with database.write() as session:
            token = auth.issue_token(session, session.get_one(User, cast[name]), "test")
        headers = {"authorization": f"Bearer {token}", "accept-language": "en"}
        return TestClient(app, base_url="https://testserver", headers=headers)

    return make


def number_of(database: Database, report_id: int) -> str:
    with database.read() as session:
        return session.get_one(Report, report_id).reference_no


def one(program: TestClient, database: Database, report_id: int) -> dict[str, Any]:
    answer = program.get(f"/api/v1/reports/{number_of(database, report_id)}")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def test_a_report_waits_for_its_words(program: Program, database: Database, call: int) -> None:
    body = one(program("operator"), database, call)
    assert body["state"] == "received"
    assert body["village"]["code"] == VILLAGE
    assert body["duration_ms"] == 1000
    assert body["received_at"].endswith("Z")
    assert body["transcript"] is None
    assert body["transcription"] == {
        "state": "queued", "tries": 0, "failure": None, "failure_text": None,
        "transcript_expected_in_s": 1.0,
    }  # fmt: skip


def test_a_program_is_told_when_to_ask_again_while_words_are_awaited(
    program: Program, database: Database, call: int
) -> None:
    with database.write() as session:
        job = session.scalars(sa.select(TranscriptionJob)).one()
        job.duration_ms = 90_500
        reference = session.get_one(Report, call).reference_no
    url = f"/api/v1/reports/{reference}"
    assert program("operator").get(url).headers["retry-after"] == "91"
    with database.write() as session:
        session.get_one(TranscriptionJob, job.id).state = "done"
    assert "retry-after" not in program("operator").get(url).headers


def test_the_words_come_with_confidence_model_and_warning(
    program: Program,
    database: Database,
    call: int,
) -> None:
    hear_words(database, call)
    transcript = one(program("operator"), database, call)["transcript"]
    assert (transcript["version"], transcript["text"]) == (0, "村口路灯坏勒")
    assert transcript["words"][1]["confidence"] == 0.31
    assert transcript["model"] == "starter-zh"
    assert transcript["hears_people"] is False
    assert "NOT people" in transcript["warning"]


def test_a_failure_has_a_name(program: Program, database: Database, call: int) -> None:
    with database.write() as session:
        job = session.scalars(sa.select(TranscriptionJob)).one()
        job.state, job.failure_code = "failed", "decoder_too_slow"
    told = one(program("operator"), database, call)["transcription"]
    assert (told["state"], told["failure"]) == ("failed", "decoder_too_slow")
    assert told["failure_text"]


def test_no_answer_holds_a_full_number(
    program: Program,
    database: Database,
    arrive: Arrive,
) -> None:
    report = arrive(typed_text="回电幺三八一二三四五六七八", caller_number=NUMBER)
    browser = program("operator")
    for url in ("/api/v1/reports", f"/api/v1/reports/{number_of(database, report)}"):
        text = browser.get(url).text
        assert NUMBER not in text
        assert "三四五六" not in text
        assert "138****5678" in text


def test_another_town_gets_404_as_for_an_unknown_number(
    program: Program,
    database: Database,
    call: int,
) -> None:
    outsider = program("outsider")
    foreign = outsider.get(f"/api/v1/reports/{number_of(database, call)}")
    unknown = outsider.get("/api/v1/reports/400000002")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()
    assert outsider.get("/api/v1/reports").json()["reports"] == []


@pytest.mark.parametrize("name", ["operator", "dispatcher", "township"])
def test_a_confidential_report_is_404_for_most(
    program: Program,
    database: Database,
    arrive: Arrive,
    name: str,
) -> None:
    report = arrive(confidential=True)
    browser = program(name)
    assert browser.get(f"/api/v1/reports/{number_of(database, report)}").status_code == 404
    assert browser.get("/api/v1/reports").json()["reports"] == []


def test_without_a_token_there_is_nothing(program: Program, app: FastAPI) -> None:
    public = TestClient(app, base_url="https://testserver")
    assert public.get("/api/v1/reports").status_code == 401
    wrong = {"authorization": "Bearer xy_wrong"}
    assert public.get("/api/v1/reports", headers=wrong).status_code == 401


def test_pages_follow_each_other_without_gap(
    program: Program,
    database: Database,
    arrive: Arrive,
) -> None:
    made = {number_of(database, arrive()) for _ in range(5)}
    browser = program("operator")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = browser.get("/api/v1/reports", params=params).json()
        seen += [report["reference_no"] for report in page["reports"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 5
    assert set(seen) == made


def test_a_strange_cursor_is_refused(program: Program) -> None:
    assert program("operator").get("/api/v1/reports?cursor=%25%25").status_code == 422


def key(value: str) -> dict[str, str]:
    return {"idempotency-key": value}


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Report)) or 0


def test_a_text_is_sent_once_however_often_it_is_sent(program: Program, database: Database) -> None:
    browser = program("operator")
    body = {"text": "路灯坏了", "village_code": VILLAGE}
    first, second = (
        browser.post("/api/v1/reports", json=body, headers=key("order-1")) for _ in range(2)
    )
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert count(database) == 1
    other = browser.post("/api/v1/reports", json={"text": "别的"}, headers=key("order-1"))
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


def test_a_sound_is_sent_as_a_form(program: Program, database: Database) -> None:
    browser = program("operator")
    files = {"file": ("voice.wav", tone(), "audio/wav")}
    answers = [
        browser.post(
            "/api/v1/reports",
            data={"village_code": VILLAGE, "confidential": "false"},
            files=files,
            headers=key("sound-1"),
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["channel"] == "upload"
    assert count(database) == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "file"),
        ({"text": "x", "village_code": OTHER_VILLAGE}, 422, "village_code"),
        ({"text": "x", "phone": "abc"}, 422, "phone"),
        ({"text": "x" * 2001}, 422, "text"),
    ],
)
def test_a_mistake_names_its_field(
    program: Program, database: Database, body: dict[str, str], status: int, field: str
) -> None:
    answer = program("operator").post("/api/v1/reports", json=body, headers=key("order-1"))
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert count(database) == 0


def test_no_sound_in_the_file_is_refused_and_the_key_stays_free(
    program: Program, database: Database
) -> None:
    browser = program("operator")
    files = {"file": ("x.wav", b"no sound", "audio/wav")}
    refused = browser.post("/api/v1/reports", files=files, headers=key("order-9"))
    assert (refused.status_code, refused.json()["field"]) == (422, "file")
    good = browser.post("/api/v1/reports", json={"text": "路灯"}, headers=key("order-9"))
    assert good.status_code == 201


def test_a_post_needs_a_key_and_the_right(program: Program) -> None:
    body = {"text": "路灯"}
    assert program("operator").post("/api/v1/reports", json=body).status_code == 400
    refused = program("recorder").post("/api/v1/reports", json=body, headers=key("order-1"))
    assert refused.status_code == 403
