"""The calendar: planning slots, watching a week, looking at one play in every village."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from broadcast import reasons
from core.blobs import BlobStore, register
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import OutboxEvent
from recordings.models import Programme
from schedule import slots
from schedule.models import Play, Slot
from tests.schedule import town as towns
from tests.web.conftest import (
    OTHER_TOWN,
    OTHER_VILLAGE,
    SECOND_VILLAGE,
    TOWN,
    VILLAGE,
    Clients,
    post,
)

MONDAY = "2026-06-01"
OWN = (VILLAGE, SECOND_VILLAGE)


@pytest.fixture(autouse=True)
def clock(fake_clock: FakeClock) -> FakeClock:
    return fake_clock


@pytest.fixture
def programme_id(database: Database, store: BlobStore, cast: dict[str, int]) -> int:
    """A programme of the own town with an approved episode."""
    with database.write() as session:
        programme = Programme(name="所长说法", area_code=TOWN, created_at=utc_now())
        session.add(programme)
        session.flush()
        towns.approve_episode(session, store, programme.id, 1)
        return programme.id


@pytest.fixture
def recorder(client: Clients) -> TestClient:
    return client("recorder")


def form(programme: int, /, **changes: Any) -> dict[str, Any]:
    plain = {
        "programme_id": programme,
        "local_time": "12:00",
        "first_date": MONDAY,
        "last_date": "2026-06-30",
        "make_up_minutes": "60",
        "weekdays": ["1", "2", "3", "4", "5"],
        "villages": list(OWN),
    }
    return {**plain, **changes}


@pytest.fixture
def slot_id(recorder: TestClient, programme_id: int, database: Database) -> int:
    assert post(recorder, "/calendar/slots", form(programme_id)).status_code == 303
    with database.read() as session:
        return session.scalars(sa.select(Slot.id)).one()


def plays(database: Database) -> list[Play]:
    with database.read() as session:
        return list(session.scalars(sa.select(Play).order_by(Play.local_date, Play.area_code)))


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def set_play(database: Database, play: Play, **values: Any) -> None:
    with database.write() as session:
        session.execute(sa.update(Play).where(Play.id == play.id).values(**values))


def test_an_empty_calendar_says_what_to_do_first(client: Clients) -> None:
    page = client("recorder").get("/calendar")
    assert page.status_code == 200
    assert "First record an episode" in page.text
    assert 'href="/calendar/slots/new"' in page.text
    assert "/calendar/slots/new" not in client("leader").get("/calendar").text


def test_the_form_begins_with_every_day_and_every_village(
    recorder: TestClient, programme_id: int
) -> None:
    page = recorder.get("/calendar/slots/new").text
    assert len(re.findall(r'name="villages" value="\d+" checked', page)) == len(OWN)
    assert len(re.findall(r'name="weekdays" value="\d" checked', page)) == 7
    assert "所长说法" in page
    assert OTHER_VILLAGE not in page


def test_without_a_programme_the_form_leads_there(client: Clients) -> None:
    page = client("recorder").get("/calendar/slots/new").text
    assert "There is no programme yet" in page
    assert 'href="/programmes"' in page


def test_a_planned_slot_shows_at_once(
    recorder: TestClient, slot_id: int, database: Database
) -> None:
    assert len(plays(database)) == 5 * len(OWN)
    page = text_of(recorder.get("/calendar").text)
    assert "12:00 所长说法 第1期" in page
    assert "Played 0 Missed 0 To come 2" in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"programme_id": ""}, "programme_id"),
        ({"programme_id": "99"}, "programme_id"),
        ({"local_time": "noon"}, "local_time"),
        ({"first_date": "soon"}, "first_date"),
        ({"last_date": "2026-05-01", "first_date": "2026-04-01"}, "last_date"),
        ({"weekdays": []}, "weekdays"),
        ({"villages": []}, "villages"),
        ({"make_up_minutes": "-5"}, "make_up_minutes"),
        ({"local_time": "07:00", "last_date": MONDAY}, "local_time"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_with_what_was_typed(
    recorder: TestClient, programme_id: int, database: Database, changes: Any, field: str
) -> None:
    answer = post(recorder, "/calendar/slots", form(programme_id, name="早间新闻", **changes))
    assert answer.status_code == 422
    assert 'class="wrong"' in answer.text
    assert re.search(rf'has-error">.{{0,900}}name="{field}"', answer.text, re.DOTALL)
    assert "早间新闻" in answer.text
    assert plays(database) == []


def test_a_village_of_another_town_cannot_be_planned(
    recorder: TestClient, programme_id: int, database: Database
) -> None:
    answer = post(recorder, "/calendar/slots", form(programme_id, villages=[OTHER_VILLAGE]))
    assert answer.status_code == 404
    assert plays(database) == []


def test_a_time_past_today_is_told(recorder: TestClient, programme_id: int) -> None:
    answer = post(recorder, "/calendar/slots", form(programme_id, local_time="07:00"))
    page = recorder.get(answer.headers["location"])
    assert "begins later" in page.text


def test_each_state_has_words_and_a_sign(
    recorder: TestClient, slot_id: int, database: Database
) -> None:
    first, second = plays(database)[:2]
    set_play(
        database,
        first,
        state="played",
        started_at=first.starts_at,
        start_error_ms=3.25,
        reason=None,
    )
    set_play(database, second, state="missed", reason=reasons.NO_RECEIPT)
    page = text_of(recorder.get(f"/calendar/slots/{slot_id}/{MONDAY}").text)
    assert "桃坪村 ✓ Played 12:00:00 +3.2 ms" in page
    assert "柳树村 ✗ Missed – – The player sent no receipt." in page
    week = text_of(recorder.get("/calendar").text)
    assert "✗ 1 missed" in week
    assert "Played 1 Missed 1 To come 0" in week


def test_a_made_up_play_says_so(recorder: TestClient, slot_id: int, database: Database) -> None:
    first = plays(database)[0]
    late = timedelta(minutes=10)
    set_play(
        database,
        first,
        state="played",
        started_at=first.starts_at + late,
        start_error_ms=late.total_seconds() * 1000,
    )
    page = text_of(recorder.get(f"/calendar/slots/{slot_id}/{MONDAY}").text)
    assert "↻ Made up later 12:10:00 +600.0 s" in page


def test_parts_of_the_page_come_alone_for_live_updates(recorder: TestClient, slot_id: int) -> None:
    week = recorder.get("/calendar").text
    found = re.search(r'data-live="([^"]+)" data-live-url="([^"]+)"', week)
    assert found is not None
    assert "play.changed" in found[1].split()
    part = recorder.get(found[2]).text
    assert "<html" not in part
    assert part.strip() in week
    day = recorder.get(f"/calendar/slots/{slot_id}/{MONDAY}").text
    found = re.search(r'data-live="([^"]+)" data-live-url="([^"]+)"', day)
    assert found is not None
    assert recorder.get(found[2]).text.strip() in day


def test_a_changed_slot_moves_what_lies_ahead(
    recorder: TestClient, slot_id: int, programme_id: int, database: Database
) -> None:
    edit = recorder.get(f"/calendar/slots/{slot_id}").text
    assert 'name="version" value="1"' in edit
    changed = form(programme_id, local_time="18:30", version="1", villages=[VILLAGE])
    assert post(recorder, f"/calendar/slots/{slot_id}", changed).status_code == 303
    first, second = plays(database)[:2]
    assert first.starts_at.isoformat() == "2026-06-01T10:30:00+00:00"
    assert second.state == "cancelled"
    late = post(recorder, f"/calendar/slots/{slot_id}", changed)
    assert late.status_code == 409


def test_an_ended_slot_cancels_its_plays(
    recorder: TestClient, slot_id: int, database: Database
) -> None:
    answer = post(recorder, f"/calendar/slots/{slot_id}/cancel", {"version": "1"})
    assert answer.status_code == 303
    assert {play.state for play in plays(database)} == {"cancelled"}
    assert "Cancelled" in recorder.get("/calendar").text


def test_plays_that_would_overlap_are_told(
    recorder: TestClient, slot_id: int, programme_id: int
) -> None:
    post(recorder, "/calendar/slots", form(programme_id, local_time="12:01", name="又一个"))
    page = text_of(recorder.get("/calendar").text)
    assert "2026-06-01: “所长说法” and “又一个” would sound at the same time in 2 villages" in page


def test_other_weeks_are_a_link_away(recorder: TestClient, slot_id: int) -> None:
    week = recorder.get("/calendar?week=2026-06-10").text
    assert "2026-06-08 – 2026-06-14" in week
    assert 'href="/calendar?week=2026-06-01"' in week
    for nonsense in ("x", "9999-12-31", "0001-01-01"):
        page = recorder.get(f"/calendar?week={nonsense}")
        assert "2026-06-01 – 2026-06-07" in page.text


@pytest.fixture
def sounded(database: Database, store: BlobStore, slot_id: int) -> Play:
    """The first village's first play, with what its player sounded."""
    play = plays(database)[0]
    with database.write() as session:
        digest = store.put_bytes(b"OggS what the village heard")
        register(session, store, digest, "audio/ogg")
        session.execute(
            sa.update(Play).where(Play.id == play.id).values(state="played", sounded_sha256=digest)
        )
    return play


