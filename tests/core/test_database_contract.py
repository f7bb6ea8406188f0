"""What every room relies on of the database, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from core import areas, audit, auth, leases, outbox
from core.blobs import BlobStore, register
from core.clock import FakeClock
from core.database import Database, claimed
from core.errors import InvalidInput, NotFound
from core.models import Area, AuditEntry, Lease, OutboxEvent, User
from tests.conftest import on_both_databases

pytestmark = on_both_databases


def add_area(database: Database, code: str = "990000000000") -> None:
    with database.write() as session:
        areas.add(session, code, "示例省", "province")


def test_returning_commits(database: Database) -> None:
    add_area(database)
    with database.read() as session:
        assert session.get(Area, "990000000000") is not None


def test_raising_rolls_everything_back(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        areas.add(session, "990000000000", "示例省", "province")
        raise RuntimeError
    with database.read() as session:
        assert session.get(Area, "990000000000") is None


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError), database.write() as session:
        session.add(Area(code="1" * 12, name="x", level="village", parent_code="2" * 12))


def test_instants_come_back_in_utc(database: Database) -> None:
    beijing = timezone(timedelta(hours=8))
    with database.write() as session:
        session.add(Lease(name="x", holder="y", expires_at=datetime(2026, 6, 1, 8, tzinfo=beijing)))
    with database.read() as session:
        assert session.get_one(Lease, "x").expires_at == datetime(2026, 6, 1, tzinfo=UTC)


def test_an_instant_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="time zone"), database.write() as session:
        session.add(Lease(name="x", holder="y", expires_at=datetime(2026, 6, 1)))


def test_twenty_writers_at_once_all_get_through(database: Database) -> None:
    with database.write() as session:
        session.add(Lease(name="count", holder="0", expires_at=datetime.now(UTC)))

    def add_one() -> None:
        with database.write() as session:
            row = session.scalars(
                sa.select(Lease).where(Lease.name == "count").with_for_update()
            ).one()
            row.holder = str(int(row.holder) + 1)

    run_together(20, add_one)
    with database.read() as session:
        assert session.get_one(Lease, "count").holder == "20"


def test_only_one_of_many_claims_a_row(database: Database) -> None:
    with database.write() as session:
        session.add(Lease(name="job", holder="free", expires_at=datetime.now(UTC)))
    wins: list[bool] = []

    def claim() -> None:
        with database.write() as session:
            wins.append(
                claimed(
                    session.execute(
                        sa.update(Lease)
                        .where(Lease.name == "job", Lease.holder == "free")
                        .values(holder="taken")
                    )
                )
            )

    run_together(8, claim)
    assert sorted(wins) == [False] * 7 + [True]


def test_a_duty_has_one_holder_until_it_runs_out(database: Database, fake_clock: FakeClock) -> None:
    assert leases.hold(database, "scheduler", "a", ttl_s=30)
    assert not leases.hold(database, "scheduler", "b", ttl_s=30)
    fake_clock.advance(timedelta(seconds=31))
    assert leases.hold(database, "scheduler", "b", ttl_s=30)
    assert not leases.hold(database, "scheduler", "a", ttl_s=30)


def test_a_released_duty_is_free_at_once(database: Database) -> None:
    leases.hold(database, "scheduler", "a", ttl_s=30)
    leases.release(database, "scheduler", "a")
    assert leases.hold(database, "scheduler", "b", ttl_s=30)


def test_news_reaches_its_handler_once(database: Database) -> None:
    heard: list[int] = []
    dispatcher = outbox.Dispatcher(database)
    dispatcher.on("report.received", lambda _session, news: heard.append(news["report_id"]))
    with database.write() as session:
        outbox.emit(session, "report.received", report_id=7)
    dispatcher.run_due()
    dispatcher.run_due()
    assert heard == [7]


def test_news_that_makes_no_work_is_told_in_order_and_once(database: Database) -> None:
    heard: list[Any] = []
    dispatcher = outbox.Dispatcher(database)
    dispatcher.on_all(heard.append)
    dispatcher.on("worked", lambda _session, news: heard.append(news["number"]))
    with database.write() as session:
        for number, kind in enumerate(["told", "told", "worked", "told", "other"]):
            outbox.emit(session, kind, number=number)
    assert dispatcher.run_due() == 5
    assert dispatcher.run_due() == 0
    assert heard == ["told", "told", 2, "worked", "told", "other"]


def test_news_of_a_rolled_back_change_is_never_told(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        outbox.emit(session, "report.received", report_id=7)
        raise RuntimeError
    assert outbox.Dispatcher(database).run_due() == 0


def test_a_failing_handler_is_tried_again_later_and_leaves_nothing_half_done(
    database: Database, fake_clock: FakeClock
) -> None:
    tries: list[int] = []

    def fragile(session: Any, _news: dict[str, Any]) -> None:
        areas.add(session, "990000000000", "示例省", "province")
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError

    dispatcher = outbox.Dispatcher(database)
    dispatcher.on("x", fragile)
    with database.write() as session:
        outbox.emit(session, "x")
    dispatcher.run_due()
    with database.read() as session:
        assert session.get(Area, "990000000000") is None
    fake_clock.advance(timedelta(seconds=5))
    dispatcher.run_due()
    with database.read() as session:
        assert session.get(Area, "990000000000") is not None
        assert session.scalars(sa.select(OutboxEvent.state)).all() == ["done"]


def test_a_handler_that_never_works_ends_as_a_named_failure(
    database: Database, fake_clock: FakeClock
) -> None:
    def broken(_session: Any, _news: dict[str, Any]) -> None:
        raise RuntimeError("no such speaker")

    dispatcher = outbox.Dispatcher(database)
    dispatcher.on("x", broken)
    with database.write() as session:
        outbox.emit(session, "x")
    for _ in range(outbox.MAX_TRIES + 2):
        dispatcher.run_due()
        fake_clock.advance(timedelta(minutes=10))
    with database.read() as session:
        event = session.scalars(sa.select(OutboxEvent)).one()
        assert (event.state, event.tries) == ("failed", outbox.MAX_TRIES)
        assert "no such speaker" in (event.failure or "")


def test_a_whole_audit_trail_has_no_broken_entry(database: Database) -> None:
    with database.write() as session:
        for number in range(3):
            audit.record(session, "chen", "report.play", f"report:{number}", why="review")
    with database.read() as session:
        assert audit.first_broken(session) is None


def test_a_changed_audit_entry_is_named(database: Database) -> None:
    with database.write() as session:
        for number in range(3):
            audit.record(session, "chen", "report.play", f"report:{number}")
        second = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id).offset(1)).first()
        assert second is not None
        second.actor = "somebody else"
        expected = second.id
    with database.read() as session:
        assert audit.first_broken(session) == expected


def test_audit_entries_of_several_writers_stay_one_chain(database: Database) -> None:
    def write() -> None:
        with database.write() as session:
            audit.record(session, "chen", "login", "user:1")

    run_together(6, write)
    with database.read() as session:
        assert audit.first_broken(session) is None
        assert session.scalar(sa.select(sa.func.count(AuditEntry.id))) == 6


def test_five_wrong_passwords_lock_the_account_for_a_while(
    database: Database, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        auth.create_user(session, "chen", "陈所", "long enough 1", ["recorder"], None)

    def try_password(password: str) -> str | None:
        with database.write() as session:
            return auth.log_in(session, "chen", password)

    for _ in range(auth.LOCK_AFTER):
        assert try_password("wrong") is None
    assert try_password("long enough 1") is None
    fake_clock.advance(auth.LOCK_FOR + timedelta(seconds=1))
    assert try_password("long enough 1") is not None


def test_a_session_ends_after_its_time(database: Database, fake_clock: FakeClock) -> None:
    with database.write() as session:
        auth.create_user(session, "chen", "陈所", "long enough 1", ["recorder"], None)
        token = auth.log_in(session, "chen", "long enough 1")
    assert token is not None
    with database.read() as session:
        assert auth.session_user(session, token) is not None
    fake_clock.advance(auth.SESSION_LENGTH)
    with database.read() as session:
        assert auth.session_user(session, token) is None


def test_a_token_works_until_its_person_is_switched_off(database: Database) -> None:
    with database.write() as session:
        user = auth.create_user(session, "chen", "陈所", "long enough 1", ["operator"], None)
        token = auth.issue_token(session, user, "laptop")
    with database.write() as session:
        found = auth.token_user(session, token)
        assert found is not None
        session.get_one(User, found.id).active = False
    with database.read() as session:
        assert auth.token_user(session, token) is None


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("password", {"password": "short"}),
        ("roles", {"roles": ["king"]}),
        ("roles", {"roles": []}),
        ("login", {"login": " "}),
    ],
)
def test_a_wrong_person_is_refused_by_field(
    database: Database, field: str, change: dict[str, Any]
) -> None:
    given_values: dict[str, Any] = {
        "login": "li", "display_name": "李", "password": "long enough 1",
        "roles": ["operator"], "area_code": None,
    }  # fmt: skip
    with pytest.raises(InvalidInput) as refusal, database.write() as session:
        auth.create_user(session, **{**given_values, **change})
    assert refusal.value.field == field


def test_a_person_sees_the_own_area_and_what_lies_below(database: Database) -> None:
    with database.write() as session:
        areas.add(session, "990000000000", "示例省", "province")
        areas.add(session, "990100000000", "甲市", "city", "990000000000")
        areas.add(session, "990200000000", "乙市", "city", "990000000000")
        areas.add(session, "990101000000", "甲县", "county", "990100000000")
        actor = auth.Actor(1, "chen", "陈", frozenset({"operator"}), "990100000000")
        assert actor.sees(session, "990101000000")
        with pytest.raises(NotFound):
            actor.require_area(session, "990200000000")


def test_the_same_bytes_are_one_blob(database: Database, store: BlobStore) -> None:
    sha256 = store.put_bytes(b"sound")
    assert store.put_bytes(b"sound") == sha256
    with database.write() as session:
        register(session, store, sha256, "audio/wav")
        assert register(session, store, sha256, "audio/wav").size_bytes == 5


def run_together(count: int, work: Callable[[], None]) -> None:
    """Run ``work`` in ``count`` threads at once; a failure of one fails the test."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
