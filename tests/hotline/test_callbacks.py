"""Call-back tasks: one open task a number, whoever enters the call, and nobody's word is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases.models import Report
from core import areas, auth
from core.auth import Actor
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from core.models import AuditEntry, OutboxEvent
from core.sealed import Sealer
from hotline import callback_work, callbacks
from hotline.call import RecordingStopped
from hotline.callbacks import Debt
from hotline.importer import Importer
from hotline.journal import Journal
from hotline.models import CallBack, CallRecord, OutgoingCall
from hotline.outgoing.contract import Attempt
from hotline.whole_numbers import read_of_call_back as read_number
from tests.conftest import on_both_databases
from tests.hotline.fake_call import voice

ZONE = "Asia/Shanghai"
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
NUMBER = "13812345678"
COUNTY, VILLAGE, FAR_VILLAGE = "130000000000", "130001001000", "140001001000"


def owe(database: Database, reason: str = "missed", **more: object) -> CallBack | None:
    plain = Debt(reason=reason, called_at=NOON, caller_sealed="sealed", caller_hash="wang")
    with database.write() as session:
        return callbacks.owe(session, replace(plain, **more), ZONE)  # type: ignore[arg-type]


def tasks(database: Database) -> list[CallBack]:
    with database.read() as session:
        return list(session.scalars(sa.select(CallBack).order_by(CallBack.id)))


Spool = Callable[..., str]


@pytest.fixture
def call(spool: Path, sealer: Sealer) -> Spool:
    """Leave a call in the spool; answers its id."""
    count = 0

    def leave(
        *, caller: str = NUMBER, cause: str = "hangup", spoken_ms: int = 0, told: str | None = None,
        finished: bool = True, **fields: object,
    ) -> str:  # fmt: skip
        nonlocal count
        count += 1
        journal = Journal.begin(spool, sealer, f"call-{count}", caller, "96110")
        for name, value in fields.items():
            setattr(journal.entry, name, value)
        if spoken_ms:
            journal.consent("test-1", "key", confidential=bool(fields.get("confidential")))
            journal.take_path(1).write_bytes(voice(spoken_ms))
            journal.keep_take(1, RecordingStopped("stopped", spoken_ms, spoken_ms))
        journal.entry.reference_no = told
        if finished:
            journal.finish(cause)
        journal.save()
        journal.close()
        return journal.entry.call_id

    return leave


@on_both_databases
def test_repeated_calls_of_one_number_are_one_task(database: Database) -> None:
    owe(database, "missed")
    owe(database, "wanted", called_at=NOON + timedelta(minutes=10))
    owe(database, "missed", called_at=NOON + timedelta(hours=12))
    (task,) = tasks(database)
    assert (task.calls, task.reason) == (3, "wanted")
    assert task.last_call_at == NOON + timedelta(hours=12)
    assert task.due_at == NOON + timedelta(minutes=30)


def test_a_graver_call_makes_it_due_earlier_never_later(database: Database) -> None:
    owe(database, "missed")
    owe(database, "fraud", called_at=NOON + timedelta(minutes=5))
    assert tasks(database)[0].due_at == NOON + timedelta(minutes=7)


def test_a_call_entered_late_does_not_turn_time_back(database: Database) -> None:
    owe(database, "missed")
    owe(database, "missed", called_at=NOON - timedelta(minutes=20))
    (task,) = tasks(database)
    assert task.last_call_at == NOON
    assert task.due_at == NOON + timedelta(minutes=10)


def test_two_numbers_are_two_tasks(database: Database) -> None:
    owe(database)
    owe(database, caller_hash="zhou")
    assert len(tasks(database)) == 2


def test_after_an_ending_the_next_call_opens_a_new_task(database: Database) -> None:
    first = owe(database)
    assert first is not None
    with database.write() as session:
        callbacks.close(session, session.get_one(CallBack, first.id), "helped")
    owe(database)
    assert [task.state for task in tasks(database)] == ["done", "open"]


@on_both_databases
def test_importers_at_the_same_moment_make_one_task(database: Database) -> None:
    together = threading.Barrier(6)

    def enter() -> None:
        together.wait()
        owe(database)

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (task,) = tasks(database)
    assert task.calls == 6


def test_a_call_in_the_spool_becomes_a_task_of_its_number(
    call: Spool, importer: Importer, database: Database, sealer: Sealer
) -> None:
    call()
    call(cause="call_back_wanted", call_back_promised=True)
    importer.run_once()
    (task,) = tasks(database)
    assert (task.reason, task.calls) == ("wanted", 2)
    assert sealer.unseal(task.caller_sealed or "") == NUMBER
    with database.read() as session:
        assert set(session.scalars(sa.select(CallRecord.call_back_id))) == {task.id}


def test_record_and_report_know_what_the_caller_chose(
    call: Spool, importer: Importer, database: Database
) -> None:
    with database.write() as session:
        areas.add(session, VILLAGE, "石桥村", "village")
    call(cause="completed", spoken_ms=4000, village_code=VILLAGE, language="en", on_behalf=True)
    importer.run_once()
    with database.read() as session:
        record, report = (
            session.scalars(sa.select(CallRecord)).one(),
            session.scalars(sa.select(Report)).one(),
        )
    assert (record.kind, record.village_code, record.language) == ("report", VILLAGE, "en")
    assert (report.village_code, report.on_behalf) == (VILLAGE, True)


def test_a_village_nobody_knows_costs_neither_voice_nor_task(
    call: Spool, importer: Importer, database: Database
) -> None:
    call(finished=False, spoken_ms=4000, village_code="999999999999")
    importer.run_once()
    (task,) = tasks(database)
    assert task.report_id is not None
    assert task.village_code is None


def test_who_declined_is_left_in_peace(call: Spool, importer: Importer, database: Database) -> None:
    call(cause="declined")
    importer.run_once()
    assert tasks(database) == []


def test_a_withheld_number_without_words_is_noted_and_nobody_can_call(
    call: Spool, importer: Importer, database: Database
) -> None:
    call(caller="")
    importer.run_once()
    assert tasks(database) == []
    with database.read() as session:
        record = session.scalars(sa.select(CallRecord)).one()
    assert record.needs_call_back
    assert record.call_back_id is None


def test_a_withheld_number_with_a_report_is_a_task_for_each_call(
    call: Spool, importer: Importer, database: Database
) -> None:
    for _ in range(2):
        call(caller="", urgent_reason="fraud")
    importer.run_once()
    assert [(task.open_key, task.reason) for task in tasks(database)] == [(None, "fraud")] * 2


def test_who_phones_again_and_leaves_a_report_waits_for_nothing(
    call: Spool, importer: Importer, database: Database
) -> None:
    call()
    importer.run_once()
    call(cause="completed", spoken_ms=4000)
    importer.run_once()
    (task,) = tasks(database)
    assert (task.state, task.outcome, task.open_key) == ("done", "called_again", None)
    assert task.report_id is not None


def test_a_promise_stands_though_a_report_came_later(
    call: Spool, importer: Importer, database: Database
) -> None:
    call(cause="call_back_wanted", call_back_promised=True)
    call(cause="completed", spoken_ms=4000)
    importer.run_once()
    assert [task.state for task in tasks(database)] == ["open"]


def test_news_is_told_of_each_change(call: Spool, importer: Importer, database: Database) -> None:
    call()
    importer.run_once()
    with database.read() as session:
        kinds = list(session.scalars(sa.select(OutboxEvent.kind).order_by(OutboxEvent.id)))
    assert callbacks.NEWS in kinds
    assert callbacks.CALL_ENTERED in kinds


def rang_duty(database: Database, call_id: str, result: str) -> str:
    with database.write() as session:
        order = OutgoingCall(
            id=f"order-{call_id}", kind="duty", state="done", call_id=call_id, result=result,
            requested_at=utc_now(), expires_at=utc_now(),
        )  # fmt: skip
        session.add(order)
    return order.id


def hear(database: Database, kind: str, **news: str) -> None:
    with database.write() as session:
        for wanted, handler in callbacks.handlers(ZONE):
            if wanted == kind:
                handler(session, news)


@pytest.mark.parametrize("call_first", [True, False])
def test_a_cheated_caller_whom_nobody_on_duty_took_is_phoned_at_once(
    call: Spool, importer: Importer, database: Database, call_first: bool
) -> None:
    call_id = call(urgent_reason="fraud", spoken_ms=4000)
    if call_first:
        importer.run_once()
        order = rang_duty(database, call_id, "nobody")
        hear(database, "outgoing.ended", order_id=order)
    else:
        order = rang_duty(database, call_id, "nobody")
        hear(database, "outgoing.ended", order_id=order)
        importer.run_once()
        hear(database, "call.entered", call_id=call_id)
    hear(database, "outgoing.ended", order_id=order)
    (task,) = tasks(database)
    assert (task.reason, task.calls) == ("fraud", 1)
    assert task.report_id is not None


def test_a_call_that_was_a_task_before_the_duty_failed_counts_once(
    call: Spool, importer: Importer, database: Database
) -> None:
    call_id = call(urgent_reason="fraud", spoken_ms=4000, call_back_promised=True)
    importer.run_once()
    assert [task.reason for task in tasks(database)] == ["no_number_told"]
    hear(database, "outgoing.ended", order_id=rang_duty(database, call_id, "no_trunk"))
    (task,) = tasks(database)
    assert (task.reason, task.calls) == ("fraud", 1)


def test_a_cheated_caller_whom_somebody_took_is_no_task(
    call: Spool, importer: Importer, database: Database
) -> None:
    call_id = call(urgent_reason="fraud", spoken_ms=4000)
    importer.run_once()
    hear(database, "outgoing.ended", order_id=rang_duty(database, call_id, "taken"))
    assert tasks(database) == []


def test_a_secret_stays_secret_when_open_calls_join(database: Database) -> None:
    owe(database)
    owe(database, confidential=True)
    owe(database)
    assert tasks(database)[0].confidential


@pytest.fixture
def secret_report(database: Database) -> Report:
    """A confidential report of the number "wang"."""
    with database.write() as session:
        report = Report(
            reference_no="123456789", source_key="t:1", channel="phone", state="accepted",
            received_at=NOON, confidential=True, caller_hash="wang",
        )  # fmt: skip
        session.add(report)
        session.flush()
        return report


def test_a_task_is_as_secret_as_its_report(database: Database, secret_report: Report) -> None:
    owe(database, report_id=secret_report.id)
    assert tasks(database)[0].confidential


def test_a_task_that_a_secret_report_ends_becomes_secret(
    database: Database, secret_report: Report
) -> None:
    owe(database)
    with database.write() as session:
        callbacks.called_again(session, "wang", secret_report.id)
    (ended,) = tasks(database)
    assert (ended.state, ended.confidential) == ("done", True)


@pytest.mark.parametrize(
    ("asked_about", "secret"),
    [
        ({"kind": "human", "about_reference_no": "123456789"}, True),
        ({"kind": "status", "about_reference_no": "123456789"}, True),
        ({"kind": "status"}, True),
        ({"kind": "human"}, False),
        ({"kind": "status", "about_reference_no": "999999999"}, False),
    ],
    ids=["then a person", "status", "office away", "no report", "another report"],
)
def test_who_asked_about_a_secret_report_waits_on_the_secret_list(
    call: Spool, importer: Importer, database: Database, sealer: Sealer, secret_report: Report,
    asked_about: dict[str, str], secret: bool,
) -> None:  # fmt: skip
    with database.write() as session:
        stored = session.get_one(Report, secret_report.id)
        stored.caller_hash = sealer.caller_hash(NUMBER)
    call(cause="call_back_wanted", call_back_promised=True, **asked_about)
    importer.run_once()
    assert [task.confidential for task in tasks(database)] == [secret]


@pytest.fixture
def people(database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, Actor]:
    monkeypatch.setattr(auth._passwords, "hash", lambda _password: "not used here")
    with database.write() as session:
        areas.add(session, COUNTY, "安平县", "county")
        areas.add(session, VILLAGE, "石桥村", "village", COUNTY)
        areas.add(session, FAR_VILLAGE, "远村", "village")
        return {
            role: auth.actor_of(auth.create_user(session, role, role, "password 1", [role], COUNTY))
            for role in ("operator", "township", "county", "custodian", "handler")
        }


def seen(database: Database, actor: Actor) -> list[str]:
    with database.read() as session:
        return [str(one.caller_hash) for one in session.scalars(
            callback_work.tasks_seen(session, actor).order_by(CallBack.id)
        )]  # fmt: skip


def test_everybody_sees_the_tasks_of_the_own_area_and_few_the_secret_ones(
    database: Database, people: dict[str, Actor]
) -> None:
    owe(database, caller_hash="here", village_code=VILLAGE)
    owe(database, caller_hash="far", village_code=FAR_VILLAGE)
    owe(database, caller_hash="unknown")
    owe(database, caller_hash="secret", confidential=True)
    assert seen(database, people["operator"]) == ["here", "unknown"]
    assert seen(database, people["township"]) == ["here", "unknown"]
    assert seen(database, people["county"]) == ["here", "unknown", "secret"]
    assert seen(database, people["custodian"]) == ["secret"]
    with pytest.raises(Forbidden):
        seen(database, people["handler"])


def test_two_people_cannot_end_the_same_task(database: Database, people: dict[str, Actor]) -> None:
    task = owe(database)
    assert task is not None
    with database.write() as session:
        callback_work.finish(session, people["operator"], task.id, 1, "helped", "已答复", ZONE)
    with pytest.raises(Conflict), database.write() as session:
        callback_work.finish(session, people["county"], task.id, 1, "not_needed", "", ZONE)
    (ended,) = tasks(database)
    assert (ended.outcome, ended.note, ended.done_by_id) == (
        "helped",
        "已答复",
        people["operator"].id,
    )


def test_a_caller_who_phones_meanwhile_is_told_to_whoever_ends_the_task(
    database: Database, people: dict[str, Actor]
) -> None:
    task = owe(database)
    assert task is not None
    owe(database)
    with pytest.raises(Conflict), database.write() as session:
        callback_work.finish(session, people["operator"], task.id, 1, "helped", "", ZONE)
    assert tasks(database)[0].state == "open"


def test_not_reached_counts_after_three_days_with_an_evening(
    database: Database, people: dict[str, Actor], fake_clock: FakeClock
) -> None:
    task = owe(database, called_at=fake_clock.now())
    assert task is not None
    version = 1

    def attempt_ending() -> None:
        with database.write() as session:
            callback_work.finish(
                session, people["operator"], task.id, version, "unreachable", "", ZONE
            )

    for _ in range(3):
        with pytest.raises(InvalidInput):
            attempt_ending()
        with database.write() as session:
            callback_work.note_try(session, people["operator"], task.id, version, "", ZONE)
        version += 1
        fake_clock.set(tasks(database)[0].due_at)
    attempt_ending()
    (ended,) = tasks(database)
    assert (ended.outcome, ended.tries) == ("unreachable", 3)


def test_an_ending_can_be_taken_back_unless_a_newer_task_is_open(
    database: Database, people: dict[str, Actor]
) -> None:
    task = owe(database)
    assert task is not None
    with database.write() as session:
        callback_work.finish(session, people["operator"], task.id, 1, "helped", "", ZONE)
    with database.write() as session:
        callback_work.reopen(session, people["operator"], task.id, 2)
    assert tasks(database)[0].open_key == "wang"
    with database.write() as session:
        callback_work.finish(session, people["operator"], task.id, 3, "helped", "", ZONE)
    owe(database)
    with pytest.raises(Conflict), database.write() as session:
        callback_work.reopen(session, people["operator"], task.id, 4)


def test_a_whole_number_is_read_with_a_reason_and_on_record(
    database: Database, people: dict[str, Actor], sealer: Sealer
) -> None:
    task = owe(database, caller_sealed=sealer.seal(NUMBER))
    assert task is not None
    with database.write() as session:
        with pytest.raises(Forbidden):
            read_number(session, people["operator"], sealer, task.id, "要回电")
        with pytest.raises(InvalidInput):
            read_number(session, people["county"], sealer, task.id, " ")
        number = read_number(session, people["county"], sealer, task.id, "没有中继")
    assert number == NUMBER
    with database.read() as session:
        entry = session.scalars(sa.select(AuditEntry)).one()
    assert (entry.action, entry.subject) == ("number.reveal", f"callback:{task.id}")
    assert entry.detail == {"reason": "没有中继"}


def test_the_number_of_a_caller_from_nowhere_known_is_the_countys_to_read(
    database: Database, people: dict[str, Actor], sealer: Sealer
) -> None:
    sealed = sealer.seal(NUMBER)
    here = owe(database, caller_hash="here", caller_sealed=sealed, village_code=VILLAGE)
    nowhere = owe(database, caller_hash="nowhere", caller_sealed=sealed)
    assert here is not None
    assert nowhere is not None
    with database.write() as session:
        assert read_number(session, people["township"], sealer, here.id, "中继坏了")
        assert read_number(session, people["county"], sealer, nowhere.id, "中继坏了")
        with pytest.raises(Forbidden):
            read_number(session, people["township"], sealer, nowhere.id, "中继坏了")


def test_the_number_of_the_report_is_read_when_the_call_showed_none(
    database: Database, people: dict[str, Actor], sealer: Sealer
) -> None:
    with database.write() as session:
        report = Report(
            reference_no="123456789", source_key="s", channel="phone", received_at=NOON,
            caller_sealed=sealer.seal("13900000000"), resident_phone_sealed=sealer.seal(NUMBER),
        )  # fmt: skip
        session.add(report)
        session.flush()
        report_id = report.id
    task = owe(
        database, caller_sealed=None, caller_hash=None, report_id=report_id, village_code=VILLAGE
    )
    assert task is not None
    with database.write() as session:
        assert read_number(session, people["township"], sealer, task.id, "中继坏了") == NUMBER
        session.get_one(Report, report_id).confidential = True
        with pytest.raises(Forbidden):
            read_number(session, people["township"], sealer, task.id, "中继坏了")
        assert read_number(session, people["county"], sealer, task.id, "中继坏了") == NUMBER


def test_another_areas_task_is_not_there(database: Database, people: dict[str, Actor]) -> None:
    task = owe(database, village_code=FAR_VILLAGE)
    assert task is not None
    with pytest.raises(NotFound), database.write() as session:
        callback_work.finish(session, people["operator"], task.id, 1, "helped", "", ZONE)


def noted_after_bridge(
    database: Database, result: str, *, talked_ms: int = 0, cause: str = "answered",
    took_s: float = 0.0, who: str = "resident",
) -> list[str]:  # fmt: skip
    """What a bridge for a call-back that is due now wrote into it."""
    task = owe(database)
    assert task is not None
    ended_at = NOON + timedelta(seconds=took_s)
    attempt = Attempt(who, "138****5678", NOON.isoformat(), None, ended_at.isoformat(), cause)
    with database.write() as session:
        session.add(
            OutgoingCall(
                id="order-1", kind="bridge", state="done", call_back_id=task.id, result=result,
                attempts=[asdict(attempt)], requested_at=NOON, expires_at=NOON,
                talked_ms=talked_ms,
            )
        )  # fmt: skip
    hear(database, "outgoing.ended", order_id="order-1")
    (after,) = tasks(database)
    noted = [one["result"] for one in after.tried or []]
    assert (after.due_at != task.due_at) == ("not_reached" in noted)
    return noted


@pytest.mark.parametrize(("talked_ms", "noted"), [(10_000, ["reached"]), (9_900, [])])
def test_a_talk_is_noted_when_it_was_long_enough_to_be_one(
    database: Database, talked_ms: int, noted: list[str]
) -> None:
    assert noted_after_bridge(database, "joined", talked_ms=talked_ms) == noted


@pytest.mark.parametrize("cause", ["no_answer", "declined", "machine"])
def test_a_phone_that_rang_in_vain_is_a_try(database: Database, cause: str) -> None:
    assert noted_after_bridge(database, "nobody", cause=cause) == ["not_reached"]


@pytest.mark.parametrize("cause", ["unreachable", "no_trunk", "limit", "unjoined"])
def test_a_broken_line_is_no_try_at_the_resident(database: Database, cause: str) -> None:
    assert noted_after_bridge(database, "nobody", cause=cause, took_s=8) == []


@pytest.mark.parametrize("cause", ["busy", "refused"])
@pytest.mark.parametrize(("took_s", "noted"), [(0.5, []), (8, ["not_reached"])])
def test_busy_or_refused_at_once_is_the_lines_word_and_later_the_residents(
    database: Database, cause: str, took_s: float, noted: list[str]
) -> None:
    assert noted_after_bridge(database, "nobody", cause=cause, took_s=took_s) == noted


@pytest.mark.parametrize("cause", ["cancelled", "answered"])
def test_who_hangs_up_before_the_resident_speaks_has_not_tried(
    database: Database, cause: str
) -> None:
    assert noted_after_bridge(database, "nobody", cause=cause, took_s=8) == []


def test_a_talk_that_a_stop_of_the_hotline_cut_off_is_not_a_try_in_vain(database: Database) -> None:
    assert noted_after_bridge(database, "killed", talked_ms=60_000) == []


def test_ones_own_phone_that_rang_in_vain_is_no_try(database: Database) -> None:
    assert noted_after_bridge(database, "nobody", cause="no_answer", who="user:1") == []
