"""What did our loudspeaker say today: plays, break-ins, test tones, live addresses in one list."""

# ruff: noqa: F811 - fixtures of the neighbour modules are asked for by their names

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from broadcast.models import OVERRIDE_IDS, LiveListener, LiveSession, Override, OverridePlay
from core.blobs import BlobStore, register
from core.clock import FakeClock, utc_now
from core.database import Database
from schedule.models import Play
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE, Clients
from tests.web.test_calendar import (  # noqa: F401
    MONDAY,
    OWN,
    plays,
    programme_id,
    recorder,
    set_play,
    slot_id,
)
from tests.web.test_overrides import add_player

DAY = f"/calendar/days/{MONDAY}"
YESTERDAY, FAR_AWAY = "2026-05-31", "2027-03-01"


@pytest.fixture(autouse=True)
def clock(fake_clock: FakeClock) -> FakeClock:
    """Monday 08:00 in the town, 00:00 UTC."""
    return fake_clock


def at(hour: int, minute: float = 0) -> datetime:
    """A wall time of this Monday."""
    return utc_now().replace(hour=0, minute=0) + timedelta(hours=hour - 8, minutes=minute)


class Air:
    """What breaks in, as rows."""

    def __init__(self, database: Database, cast: dict[str, int]) -> None:
        self.database, self.cast = database, cast

    def broke_in(
        self,
        kind: str,
        title: str,
        began: datetime,
        *villages: str,
        rounds: int = 1,
        **of_round: Any,
    ) -> int:
        with self.database.write() as session:
            made = Override(
                kind=kind, title=title, villages=list(villages), state="ended", duration_ms=60_000,
                valid_until=began + timedelta(hours=1), created_by_id=self.cast["township"],
                created_at=began, confirmed_by_id=self.cast["leader"], confirmed_at=began,
                form_token=f"{kind}{title}", cancelled_at=of_round.pop("cancelled_at", None),
            )  # fmt: skip
            session.add(made)
            session.flush()
            highest = session.scalar(sa.select(sa.func.max(OverridePlay.id))) or OVERRIDE_IDS
            for number in range(rounds):
                starts = began + number * timedelta(minutes=5)
                for code in villages:
                    highest += 1
                    plain = {
                        "state": "played", "started_at": starts,
                        "ended_at": starts + timedelta(minutes=1),
                    }  # fmt: skip
                    session.add(
                        OverridePlay(
                            id=highest, override_id=made.id, area_code=code, round_no=number + 1,
                            starts_at=starts, make_up_until=starts, **{**plain, **of_round},
                        )
                    )  # fmt: skip
            return made.id

    def spoke(self, title: str, began: datetime, village: str, cause: str = "speaker") -> str:
        add_player(self.database, village)
        with self.database.write() as session:
            session.add(
                LiveSession(
                    id="live-1", source="phone", title=title, state="ended", villages=[village],
                    started_by_id=self.cast["village_head"], created_at=began, on_air_at=began,
                    ended_at=began + timedelta(minutes=2), end_cause=cause,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                LiveListener(
                    session_id="live-1", player_id=f"p-{village}", joined_at=began,
                    first_sound_at=began,
                )
            )  # fmt: skip
        return "live-1"


@pytest.fixture
def air(database: Database, cast: dict[str, int]) -> Air:
    return Air(database, cast)


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def of_village(reader: TestClient, village: str = VILLAGE) -> str:
    answer = reader.get(DAY, params={"village": village})
    assert answer.status_code == 200
    return text_of(answer.text)


@pytest.mark.usefixtures("slot_id")
def test_a_village_reads_its_whole_day_in_the_order_of_time(
    recorder: TestClient, air: Air, database: Database, clock: FakeClock
) -> None:
    set_play(
        database, plays(database)[0], state="played", started_at=at(12), ended_at=at(12, 5),
        start_error_ms=1.0,
    )  # fmt: skip
    air.broke_in("emergency", "山洪", at(14), VILLAGE)
    air.broke_in("drill", "演练", at(10), VILLAGE)
    air.broke_in("test", "", at(9), VILLAGE)
    air.spoke("停水", at(11), VILLAGE, "hung_up")
    clock.advance(timedelta(hours=10))
    page = of_village(recorder)
    told = [
        "09:00:00 – 09:01:00 ♪ Test tone ✓ Sounded By leader one",
        "10:00:00 – 10:01:00 ▲ Drill 演练 ✓ Sounded By leader one",
        "11:00:00 – 11:02:00 ◉ Live address 停水 ✓ Sounded By village_head one"
        " · by telephone · the caller hung up",
        "12:00:00 – 12:05:00 所长说法 第1期 ✓ Played",
        "14:00:00 – 14:01:00 ‼ Emergency 山洪 ✓ Sounded By leader one",
    ]
    where = [page.index(line) for line in told]
    assert where == sorted(where)


def test_each_round_of_a_village_has_its_line_and_the_week_counts_them(
    recorder: TestClient, air: Air, clock: FakeClock
) -> None:
    air.broke_in("emergency", "山洪", at(10), VILLAGE, SECOND_VILLAGE, rounds=3)
    clock.advance(timedelta(hours=3))
    assert re.findall(r"10:(\d\d):00 – ", of_village(recorder)) == ["00", "05", "10"]
    week = text_of(recorder.get("/calendar").text)
    assert "10:00 ‼ Emergency 山洪 By leader one heard in 2 villages · 3 times" in week


def test_a_week_with_break_ins_alone_is_not_empty(recorder: TestClient, air: Air) -> None:
    air.broke_in("notice", "停电", at(7), VILLAGE)
    page = recorder.get("/calendar").text
    assert "Nothing is planned in this week" not in page
    assert f'href="{DAY}#s-notice-1"' in page
    assert 'id="s-notice-1"' in recorder.get(DAY).text


@pytest.mark.parametrize(
    ("of_round", "words"),
    [
        ({"state": "cancelled", "ended_at": None}, "■ Stopped while it sounded"),
        ({"state": "sounding", "ended_at": None}, "▶ sounding now"),
        ({"state": "missed", "reason": "no_receipt", "ended_at": None},
         "⚠ It began; its end is not proved By leader one The player sent no receipt."),
        ({"state": "missed", "reason": "preempted", "ended_at": None}, "‖ Broken off"),
    ],
)  # fmt: skip
def test_a_round_without_its_end_says_what_is_known(
    recorder: TestClient, air: Air, of_round: dict[str, Any], words: str
) -> None:
    air.broke_in("drill", "演练", at(7, 59), VILLAGE, **of_round)
    assert words in of_village(recorder)


def test_what_never_sounded_is_not_told_as_heard(recorder: TestClient, air: Air) -> None:
    air.broke_in("emergency", "山洪", at(7), VILLAGE, state="missed", started_at=None)
    assert "山洪" not in of_village(recorder)
    assert "Nothing was planned, and nothing sounded" in of_village(recorder)


def test_a_stopped_round_ends_when_it_was_stopped(recorder: TestClient, air: Air) -> None:
    air.broke_in(
        "emergency", "山洪", at(7), VILLAGE, state="cancelled", ended_at=None,
        cancelled_at=at(7, 0.5),
    )  # fmt: skip
    assert "07:00:00 – 07:00:30" in of_village(recorder)


def test_an_interrupted_play_says_by_what_in_every_list(
    recorder: TestClient, air: Air, slot_id: int, database: Database, clock: FakeClock
) -> None:
    first, second = plays(database)[:2]
    set_play(
        database, first, state="played", started_at=at(12), ended_at=at(12, 6), start_error_ms=1.0
    )
    set_play(database, second, state="missed", reason="preempted")
    air.broke_in("emergency", "山洪", at(12, 0.05), *OWN)
    clock.advance(timedelta(hours=6))
    went_on = "Broken off at 12:00:03 by ‼ Emergency “山洪”; went on afterwards."
    lost = "Broken off at 12:00:03 by ‼ Emergency “山洪”; not heard to its end."
    lines = text_of(recorder.get(f"/calendar/slots/{slot_id}/{MONDAY}").text)
    assert went_on in lines
    assert lost in lines
    assert "Broken off by something more urgent." not in lines  # said once, with the name
    assert went_on in of_village(recorder)
    assert lost in of_village(recorder, SECOND_VILLAGE)
    week = text_of(recorder.get("/calendar").text)
    assert "‖ made way for something urgent in 2 villages" in week


def test_a_play_that_had_to_wait_for_what_sounded_already_says_so(
    recorder: TestClient, air: Air, slot_id: int, database: Database, clock: FakeClock
) -> None:
    began = at(12, 0.6)
    set_play(
        database, plays(database)[0], state="played", started_at=began,
        ended_at=began + timedelta(minutes=5), start_error_ms=36_000.0,
    )  # fmt: skip
    air.broke_in("emergency", "山洪", at(11, 59.5), VILLAGE)
    clock.advance(timedelta(hours=6))
    lines = text_of(recorder.get(f"/calendar/slots/{slot_id}/{MONDAY}").text)
    assert "Made way at 12:00:00 for ‼ Emergency “山洪”; heard whole afterwards." in lines


def test_a_play_nobody_disturbed_says_nothing(
    recorder: TestClient, air: Air, slot_id: int, database: Database, clock: FakeClock
) -> None:
    set_play(database, plays(database)[0], state="played", started_at=at(12), ended_at=at(12, 5))
    air.broke_in("emergency", "山洪", at(15), VILLAGE)
    clock.advance(timedelta(hours=8))
    assert "made way" not in recorder.get("/calendar").text


def test_the_part_comes_alone_and_follows_all_news(recorder: TestClient, air: Air) -> None:
    air.broke_in("notice", "停电", at(7), VILLAGE)
    page = recorder.get(f"{DAY}?village={VILLAGE}").text
    found = re.search(r'data-live="([^"]+)" data-live-url="([^"]+)"', page)
    assert found is not None
    assert {"play.changed", "override.heard", "live.changed"} <= set(found[1].split())
    assert recorder.get(found[2]).text.strip() in page


@pytest.mark.parametrize("where", ["", "/lines"])
def test_an_empty_day_to_come_says_what_to_do_first(recorder: TestClient, where: str) -> None:
    shown = recorder.get(f"/calendar/days/{FAR_AWAY}{where}").text
    assert "First record an episode and have it approved" in shown
    assert 'href="/programmes"' in shown
    assert 'href="/calendar/slots/new"' in shown


def test_an_empty_day_gone_by_asks_for_nothing(recorder: TestClient) -> None:
    shown = recorder.get(f"/calendar/days/{YESTERDAY}").text
    assert "Nothing was planned" in shown
    assert "First record an episode" not in shown


def test_a_village_head_reads_the_own_village_alone(client: Clients, air: Air) -> None:
    air.broke_in("emergency", "山洪", at(7), VILLAGE)
    air.broke_in("drill", "别村演练", at(7), SECOND_VILLAGE)
    page = client("village_head").get(DAY)
    assert "山洪" in page.text
    assert "别村演练" not in page.text
    assert "/overrides/" not in page.text  # no door the person may not open
    assert client("village_head").get(f"{DAY}?village={SECOND_VILLAGE}").status_code == 404


@pytest.mark.parametrize("where", [DAY, f"{DAY}/lines"])
def test_other_areas_and_strangers_find_nothing(
    recorder: TestClient, client: Clients, air: Air, where: str
) -> None:
    air.broke_in("emergency", "别镇山洪", at(7), OTHER_VILLAGE)
    assert "别镇山洪" not in recorder.get(where).text
    assert recorder.get(f"{where}?village={OTHER_VILLAGE}").status_code == 404
    assert client("operator").get(where).status_code == 403


@pytest.mark.parametrize("day", ["tomorrow", "0001-01-01"])
def test_a_day_that_is_none_is_told(recorder: TestClient, day: str) -> None:
    assert recorder.get(f"/calendar/days/{day}").status_code in (404, 422)


def test_a_round_that_was_kept_can_be_heard_by_those_of_its_area(
    recorder: TestClient, client: Clients, air: Air, database: Database, store: BlobStore
) -> None:
    with database.write() as session:
        digest = store.put_bytes(b"OggS what the village heard")
        register(session, store, digest, "audio/ogg")
    air.broke_in("emergency", "山洪", at(7), VILLAGE, sounded_sha256=digest)
    address = f"/plays/{OVERRIDE_IDS + 1}/sounded"
    assert f'href="{address}"' in recorder.get(f"{DAY}?village={VILLAGE}").text
    assert recorder.get(address).content == b"OggS what the village heard"
    assert client("outsider").get(address).status_code == 404


def test_a_play_of_yesterday_that_reaches_into_today_is_not_blamed(
    recorder: TestClient, air: Air, database: Database
) -> None:
    with database.read() as session:
        assert session.scalars(sa.select(Play)).all() == []
    air.broke_in("emergency", "山洪", at(0, -5), VILLAGE)
    assert "山洪" not in of_village(recorder)
    yesterday = recorder.get(f"/calendar/days/2026-05-31?village={VILLAGE}").text
    assert "山洪" in yesterday
