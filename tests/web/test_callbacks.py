"""Call-backs on the page: who is phoned next, masked numbers, and one person's word a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases import intake
from cases.intake import Arrival
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import AuditEntry
from core.sealed import Sealer
from hotline import callbacks
from hotline.callbacks import Debt
from hotline.models import CallBack, CallRecord, OutgoingCall, StaffPhone
from tests.web.conftest import OTHER_VILLAGE, VILLAGE, Clients, post

NUMBER, MASKED = "13812345678", "138****5678"
ZONE = "Asia/Shanghai"
Owe = Callable[..., int]


@pytest.fixture
def owe(database: Database, sealer: Sealer, cast: dict[str, int]) -> Owe:
    """A task; answers its id."""

    def make(reason: str = "missed", *, number: str = NUMBER, minutes_ago: int = 0,
             **more: object) -> int:  # fmt: skip
        fields = {"village_code": VILLAGE, **more}
        debt = Debt(
            reason=reason,
            called_at=utc_now() - timedelta(minutes=minutes_ago),
            caller_sealed=sealer.seal(number) if number else None,
            caller_hash=sealer.keyed_hash("caller", number) if number else None,
            **fields,  # type: ignore[arg-type]
        )
        with database.write() as session:
            task = callbacks.owe(session, debt, ZONE)
            assert task is not None
            return task.id

    return make


def a_report(database: Database, store: BlobStore, sealer: Sealer) -> int:
    with database.write() as session:
        arrival = Arrival(
            channel="typed", source_key="x", received_at=utc_now(), typed_text="路灯",
            village_code=VILLAGE,
        )  # fmt: skip
        return intake.receive(session, store, sealer, arrival).report.id


def act(browser: TestClient, task: int, what: str, **data: str) -> httpx.Response:
    found = re.search(r'name="version" value="(\d+)"', browser.get(f"/callbacks/{task}").text)
    version = found[1] if found else "1"
    return post(browser, f"/callbacks/{task}/{what}", {"version": version, **data})


def stored(database: Database, task: int) -> CallBack:
    with database.read() as session:
        return session.get_one(CallBack, task)


def test_an_empty_list_says_how_it_fills(client: Clients) -> None:
    page = client("operator").get("/callbacks").text
    assert "Nobody waits for a call." in page
    assert "they appear here by themselves" in page


def test_the_longest_due_is_first_and_overdue_is_said_in_words(
    client: Clients, owe: Owe, fake_clock: FakeClock
) -> None:
    fake_clock.advance(timedelta(hours=2))
    late = owe("dropped", number="13912345678", minutes_ago=75)
    fresh = owe("wanted")
    page = client("operator").get("/callbacks").text
    assert page.index(f'href="/callbacks/{late}"') < page.index(f'href="/callbacks/{fresh}"')
    assert "⚠ 45 minutes overdue" in page
    assert "⚠ 1 overdue" in page
    assert "● due" in page
    assert "The call broke off before enough was said" in page
    assert "Asked to be phoned" in page


def test_numbers_are_masked_for_everybody(client: Clients, owe: Owe) -> None:
    task = owe()
    for name in ("operator", "township", "county"):
        for url in ("/callbacks", "/callbacks/rows", f"/callbacks/{task}"):
            page = client(name).get(url).text
            assert MASKED in page
            assert NUMBER not in page


def test_the_start_page_counts_them_and_names_the_first_due(
    client: Clients, owe: Owe, fake_clock: FakeClock
) -> None:
    owe()
    page = client("operator").get("/").text
    assert "Callers to phone" in page
    assert "the first due" in page
    assert "look now" not in page
    fake_clock.advance(timedelta(minutes=31))
    assert "look now" in client("operator").get("/duties").text


@pytest.mark.parametrize("name", ["dispatcher", "handler", "recorder", "leader", "administrator"])
def test_others_do_not_come_in(client: Clients, owe: Owe, name: str) -> None:
    task = owe()
    browser = client(name)
    assert browser.get("/callbacks").status_code == 403
    assert browser.get(f"/callbacks/{task}").status_code == 403
    assert 'href="/callbacks"' not in browser.get("/").text


def test_another_towns_callers_are_not_there(client: Clients, owe: Owe) -> None:
    task = owe(village_code=OTHER_VILLAGE)
    browser = client("operator")
    assert MASKED not in browser.get("/callbacks").text
    for url in (f"/callbacks/{task}", f"/callbacks/{task}/state"):
        assert browser.get(url).status_code == 404
    for what in ("tried", "done", "reopen", "number"):
        data = {"version": "1", "outcome": "helped", "reason": "why not"}
        assert post(browser, f"/callbacks/{task}/{what}", data).status_code == 404


def test_secret_ones_are_for_county_and_custodian_alone(client: Clients, owe: Owe) -> None:
    task = owe(confidential=True)
    for name, status in (("operator", 404), ("township", 404), ("county", 200), ("custodian", 200)):
        assert client(name).get(f"/callbacks/{task}").status_code == status
        assert (MASKED in client(name).get("/callbacks").text) == (status == 200)


def test_done_asks_what_came_of_it(client: Clients, owe: Owe, database: Database) -> None:
    task = owe()
    refused = act(client("operator"), task, "done", note="已答复")
    assert refused.status_code == 422
    assert 'id="wrong-outcome"' in refused.text
    assert "已答复" in refused.text
    assert act(client("operator"), task, "done", outcome="helped", note="已答复").is_redirect
    ended = client("operator").get("/callbacks?state=done").text
    assert "Spoken with, settled" in ended
    assert MASKED not in client("operator").get("/callbacks").text
    assert stored(database, task).note == "已答复"


def test_an_old_page_changes_nothing_and_keeps_what_was_typed(
    client: Clients, owe: Owe, database: Database
) -> None:
    task = owe()
    owe()
    data = {"version": "1", "outcome": "helped", "note": "说了很久"}
    answer = post(client("operator"), f"/callbacks/{task}/done", data)
    assert answer.status_code == 409
    assert "the caller phoned again" in answer.text
    assert "说了很久" in answer.text
    assert stored(database, task).state == "open"


def test_the_rule_of_three_tries_is_shown_and_kept(
    client: Clients, owe: Owe, database: Database, fake_clock: FakeClock
) -> None:
    task = owe()
    page = client("operator").get(f"/callbacks/{task}").text
    assert "Three tries on different days, one of them between 18:00 and 20:00." in page
    assert "3 days still lack." in page
    for _ in range(3):
        refused = act(client("operator"), task, "done", outcome="unreachable")
        assert refused.status_code == 422
        assert act(client("operator"), task, "tried").is_redirect
        fake_clock.set(stored(database, task).due_at)
    assert "you may end it as “not reached”" in client("operator").get(f"/callbacks/{task}").text
    assert act(client("operator"), task, "done", outcome="unreachable").is_redirect


def test_a_mistaken_ending_is_taken_back(client: Clients, owe: Owe, database: Database) -> None:
    task = owe()
    act(client("operator"), task, "done", outcome="wrong_number")
    assert act(client("operator"), task, "reopen").is_redirect
    assert stored(database, task).state == "open"


def test_a_whole_number_is_shown_once_for_a_reason(
    client: Clients, owe: Owe, database: Database
) -> None:
    task = owe()
    assert "Show the whole number" not in client("operator").get(f"/callbacks/{task}").text
    assert act(client("operator"), task, "number", reason="要回电").status_code == 403
    refused = act(client("county"), task, "number", reason=" ")
    assert refused.status_code == 422
    assert NUMBER not in refused.text
    told = act(client("county"), task, "number", reason="中继坏了，用手机回电")
    assert NUMBER in told.text
    assert told.headers["cache-control"] == "no-store"
    assert NUMBER not in client("county").get(f"/callbacks/{task}").text
    with database.read() as session:
        entries = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "number.reveal")
        ).all()
    assert [entry.detail["reason"] for entry in entries] == ["中继坏了，用手机回电"]
    assert not any(NUMBER in str(entry.detail) for entry in entries)


def test_a_note_with_a_number_is_read_only_by_those_who_hear(client: Clients, owe: Owe) -> None:
    task = owe()
    act(client("operator"), task, "done", outcome="helped", note="改打 13912345678")
    assert "13912345678" in client("operator").get(f"/callbacks/{task}").text
    assert "13912345678" not in client("township").get(f"/callbacks/{task}").text


def test_a_report_is_one_step_away(
    client: Clients, owe: Owe, database: Database, store: BlobStore, sealer: Sealer
) -> None:
    report = a_report(database, store, sealer)
    owe("no_number_told", report_id=report)
    assert f'href="/reports/{report}"' in client("operator").get("/callbacks").text


def test_callers_nobody_can_phone_are_counted(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    with database.write() as session:
        session.add(
            CallRecord(
                call_id="a", started_at=utc_now(), end_cause="hangup", steps=[],
                needs_call_back=True,
            )
        )  # fmt: skip
    assert "1 callers of the last seven days withheld" in client("operator").get("/callbacks").text


def test_the_hotline_connects_from_the_list(
    client: Clients, owe: Owe, database: Database, sealer: Sealer, cast: dict[str, int]
) -> None:
    task = owe()
    with database.write() as session:
        session.add(
            StaffPhone(
                user_id=cast["operator"], number_sealed=sealer.seal("13712340000"),
                changed_at=utc_now(),
            )
        )  # fmt: skip
    assert f'action="/callbacks/{task}/bridge"' in client("operator").get("/callbacks").text
    assert post(client("operator"), f"/callbacks/{task}/bridge").is_redirect
    rows = client("operator").get("/callbacks/rows").text
    assert "Being connected" in rows
    assert f'action="/callbacks/{task}/bridge"' not in rows


def test_a_premium_number_has_no_button_to_connect(client: Clients, owe: Owe) -> None:
    task = owe(number="16812345")
    assert "☎ Connect me" not in client("operator").get("/callbacks").text
    assert "whether to call it" in client("operator").get(f"/callbacks/{task}").text


def test_a_withheld_number_has_no_button_to_connect(
    client: Clients, owe: Owe, database: Database, store: BlobStore, sealer: Sealer
) -> None:
    owe("killed", number="", report_id=a_report(database, store, sealer))
    page = client("operator").get("/callbacks").text
    assert "number withheld" in page
    assert "Connect me" not in page


def test_after_a_bridge_one_press_ends_the_task(
    client: Clients, owe: Owe, database: Database
) -> None:
    task = owe()
    with database.write() as session:
        session.add(
            OutgoingCall(
                id="order-1", kind="bridge", state="done", call_back_id=task, result="joined",
                talked_ms=192_000, requested_at=utc_now(), expires_at=utc_now(),
            )
        )  # fmt: skip
    rows = client("operator").get("/callbacks/rows").text
    assert "Connected for 3:12. Is it settled?" in rows
    data = {"version": "1", "outcome": "helped"}
    assert post(client("operator"), f"/callbacks/{task}/done", data).is_redirect
    assert stored(database, task).outcome == "helped"


def test_health_counts_them_and_calls_nobody_for_it(
    client: Clients, owe: Owe, fake_clock: FakeClock
) -> None:
    owe()
    fake_clock.advance(timedelta(hours=2))
    told = client(None).get("/healthz").json()
    assert told["call_backs"] == {"open": 1, "overdue": 1}
    assert "call_backs" not in told["problems"]
