"""A handler tells that he spoke with a resident: who may, of which case, of which time, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from cases import casework, contacts
from cases.contacts import TOLD_BY_PHONE, TOLD_IN_PERSON
from cases.models import Case, CaseEvent
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import Forbidden, InvalidInput, NotFound, XiangyinError
from core.models import AuditEntry
from core.sealed import Sealer
from core.settings import Settings
from hotline import contact_by_hand
from tests.conftest import on_both_databases
from tests.hotline.test_outgoing_orders import Office

pytestmark = on_both_databases
WORDS = "约好周一上门看路灯"


@pytest.fixture
def office(database: Database, sealer: Sealer, config: Settings, fake_clock: FakeClock) -> Office:
    return Office(database, sealer, config)


def note(
    office: Office, case: int, who: str = "handler", *, way: str = TOLD_BY_PHONE,
    at: datetime | None = None, words: str = WORDS, trunk: str = "",
) -> bool:  # fmt: skip
    config = office.settings.model_copy(update={"trunk_host": trunk})
    with office.database.write() as session:
        return contact_by_hand.note(
            session, config, office.sealer, office.people[who], case, way, at, words
        )


def told(office: Office) -> list[CaseEvent]:
    with office.database.read() as session:
        query = sa.select(CaseEvent).where(CaseEvent.action.in_(contacts.TOLD))
        return list(session.scalars(query.order_by(CaseEvent.id)))


def first(office: Office, case: int) -> datetime | None:
    with office.database.read() as session:
        return contacts.first_contact(session, session.get_one(Case, case))


def happened(office: Office, case: int, action: str, at: datetime, cycle: int = 1) -> None:
    with office.database.write() as session:
        session.add(
            CaseEvent(
                case_id=case,
                at=at,
                action=action,
                before="triaged",
                after="assigned",
                cycle_no=cycle,
            )
        )


def test_what_is_told_becomes_the_first_contact(office: Office) -> None:
    case = office.case()
    assert first(office, case) is None
    assert note(office, case)
    [event] = told(office)
    assert (event.action, event.reason) == (TOLD_BY_PHONE, WORDS)
    assert (event.before, event.after, event.cycle_no) == ("in_progress", "in_progress", 1)
    assert event.actor_id == office.people["handler"].id
    assert first(office, case) == event.at == utc_now()
    assert {"case_id": case} in office.news("case.changed")


def test_it_is_in_the_audit_trail_without_what_was_said(office: Office) -> None:
    case = office.case()
    note(office, case, words="请打 13700000002 再联系")
    with office.database.read() as session:
        [entry] = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "contact.note"))
    assert (entry.actor, entry.subject) == ("handler", f"case:{case}")
    assert entry.detail == {"way": TOLD_BY_PHONE, "spoke_at": utc_now().isoformat()}


@pytest.mark.parametrize(
    ("who", "changed", "refusal"),
    [
        ("handler", {"status": "accepted"}, None),
        ("handler", {"status": "in_progress"}, None),
        ("handler", {"status": "on_hold"}, None),
        ("handler", {"status": "assigned"}, Forbidden),
        ("handler", {"status": "resolved"}, Forbidden),
        ("handler", {"status": "closed"}, Forbidden),
        ("handler", {"confidential": True}, Forbidden),
        ("other", {}, Forbidden),
        ("operator", {}, Forbidden),
        ("dispatcher", {}, Forbidden),
        ("township", {}, Forbidden),
        ("township", {"handler": True}, None),
        ("county", {"handler": True, "confidential": True}, None),
        ("outsider", {}, NotFound),
    ],
)
def test_only_who_handles_it_tells_so(
    office: Office, who: str, changed: dict[str, Any], refusal: type[XiangyinError] | None
) -> None:
    case = office.case(
        status=changed.get("status", "in_progress"),
        confidential=changed.get("confidential", False),
    )
    if "handler" in changed:
        with office.database.write() as session:
            session.get_one(Case, case).handler_id = office.people[who].id
    if refusal is None:
        assert note(office, case, who)
    else:
        with pytest.raises(refusal):
            note(office, case, who)
    assert len(told(office)) == (refusal is None)


def test_where_the_hotline_can_connect_them_only_a_visit_is_told(office: Office) -> None:
    case = office.case()
    with pytest.raises(InvalidInput) as refused:
        note(office, case, trunk="carrier.example")
    assert refused.value.field == "way"
    assert note(office, case, way=TOLD_IN_PERSON, trunk="carrier.example")
    assert [event.action for event in told(office)] == [TOLD_IN_PERSON]


@pytest.mark.parametrize("number", ["0085212345678", None])
def test_a_talk_that_the_hotline_could_not_have_joined_is_told_beside_a_line_too(
    office: Office, number: str | None
) -> None:
    sealed = office.sealer.seal(number) if number else None
    assert note(office, office.case(caller_sealed=sealed), trunk="carrier.example")


def test_there_is_no_third_way(office: Office) -> None:
    case = office.case()
    for way in ("", "contacted"):
        with pytest.raises(InvalidInput) as refused:
            note(office, case, way=way)
        assert refused.value.field == "way"
    assert told(office) == []


@pytest.mark.parametrize(
    ("words", "is_enough"), [("好", False), ("   ", False), ("谈好了", False), ("约好周一", True),
                             ("约" * 200, True), ("约" * 201, False)],
)  # fmt: skip
def test_one_line_says_what_it_was_about(office: Office, words: str, is_enough: bool) -> None:
    case = office.case()
    if is_enough:
        assert note(office, case, words=words)
        return
    with pytest.raises(InvalidInput) as refused:
        note(office, case, words=words)
    assert refused.value.field == "words"
    assert told(office) == []


def test_a_time_to_come_is_refused_but_a_clock_slightly_ahead_is_now(office: Office) -> None:
    case = office.case()
    with pytest.raises(InvalidInput) as refused:
        note(office, case, at=utc_now() + timedelta(minutes=3))
    assert refused.value.field == "spoke_at"
    assert note(office, case, at=utc_now() + timedelta(minutes=1))
    assert first(office, case) == utc_now()


def test_nobody_spoke_of_a_case_before_it_came_to_them(
    office: Office, fake_clock: FakeClock
) -> None:
    case = office.case()
    given_at = utc_now() + timedelta(hours=2, seconds=40)
    happened(office, case, "assign", given_at)
    fake_clock.advance(timedelta(hours=3))
    with pytest.raises(InvalidInput) as refused:
        note(office, case, at=given_at - timedelta(minutes=1))
    assert refused.value.field == "spoke_at"
    assert told(office) == []


def test_the_minute_in_which_it_came_counts_as_after_it(
    office: Office, fake_clock: FakeClock
) -> None:
    case = office.case()
    given_at = utc_now() + timedelta(seconds=40)
    happened(office, case, "assign", given_at)
    fake_clock.advance(timedelta(hours=1))
    assert note(office, case, at=given_at.replace(second=0))
    assert first(office, case) == given_at


@pytest.mark.parametrize("action", ["assign", "reopen", casework.HANDED_OVER])
def test_who_got_it_later_spoke_later(office: Office, fake_clock: FakeClock, action: str) -> None:
    case = office.case()
    happened(office, case, "assign", utc_now())
    happened(office, case, action, utc_now() + timedelta(hours=5))
    fake_clock.advance(timedelta(hours=6))
    with pytest.raises(InvalidInput):
        note(office, case, at=utc_now() - timedelta(hours=2))
    assert note(office, case, at=utc_now() - timedelta(minutes=30))


def test_a_reminder_does_not_move_the_time_it_came(office: Office, fake_clock: FakeClock) -> None:
    case = office.case()
    happened(office, case, casework.REMINDER, utc_now() + timedelta(hours=5))
    fake_clock.advance(timedelta(hours=6))
    assert note(office, case, at=utc_now() - timedelta(hours=2))


def test_the_earlier_of_a_told_and_a_measured_contact_is_the_first(
    office: Office, fake_clock: FakeClock
) -> None:
    case, began_at = office.case(), utc_now()
    fake_clock.advance(timedelta(hours=2))
    with office.database.write() as session:
        handler = office.people["handler"].id
        contacts.note_contact(session, case, handler, utc_now(), 65_000)
    fake_clock.advance(timedelta(hours=1))
    note(office, case, way=TOLD_IN_PERSON)
    assert first(office, case) == began_at + timedelta(hours=2)
    note(office, case, at=began_at + timedelta(hours=1))
    assert first(office, case) == began_at + timedelta(hours=1)


def test_a_new_round_begins_without_a_contact(office: Office) -> None:
    case = office.case()
    note(office, case)
    with office.database.write() as session:
        session.get_one(Case, case).cycle_no = 2
    assert first(office, case) is None


def test_a_double_press_is_one_contact(office: Office, fake_clock: FakeClock) -> None:
    case = office.case()
    answers: list[bool] = []
    presses = [Thread(target=lambda: answers.append(note(office, case))) for _ in range(2)]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    fake_clock.advance(timedelta(seconds=2))
    answers.append(note(office, case, words=f" {WORDS}\n"))
    assert sorted(answers) == [False, False, True]
    assert len(told(office)) == 1


def test_a_second_talk_is_a_second_contact(office: Office, fake_clock: FakeClock) -> None:
    case = office.case()
    assert note(office, case)
    assert note(office, case, words="又说好改到周二")
    assert note(office, case, way=TOLD_IN_PERSON)
    fake_clock.advance(timedelta(hours=1))
    assert note(office, case)
    assert len(told(office)) == 4


def test_a_time_of_utc_is_stored(office: Office, fake_clock: FakeClock) -> None:
    case = office.case()
    fake_clock.advance(timedelta(hours=4))
    at = datetime(2026, 6, 1, 1, 30, tzinfo=UTC)
    note(office, case, at=at)
    assert [event.at for event in told(office)] == [at]
