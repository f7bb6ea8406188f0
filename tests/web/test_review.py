"""Operators hear, mend and decide; others see nothing, and every listening is written down."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.responses import Response
from starlette.testclient import TestClient

from cases import intake, ledger, residents
from cases.intake import Arrival
from cases.models import Case, Report
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import AuditEntry
from core.sealed import Sealer
from core.settings import Settings
from tests.web.conftest import VILLAGE, Clients, csrf, post
from tests.web.test_report import tone
from transcribe import transcripts
from transcribe.models import Transcript, TranscriptionJob
from web import review_view

NUMBER = "13812345678"

Arrive = Callable[..., int]


@pytest.fixture
def arrive(database: Database, store: BlobStore, sealer: Sealer, cast: dict[str, int]) -> Arrive:
    """Let a report in; answers its id."""
    count = 0

    def let_in(**fields: object) -> int:
        nonlocal count
        count += 1
        plain = Arrival(
            channel="typed",
            source_key=f"test:{count}",
            received_at=utc_now(),
            typed_text="村口路灯坏了",
            village_code=VILLAGE,
        )
        with database.write() as session:
            arrival = replace(plain, **fields)  # type: ignore[arg-type]
            return intake.receive(session, store, sealer, arrival).report.id

    return let_in


@pytest.fixture
def call(arrive: Arrive, tmp_path: Path) -> int:
    """A telephone report of one second."""
    path = tmp_path / "call.wav"
    path.write_bytes(tone())
    return arrive(channel="phone", audio_path=path, typed_text=None, caller_number=NUMBER)


def hear_words(database: Database, report_id: int, confidence: float = 0.9) -> None:
    """What a decoder would have stored."""
    words = [
        {"text": "村口", "start_ms": 0, "end_ms": 300, "confidence": confidence},
        {"text": "路灯", "start_ms": 300, "end_ms": 600, "confidence": 0.31},
        {"text": "坏勒", "start_ms": 600, "end_ms": 900, "confidence": confidence},
    ]
    with database.write() as session:
        session.add(
            Transcript(
                subject_kind="report", subject_id=report_id, version=0, text="村口路灯坏勒",
                words=words, confidence=confidence, model_name="starter-zh", hears_people=False,
                created_at=utc_now(),
            )
        )  # fmt: skip


def stored(database: Database, report_id: int) -> Report:
    with database.read() as session:
        return session.get_one(Report, report_id)


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def decide(browser: TestClient, report_id: int, decision: str, **more: str) -> httpx.Response:
    page = browser.get(f"/reports/{report_id}").text
    data = {
        "decision": decision,
        "version": field(page, "version"),
        "base_version": field(page, "base_version"),
        "text": "",
        "summary": "石桥村路灯不亮",
        "village_code": VILLAGE,
        **more,
    }
    return post(browser, f"/reports/{report_id}/decide", data)


def listen(browser: TestClient, report_id: int) -> httpx.Response:
    browser.get(f"/reports/{report_id}/audio")
    return browser.post(f"/reports/{report_id}/heard", headers={"x-csrf-token": csrf(browser)})


def test_the_list_shows_urgent_first_then_the_oldest(
    client: Clients, arrive: Arrive, fake_clock: FakeClock
) -> None:
    numbers = []
    for urgent in (False, False, True):
        numbers.append(arrive(urgent=urgent))
        fake_clock.advance(timedelta(minutes=1))
    page = client("operator").get("/reports").text
    places = [page.index(f'href="/reports/{number}"') for number in numbers]
    assert places[2] < places[0] < places[1]


def test_a_report_its_resident_asks_about_again_says_so_and_comes_before_older_ones(
    client: Clients, arrive: Arrive, database: Database
) -> None:
    older, asked_about, urgent = arrive(), arrive(), arrive(urgent=True)
    with database.write() as session:
        for key in ("a", "b"):
            residents.not_satisfied(session, asked_about, key)
    page = client("operator").get("/reports").text
    assert re.findall(r'<a href="/reports/(\d+)"><b>', page) == [
        str(each) for each in (urgent, asked_about, older)
    ]
    assert page.count("Reminded: 1") == 1
    assert page.index(f'"/reports/{asked_about}"') < page.index("Reminded: 1")
    assert page.index("Reminded: 1") < page.index(f'"/reports/{older}"')


def test_the_list_shows_no_number_a_caller_said(client: Clients, arrive: Arrive) -> None:
    arrive(typed_text="我的电话幺三八一二三四五六七八和13812345678")
    page = client("operator").get("/reports").text
    assert "13812345678" not in page
    assert "幺三八一二三四" not in page
    assert "我的电话" in page


def test_the_callers_number_is_masked(client: Clients, call: int) -> None:
    page = client("operator").get(f"/reports/{call}").text
    assert "138****5678" in page
    assert NUMBER not in page


@pytest.mark.parametrize("name", ["recorder", "administrator", "handler", "village_head"])
def test_other_roles_are_kept_out(client: Clients, call: int, name: str) -> None:
    browser = client(name)
    for url in ("/reports", f"/reports/{call}", f"/reports/{call}/audio"):
        assert browser.get(url).status_code == 403


def test_the_public_is_sent_to_the_login(client: Clients, call: int) -> None:
    assert client(None).get(f"/reports/{call}").status_code == 303
    assert client(None).get(f"/reports/{call}/audio").status_code == 303


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-99"}, {"range": "bytes=100-"}])
def test_another_towns_report_is_nowhere(
    client: Clients, call: int, headers: dict[str, str]
) -> None:
    outsider = client("outsider")
    for part in ("", "/audio", "/words"):
        answer = outsider.get(f"/reports/{call}{part}", headers=headers)
        assert answer.status_code == 404
    assert f"/reports/{call}" not in outsider.get("/reports").text
    assert (
        outsider.get(f"/reports/{call}").text
        == outsider.get("/reports/999999").text.replace("999999", str(call))
        or "no such report" in outsider.get("/reports/999999").text
    )


def test_the_sound_comes_in_ranges(client: Clients, call: int) -> None:
    browser = client("operator")
    whole = browser.get(f"/reports/{call}/audio")
    assert whole.content == tone()
    assert whole.headers["content-type"] == "audio/wav"
    part = browser.get(f"/reports/{call}/audio", headers={"range": "bytes=44-143"})
    assert part.status_code == 206
    assert part.content == tone()[44:144]


def test_reading_and_hearing_are_written_down(
    client: Clients, call: int, database: Database
) -> None:
    browser = client("operator")
    browser.get(f"/reports/{call}")
    for _ in range(3):  # the ranges of one listening
        browser.get(f"/reports/{call}/audio", headers={"range": "bytes=0-9"})
    with database.read() as session:
        trail = session.scalars(
            sa.select(AuditEntry.action).where(AuditEntry.subject == f"report:{call}")
        ).all()
    assert sorted(trail) == ["report.play", "report.view"]


@pytest.mark.parametrize("name", ["dispatcher", "township"])
def test_some_read_but_do_not_hear(client: Clients, call: int, name: str) -> None:
    browser = client(name)
    page = browser.get(f"/reports/{call}")
    assert page.status_code == 200
    assert 'id="review"' not in page.text
    assert "<audio" not in page.text
    assert browser.get(f"/reports/{call}/audio").status_code == 403


def test_opening_begins_the_review_for_operators_only(
    client: Clients, call: int, database: Database
) -> None:
    client("dispatcher").get(f"/reports/{call}")
    assert stored(database, call).state == "received"
    client("operator").get(f"/reports/{call}")
    assert stored(database, call).state == "under_review"


def test_nobody_who_writes_waits_while_the_page_is_made(
    client: Clients, call: int, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, written = review_view.page, []

    def page(*given: Any, **named: Any) -> Response:
        with contextlib.closing(sqlite3.connect(config.data_dir / "xiangyin.db", 0)) as other:
            other.execute("BEGIN IMMEDIATE")  # refused while anybody writes
            written.append(True)
        return make(*given, **named)

    monkeypatch.setattr(review_view, "page", page)
    assert client("operator").get(f"/reports/{call}").status_code == 200
    assert written == [True]


def test_words_are_buttons_and_doubts_are_marked_without_colour_alone(
    client: Clients, call: int, database: Database
) -> None:
    hear_words(database, call)
    page = client("operator").get(f"/reports/{call}").text
    assert len(re.findall(r'<button[^>]*class="word', page)) == 3
    doubtful = re.search(r'<button[^>]*class="word doubtful"[^>]*>路灯</button>', page)
    assert doubtful is not None
    assert 'title="uncertain: 31 %"' in doubtful[0]
    assert 'data-start="300"' in doubtful[0]
    assert "hears synthetic voices and NOT people" in page


def test_a_text_below_the_floor_is_folded_away(
    client: Clients, call: int, database: Database
) -> None:
    hear_words(database, call, confidence=0.3)
    page = client("operator").get(f"/reports/{call}/words").text
    assert "<details><summary>The machine is very unsure" in page


def test_a_failed_transcription_says_why_and_can_be_tried_again(
    client: Clients, call: int, database: Database
) -> None:
    with database.write() as session:
        job = session.scalars(sa.select(TranscriptionJob)).one()
        job.state, job.failure_code = "failed", "decoder_crashed"
    browser = client("operator")
    page = browser.get(f"/reports/{call}").text
    assert "The decoder crashed on this sound three times." in page
    assert "<audio" in page
    assert post(browser, f"/reports/{call}/retry").status_code == 303
    with database.read() as session:
        assert session.scalars(sa.select(TranscriptionJob.state)).one() == "queued"


def test_a_sound_must_be_played_to_its_end_before_it_is_accepted(
    client: Clients, call: int, database: Database, fake_clock: FakeClock
) -> None:
    browser = client("operator")
    refused = decide(browser, call, "accept", title="路灯标题")
    assert refused.status_code == 422
    assert "Play the recording to its end" in refused.text
    assert "路灯标题" in refused.text
    assert listen(browser, call).status_code == 409  # asked for a moment ago: cannot be over
    fake_clock.advance(timedelta(seconds=2))
    assert listen(browser, call).status_code == 200
    assert decide(browser, call, "accept").status_code == 303
    with database.read() as session:
        assert session.scalars(sa.select(Case.title)).one() == "石桥村路灯不亮"


def test_a_broken_sound_is_accepted_with_a_reason(
    client: Clients, call: int, database: Database
) -> None:
    answer = decide(client("operator"), call, "accept", unheard_reason="放不出声音")
    assert answer.status_code == 303
    with database.read() as session:
        assert ledger.events(session, call)[-1].reason == "放不出声音"


def test_accepting_leads_to_the_next_report(client: Clients, arrive: Arrive) -> None:
    first, second = arrive(), arrive()
    browser = client("operator")
    assert decide(browser, first, "accept").headers["location"] == f"/reports/{second}"
    assert decide(browser, second, "accept").headers["location"] == "/reports"


def test_corrected_words_are_stored_with_the_decision(
    client: Clients, call: int, database: Database
) -> None:
    hear_words(database, call)
    decide(client("operator"), call, "accept", text="村口路灯坏了", unheard_reason="x")
    with database.read() as session:
        texts = [v.text for v in transcripts.history(session, "report", call)]
    assert texts == ["村口路灯坏勒", "村口路灯坏了"]


def test_words_typed_beside_a_sound_never_pass_for_its_transcript(
    client: Clients, arrive: Arrive, tmp_path: Path, database: Database
) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(tone())
    report = arrive(channel="web", audio_path=path, typed_text="请快点来")
    browser = client("operator")
    assert 'name="text" rows="4" maxlength="20000" aria-describedby="hint-text"></textarea>' in (
        browser.get(f"/reports/{report}").text
    )
    hear_words(database, report)
    decide(browser, report, "accept", text="请快点来", unheard_reason="x")
    with database.read() as session:
        assert len(transcripts.history(session, "report", report)) == 1


def test_storing_the_text_keeps_what_else_was_typed(
    client: Clients, call: int, database: Database
) -> None:
    hear_words(database, call)
    browser = client("operator")
    decide(browser, call, "save", text="村口路灯坏了", summary="还没写完")
    page = browser.get(f"/reports/{call}").text
    assert "还没写完" in page
    assert ">村口路灯坏了</textarea>" in page


def test_a_refused_decision_changes_no_text(client: Clients, call: int, database: Database) -> None:
    hear_words(database, call)
    answer = decide(client("operator"), call, "accept", text="改过的字", summary=" ")
    assert answer.status_code == 422
    assert "改过的字" in answer.text
    with database.read() as session:
        assert len(transcripts.history(session, "report", call)) == 1


@pytest.mark.parametrize(
    ("more", "words"), [({"reason": ""}, "Give a reason"), ({"reason": "劳动争议"}, "turn to")]
)
def test_a_refusal_names_what_is_missing(
    client: Clients, arrive: Arrive, more: dict[str, str], words: str
) -> None:
    answer = decide(client("operator"), arrive(), "reject", **more)
    assert answer.status_code == 422
    assert words in answer.text


def test_a_refusal_and_its_appeal(client: Clients, arrive: Arrive, database: Database) -> None:
    report = arrive()
    browser = client("operator")
    decide(browser, report, "reject", reason="劳动争议", route="仲裁委员会")
    assert stored(database, report).state == "rejected"
    page = browser.get(f"/reports/{report}").text
    post(
        browser, f"/reports/{report}/reopen", {"version": field(page, "version"), "reason": "申诉"}
    )
    assert stored(database, report).state == "under_review"


def test_silence_is_closed_with_one_press(
    client: Clients, arrive: Arrive, database: Database
) -> None:
    report = arrive(typed_text="嗯")
    assert decide(client("operator"), report, "no_content", summary="").status_code == 303
    assert stored(database, report).reject_reason == "no_content"


def save_draft(browser: TestClient, report: int, version: int, summary: str) -> httpx.Response:
    return browser.post(
        f"/reports/{report}/draft",
        json={"version": version, "summary": summary},
        headers={"x-csrf-token": csrf(browser)},
    )


def test_a_draft_is_there_when_the_page_is_opened_again(client: Clients, arrive: Arrive) -> None:
    report = arrive()
    browser = client("operator")
    version = int(field(browser.get(f"/reports/{report}").text, "version"))
    answer = save_draft(browser, report, version, "写到一半")
    assert answer.json() == {"version": version + 1}
    assert "写到一半" in browser.get(f"/reports/{report}").text


def test_the_second_of_two_operators_is_told_who_was_first(client: Clients, arrive: Arrive) -> None:
    report = arrive()
    first, second = client("operator"), client("colleague")
    version = int(field(first.get(f"/reports/{report}").text, "version"))
    assert save_draft(first, report, version, "甲").status_code == 200
    refused = save_draft(second, report, version, "乙")
    assert refused.status_code == 409
    assert "operator one changed this report at" in refused.json()["detail"]


def test_a_decision_on_an_old_version_is_shown_again_with_its_text(
    client: Clients, arrive: Arrive
) -> None:
    report = arrive()
    first, second = client("operator"), client("colleague")
    version = int(field(first.get(f"/reports/{report}").text, "version"))
    save_draft(first, report, version, "甲")
    answer = decide(second, report, "accept", version=str(version), summary="乙写的")
    assert answer.status_code == 409
    assert "乙写的" in answer.text
    assert "operator one changed this report" in answer.text


def test_a_draft_without_the_forms_token_is_refused(client: Clients, arrive: Arrive) -> None:
    report = arrive()
    browser = client("operator")
    assert browser.post(f"/reports/{report}/draft", json={"version": 1}).status_code == 403


def test_a_duplicate_joins_a_case(client: Clients, arrive: Arrive, database: Database) -> None:
    first, second = arrive(), arrive()
    browser = client("operator")
    decide(browser, first, "accept")
    with database.read() as session:
        case = session.scalars(sa.select(Case.id)).one()
    assert "Choose the case" in decide(browser, second, "join").text
    assert decide(browser, second, "join", case_id=str(case)).status_code == 303
    assert stored(database, second).state == "duplicate"


class TestConfidential:
    """Custodian and county hear it; operators learn that it exists and nothing else."""

    @pytest.fixture
    def secret(self, arrive: Arrive, tmp_path: Path) -> int:
        path = tmp_path / "secret.wav"
        path.write_bytes(tone())
        return arrive(
            audio_path=path, typed_text="保密的话", caller_number=NUMBER, confidential=True
        )

    @pytest.mark.parametrize("name", ["operator", "dispatcher", "township"])
    def test_most_get_no_page_no_words_no_sound(
        self, client: Clients, secret: int, name: str
    ) -> None:
        browser = client(name)
        for part in ("", "/audio", "/words"):
            assert browser.get(f"/reports/{secret}{part}").status_code == 404

    def test_operators_see_that_one_exists(self, client: Clients, secret: int) -> None:
        page = client("operator").get("/reports").text
        assert "Only for the custodian and the county centre" in page
        assert "保密的话" not in page
        assert f'href="/reports/{secret}"' not in page

    @pytest.mark.parametrize("name", ["county", "custodian"])
    def test_custodian_and_county_hear_and_review_it(
        self, client: Clients, secret: int, name: str
    ) -> None:
        browser = client(name)
        page = browser.get("/reports").text
        assert f'href="/reports/{secret}"' in page
        assert '<a href="/reports"' in page  # in the menu
        opened = browser.get(f"/reports/{secret}").text
        assert 'id="review"' in opened
        assert "5678" not in opened
        assert browser.get(f"/reports/{secret}/audio").status_code == 200

    def test_the_custodian_reads_nothing_else(
        self, client: Clients, secret: int, arrive: Arrive
    ) -> None:
        plain = arrive()
        browser = client("custodian")
        assert browser.get(f"/reports/{plain}").status_code == 404
        assert f'href="/reports/{plain}"' not in browser.get("/reports").text