def test_what_sounded_can_be_heard_in_parts(
    recorder: TestClient, sounded: Play, slot_id: int
) -> None:
    assert (
        f'href="/plays/{sounded.id}/sounded"'
        in recorder.get(f"/calendar/slots/{slot_id}/{MONDAY}").text
    )
    part = recorder.get(f"/plays/{sounded.id}/sounded", headers={"range": "bytes=5-8"})
    assert (part.status_code, part.content) == (206, b"what")
    assert part.headers["content-type"] == "audio/ogg"


def test_another_town_finds_nothing(client: Clients, sounded: Play, slot_id: int) -> None:
    stranger = client("outsider")
    for url in (
        f"/plays/{sounded.id}/sounded",
        f"/calendar/slots/{slot_id}",
        f"/calendar/slots/{slot_id}/{MONDAY}",
        f"/calendar/slots/{slot_id}/{MONDAY}/lines",
    ):
        answer = stranger.get(url, headers={"range": "bytes=0-1"})
        assert answer.status_code == 404, url
    assert post(stranger, f"/calendar/slots/{slot_id}/cancel", {"version": "1"}).status_code == 404
    assert "所长说法" not in stranger.get("/calendar").text


def test_a_village_head_sees_the_own_village_alone(
    client: Clients, sounded: Play, slot_id: int
) -> None:
    head = client("village_head")
    page = head.get(f"/calendar/slots/{slot_id}/{MONDAY}").text
    assert "桃坪村" in page
    assert "柳树村" not in page
    assert head.get(f"/calendar/slots/{slot_id}").status_code == 403


