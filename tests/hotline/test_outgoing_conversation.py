"""The dialogue and the desk for outgoing calls together: key 5 rings the duty phone, 0 a person."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.callbacks import handlers
from hotline.conversation import ConversationFactory
from hotline.importer import Importer
from hotline.models import CallBack, CallRecord
from hotline.outgoing.clerk import OutgoingClerk
from tests.hotline.fake_call import GoAway, Press, Silence, Speak
from tests.hotline.fake_driver import FakeLeg, RingsOn, Stay, Until, leg
from tests.hotline.outgoing_town import FIRST, SECOND, Town


@pytest.fixture
def town(config: Settings, sealer: Sealer, factory: ConversationFactory) -> Town:
    made = Town(config, sealer)
    factory.outgoing = made.desk
    return made


def hold(town: Town, factory: ConversationFactory, call: FakeLeg) -> None:
    factory.monotonic_s = call.monotonic_s
    town.live(lambda: factory.converse(call))


def test_just_cheated_rings_the_duty_phone_while_the_caller_still_speaks(
    town: Town, factory: ConversationFactory
) -> None:
    town.people("duty", FIRST)
    officer = leg(Press("1"), Silence())
    town.driver.reactions[FIRST] = [officer]
    rung = Until(lambda: FIRST in town.driver.numbers)
    call = leg(Press("5"), rung, Silence(), Silence(), Speak(4000), Press("#"))
    hold(town, factory, call)
    outcome = next(one for one in town.outcomes() if one.kind == "duty")
    assert (outcome.result, outcome.call_id) == ("taken", call.call_id)
    assert officer.ended == "done"
    assert call.joined is None


def test_zero_joins_the_caller_with_a_person(town: Town, factory: ConversationFactory) -> None:
    town.people("human", FIRST, SECOND)
    person = leg(Press("1"), Until(lambda: person_hears()), GoAway())

    def person_hears() -> bool:
        return person.joined is not None

    town.driver.reactions[SECOND] = [person]
    call = leg(Press("0"), Stay(), Stay(), Stay(), Silence(), GoAway())
    hold(town, factory, call)
    outcome = next(one for one in town.outcomes() if one.kind == "human")
    assert outcome.result == "joined"
    assert town.driver.numbers == [FIRST, SECOND]
    assert call.ended is not None


def test_who_wanted_a_person_and_gave_up_as_one_answered_is_phoned_back(
    town: Town, factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    town.people("human", FIRST)
    person = leg(Press("1"), Stay(), Silence())
    town.driver.reactions[FIRST] = [person]
    hold(town, factory, leg(Press("0"), Stay(), GoAway()))
    assert town.outcome().joined_at is not None
    importer.run_once()
    with database.read() as session:
        task = session.scalars(sa.select(CallBack)).one()
    assert (task.reason, task.state) == ("human", "open")


def test_a_caller_who_hangs_up_stops_the_search(town: Town, factory: ConversationFactory) -> None:
    town.people("human", FIRST)
    town.driver.reactions[FIRST] = [RingsOn()]
    rung = Until(lambda: FIRST in town.driver.numbers)
    hold(town, factory, leg(Press("0"), rung, GoAway()))
    assert town.driver.cancelled == [FIRST]
    assert town.outcome().result == "caller_gone"


def test_when_no_officer_takes_it_an_urgent_call_back_waits(
    town: Town,
    factory: ConversationFactory,
    importer: Importer,
    database: Database,
    sealer: Sealer,
    config: Settings,
    spool: Path,
) -> None:
    town.people("duty", FIRST)
    rung = Until(lambda: FIRST in town.driver.numbers)
    hold(town, factory, leg(Press("5"), rung, Silence(), Silence(), Speak(4000), Press("#")))
    importer.run_once()
    OutgoingClerk(database, sealer, config).run_once()
    with database.write() as session:
        [(call_id, order_id)] = session.execute(
            sa.text("SELECT call_id, id FROM outgoing_call WHERE kind = 'duty'")
        ).all()
        for kind, handler in handlers(config.zone):
            if kind == "outgoing.ended":
                handler(session, {"order_id": order_id})
    with database.read() as session:
        record = session.get_one(CallRecord, call_id)
        task = session.get_one(CallBack, record.call_back_id)
    assert (task.reason, task.state) == ("fraud", "open")
