"""A refusal is told by telephone: why and who can help, once, to whoever reported or asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cases import intake, review
from cases.intake import Arrival
from cases.models import Report
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.outbox import Dispatcher
from core.sealed import Sealer
from hotline import callback_work, callbacks, refusals
from hotline.callbacks import Debt
from hotline.models import CallBack, CallRecord
from hotline.refusals import Caller, Telling
from tests.cases.conftest import NUMBER, VILLAGE, Cast, cast
from tests.conftest import on_both_databases

__all__ = ["cast"]
ZONE = "Asia/Shanghai"
Arrive = Callable[..., Report]


@pytest.fixture
def arrive(database: Database, store: BlobStore, sealer: Sealer) -> Arrive:
    """Let a report in over the telephone, with the record of its call."""
    count = 0

    def receive(**fields: object) -> Report:
        nonlocal count
        count += 1
        call = f"call-{count}"
        plain: dict[str, object] = {
            "channel": "phone", "source_key": f"call:{call}", "received_at": utc_now(),
            "typed_text": "老板不发工资", "village_code": VILLAGE, "caller_number": NUMBER,
        }  # fmt: skip
        with database.write() as session:
            arrival = Arrival(**{**plain, **fields})  # type: ignore[arg-type]
            report = intake.receive(session, store, sealer, arrival).report
            session.add(
                CallRecord(
                    call_id=call,
                    started_at=utc_now(),
                    end_cause="completed",
                    steps=[],
                    report_id=report.id,
                )
            )
        return report

    return receive


def refuse(
    database: Database, cast: Cast, report: Report, reason: str = "劳动争议", route: str = "仲裁委"
) -> None:
    """An operator refuses it, and the news is heard."""
    actor = cast.county if report.confidential else cast.operator
    with database.write() as session:
        opened = review.start(session, actor, report.id)
        review.reject(
            session, actor, report.id, opened.version, reason=reason, route=route,
            unheard_reason="坏了",
        )  # fmt: skip
    hear(database)


def hear(database: Database) -> None:
    dispatcher = Dispatcher(database)
    for kind, handler in refusals.handlers(ZONE):
        dispatcher.on(kind, handler)
    dispatcher.run_due()


def tasks(database: Database) -> list[CallBack]:
    with database.read() as session:
        return list(session.scalars(sa.select(CallBack).order_by(CallBack.id)))


def ask(database: Database, sealer: Sealer, report: Report, number: str = NUMBER) -> Telling | None:
    """The caller, or somebody else with the PIN, asks how the report stands."""
    asking = Caller(None, None)
    if number:
        asking = Caller(sealer.seal(number), sealer.caller_hash(number))
    with database.write() as session:
        return refusals.owe(session, session.get_one(Report, report.id), ZONE, asking)


def finish(database: Database, cast: Cast, outcome: str, note: str = "") -> None:
    (task,) = [one for one in tasks(database) if one.state == "open"]
    with database.write() as session:
        callback_work.finish(
            session, cast.county, task.id, task.version, outcome, note, ZONE
        )  # fmt: skip


@on_both_databases
def test_who_reported_by_telephone_is_phoned_and_told_why_and_where_to_turn(
    database: Database, cast: Cast, arrive: Arrive, fake_clock: FakeClock
) -> None:
    report = arrive()
    called_at = fake_clock.now()
    fake_clock.advance(timedelta(days=1))
    refuse(database, cast, report)
    (task,) = tasks(database)
    assert (task.reason, task.report_id, task.calls) == ("refused", report.id, 1)
    assert task.note is not None
    assert "劳动争议" in task.note
    assert "仲裁委" in task.note
    assert task.last_call_at == called_at
    assert task.due_at == fake_clock.now() + timedelta(minutes=30), "from the refusal on"
    with database.read() as session:
        calls = callback_work.calls_of(session, task)
        assert [call.report_id for call in calls] == [report.id]


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        (review.NO_CONTENT, {}),
        ("劳动争议", {"channel": "web"}),
        ("劳动争议", {"caller_number": None}),
    ],
    ids=["nothing was heard", "over the web page", "number withheld"],
)
def test_nobody_is_phoned_unasked_who(
    database: Database, cast: Cast, arrive: Arrive, reason: str, fields: dict[str, object]
) -> None:
    refuse(database, cast, arrive(**fields), reason)
    assert tasks(database) == []


def test_a_refusal_taken_back_before_it_was_heard_of_is_none(
    database: Database, cast: Cast, arrive: Arrive
) -> None:
    report = arrive()
    with database.write() as session:
        opened = review.start(session, cast.operator, report.id)
        refused = review.reject(
            session, cast.operator, report.id, opened.version, reason="劳动争议", route="仲裁委"
        )
        review.reopen(session, cast.operator, report.id, refused.version, "看错了")
    hear(database)
    assert tasks(database) == []


@on_both_databases
def test_who_asks_meanwhile_hears_that_somebody_will_phone_and_is_phoned_once(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer
) -> None:
    report = arrive()
    refuse(database, cast, report)
    assert [ask(database, sealer, report) for _ in range(3)] == [Telling.OWED] * 3
    (task,) = tasks(database)
    assert task.note is not None
    assert task.note.count("劳动争议") == 1


@pytest.mark.parametrize("outcome", refusals.SPOKEN_WITH)
def test_who_was_told_hears_that_and_is_not_phoned_again(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer, outcome: str
) -> None:
    report = arrive()
    refuse(database, cast, report)
    finish(database, cast, outcome, "已经说清楚")
    assert ask(database, sealer, report) is Telling.TOLD
    (task,) = tasks(database)
    assert task.note is not None
    assert "仲裁委" in task.note, "what was told stays known"
    assert task.note.endswith("已经说清楚")


def test_who_was_not_reached_and_asks_is_owed_it_again(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer
) -> None:
    report = arrive()
    refuse(database, cast, report)
    finish(database, cast, "wrong_number")
    assert ask(database, sealer, report) is Telling.OWED
    assert [task.state for task in tasks(database)] == ["done", "open"]


@on_both_databases
def test_a_second_refusal_after_an_appeal_is_told_as_well(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer, fake_clock: FakeClock
) -> None:
    report = arrive()
    refuse(database, cast, report)
    finish(database, cast, "helped")
    fake_clock.advance(timedelta(hours=1))
    with database.write() as session:
        version = session.get_one(Report, report.id).version
        review.reopen(session, cast.operator, report.id, version, "来电申诉")
    refuse(database, cast, report)
    assert [task.state for task in tasks(database)] == ["done", "open"]


def test_two_refusals_of_one_number_are_told_in_one_call_and_none_is_forgotten(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer
) -> None:
    first, second = arrive(), arrive()
    refuse(database, cast, first, "劳动争议")
    refuse(database, cast, second, "民事纠纷", "法院")
    (task,) = tasks(database)
    assert task.note is not None
    assert "劳动争议" in task.note
    assert "民事纠纷" in task.note
    finish(database, cast, "helped")
    assert [ask(database, sealer, one) for one in (first, second)] == [Telling.TOLD] * 2


def test_a_call_back_for_something_graver_tells_the_refusal_too(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer
) -> None:
    report = arrive()
    cheated = Debt(
        reason="fraud", called_at=utc_now(), caller_sealed=sealer.seal(NUMBER),
        caller_hash=sealer.caller_hash(NUMBER),
    )  # fmt: skip
    with database.write() as session:
        callbacks.owe(session, cheated, ZONE)
    refuse(database, cast, report)
    (task,) = tasks(database)
    assert task.note is not None
    assert (task.reason, "仲裁委" in task.note) == ("fraud", True)
    finish(database, cast, "helped")
    assert ask(database, sealer, report) is Telling.TOLD


def test_a_number_that_was_withheld_is_phoned_when_it_is_shown(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer
) -> None:
    report = arrive(caller_number=None)
    refuse(database, cast, report)
    assert ask(database, sealer, report, number="") is Telling.NO_NUMBER
    assert tasks(database) == []
    assert ask(database, sealer, report) is Telling.OWED
    assert [task.caller_hash for task in tasks(database)] == [sealer.caller_hash(NUMBER)]


def test_the_refusal_of_a_confidential_report_waits_on_the_secret_list(
    database: Database, cast: Cast, arrive: Arrive
) -> None:
    refuse(database, cast, arrive(confidential=True))
    assert [task.confidential for task in tasks(database)] == [True]


@on_both_databases
def test_askers_at_the_same_moment_are_owed_one_call_each_number(
    database: Database, cast: Cast, arrive: Arrive, sealer: Sealer
) -> None:
    report = arrive(channel="web")
    refuse(database, cast, report)
    together = threading.Barrier(4)

    def inquire(number: str) -> None:
        together.wait()
        ask(database, sealer, report, number)

    numbers = (NUMBER, "13900000001", "13900000002", "13900000003")
    threads = [threading.Thread(target=inquire, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tasks(database)) == 1
