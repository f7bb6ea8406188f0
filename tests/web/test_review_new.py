"""Staff take down what a visitor, a letter or a recorder says; the resident gets a slip."""

from __future__ import annotations

import re
import wave
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases import status
from cases.models import Report, ReportEvent
from core import areas, auth
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from core.models import AuditEntry
from core.sealed import Sealer
from hotline.prompt_sound import BEEP_MS, PAUSE_MS
from tests.conftest import on_both_databases
from tests.web.conftest import OTHER_VILLAGE, PASSWORD, SECOND_VILLAGE, VILLAGE, Clients, csrf
from tests.web.test_report import tone
from web import staff_entry

URL = "/review/new"
GRID = "513221100203"


@pytest.fixture(autouse=True)
def still(fake_clock: FakeClock) -> FakeClock:
    """08:00 in the town."""
    return fake_clock


@pytest.fixture
def grid_worker(database: Database, cast: dict[str, int]) -> None:
    """One more of the cast: answers for a grid of the second village."""
    with database.write() as session:
        areas.add(session, GRID, "三组", "grid", SECOND_VILLAGE)
        worker = auth.create_user(session, "grid", "grid one", PASSWORD, ["grid_worker"], GRID)
        cast["grid"] = worker.id


def filled(browser: TestClient, **fields: str) -> dict[str, str]:
    """The form as a person finds it, filled in."""
    found = re.search(r'name="form_token" value="([^"]+)"', browser.get(URL).text)
    assert found is not None
    return {
        "csrf_token": csrf(browser),
        "form_token": found[1],
        "village_code": VILLAGE,
        "origin": "counter",
        "received_at": "2026-06-01T07:30",
        "text": "村口路灯坏了三天",
        "consent": "1",
        **fields,
    }


def send(
    browser: TestClient,
    sound: bytes | None = None,
    *,
    form: dict[str, str] | None = None,
    **fields: str,
) -> httpx.Response:
    files: Any = {"file": ("memo.wav", sound, "audio/wav")} if sound else None
    return browser.post(URL, data=form or filled(browser, **fields), files=files)


def reports(database: Database) -> list[Report]:
    with database.read() as session:
        return list(session.scalars(sa.select(Report).order_by(Report.id)))


@on_both_databases
def test_a_visitor_is_taken_down_and_gets_a_number_that_works(
    client: Clients, database: Database, sealer: Sealer, cast: dict[str, int]
) -> None:
    operator = client("operator")
    answer = send(operator, phone="138 1234 5678")
    assert answer.status_code == 303
    (report,) = reports(database)
    assert report.channel == "typed"
    assert report.entered_by_id == cast["operator"]
    assert report.received_at == datetime(2026, 5, 31, 23, 30, tzinfo=UTC)
    assert (report.consent_channel, report.consent_version) == ("staff", "staff-1")
    assert sealer.unseal(report.caller_sealed or "") == "13812345678"
    slip = operator.get(answer.headers["location"]).text
    number, pin = re.findall(r'<p class="digits">([\d ]+)</p>', slip)
    assert number.replace(" ", "") == report.reference_no
    with database.write() as session:
        found = status.look_up(session, sealer, number, pin=pin, source="1")
    assert found.found


def test_a_recorders_memo_is_heard_by_the_machine(client: Clients, database: Database) -> None:
    send(client("operator"), tone(), text="", origin="recorder")
    (report,) = reports(database)
    assert (report.channel, report.duration_ms) == ("upload", 1000)
    with database.read() as session:
        events = set(session.scalars(sa.select(ReportEvent.action)))
    assert "entered" in events


def send_files(browser: TestClient, *sounds: bytes, **fields: str) -> httpx.Response:
    files = [("file", (f"{n}.wav", sound, "audio/wav")) for n, sound in enumerate(sounds, 1)]
    return browser.post(URL, data=filled(browser, **fields), files=files)


