"""The proposals learn from decisions, and never change for the worse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from cases import learning, review, triage
from cases.models import Case, Learning, Report
from cases.review import Decision
from core.database import Database
from tests.cases.conftest import VILLAGE, Arrive, Cast
from tests.conftest import on_both_databases

Decide = Callable[..., Case]
OWN_WORDS = "蓝莓棚的卷帘机卡壳了"


@pytest.fixture(autouse=True)
def _nothing_trained() -> None:
    learning._trained.clear()


@pytest.fixture
def decide(database: Database, arrive: Arrive, cast: Cast) -> Decide:
    """A report arrives and is accepted as a kind."""

    def accept(text: str, code: str, **arrival: object) -> Case:
        report_id = arrive(typed_text=text, **arrival).report.id
        actor = cast.custodian if arrival.get("confidential") else cast.operator
        with database.write() as session:
            version = review.start(session, actor, report_id).version
            decision = Decision(summary="摘要", service_code=code, village_code=VILLAGE)
            return review.accept(session, actor, report_id, version, decision)

    return accept


@on_both_databases
def test_it_learns_words_that_only_this_office_hears(database: Database, decide: Decide) -> None:
    for number in range(30):
        decide(f"{OWN_WORDS}，第{number}个大棚", "utilities")
    with database.read() as session:
        before = learning.in_use(session).guess(OWN_WORDS)
    row = learning.learn(database)
    assert row is not None
    assert row.in_use
    with database.read() as session:
        after = learning.in_use(session).guess(OWN_WORDS)
    assert before.code != "utilities"
    assert after.code == "utilities"


def test_few_decisions_teach_nothing_yet(database: Database, decide: Decide) -> None:
    decide("停水", "utilities")
    assert learning.learn(database) is None


def test_every_fifth_case_only_measures(database: Database, decide: Decide) -> None:
    for _ in range(10):
        decide("停水了", "utilities")
    with database.read() as session:
        taught, apart = learning.decided(session)
    assert len(apart) == 2
    assert not {one.family for one in taught} & {one.family for one in apart}


def test_confidential_cases_teach_nothing(database: Database, decide: Decide) -> None:
    decide("举报村主任私分集体的钱", "cadre", confidential=True)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Case)) == 1
        assert learning.decided(session) == ([], [])


def test_a_pupil_that_does_worse_on_the_held_out_sentences_is_not_promoted(
    database: Database, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        decide(f"停水了{number}", "thanks")
    monkeypatch.setattr(learning, "_f1", lambda pupil, _examples: 0.8 if pupil is seed else 0.7)
    seed = learning.seeded()
    row = learning.learn(database)
    assert row is not None
    assert not row.in_use
    with database.read() as session:
        assert learning.in_use(session) is seed


def test_a_new_process_knows_what_was_learnt(database: Database, decide: Decide) -> None:
    for number in range(30):
        decide(f"{OWN_WORDS}{number}", "utilities")
    learning.learn(database)
    learning._trained.clear()
    with database.read() as session:
        assert learning.in_use(session).guess(OWN_WORDS).code == "utilities"
        assert session.scalar(sa.select(sa.func.count()).select_from(Learning)) == 1


def test_the_service_survives_an_absent_database(database: Database) -> None:
    tries = []

    def fail(_database: Database) -> None:
        tries.append(1)
        learner.stop()
        raise sa.exc.OperationalError("select", {}, Exception("gone"))

    learner = learning.Learner(database, every_s=0.01, teach=fail)
    learner.run_forever()
    assert tries == [1]


def test_reports_that_come_while_it_trains_get_their_kind_afterwards(
    database: Database, arrive: Arrive
) -> None:
    learner = learning.Learner(database, when_ready=triage.propose_missing)
    report_id = arrive(typed_text="变压器冒烟了，有人触电").report.id
    with database.write() as session:
        early = triage.propose(session, report_id)
    learner.stop()
    learner.run_forever()
    with database.read() as session:
        later = session.get_one(Report, report_id)
    assert early is not None
    assert (early.service_code, early.urgent) == (None, True)
    assert later.proposed_service == "safety"


def test_a_report_without_a_kind_is_not_asked_about_again(
    database: Database, arrive: Arrive
) -> None:
    report_id = arrive(typed_text="嗯").report.id
    with database.write() as session:
        triage.propose(session, report_id)
    assert triage.propose_missing(database) == 0
