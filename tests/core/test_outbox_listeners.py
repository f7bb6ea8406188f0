"""Who merely listens to news hears it when the work is stored, and can break nothing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import outbox
from core.database import Database
from core.models import OutboxEvent
from tests.conftest import on_both_databases


def emit(database: Database, *kinds: str) -> None:
    with database.write() as session:
        for kind in kinds:
            outbox.emit(session, kind)


def states(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        rows = session.execute(
            sa.select(OutboxEvent.kind, OutboxEvent.state).order_by(OutboxEvent.id)
        )
        return [(kind, state) for kind, state in rows]


def test_a_listener_hears_all_news_in_order(database: Database) -> None:
    heard: list[str] = []
    dispatcher = outbox.Dispatcher(database)
    dispatcher.on("case.made", lambda _session, _news: None)
    dispatcher.on_all(heard.append)
    emit(database, "player.changed", "case.made", "player.changed")
    assert dispatcher.run_due() == 3
    assert heard == ["player.changed", "case.made", "player.changed"]


def test_a_listener_finds_the_work_stored(database: Database) -> None:
    seen: list[str] = []
    dispatcher = outbox.Dispatcher(database)

    def work(session: Session, _news: dict[str, Any]) -> None:
        session.execute(sa.update(OutboxEvent).values(failure="worked"))

    def look(_kind: str) -> None:
        with database.read() as session:
            seen.extend(str(word) for word in session.scalars(sa.select(OutboxEvent.failure)))

    dispatcher.on("case.made", work)
    dispatcher.on_all(look)
    emit(database, "case.made")
    dispatcher.run_due()
    assert seen == ["worked"]


def test_a_listener_that_breaks_undoes_no_work_and_keeps_back_nobody(database: Database) -> None:
    heard: list[str] = []
    worked: list[str] = []
    dispatcher = outbox.Dispatcher(database)
    dispatcher.on("case.made", lambda _session, news: worked.append(news["event_kind"]))

    def broken(_kind: str) -> None:
        raise sa.exc.OperationalError("select", {}, Exception("database is locked"))

    dispatcher.on_all(broken)
    dispatcher.on_all(heard.append)
    emit(database, "player.changed", "case.made")
    dispatcher.run_due()
    assert dispatcher.run_due() == 0
    assert (heard, worked) == (["player.changed", "case.made"], ["case.made"])
    assert states(database) == [("player.changed", "done"), ("case.made", "done")]


def test_work_that_fails_is_not_told(database: Database) -> None:
    heard: list[str] = []
    dispatcher = outbox.Dispatcher(database)

    def fails(_session: Session, _news: dict[str, Any]) -> None:
        raise ValueError("not today")

    dispatcher.on("case.made", fails)
    dispatcher.on_all(heard.append)
    emit(database, "case.made")
    dispatcher.run_due()
    assert heard == []
    assert states(database) == [("case.made", "leased")]


@on_both_databases
def test_pages_of_another_process_hear_the_news_once(database: Database) -> None:
    first, second = outbox.Dispatcher(database), outbox.Dispatcher(database)
    heard: list[str] = []
    first.tell_of_others()
    second.tell_of_others()
    second.on_all(heard.append)
    emit(database, "case.made", "player.changed")
    second.tell_of_others()
    assert heard == [], "nobody has delivered it yet"
    first.run_due()
    second.tell_of_others()
    second.tell_of_others()
    assert heard == ["case.made", "player.changed"]


def test_who_delivers_news_does_not_hear_it_again(database: Database) -> None:
    dispatcher = outbox.Dispatcher(database)
    heard: list[str] = []
    dispatcher.on_all(heard.append)
    dispatcher.on("case.made", lambda _session, _news: None)
    dispatcher.tell_of_others()
    emit(database, "case.made", "player.changed")
    dispatcher.run_due()
    dispatcher.tell_of_others()
    assert heard == ["case.made", "player.changed"]


def test_news_from_before_the_start_is_not_told(database: Database) -> None:
    emit(database, "case.made")
    outbox.Dispatcher(database).run_due()
    late = outbox.Dispatcher(database)
    heard: list[str] = []
    late.on_all(heard.append)
    late.tell_of_others()
    assert heard == []


def test_news_that_is_stored_late_under_a_lower_number_is_told(database: Database) -> None:
    heard: list[str] = []
    dispatcher = outbox.Dispatcher(database)
    dispatcher.on_all(heard.append)
    dispatcher.tell_of_others()
    emit(database, "first", "second")

    def done(kind: str) -> None:
        with database.write() as session:
            session.execute(
                sa.update(OutboxEvent).where(OutboxEvent.kind == kind).values(state="done")
            )

    done("second")
    dispatcher.tell_of_others()
    done("first")
    dispatcher.tell_of_others()
    assert heard == ["second", "first"]


def test_no_news_is_passed_over_when_much_comes_between_two_looks(database: Database) -> None:
    first, second = outbox.Dispatcher(database), outbox.Dispatcher(database)
    heard: list[str] = []
    second.on_all(heard.append)
    second.tell_of_others()
    emit(database, "case.made", *["player.changed"] * outbox.LOOK_BACK)
    while first.run_due():
        pass
    second.tell_of_others()
    assert "case.made" in heard
    assert len(heard) == outbox.LOOK_BACK + 1


def test_what_is_remembered_of_told_news_does_not_grow(database: Database) -> None:
    dispatcher = outbox.Dispatcher(database)
    dispatcher.tell_of_others()
    for _ in range(3):
        emit(database, *["case.made"] * 300)
        while dispatcher.run_due():
            pass
        dispatcher.tell_of_others()
    assert len(dispatcher._told) <= outbox.LOOK_BACK
