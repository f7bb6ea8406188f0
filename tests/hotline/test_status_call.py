"""A call about a report from the key to the case: real dialogue, real office, real importer."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cases.models import Case, CaseReport, Report, ResidentWord
from core.database import Database
from core.settings import Settings
from hotline import ask as asking
from hotline.conversation import ConversationFactory
from hotline.importer import Importer
from hotline.office import Office
from tests.hotline.fake_call import FakeCall, Move, Press, Silence, Speak
from tests.hotline.holding import hold
from tests.hotline.test_later_calls import report

__all__ = ["report"]
CALLER = "13812345678"


def about(number: str) -> list[Move]:
    """Key 2, the number; then 1 for "not satisfied", and why."""
    digits: list[Move] = [Press(digit) for digit in number]
    silences: list[Move] = [Silence(), Silence()]
    return [Press("2"), *digits, *silences, Press("1"), Silence(), Speak(4000), Press("#")]


@pytest.mark.parametrize("is_there", [True, False], ids=["office there", "office away"])
def test_not_satisfied_by_telephone_reopens_the_case_once(
    database: Database, factory: ConversationFactory, importer: Importer, spool: Path,
    config: Settings, report: Report, request: pytest.FixtureRequest, is_there: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(asking, "KEYED_ANSWER_LIMIT_S", 20.0)
    with database.write() as session:
        session.get_one(Report, report.id).caller_hash = importer._sealer.keyed_hash(
            "caller", CALLER
        )
    request.getfixturevalue("office")
    if not is_there:
        real = Office.answer
        monkeypatch.setattr(
            Office,
            "answer",
            lambda desk, line: {"ok": False} if b"not_satisfied" in line else real(desk, line),
        )
    entry = hold(factory, FakeCall(about(report.reference_no), caller=CALLER))
    assert (entry.kind, entry.about_reference_no) == ("status", report.reference_no)
    assert entry.not_satisfied
    with database.read() as session:
        reopened = session.scalars(sa.select(Case.status)).one() == "assigned"
    assert reopened is is_there
    importer.run_once()
    with database.read() as session:
        case = session.scalars(sa.select(Case)).one()
        assert (case.status, case.cycle_no) == ("assigned", 2)
        word = session.scalars(sa.select(ResidentWord)).one()
        said = session.get_one(Report, word.said_report_id)
        assert session.get(CaseReport, (case.id, said.id)) is not None
    assert list(spool.iterdir()) == []
