"""Reports are found on a page by the people who may read them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from cases import finding
from core.database import Database
from core.models import AuditEntry
from tests.web.conftest import OTHER_VILLAGE, Clients
from tests.web.test_review import Arrive, arrive
from transcribe.search import Hit
from web.routers import search

__all__ = ["arrive"]
Say = Callable[..., int]


@pytest.fixture
def say(arrive: Arrive, database: Database) -> Say:
    """Let a written report in and have it indexed, as the outbox does."""

    def let_in(text: str, **fields: object) -> int:
        report_id = arrive(typed_text=text, **fields)
        with database.write() as session:
            finding.index(session, report_id)
        return report_id

    return let_in


def test_a_hit_is_marked_in_its_words(client: Clients, say: Say) -> None:
    report_id = say("昨天晚上桥头<停水>了")
    page = client("operator").get("/search", params={"q": "停水"}).text
    assert "昨天晚上桥头&lt;<mark>停水</mark>&gt;了" in page
    assert f'href="/reports/{report_id}"' in page
    assert "桃坪村" in page
    assert "sounds like it" not in page


def test_what_only_sounds_so_comes_last_and_says_so_in_words(client: Clients, say: Say) -> None:
    say("桥头停水了")
    say("桥头听谁了")
    page = client("operator").get("/search", params={"q": "停水"}).text
    assert page.index("<mark>停水</mark>") < page.index("<mark>听谁</mark>")
    assert page.count("sounds like it") == 1


def test_another_towns_and_confidential_reports_are_not_there(client: Clients, say: Say) -> None:
    say("桥头停水了", village_code=OTHER_VILLAGE)
    say("举报停水的事", confidential=True)
    page = client("operator").get("/search", params={"q": "停水"}).text
    assert "No report that you may read holds this" in page
    assert "<mark>" not in page
    assert "举报<mark>停水</mark>的事" in client("county").get("/search?q=停水").text


def test_roles_that_read_no_reports_may_not_look(client: Clients, say: Say) -> None:
    assert client("administrator").get("/search?q=停水").status_code == 403
    assert client("recorder").get("/search").status_code == 403
    assert client(None).get("/search").status_code == 303


def test_looking_is_written_down_and_an_empty_page_is_not(
    client: Clients, say: Say, database: Database
) -> None:
    browser = client("operator")
    assert "Write two or more characters" in browser.get("/search?q=，").text
    browser.get("/search", params={"q": "停水"})
    with database.read() as session:
        entries = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "report.search")
        ).all()
    assert [entry.detail for entry in entries] == [{"query": "停水", "found": 0}]


def test_a_query_without_end_is_refused_and_kept(client: Clients) -> None:
    answer = client("operator").get("/search", params={"q": "水" * 101})
    assert answer.status_code == 422
    assert "at most 100 characters" in answer.text


def test_long_results_come_in_pages(client: Clients, say: Say) -> None:
    for _ in range(search.PAGE + 1):
        say("停水了")
    browser = client("operator")
    first = browser.get("/search", params={"q": "停水"}).text
    assert (first.count("<mark>"), "Next page" in first) == (search.PAGE, True)
    second = browser.get("/search", params={"q": "停水", "page": 1}).text
    assert (second.count("<mark>"), "Next page" in second) == (1, False)


def test_a_long_text_is_cut_around_its_hit() -> None:
    text = "前" * 40 + "停水" + "后" * 80
    before, marked, after = search.snippet(Hit(text, 40, 42))
    assert (before, marked, after) == ("…" + "前" * 24, "停水", "后" * 60 + "…")


def test_programs_look_for_words_and_sounds(client: Clients, say: Say) -> None:
    exact, alike = say("桥头停水了"), say("桥头听谁了")
    say("路灯坏了")
    say("停水了", village_code=OTHER_VILLAGE)
    browser = client("operator")

    def numbers(**query: object) -> list[str]:
        answer = browser.get("/api/v1/reports", params=query)  # type: ignore[arg-type]
        return [one["reference_no"] for one in answer.json()["reports"]]

    everything = numbers()
    by_id = {alike: everything[1], exact: everything[2]}
    assert numbers(q="停水") == [by_id[exact]]
    assert numbers(q="停水", sound=True) == [by_id[alike], by_id[exact]]
