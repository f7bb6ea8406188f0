"""What the calendar says after a slot was moved or ended while today's play was there already."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core.clock import FakeClock
from core.database import Database
from schedule.models import Play
from tests.web.conftest import SECOND_VILLAGE, VILLAGE, post
from tests.web.test_calendar import OWN, form, plays, text_of
from tests.web.test_calendar import clock as clock
from tests.web.test_calendar import programme_id as programme_id
from tests.web.test_calendar import recorder as recorder
from tests.web.test_calendar import slot_id as slot_id

MONDAY, NOON = "2026-06-01", datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
STAYS_SILENT = "Today's play has begun or is over already in"


@pytest.fixture
def after_noon(slot_id: int, clock: FakeClock) -> None:
    """Ten minutes after the play of today began."""
    clock.set(NOON + timedelta(minutes=10))


def told(recorder: TestClient, slot_id: int, changed: dict[str, object]) -> str:
    """What the calendar says after this change."""
    answer = post(recorder, f"/calendar/slots/{slot_id}", {"version": "1", **changed})
    assert answer.status_code == 303, answer.text
    page = recorder.get(answer.headers["location"], headers={"accept-language": "en"})
    return text_of(page.text).replace("&#39;", "'")


@pytest.mark.usefixtures("after_noon")
def test_a_slot_that_is_moved_to_this_evening_says_that_it_stays_silent_tonight(
    recorder: TestClient, slot_id: int, programme_id: int, database: Database
) -> None:
    page = told(recorder, slot_id, form(programme_id, local_time="18:00"))
    assert f"{STAYS_SILENT} 2 of 2 villages; there the new time counts from 2026-06-02." in page
    assert "For today plan a new slot." in page
    assert {play.starts_at for play in plays(database)[:2]} == {NOON}


@pytest.mark.usefixtures("after_noon")
def test_a_village_that_is_new_to_the_slot_hears_it_this_evening_and_is_not_counted(
    recorder: TestClient, slot_id: int, programme_id: int, database: Database
) -> None:
    with database.write() as session:
        session.execute(sa.delete(Play).where(Play.area_code == SECOND_VILLAGE))
    page = told(recorder, slot_id, form(programme_id, local_time="18:00"))
    assert f"{STAYS_SILENT} 1 of 2 villages" in page


@pytest.mark.usefixtures("after_noon")
def test_on_the_last_day_there_is_no_date_from_which_it_counts(
    recorder: TestClient, slot_id: int, programme_id: int
) -> None:
    page = told(recorder, slot_id, form(programme_id, local_time="18:00", last_date=MONDAY))
    assert f"{STAYS_SILENT} 2 of 2 villages, and no later day follows." in page


@pytest.mark.usefixtures("after_noon")
def test_a_village_that_is_taken_off_is_not_counted(
    recorder: TestClient, slot_id: int, programme_id: int, database: Database
) -> None:
    with database.write() as session:
        session.execute(sa.delete(Play).where(Play.area_code == VILLAGE))
    page = told(recorder, slot_id, form(programme_id, local_time="18:00", villages=[VILLAGE]))
    assert "The slot is changed. What has started already stays as it was." in page


@pytest.mark.parametrize("today", ["2026-05-30", MONDAY])
def test_a_slot_that_is_moved_before_its_play_says_nothing_of_it(
    recorder: TestClient, slot_id: int, programme_id: int, today: str
) -> None:
    page = told(recorder, slot_id, form(programme_id, local_time="18:00", first_date=today))
    assert "The slot is changed. What has started already stays as it was." in page


def test_an_ended_slot_says_until_when_a_late_village_may_begin(
    recorder: TestClient, slot_id: int, after_noon: None, database: Database
) -> None:
    assert len(plays(database)) == 5 * len(OWN)
    page = told_of_end(recorder, slot_id)
    assert "a village that was away may still begin it until 12:13." in page
    assert {play.state for play in plays(database)[:2]} == {"planned"}


def test_an_ended_slot_whose_play_nobody_may_begin_any_more_says_nothing_of_it(
    recorder: TestClient, slot_id: int, clock: FakeClock
) -> None:
    clock.set(NOON + timedelta(hours=2))
    page = told_of_end(recorder, slot_id)
    assert "The slot is ended. Its plays to come are cancelled." in page
    assert "was away" not in page


def told_of_end(recorder: TestClient, slot_id: int) -> str:
    post(recorder, f"/calendar/slots/{slot_id}/cancel", {"version": "1"})
    return text_of(recorder.get("/calendar").text)
