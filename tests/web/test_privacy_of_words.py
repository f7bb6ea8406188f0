"""Privacy 1: no number of a person leaves by way of what was said, but to who hears the report."""

# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases.models import Case
from core.database import Database
from core.models import AuditEntry
from tests.web.conftest import Clients
from tests.web.test_api_reports import Program, number_of, one, program  # noqa: F401
from tests.web.test_review import Arrive, arrive, call, decide  # noqa: F401
from transcribe import catalogue, mute, transcripts
from transcribe.recogniser import Recognition, Utterance, Word

SPOKEN = ("打", "幺三八", "零零幺三", "八零零零", "找我", "三组", "十八号")
SAID, READ = "幺三八零零幺三八零零零", "13800138000"
PARTS = (SAID, READ, "零零幺三", "八零零零", "138001")
MASK = "[mobile number]"
HEARERS = ("operator", "county")
READERS = ("dispatcher", "township")


@pytest.fixture
def heard(database: Database, call: int) -> int:
    """A telephone report of one second in which somebody says a mobile number."""
    words = tuple(Word(text, 100 * n, 100 * n + 90, 0.9) for n, text in enumerate(SPOKEN))
    with database.write() as session:
        recognition = Recognition((Utterance(words),), 1_000, 8_000)
        transcripts.store_heard(session, "report", call, recognition, catalogue.starter())
    return call


@pytest.fixture
def case(database: Database, client: Clients, arrive: Arrive) -> int:
    """A case whose operator wrote the number into title and summary."""
    report = arrive()
    decide(client("operator"), report, "accept", summary=f"请打{SAID}", title=f"回电{READ}")
    with database.read() as session:
        return session.scalars(sa.select(Case.id)).one()


def told(browser: TestClient, *urls: str) -> str:
    answers = [browser.get(url) for url in urls]
    assert [answer.status_code for answer in answers] == [200] * len(urls)
    return "\n".join(answer.text for answer in answers)


def holds_none(text: str) -> bool:
    return not any(part in text for part in PARTS)


@pytest.mark.parametrize("name", READERS)
def test_who_does_not_hear_the_report_reads_a_mask(client: Clients, heard: int, name: str) -> None:
    text = told(client(name), f"/reports/{heard}", f"/reports/{heard}/words", "/reports")
    assert holds_none(text)
    assert MASK in text
    assert "3组18号" in text


@pytest.mark.parametrize("name", HEARERS)
def test_who_hears_the_report_reads_the_number(client: Clients, heard: int, name: str) -> None:
    assert READ in told(client(name), f"/reports/{heard}/words")


def test_lists_hold_no_number_for_anybody(client: Clients, heard: int) -> None:
    for name in (*HEARERS, *READERS):
        assert holds_none(told(client(name), "/reports", "/reports/list"))


def test_no_token_gets_a_number_whoever_it_belongs_to(
    program: Program, database: Database, heard: int
) -> None:
    body = one(program("operator"), database, heard)
    assert body["transcript"]["text"] == f"打{MASK}找我三组十八号"
    assert [word["text"] for word in body["transcript"]["words"]][:2] == ["打", MASK]
    url = f"/api/v1/reports/{number_of(database, heard)}"
    for name in (*HEARERS, *READERS):
        assert holds_none(told(program(name), url, "/api/v1/reports"))


@pytest.mark.parametrize("name", ["handler", "leader", "dispatcher", "township"])
def test_a_number_in_a_cases_text_is_masked_for_who_handles_and_leads(
    client: Clients, case: int, name: str
) -> None:
    text = told(client(name), "/cases", "/cases/list", f"/cases/{case}", f"/cases/{case}/events")
    assert holds_none(text)
    assert MASK in text


def test_the_operator_reads_the_number_in_the_cases_text(client: Clients, case: int) -> None:
    text = told(client("operator"), f"/cases/{case}")
    assert SAID in text
    assert READ in text


def test_a_mask_speaks_the_pages_language(client: Clients, heard: int) -> None:
    browser = client("dispatcher")
    browser.headers["accept-language"] = "zh-CN"
    assert "手机号█████" in told(browser, f"/reports/{heard}/words")


def test_a_number_that_was_corrected_is_masked_in_the_new_text(
    client: Clients, database: Database, heard: int, cast: dict[str, int]
) -> None:
    with database.write() as session:
        text = "打13900139000找我"
        transcripts.save_edit(session, "report", heard, text, cast["operator"], 0)
    text = told(client("dispatcher"), f"/reports/{heard}", f"/reports/{heard}/words")
    assert "13900139000" not in text
    assert holds_none(text)


class TestSound:
    """The original is for who hears reports; the city samples what is muted."""

    @pytest.fixture
    def corrected(self, database: Database, heard: int, cast: dict[str, int]) -> int:
        with database.write() as session:
            text = "打13800138000找我，三组十八号"
            transcripts.save_edit(session, "report", heard, text, cast["operator"], 0)
        return heard

    def test_the_number_is_a_tone(self, client: Clients, corrected: int) -> None:
        answer = client("operator").get(f"/reports/{corrected}/audio/muted")
        assert answer.status_code == 200
        with wave.open(io.BytesIO(answer.content)) as sound:
            rate_hz = sound.getframerate()
            samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        number = samples[rate_hz * 100 // 1000 : rate_hz * 390 // 1000]
        assert np.abs(number).max() <= mute.TONE_PEAK
        assert np.abs(samples[rate_hz * 600 // 1000 :]).max() > mute.TONE_PEAK

    def test_who_listened_is_written_down(
        self, client: Clients, corrected: int, database: Database
    ) -> None:
        client("county").get(f"/reports/{corrected}/audio/muted")
        with database.read() as session:
            actions = session.scalars(sa.select(AuditEntry.action)).all()
        assert "report.play_muted" in actions

    @pytest.mark.parametrize("name", [*READERS, "handler", "leader", "recorder"])
    def test_others_hear_neither(self, client: Clients, corrected: int, name: str) -> None:
        for part in ("audio", "audio/muted"):
            assert client(name).get(f"/reports/{corrected}/{part}").status_code == 403

    def test_another_town_gets_404(self, client: Clients, corrected: int) -> None:
        assert client("outsider").get(f"/reports/{corrected}/audio/muted").status_code == 404

    def test_nothing_is_shared_while_only_the_starter_heard_it(
        self, client: Clients, heard: int
    ) -> None:
        answer = client("operator").get(f"/reports/{heard}/audio/muted")
        assert answer.status_code == 409