@pytest.mark.parametrize(
    ("name", "reads", "plans"),
    [
        ("recorder", 200, 200),
        ("township", 200, 200),
        ("leader", 200, 403),
        ("operator", 403, 403),
        ("auditor", 403, 403),
        (None, 303, 303),
    ],
)
def test_who_may_read_and_who_may_plan(
    client: Clients, programme_id: int, name: str | None, reads: int, plans: int
) -> None:
    browser = client(name)
    assert browser.get("/calendar").status_code == reads
    assert browser.get("/calendar/slots/new").status_code == plans
    assert browser.get("/plays/1/sounded").status_code == (404 if reads == 200 else reads)


def test_a_programme_of_the_neighbour_town_is_not_offered(
    client: Clients, programme_id: int, database: Database
) -> None:
    with database.write() as session:
        session.execute(sa.update(Programme).values(area_code=OTHER_TOWN))
    assert "所长说法" not in client("recorder").get("/calendar/slots/new").text


def test_planning_tells_the_news(recorder: TestClient, slot_id: int, database: Database) -> None:
    with database.read() as session:
        kinds = set(session.scalars(sa.select(OutboxEvent.kind)))
    assert {"slot.changed", "plays.planned"} <= kinds


def test_the_plan_a_form_makes_is_the_plan_a_program_makes(
    app: FastAPI, recorder: TestClient, slot_id: int, database: Database, programme_id: int
) -> None:
    with database.read() as session:
        slot = session.get_one(Slot, slot_id)
        rule = slots.recurrence(slot)
    assert rule == replace(
        rule,
        weekdays=(1, 2, 3, 4, 5),
        first_date=date(2026, 6, 1),
        last_date=date(2026, 6, 30),
        zone="Asia/Shanghai",
    )


def test_importance_volume_and_what_follows_a_break_in_are_kept(
    recorder: TestClient, programme_id: int, database: Database
) -> None:
    chosen = {"priority": "70", "volume_percent": "60", "on_interrupt": "resume"}
    post(recorder, "/calendar/slots", form(programme_id, **chosen))
    with database.read() as session:
        slot = session.scalars(sa.select(Slot)).one()
    assert (slot.priority, slot.volume_percent, slot.on_interrupt) == (70, 60, "resume")
    page = recorder.get(f"/calendar/slots/{slot.id}").text
    for value in ("70", "resume"):
        assert f'<option value="{value}" selected>' in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": "100"},
        {"volume_percent": "0"},
        {"volume_percent": "101"},
        {"on_interrupt": "explode"},
    ],
)
def test_a_slot_cannot_be_an_emergency_or_out_of_range(
    recorder: TestClient, programme_id: int, wrong: dict[str, str]
) -> None:
    answer = post(recorder, "/calendar/slots", form(programme_id, **wrong))
    assert answer.status_code == 422
    assert f'id="wrong-{next(iter(wrong))}"' in answer.text
