"""The start page tells each person what waits, of the own area alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast.models import Player
from cases import casework, residents
from cases.models import Case, Report
from core import auth, blobs
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import User
from desk import briefing
from recordings.models import Programme
from schedule.models import Play, Slot
from tests.web.conftest import OTHER_VILLAGE, TOWN, VILLAGE, Clients

ZONE = "Asia/Shanghai"


def report(session: Session, number: int, village: str | None, *, urgent: bool = False) -> None:
    session.add(
        Report(
            reference_no=f"{number:09}",
            source_key=f"test:{number}",
            channel="typed",
            received_at=utc_now(),
            village_code=village,
            urgent=urgent,
        )
    )


def play(session: Session, village: str, state: str, days: int = 0) -> None:
    programme = Programme(name="村情", area_code=TOWN, created_at=utc_now())
    session.add(programme)
    session.flush()
    starts_at = utc_now() + timedelta(days=days)
    slot = Slot(
        programme_id=programme.id,
        name="早",
        local_time=starts_at.time(),
        zone=ZONE,
        weekdays=[1],
        first_date=starts_at.date(),
        last_date=starts_at.date(),
        created_at=utc_now(),
    )
    session.add(slot)
    session.flush()
    session.add(
        Play(
            slot_id=slot.id,
            area_code=village,
            local_date=starts_at.date(),
            starts_at=starts_at,
            make_up_until=starts_at + timedelta(hours=1),
            state=state,
        )
    )


def counts(database: Database, cast: dict[str, int], name: str) -> dict[str, int]:
    with database.read() as session:
        actor = auth.actor_of(session.get_one(User, cast[name]))
        return {duty.key: duty.count for duty in briefing.duties(session, actor, ZONE)}


def test_reports_of_the_own_area_and_of_none_wait(
    fake_clock: FakeClock, database: Database, cast: dict[str, int]
) -> None:
    with database.write() as session:
        report(session, 1, VILLAGE)
        report(session, 2, None, urgent=True)
        report(session, 3, OTHER_VILLAGE)
    assert counts(database, cast, "operator")["reports.waiting"] == 2
    assert counts(database, cast, "operator")["reports.urgent"] == 1
    assert "reports.waiting" not in counts(database, cast, "recorder")


def test_what_residents_ask_about_again_is_counted_for_whoever_owes_the_answer(
    fake_clock: FakeClock, database: Database, cast: dict[str, int]
) -> None:
    with database.write() as session:
        report(session, 1, VILLAGE)
        report(session, 2, VILLAGE)
        session.flush()
        for found in session.scalars(sa.select(Report).order_by(Report.id)).all()[:1]:
            residents.not_satisfied(session, found.id, "call:1")
        for number, name in enumerate(("handler", "dispatcher")):
            session.add(
                Case(
                    case_no=f"X-{number}", title="路灯", summary="路灯坏了", status="assigned",
                    village_code=VILLAGE, owner_id=cast[name], created_at=utc_now(),
                )
            )  # fmt: skip
        session.flush()
        mine = session.scalars(sa.select(Case).where(Case.owner_id == cast["handler"])).one()
        casework.remember_reminder(session, mine, "催")
    assert counts(database, cast, "operator")["reports.reminded"] == 1
    assert counts(database, cast, "handler")["cases.reminded"] == 1
    assert "cases.reminded" not in counts(database, cast, "dispatcher")


def test_only_plays_missed_today_count(
    fake_clock: FakeClock, database: Database, cast: dict[str, int]
) -> None:
    with database.write() as session:
        play(session, VILLAGE, "missed")
        play(session, VILLAGE, "missed", days=-1)
        play(session, OTHER_VILLAGE, "missed")
        play(session, VILLAGE, "planned")
    found = counts(database, cast, "recorder")
    assert (found["plays.missed"], found["plays.unready"]) == (1, 1)


def test_a_play_for_which_only_a_player_is_missing_is_told_so(
    fake_clock: FakeClock, database: Database, cast: dict[str, int], store: BlobStore
) -> None:
    sha256 = store.put_bytes(b"sound")
    with database.write() as session:
        blobs.register(session, store, sha256, "audio/ogg")
        play(session, VILLAGE, "planned")
        session.execute(sa.update(Play).values(clip_sha256=sha256))
    found = counts(database, cast, "recorder")
    assert (found["plays.unready"], found["plays.unheard"]) == (0, 1)


def test_who_looks_after_players_is_told_which_ones_wait_or_are_away(
    fake_clock: FakeClock, database: Database, cast: dict[str, int]
) -> None:
    now = utc_now()
    away = now - timedelta(minutes=5)
    with database.write() as session:
        for number, (village, approved_at, seen_at, cloned_at) in enumerate(
            [
                (VILLAGE, None, now, None),  # waits
                (VILLAGE, now, now, None),  # well
                (VILLAGE, now, away, None),
                (VILLAGE, now, None, None),  # was never heard of
                (VILLAGE, now, now, now),
                (OTHER_VILLAGE, now, away, None),  # of another town, in the same county
            ]
        ):
            session.add(
                Player(
                    id=f"p-{number}", area_code=village, name="村部", public_key=str(number),
                    token_hash=str(number), mqtt_password_hash="", enrolled_at=now,
                    approved_at=approved_at, last_seen_at=seen_at, cloned_at=cloned_at,
                )
            )  # fmt: skip
    found = counts(database, cast, "administrator")
    assert (found["players.waiting"], found["players.troubled"]) == (1, 4)
    assert "players.waiting" not in counts(database, cast, "recorder")


def test_the_worst_stands_first(
    fake_clock: FakeClock, database: Database, cast: dict[str, int], client: Clients
) -> None:
    with database.write() as session:
        report(session, 1, VILLAGE, urgent=True)
    page = client("operator").get("/").text
    assert page.index("Urgent reports to review") < page.index("Cases that wait for you")
    assert "look now" in page


@pytest.mark.parametrize(("name", "there"), [("administrator", True), ("recorder", False)])
def test_the_menu_shows_what_one_may(client: Clients, name: str, there: bool) -> None:
    assert ('href="/people"' in client(name).get("/").text) is there


def test_every_duty_leads_to_a_page(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    for name in ("operator", "township", "county", "recorder", "approver", "handler"):
        browser = client(name)
        with database.read() as session:
            actor = auth.actor_of(session.get_one(User, cast[name]))
            found = briefing.duties(session, actor, ZONE)
        for duty in found:
            assert browser.get(duty.url).status_code == 200, (name, duty.url)
