"""Who may be joined with whom, once, within limits; and the clerk who hands orders over."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import contacts
from cases.models import Case, CaseEvent, CaseReport, Report
from core import areas, auth, clock
from core.auth import Actor
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound, XiangyinError
from core.models import AuditEntry, OutboxEvent, User
from core.sealed import Sealer
from core.settings import Settings
from hotline import callbacks
from hotline.callbacks import Debt
from hotline.models import CallBack, OutgoingCall, StaffPhone
from hotline.outgoing import door, entering, orders
from hotline.outgoing.clerk import OutgoingClerk
from hotline.outgoing.contract import Attempt, Outcome
from hotline.outgoing.outcomes import KEEP, Ledger
from tests.conftest import on_both_databases

TOWN, OTHER_TOWN, VILLAGE = "513221100000", "513221200000", "513221100201"
RESIDENT, STAFF = "13700000002", "13900000001"
pytestmark = on_both_databases


class Office:
    """A town with its people and one case, and short ways to press the button."""

    def __init__(self, database: Database, sealer: Sealer, settings: Settings) -> None:
        self.database, self.sealer, self.settings = database, sealer, settings
        self.people: dict[str, Actor] = {}
        with database.write() as session:
            areas.add(session, TOWN, "青石镇", "township")
            areas.add(session, OTHER_TOWN, "白河镇", "township")
            areas.add(session, VILLAGE, "桃坪村", "village", TOWN)
            for name, role, area in (
                ("handler", "handler", TOWN),
                ("other", "handler", TOWN),
                ("township", "township", TOWN),
                ("county", "county", TOWN),
                ("operator", "operator", TOWN),
                ("dispatcher", "dispatcher", TOWN),
                ("custodian", "custodian", TOWN),
                ("outsider", "township", OTHER_TOWN),
            ):
                self._person(session, name, role, area)

    def _person(self, session: Any, name: str, role: str, area: str) -> None:
        user = User(
            login=name, display_name=name, password_hash="-", roles=[role], area_code=area,
            created_at=utc_now(),
        )  # fmt: skip
        session.add(user)
        session.flush()
        sealed = self.sealer.seal(STAFF)
        session.add(StaffPhone(user_id=user.id, number_sealed=sealed, changed_at=utc_now()))
        self.people[name] = auth.actor_of(user)

    def case(
        self, *, status: str = "in_progress", confidential: bool = False, **report: Any
    ) -> int:
        facts = {
            "caller_sealed": self.sealer.seal(RESIDENT),
            "confidential": confidential,
            **report,
        }
        handler = self.people["handler"].id
        with self.database.write() as session:
            arrived = Report(
                reference_no=uuid.uuid4().hex[:9], source_key=uuid.uuid4().hex, channel="phone",
                received_at=utc_now(), village_code=VILLAGE, **facts,
            )  # fmt: skip
            made = Case(
                case_no=uuid.uuid4().hex[:12], title="路灯", summary="不亮", status=status,
                village_code=VILLAGE, owner_id=handler, handler_id=handler,
                confidential=confidential, created_at=utc_now(),
            )  # fmt: skip
            session.add_all([arrived, made])
            session.flush()
            session.add(CaseReport(case_id=made.id, report_id=arrived.id))
            return made.id

    def task(self, **changed: Any) -> int:
        debt = {
            "reason": "missed",
            "called_at": utc_now(),
            "caller_sealed": self.sealer.seal(RESIDENT),
            "caller_hash": "h",
            "village_code": VILLAGE,
            **changed,
        }
        with self.database.write() as session:
            made = callbacks.owe(session, Debt(**debt), self.settings.zone)
            assert made is not None
            return made.id

    def press(self, case: int, who: str = "handler") -> str:
        with self.database.write() as session:
            return orders.request_bridge_for_case(
                session, self.settings, self.sealer, self.people[who], case
            ).id

    def press_call_back(self, task: int, who: str = "operator") -> str:
        with self.database.write() as session:
            return orders.request_bridge_for_call_back(
                session, self.settings, self.sealer, self.people[who], task
            ).id

    def row(self, order: str) -> OutgoingCall:
        with self.database.read() as session:
            return session.get_one(OutgoingCall, order)

    def rows(self) -> list[OutgoingCall]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(OutgoingCall)))

    def contacts(self) -> list[CaseEvent]:
        with self.database.read() as session:
            query = sa.select(CaseEvent).where(CaseEvent.action == contacts.CONTACTED)
            return list(session.scalars(query))

    def news(self, kind: str) -> list[dict[str, Any]]:
        with self.database.read() as session:
            query = sa.select(OutboxEvent.payload).where(OutboxEvent.kind == kind)
            return list(session.scalars(query.order_by(OutboxEvent.id)))


@pytest.fixture
def office(database: Database, sealer: Sealer, config: Settings) -> Office:
    return Office(database, sealer, config)


class FakeTelephony:
    """Listens where telephony would and answers each order the same way."""

    def __init__(self, settings: Settings, answer: dict[str, Any]) -> None:
        self.orders: list[dict[str, Any]] = []
        self.answer = answer
        path = door.socket_path(settings)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            with line, line.makefile("rwb") as stream:
                self.orders.append(json.loads(stream.readline()))
                stream.write(json.dumps(self.answer).encode() + b"\n")
                stream.flush()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


Telephony = Callable[[dict[str, Any]], FakeTelephony]


@pytest.fixture
def telephony(config: Settings) -> Iterator[Telephony]:
    made: list[FakeTelephony] = []

    def start(answer: dict[str, Any]) -> FakeTelephony:
        made.append(FakeTelephony(config, answer))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def clerk(database: Database, sealer: Sealer, config: Settings) -> OutgoingClerk:
    return OutgoingClerk(database, sealer, config)


def outcome(order_id: str, **changed: Any) -> Outcome:
    now = utc_now()
    facts = {
        "kind": "bridge",
        "begun_at": now.isoformat(),
        "attempts": [
            Attempt("user:1", "139****0001", now.isoformat(), now.isoformat(), None, "answered")
        ],
        "joined_at": now.isoformat(),
        "ended_at": (now + timedelta(seconds=65)).isoformat(),
        "talked_ms": 65_000,
        "result": "joined",
        **changed,
    }
    return Outcome(order_id, **facts)


# Rights


@pytest.mark.parametrize(
    ("who", "status", "allowed"),
    [
        ("handler", "accepted", True),
        ("handler", "in_progress", True),
        ("handler", "on_hold", True),
        ("handler", "assigned", False),
        ("handler", "resolved", False),
        ("other", "in_progress", False),
        ("township", "in_progress", True),
        ("township", "closed", False),
        ("county", "verifying", True),
        ("operator", "in_progress", False),
        ("dispatcher", "in_progress", False),
    ],
)
def test_who_may_be_connected(office: Office, who: str, status: str, allowed: bool) -> None:
    case = office.case(status=status)
    if allowed:
        assert office.row(office.press(case, who)).state == "wanted"
    else:
        with pytest.raises(Forbidden):
            office.press(case, who)
        assert office.rows() == []


FORGED = [
    "110",
    "0044207946000",
    "+18005550100",
    "16812345",
    "057116812345",
    "96110",
    "125901234",
    "9595012345",
    "9616812345",
    "57116812345",
]


@pytest.mark.parametrize("number", FORGED)
def test_a_number_that_costs_or_alarms_somebody_is_not_called(office: Office, number: str) -> None:
    sealed = office.sealer.seal(number)
    case, task = office.case(caller_sealed=sealed), office.task(caller_sealed=sealed)
    with pytest.raises(Conflict, match="Whoever may read the whole number decides"):
        office.press(case)
    with pytest.raises(Conflict, match="Whoever may read the whole number decides"):
        office.press_call_back(task)
    assert office.rows() == []


@pytest.mark.parametrize(
    "number",
    [
        "13812345678",
        "+86 138 1234 5678",
        "05398234567",
        "01088881234",
        "8812345",
        "4008123123",
        "09912345678",
        "9912345678",
        "9972345678",
        "57187654321",
    ],
)
def test_numbers_people_have_are_called(office: Office, number: str) -> None:
    assert office.press(office.case(caller_sealed=office.sealer.seal(number)))


def test_a_station_decides_which_numbers_are_never_called(office: Office) -> None:
    case = office.case(caller_sealed=office.sealer.seal("4008123123"))
    office.settings = office.settings.model_copy(update={"uncalled_prefixes": " 400, 800"})
    with pytest.raises(Conflict):
        office.press(case)


def test_another_towns_case_does_not_exist(office: Office) -> None:
    with pytest.raises(NotFound):
        office.press(office.case(), "outsider")


@pytest.mark.parametrize(("who", "allowed"), [("handler", False), ("township", False)])
def test_confidential_cases_are_for_the_custodian_and_the_county(
    office: Office, who: str, allowed: bool
) -> None:
    case = office.case(confidential=True)
    with pytest.raises((Forbidden, NotFound)):
        office.press(case, who)
    assert office.press(case, "custodian")


def test_a_confidential_report_lends_an_open_case_no_number(office: Office) -> None:
    case = office.case(caller_sealed=None)
    with office.database.write() as session:
        secret = Report(
            reference_no="123456789", source_key="s", channel="phone", received_at=utc_now(),
            confidential=True, caller_sealed=office.sealer.seal(RESIDENT),
        )  # fmt: skip
        session.add(secret)
        session.flush()
        session.add(CaseReport(case_id=case, report_id=secret.id))
    with pytest.raises(Conflict, match="No telephone number"):
        office.press(case)


@pytest.mark.parametrize("who", ["operator", "township", "county"])
def test_call_backs_connect_those_who_work_on_them(office: Office, who: str) -> None:
    assert office.row(office.press_call_back(office.task(), who)).call_back_id is not None


def test_a_handler_has_nothing_to_do_with_call_backs(office: Office) -> None:
    with pytest.raises(Forbidden):
        office.press_call_back(office.task(), "handler")


def test_a_call_back_that_is_done_connects_nobody(office: Office) -> None:
    task = office.task()
    with office.database.write() as session:
        session.get_one(CallBack, task).state = "done"
    with pytest.raises(Conflict):
        office.press_call_back(task)


# What an order needs


def test_without_a_number_it_says_so(office: Office) -> None:
    with pytest.raises(Conflict, match="No telephone number"):
        office.press(office.case(caller_sealed=None))


def test_without_an_own_phone_it_says_where_that_is_set(office: Office) -> None:
    with office.database.write() as session:
        session.execute(sa.delete(StaffPhone))
    with pytest.raises(InvalidInput, match="My telephone"):
        office.press(office.case())


def test_a_second_press_gives_the_running_order(office: Office) -> None:
    case = office.case()
    assert office.press(case) == office.press(case)
    assert len(office.rows()) == 1


def test_a_colleague_who_presses_meanwhile_is_told(office: Office) -> None:
    case = office.case()
    office.press(case)
    with pytest.raises(Conflict, match="colleague"):
        office.press(case, "township")


def test_a_person_has_an_hourly_limit(
    office: Office, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "PERSON_PER_HOUR", 2)
    cases = [office.case() for _ in range(4)]
    for case in cases[:2]:
        office.press(case)
    with pytest.raises(Conflict, match="2 times"):
        office.press(cases[2])
    assert office.press(cases[2], "township")
    fake_clock.advance(timedelta(minutes=61))
    assert office.press(cases[3])


def test_all_together_have_an_hourly_limit(office: Office) -> None:
    office.settings = office.settings.model_copy(update={"bridges_per_hour": 1})
    office.press(office.case())
    with pytest.raises(Conflict, match="1 calls within the hour"):
        office.press(office.case(), "township")


def test_it_is_audited_without_a_number(office: Office) -> None:
    case = office.case()
    office.press(case)
    with office.database.read() as session:
        entry = session.scalars(sa.select(AuditEntry)).one()
    assert (entry.actor, entry.action, entry.subject) == ("handler", "call.bridge", f"case:{case}")
    assert RESIDENT not in str(entry.detail)


# Handing over


def test_telephony_gets_both_numbers_once(
    office: Office, clerk: OutgoingClerk, telephony: Telephony
) -> None:
    there = telephony({"ok": True})
    order = office.press(office.case())
    clerk.run_once()
    assert [one["order_id"] for one in there.orders] == [order]
    assert [leg["number"] for leg in there.orders[0]["legs"]] == [STAFF, RESIDENT]
    assert office.row(order).state == "sent"


def test_of_a_report_for_somebody_else_the_resident_is_called(
    office: Office, clerk: OutgoingClerk, telephony: Telephony
) -> None:
    there = telephony({"ok": True})
    office.press(
        office.case(on_behalf=True, resident_phone_sealed=office.sealer.seal("13611112222"))
    )
    clerk.run_once()
    assert there.orders[0]["legs"][1]["number"] == "13611112222"


def test_while_telephony_is_away_it_is_tried_until_the_order_is_old(
    office: Office, clerk: OutgoingClerk, telephony: Telephony, fake_clock: FakeClock
) -> None:
    order = office.press(office.case())
    clerk.run_once()
    assert office.row(order).state == "wanted"
    fake_clock.advance(orders.GOOD_FOR + timedelta(seconds=1))
    clerk.run_once()
    assert (office.row(order).state, office.row(order).result) == ("done", "expired")
    there = telephony({"ok": True})
    clerk.run_once()
    assert there.orders == []


@pytest.mark.parametrize(
    ("error", "result"),
    [
        ("limit", "limit"),
        ("no_trunk", "no_trunk"),
        ("expired", "expired"),
        ("not understood", "nobody"),
    ],
)
def test_a_refusal_ends_the_order(
    office: Office, clerk: OutgoingClerk, telephony: Telephony, error: str, result: str
) -> None:
    telephony({"ok": False, "error": error})
    order = office.press(office.case())
    clerk.run_once()
    assert office.row(order).result == result
    assert {"order_id": order} in office.news("outgoing.ended")


def test_a_busy_telephony_is_asked_again(
    office: Office, clerk: OutgoingClerk, telephony: Telephony
) -> None:
    there = telephony({"ok": False, "error": "busy"})
    office.press(office.case())
    clerk.run_once()
    there.answer = {"ok": True}
    clerk.run_once()
    assert len(there.orders) == 2


def test_a_clerk_who_died_after_claiming_sends_it_again(
    office: Office, clerk: OutgoingClerk, telephony: Telephony, config: Settings
) -> None:
    there = telephony({"ok": False, "error": "known"})
    order = office.press(office.case())
    with office.database.write() as session:
        session.get_one(OutgoingCall, order).state = "sent"
    clerk.run_once()
    assert len(there.orders) == 1
    Ledger(config).save(outcome(order, result=None, joined_at=None, ended_at=None))
    clerk.run_once()
    assert len(there.orders) == 1


def test_an_order_telephony_lost_does_not_run_for_ever(
    office: Office, clerk: OutgoingClerk, telephony: Telephony, fake_clock: FakeClock
) -> None:
    telephony({"ok": True})
    order = office.press(office.case())
    clerk.run_once()
    fake_clock.advance(orders.GOOD_FOR + timedelta(minutes=2))
    clerk.run_once()
    assert office.row(order).result == "killed"


# Outcomes


def test_a_bridge_becomes_the_first_contact_once(
    office: Office, clerk: OutgoingClerk, config: Settings
) -> None:
    case = office.case()
    order = office.press(case)
    made = outcome(order)
    Ledger(config).save(made)
    for again in (clerk, clerk, OutgoingClerk(office.database, office.sealer, config)):
        again.run_once()
    row, [event] = office.row(order), office.contacts()
    assert (row.state, row.result, row.talked_ms) == ("done", "joined", 65_000)
    assert (event.case_id, event.reason) == (case, "1:05")
    assert event.at.isoformat() == made.joined_at
    assert event.actor_id == office.people["handler"].id
    assert office.news("outgoing.ended") == [{"order_id": order}]
    with office.database.read() as session:
        assert contacts.first_contact(session, session.get_one(Case, case)) == event.at


@pytest.mark.parametrize(
    "changed",
    [
        {"talked_ms": 800},
        {"talked_ms": 9_900},
        {"result": "nobody", "joined_at": None, "talked_ms": 0},
    ],
)
def test_who_did_not_speak_made_no_contact(
    office: Office, clerk: OutgoingClerk, config: Settings, changed: dict[str, Any]
) -> None:
    order = office.press(office.case())
    Ledger(config).save(outcome(order, **changed))
    clerk.run_once()
    assert office.row(order).state == "done"
    assert office.contacts() == []


def test_how_far_it_is_shows_while_it_runs(
    office: Office, clerk: OutgoingClerk, config: Settings
) -> None:
    order = office.press(office.case())
    Ledger(config).save(outcome(order, result=None, joined_at=None, ended_at=None, talked_ms=0))
    clerk.run_once()
    clerk.run_once()
    row = office.row(order)
    assert row.state == "sent"
    assert [one["who"] for one in row.attempts or []] == ["user:1"]
    assert len(office.news("outgoing.changed")) == 2  # wanted, rings: the second look tells nothing


@pytest.mark.parametrize("kind", ["duty", "human"])
def test_calls_nobody_ordered_are_entered_once(
    office: Office, clerk: OutgoingClerk, config: Settings, kind: str
) -> None:
    made = outcome(str(uuid.uuid4()), kind=kind, call_id="call-1", result="nobody")
    Ledger(config).save(made)
    for _ in range(2):
        OutgoingClerk(office.database, office.sealer, config).run_once()
    [row] = office.rows()
    assert (row.kind, row.call_id, row.result) == (kind, "call-1", "nobody")
    assert row.attempts == [asdict(one) for one in made.attempts]
    assert office.news("outgoing.ended") == [{"order_id": made.order_id}]


def test_a_file_goes_only_when_it_is_old(
    office: Office, clerk: OutgoingClerk, config: Settings
) -> None:
    ledger = Ledger(config)
    order = office.press(office.case())
    ledger.save(outcome(order))
    clerk.run_once()
    clerk.run_once()
    assert ledger.knows(order)
    with clock.use(FakeClock(utc_now() + KEEP + timedelta(minutes=5))):
        clerk.run_once()
    assert not ledger.knows(order)


def test_an_unreadable_outcome_is_set_aside_and_stops_nobody(
    office: Office, clerk: OutgoingClerk, config: Settings
) -> None:
    ledger = Ledger(config)
    (ledger.folder / "00000000-bent.json").write_text("{")
    order = office.press(office.case())
    ledger.save(outcome(order))
    clerk.run_once()
    assert office.row(order).state == "done"
    assert [path.name for path in ledger.folder.glob("*.damaged")] == ["00000000-bent.damaged"]


def test_an_order_whose_outcome_is_never_readable_ends_once_no_call_can_last(
    office: Office, clerk: OutgoingClerk, config: Settings, fake_clock: FakeClock
) -> None:
    order = office.press(office.case())
    clerk.run_once()
    (Ledger(config).folder / f"{order}.json").write_text("{")
    for _ in range(2):
        fake_clock.advance(KEEP / 2)
        clerk.run_once()
        assert office.row(order).state != "done", "a call may still be going on"
    fake_clock.advance(timedelta(minutes=3))
    clerk.run_once()
    assert (office.row(order).state, office.row(order).result) == ("done", "killed")


def test_an_outcome_that_cannot_be_entered_keeps_no_other_back(
    office: Office, clerk: OutgoingClerk, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, real, tries = Ledger(config), entering.enter, []
    first, second = office.press(office.case()), office.press(office.case())
    poisoned = min(first, second)

    def enter(session: Session, made: Outcome) -> bool:
        if made.order_id == poisoned:
            tries.append(made.order_id)
            raise KeyError("nobody thought of this")
        return real(session, made)

    monkeypatch.setattr(entering, "enter", enter)
    for order in (first, second):
        ledger.save(outcome(order))
    clerk.run_once()
    clerk.run_once()
    assert office.row(max(first, second)).state == "done"
    assert office.row(poisoned).state != "done"
    assert ledger.knows(poisoned), "it stays for when it can be entered"
    assert len(tries) == 1, "it is not tried each second"


def test_an_outcome_the_disk_does_not_give_keeps_no_other_back(
    office: Office, clerk: OutgoingClerk, config: Settings, fake_clock: FakeClock
) -> None:
    ledger = Ledger(config)
    (ledger.folder / "00000000-bent.json").mkdir()  # reading it is an OSError, as EIO is
    heard, lost = office.press(office.case()), office.press(office.case())
    ledger.save(outcome(heard))
    fake_clock.advance(timedelta(minutes=3))
    clerk.run_once()
    assert office.row(heard).state == "done"
    assert office.row(lost).result == "expired"
    assert (ledger.folder / "00000000-bent.json").exists(), "it stays for when it can be read"


def test_errors_name_what_to_do(office: Office) -> None:
    with pytest.raises(XiangyinError, match=r"took this case"):
        office.press(office.case(status="assigned"))
