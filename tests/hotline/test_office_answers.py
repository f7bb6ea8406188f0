"""What the office answers to callers and staff, asked over its real socket."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cases import casework, intake, replies, review
from cases.intake import Arrival
from cases.lifecycle import Action
from cases.models import Case, Report, ResidentWord, StatusGuess
from cases.review import Decision
from core import areas, auth
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import AuditEntry, User
from core.sealed import Sealer
from core.settings import Settings
from hotline import staff_pins
from hotline.ask import ask
from hotline.models import StaffPhone
from hotline.office import Office
from recordings.models import Programme
from schedule import quiet
from tests.cases.conftest import tone
from tests.conftest import on_both_databases

COUNTY, TOWN, VILLAGE = "130000000000", "130001000000", "130001001000"
CALLER, PIN = "13812345678", "4711"
STAFF_PIN = "482913"
Ask = Callable[..., dict[str, Any]]
Cast = dict[str, Actor]


@pytest.fixture
def cast(database: Database, fake_clock: FakeClock) -> Cast:
    roles = {
        "operator": COUNTY, "dispatcher": COUNTY, "handler": VILLAGE, "county": COUNTY,
        "recorder": TOWN, "village_head": VILLAGE,
    }  # fmt: skip
    with database.write() as session:
        areas.add(session, COUNTY, "安平县", "county")
        areas.add(session, TOWN, "柳林镇", "township", COUNTY)
        areas.add(session, VILLAGE, "石桥村", "village", TOWN)
        session.add(Programme(name="所长说法", area_code=TOWN, created_at=utc_now()))
        people = {}
        for role, area in roles.items():
            user = User(
                login=role, display_name=role, password_hash="-", roles=[role], area_code=area,
                created_at=utc_now(),
            )  # fmt: skip
            session.add(user)
            session.flush()
            people[role] = auth.actor_of(user)
    return people


@pytest.fixture
def put(cast: Cast, office: Office, config: Settings) -> Ask:
    """Ask over the socket as telephony does, with more patience than a call has."""

    def question(name: str, **details: object) -> dict[str, Any]:
        answer = asyncio.run(ask(config, name, limit_s=20, **details))
        assert answer is not None
        return answer

    return question


@pytest.fixture
def report(database: Database, store: BlobStore, sealer: Sealer, cast: Cast) -> Report:
    return let_in(database, store, sealer)


def let_in(database: Database, store: BlobStore, sealer: Sealer, **fields: object) -> Report:
    """A report of the caller, with a PIN."""
    from cases import references

    with database.write() as session:
        number = references.reserve(session, 1)[0]
        arrival = {
            "channel": "typed", "source_key": f"t:{number}", "received_at": utc_now(),
            "typed_text": "路灯坏了", "village_code": VILLAGE, "caller_number": CALLER,
            "pin_hash": sealer.keyed_hash("pin", number, PIN), "reference_no": number, **fields,
        }  # fmt: skip
        return intake.receive(session, store, sealer, Arrival(**arrival)).report  # type: ignore[arg-type]


def make_case(database: Database, cast: Cast, report: Report) -> int:
    actor = cast["county"] if report.confidential else cast["operator"]
    with database.write() as session:
        opened = review.start(session, actor, report.id)
        made = review.accept(
            session, actor, report.id, opened.version, Decision(summary="路灯坏了")
        )
    step(database, cast["county"], made.id, Action.ASSIGN, handler_id=cast["handler"].id)
    return made.id


def step(database: Database, actor: Actor, case_id: int, action: Action, **more: object) -> None:
    with database.write() as session:
        version = session.get_one(Case, case_id).version
        casework.transition(session, actor, case_id, action, version, **more)  # type: ignore[arg-type]


def solve(database: Database, cast: Cast, case_id: int) -> None:
    for action in (Action.ACCEPT, Action.BEGIN, Action.RESOLVE):
        step(database, cast["handler"], case_id, action, reason="修好了")


def about(report: Report, **more: object) -> dict[str, object]:
    return {"reference": report.reference_no, "pin": "", "caller": "", "call_id": "c1", **more}


# --- callers ---------------------------------------------------------------------------------


@on_both_databases
def test_a_callers_village_is_that_of_the_last_report(
    database: Database, store: BlobStore, sealer: Sealer, put: Ask, cast: Cast
) -> None:
    assert put("village_of", caller=CALLER)["village_code"] is None
    let_in(database, store, sealer)
    assert put("village_of", caller=CALLER)["village_code"] == VILLAGE
    assert put("village_of", caller=f"+86{CALLER}")["village_code"] == VILLAGE
    assert put("village_of", caller="13900000000")["village_code"] is None
    assert put("village_of", caller="")["village_code"] is None


def test_a_confidential_report_gives_no_village_away(
    database: Database, store: BlobStore, sealer: Sealer, put: Ask, cast: Cast
) -> None:
    let_in(database, store, sealer, confidential=True)
    let_in(database, store, sealer, on_behalf=True)
    assert put("village_of", caller=CALLER)["village_code"] is None


@on_both_databases
def test_reference_and_pin_or_number_tell_the_state(
    database: Database, report: Report, cast: Cast, put: Ask
) -> None:
    answer = put("status", **about(report, caller=CALLER))
    assert (answer["found"], answer["state"], answer["status"]) == (True, "received", None)
    make_case(database, cast, report)
    answer = put("status", **about(report, pin=PIN))
    assert (answer["state"], answer["status"], answer["may_reopen"]) == (
        "accepted", "assigned", True,
    )  # fmt: skip
    assert answer["due"] == "2026-06-08"
    assert answer["reply"] is None


def test_an_unknown_reference_and_a_wrong_pin_look_alike(report: Report, put: Ask) -> None:
    wrong = put("status", **about(report, pin="0000", caller="1"))
    unknown = put("status", **{**about(report), "reference": "400000002", "pin": "0000"})
    assert wrong == unknown == {"ok": True, "found": False, "locked": False}


def test_guessing_locks_the_reference(report: Report, put: Ask) -> None:
    for n in range(5):
        assert not put("status", **about(report, pin="0000", caller=f"1380000000{n}"))["locked"]
    assert put("status", **about(report, pin=PIN, caller="2")) == {
        "ok": True, "found": False, "locked": True,
    }  # fmt: skip


def test_the_number_alone_and_then_the_pin_are_one_try(report: Report, put: Ask) -> None:
    def from_another_phone(pin: str) -> list[bool]:
        first = put("status", **about(report, caller="1390"))
        second = put("status", **about(report, pin=pin, caller="1390", counted=True))
        return [first["locked"], second["locked"], second["found"]]

    for _ in range(30):
        assert from_another_phone(PIN) == [False, False, True], "right answers count nowhere"
    for _ in range(5):
        assert from_another_phone("0000") == [False, False, False]
    assert put("status", **about(report, caller="1390"))["locked"]


def test_a_pin_is_counted_whoever_claims_that_it_was(report: Report, put: Ask) -> None:
    tries = [put("status", **about(report, caller="1", counted=True))["locked"] for _ in range(6)]
    assert tries == [False] * 5 + [True]


def test_guessing_locks_the_caller(report: Report, put: Ask) -> None:
    answers = [
        put("status", **{**about(report), "reference": f"{n:09d}", "pin": "1", "caller": "1399"})
        for n in range(31)
    ]
    assert [answer["locked"] for answer in answers] == [False] * 30 + [True]


def test_a_line_that_tells_no_numbers_locks_nobody_out(report: Report, put: Ask) -> None:
    for n in range(31):
        wrong = {**about(report), "reference": f"{n:09d}", "pin": "1", "caller": ""}
        assert not put("status", **wrong)["locked"]
    assert put("status", **about(report, pin=PIN, caller=""))["found"]


def test_no_number_is_kept_of_who_guessed(database: Database, report: Report, put: Ask) -> None:
    put("status", **about(report, pin="0000", caller=CALLER[::-1]))
    with database.read() as session:
        keys = " ".join(session.scalars(sa.select(StatusGuess.key)))
    assert CALLER[::-1] not in keys
    assert report.reference_no not in keys


def test_the_handlers_reply_is_a_file_telephony_can_play(
    database: Database, store: BlobStore, cast: Cast, report: Report, put: Ask, tmp_path: Path
) -> None:
    case_id = make_case(database, cast, report)
    prepared = replies.from_sound(store, tone(tmp_path / "r.wav", duration_s=2, rate_hz=48_000))
    with database.write() as session:
        reply = replies.add(session, store, cast["handler"], case_id, prepared)
    path = put("status", **about(report, caller=CALLER))["reply"]
    with wave.open(path) as sound:
        form = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
        assert (form, sound.getnframes()) == ((8000, 1, 2), 16_000)
    with database.write() as session:
        replies.withdraw(session, cast["handler"], case_id, reply.id)
    assert put("status", **about(report, caller=CALLER))["reply"] is None
    with database.read() as session:
        heard = sa.select(AuditEntry).where(AuditEntry.action == "case.reply_heard")
        assert [entry.actor for entry in session.scalars(heard)] == ["resident"]


def test_a_confidential_reply_needs_the_pin(
    database: Database, store: BlobStore, sealer: Sealer, cast: Cast, put: Ask, tmp_path: Path
) -> None:
    secret = let_in(database, store, sealer, confidential=True)
    case_id = make_case(database, cast, secret)
    prepared = replies.from_sound(store, tone(tmp_path / "r.wav"))
    with database.write() as session:
        replies.add(session, store, cast["handler"], case_id, prepared)
    assert put("status", **about(secret, caller=CALLER))["found"] is False
    assert put("status", **about(secret, pin=PIN))["reply"] is not None


@on_both_databases
def test_not_satisfied_reopens_once_for_a_call(
    database: Database, cast: Cast, report: Report, put: Ask
) -> None:
    case_id = make_case(database, cast, report)
    solve(database, cast, case_id)
    asked = about(report, pin=PIN, call_id="call-7")
    assert [put("not_satisfied", **asked)["done"] for _ in range(2)] == [True, True]
    with database.read() as session:
        case = session.get_one(Case, case_id)
        assert (case.status, case.cycle_no) == ("assigned", 2)
        assert list(session.scalars(sa.select(ResidentWord.source_key))) == ["call:call-7"]


def test_not_satisfied_needs_the_proof_too(
    database: Database, cast: Cast, report: Report, put: Ask
) -> None:
    case_id = make_case(database, cast, report)
    solve(database, cast, case_id)
    assert not put("not_satisfied", **about(report, pin="0000"))["done"]
    with database.read() as session:
        assert session.get_one(Case, case_id).status == "resolved"


def test_too_late_is_not_done(
    database: Database, cast: Cast, report: Report, put: Ask, fake_clock: FakeClock
) -> None:
    case_id = make_case(database, cast, report)
    solve(database, cast, case_id)
    step(database, cast["county"], case_id, Action.VERIFY)
    step(database, cast["county"], case_id, Action.CLOSE, outcome="satisfied")
    fake_clock.advance(timedelta(days=31))
    assert not put("status", **about(report, pin=PIN))["may_reopen"]
    assert not put("not_satisfied", **about(report, pin=PIN))["done"]


# --- staff -----------------------------------------------------------------------------------


@pytest.fixture
def staff(database: Database, cast: Cast) -> None:
    """The recorder is 100001, the village head 100002; both have the same PIN."""
    with database.write() as session:
        for number, role in (("100001", "recorder"), ("100002", "village_head")):
            session.add(
                StaffPhone(
                    user_id=cast[role].id,
                    staff_no=number,
                    pin_hash=staff_pins.hashed(STAFF_PIN),
                    changed_at=utc_now(),
                )
            )


def prove(put: Ask, staff_no: str, pin: str, purpose: str, caller: str = "1") -> dict[str, Any]:
    return put("staff", staff_no=staff_no, pin=pin, purpose=purpose, caller=caller)


@on_both_databases
def test_the_right_pin_opens_the_studio(
    database: Database, staff: None, cast: Cast, put: Ask
) -> None:
    answer = prove(put, "100001", STAFF_PIN, "studio")
    assert (answer["found"], answer["user_id"]) == (True, cast["recorder"].id)
    assert (answer["programme_id"], answer["programme"]) == (1, "所长说法")


def test_the_village_head_learns_the_village_and_whether_it_is_quiet(
    database: Database, staff: None, cast: Cast, put: Ask, fake_clock: FakeClock
) -> None:
    answer = prove(put, "100002", STAFF_PIN, "quiet")
    assert (answer["village_code"], answer["quiet_until"]) == (VILLAGE, None)
    with database.write() as session:
        until = fake_clock.now() + timedelta(hours=1)
        quiet.order(session, cast["village_head"], VILLAGE, until, "page")
    assert prove(put, "100002", STAFF_PIN, "quiet")["quiet_until"] == until.isoformat()


def test_a_room_above_adds_a_purpose_of_its_own(
    database: Database, config: Settings, staff: None, cast: Cast
) -> None:
    def places(_session: object, actor: Actor) -> dict[str, Any] | None:
        return {"villages": [VILLAGE]} if actor.may("live.speak") else None

    desk = Office(database, config, {"live": places})

    def ask_for(staff_no: str) -> dict[str, Any]:
        asked = {"staff_no": staff_no, "pin": STAFF_PIN, "purpose": "live", "caller": "1"}
        return desk.answer(json.dumps({"question": "staff", **asked}).encode())

    head = cast["village_head"].id
    allowed = {"ok": True, "found": True, "locked": False, "user_id": head}
    assert ask_for("100002") == {**allowed, "villages": [VILLAGE]}
    assert ask_for("100001") == {"ok": True, "found": False, "locked": False}


def test_unknown_wrong_and_not_allowed_look_alike(staff: None, put: Ask) -> None:
    answers = [
        prove(put, "100001", "000000", "studio"),
        prove(put, "999999", STAFF_PIN, "studio"),
        prove(put, "100002", STAFF_PIN, "studio"),
        prove(put, "100001", STAFF_PIN, "quiet"),
        prove(put, "100001", STAFF_PIN, "else"),
        prove(put, "", "", "studio"),
    ]
    assert answers == [{"ok": True, "found": False, "locked": False}] * 6


@pytest.mark.parametrize("staff_no", ["100001", "999999"])
def test_five_wrong_pins_lock_a_number_known_or_not(
    staff: None, put: Ask, staff_no: str, fake_clock: FakeClock
) -> None:
    tries = [prove(put, staff_no, "000000", "studio", caller=f"{n}")["locked"] for n in range(6)]
    assert tries == [False] * 5 + [True]
    assert prove(put, staff_no, STAFF_PIN, "studio", caller="9")["locked"]
    fake_clock.advance(timedelta(minutes=31))
    assert not prove(put, staff_no, "000000", "studio", caller="9")["locked"]


def test_a_caller_who_tries_many_numbers_is_locked(staff: None, put: Ask) -> None:
    tries = [prove(put, f"2000{n:02d}", "000000", "studio")["locked"] for n in range(31)]
    assert tries == [False] * 30 + [True]
    assert prove(put, "100001", STAFF_PIN, "studio")["locked"]


def test_staff_behind_a_line_that_tells_no_numbers_are_locked_by_their_number_alone(
    staff: None, put: Ask
) -> None:
    tries = [prove(put, f"2000{n:02d}", "000000", "studio", "")["locked"] for n in range(31)]
    assert not any(tries)
    assert prove(put, "100001", STAFF_PIN, "studio", "")["found"]
    tries = [prove(put, "100002", "000000", "quiet", "")["locked"] for _ in range(6)]
    assert tries == [False] * 5 + [True]
    assert prove(put, "100001", STAFF_PIN, "studio", caller="2")["found"]


def test_the_right_pin_forgets_the_wrong_ones(database: Database, staff: None, put: Ask) -> None:
    for _ in range(3):
        for _ in range(4):
            prove(put, "100001", "000000", "studio")
        assert prove(put, "100001", STAFF_PIN, "studio")["found"]
    with database.read() as session:
        row = session.scalar(sa.select(StaffPhone).where(StaffPhone.staff_no == "100001"))
        assert row is not None
        assert (row.failed_pins, row.locked_until) == (0, None)


def test_somebody_who_left_is_unknown(
    database: Database, staff: None, cast: Cast, put: Ask
) -> None:
    with database.write() as session:
        session.get_one(User, cast["recorder"].id).active = False
    assert not prove(put, "100001", STAFF_PIN, "studio")["found"]


@on_both_databases
def test_quiet_is_ordered_and_lifted(
    database: Database, cast: Cast, put: Ask, fake_clock: FakeClock
) -> None:
    head = cast["village_head"].id
    answer = put("quiet", user_id=head, hours=1, call_id="q")
    assert (answer["done"], answer["until"]) == (True, "2026-06-01T01:00:00+00:00")
    with database.read() as session:
        running = quiet.running(session, VILLAGE)
        assert running is not None
        assert (running.channel, running.ends_at) == ("phone", datetime(2026, 6, 1, 1, tzinfo=UTC))
    morning = put("quiet", user_id=head, hours=12, call_id="q")
    assert morning["until"] == "2026-06-01T22:00:00+00:00"
    assert put("quiet", user_id=head, hours=0, call_id="q") == {
        "ok": True, "done": True, "until": None,
    }  # fmt: skip
    with database.read() as session:
        assert quiet.running(session, VILLAGE) is None


@pytest.mark.parametrize("role", ["recorder", "county"])
def test_quiet_by_telephone_is_for_the_head_of_a_village(cast: Cast, put: Ask, role: str) -> None:
    assert not put("quiet", user_id=cast[role].id, hours=1, call_id="q")["done"]


# --- the desk itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "details",
    [
        {"question": "status", "reference": 7},
        {"question": "status", "reference": "1" * 500},
        {"question": "not_satisfied", "reference": "1"},
        {"question": "staff", "staff_no": ["1"]},
        {"question": "quiet", "user_id": "1", "hours": 1},
        {"question": "quiet", "user_id": 1, "hours": 1.5},
        {"question": {"a": 1}},
        [],
    ],
)
def test_a_question_of_a_wrong_form_is_no_answer(
    database: Database, config: Settings, cast: Cast, details: object
) -> None:
    import json

    answer = Office(database, config).answer(json.dumps(details).encode())
    assert answer == {"ok": False, "error": "not understood"}


def test_when_the_database_fails_nothing_of_the_question_is_logged(
    database: Database, config: Settings, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    desk = Office(database, config)
    with database.write() as session:
        session.execute(sa.text("DROP TABLE status_guess"))
    line = json.dumps({"question": "status", "reference": "123456789", "caller": CALLER})
    assert desk.answer(line.encode()) == {"ok": False, "error": "unavailable"}
    said = capsys.readouterr()
    assert "123456789" not in said.out + said.err
    assert CALLER not in said.out + said.err
