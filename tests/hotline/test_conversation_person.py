"""Who asked for a person and got none is phoned, whatever else the call was for."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from cases.models import Report
from core.database import Database
from hotline import journal
from hotline.conversation import ConversationFactory
from hotline.importer import Importer
from hotline.models import CallBack
from tests.hotline.fake_call import FakeCall, GoAway, Move, Press, Silence, Speak
from tests.hotline.holding import hold
from tests.hotline.test_conversation_menus import People


@pytest.mark.parametrize("before", [[], [Silence()]], ids=["while the number is read", "later"])
def test_who_hangs_up_while_waiting_for_a_person_after_a_report_is_phoned(
    factory: ConversationFactory, importer: Importer, database: Database, before: list[Move]
) -> None:
    factory.outgoing = People("caller_gone")
    spoken: list[Move] = [Press("1"), Press("1"), Silence(), Speak(4000), Press("#")]
    entry = hold(factory, FakeCall([*spoken, Press("0"), *before, GoAway()]))
    assert (entry.kind, entry.wants_person, entry.end_cause) == ("report", True, "hangup")
    importer.run_once()
    with database.read() as session:
        (task,) = session.scalars(sa.select(CallBack))
        assert task.reason == "human"
        assert session.get_one(Report, task.report_id).audio_sha256 is not None


def test_a_journal_of_the_version_before_is_read(
    factory: ConversationFactory, importer: Importer, database: Database
) -> None:
    """It has no ``wants_person``: who pressed 0 before any report is there by the kind."""
    factory.outgoing = People("caller_gone")
    hold(factory, FakeCall([Press("0"), GoAway()]))
    path = factory.spool / "call-1" / journal.CALL_FILE
    old = json.loads(path.read_text())
    assert old.pop("wants_person") is True
    path.write_text(json.dumps(old))
    importer.run_once()
    with database.read() as session:
        assert session.scalars(sa.select(CallBack.reason)).all() == ["human"]