def test_several_files_are_one_recording_in_their_order(
    client: Clients, database: Database, store: BlobStore
) -> None:
    answer = send_files(client("operator"), tone(1.0, 440), tone(2.0, 990), text="")
    assert answer.status_code == 303
    (report,) = reports(database)
    assert report.audio_sha256 is not None
    with wave.open(str(store.existing_path(report.audio_sha256))) as sound:
        rate_hz = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
    mark_s = (2 * PAUSE_MS + BEEP_MS) / 1000
    assert len(samples) / rate_hz == pytest.approx(3.0 + mark_s, abs=0.05)
    first, last = samples[: rate_hz // 2], samples[-rate_hz // 2 :]
    hertz = [int(np.argmax(np.abs(np.fft.rfft(part)))) * 2 for part in (first, last)]
    assert hertz == [440, 990]


def test_a_file_that_is_no_sound_is_named_and_nothing_is_stored(
    client: Clients, database: Database
) -> None:
    answer = send_files(client("operator"), tone(), b"not a sound at all")
    assert answer.status_code == 422
    assert "2.wav holds no sound" in answer.text
    assert reports(database) == []


def test_more_than_five_files_or_half_an_hour_are_refused(
    client: Clients, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = client("operator")
    assert "at most 5 sound files" in send_files(operator, *[tone()] * 6).text
    monkeypatch.setattr(staff_entry, "MAX_SOUND_S", 2)
    assert "2.wav holds no sound" in send_files(operator, tone(1.5), tone(1.5)).text
    assert reports(database) == []


@on_both_databases
def test_pressing_twice_stores_once_and_shows_the_same_slip(
    client: Clients, database: Database
) -> None:
    operator = client("operator")
    form = filled(operator)
    first, again = send(operator, tone(), form=form), send(operator, tone(), form=form)
    assert first.headers["location"] == again.headers["location"]
    assert len(reports(database)) == 1


def test_a_form_changed_after_going_back_is_another_report(
    client: Clients, database: Database
) -> None:
    operator = client("operator")
    form = filled(operator)
    send(operator, form=form)
    send(operator, form=form | {"text": "井盖也丢了"})
    assert len(reports(database)) == 2


def test_who_reports_for_another_is_kept_apart(
    client: Clients, database: Database, sealer: Sealer
) -> None:
    send(client("operator"), resident_name="李奶奶", resident_phone="0816-2345678")
    (report,) = reports(database)
    assert report.on_behalf
    assert report.resident_name == "李奶奶"
    assert sealer.unseal(report.resident_phone_sealed or "") == "08162345678"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"consent": ""}, "consent"),
        ({"text": " "}, "text"),
        ({"text": "x" * 2001}, "text"),
        ({"village_code": OTHER_VILLAGE}, "village_code"),
        ({"village_code": "nonsense"}, "village_code"),
        ({"received_at": "2026-06-01T09:00"}, "received_at"),
        ({"received_at": "2024-06-01T09:00"}, "received_at"),
        ({"received_at": "gestern"}, "received_at"),
        ({"phone": "ring me"}, "phone"),
        ({"resident_phone": "12"}, "resident_phone"),
        ({"origin": "dream"}, "origin"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(
    client: Clients, database: Database, change: dict[str, str], field: str
) -> None:
    answer = send(client("operator"), **{"resident_name": "李奶奶", **change})
    assert answer.status_code == 422
    assert f'id="wrong-{field}"' in answer.text
    assert "李奶奶" in answer.text
    assert reports(database) == []


def test_a_file_that_is_no_sound_is_refused(client: Clients, database: Database) -> None:
    answer = send(client("operator"), b"a letter, scanned" * 99)
    assert answer.status_code == 422
    assert 'id="wrong-file"' in answer.text
    assert reports(database) == []


def test_an_empty_time_is_now(client: Clients, database: Database, still: FakeClock) -> None:
    send(client("operator"), received_at="")
    assert reports(database)[0].received_at == still.now()


def test_a_grid_worker_reports_for_the_village_around_the_grid(
    grid_worker: None, client: Clients, database: Database
) -> None:
    worker = client("grid")
    page = worker.get(URL).text
    assert f'<option value="{SECOND_VILLAGE}" selected>' in page
    assert VILLAGE not in page
    assert send(worker).status_code == 422
    answer = send(worker, village_code=SECOND_VILLAGE)
    slip = worker.get(answer.headers["location"])
    assert slip.status_code == 200
    assert "/reports/" not in slip.text
    assert reports(database)[0].village_code == SECOND_VILLAGE


def test_the_slip_is_for_whoever_took_it_down_and_for_twelve_hours(
    client: Clients, database: Database, still: FakeClock
) -> None:
    operator = client("operator")
    slip = send(operator).headers["location"]
    assert client("colleague").get(slip).status_code == 404
    assert client("outsider").get(slip).status_code == 404
    still.advance(timedelta(hours=11, minutes=59))
    assert operator.get(slip).status_code == 200
    still.advance(timedelta(minutes=2))
    assert client("operator").get(slip).status_code == 404
    with database.read() as session:
        assert "report.slip" in set(session.scalars(sa.select(AuditEntry.action)))


def test_a_confidential_report_leaves_the_sight_of_who_took_it_down(
    client: Clients, database: Database
) -> None:
    operator = client("operator")
    answer = send(operator, confidential="1")
    slip = operator.get(answer.headers["location"]).text
    report = reports(database)[0]
    assert f"/reports/{report.id}" not in slip
    assert operator.get(f"/reports/{report.id}").status_code == 404


@pytest.mark.parametrize("name", ["handler", "recorder", "administrator", "auditor"])
def test_others_take_nothing_down(client: Clients, name: str) -> None:
    assert client(name).get(URL).status_code == 403


def test_the_list_of_reports_leads_there(client: Clients) -> None:
    assert 'href="/review/new"' in client("operator").get("/reports").text
