"""How a report stands: a road in plain words, until when, the answer, and "not satisfied"."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases.lifecycle import CaseStatus
from cases.models import Case, CaseEvent, CaseReply, CaseReport, Report, ResidentWord
from core import blobs, clock
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from tests.web.conftest import VILLAGE
from tests.web.test_report import ask, hidden, numbers, reports, send, tone, villager  # noqa: F401
from web import report_status

Numbers = tuple[str, str]


@pytest.fixture
def told(villager: TestClient) -> Numbers:
    """Number and PIN of a report."""
    return numbers(send(villager).text)


def make_case(database: Database, cast: dict[str, int], status: CaseStatus) -> int:
    with database.write() as session:
        report = session.scalars(sa.select(Report)).one()
        report.state = "accepted"
        case = Case(
            case_no="X-1",
            title="路灯",
            summary="路灯坏了",
            status=status.value,
            village_code=VILLAGE,
            owner_id=cast["dispatcher"],
            handler_id=cast["handler"],
            created_at=utc_now(),
        )
        session.add(case)
        session.flush()
        session.add(CaseReport(case_id=case.id, report_id=report.id))
        return case.id


def marks(page: str) -> dict[str, str]:
    found = re.findall(r'<li class="(past|now|ahead)"[^>]*>\S+ ([^<]+)</li>', page)
    return {words: mark for mark, words in found}


def test_a_new_report_stands_at_its_beginning(villager: TestClient, told: Numbers) -> None:
    road = marks(ask(villager, *told).text)
    assert list(road.values()) == ["now"] + ["ahead"] * 5


@pytest.mark.parametrize(
    ("status", "now"),
    [
        (CaseStatus.TRIAGED, "Looked at and accepted"),
        (CaseStatus.ASSIGNED, "Given to somebody"),
        (CaseStatus.RETURN_REQUESTED, "Given to somebody"),
        (CaseStatus.ACCEPTED, "Given to somebody"),
        (CaseStatus.IN_PROGRESS, "In work"),
        (CaseStatus.ON_HOLD, "In work"),
        (CaseStatus.RESOLVED, "Done"),
        (CaseStatus.VERIFYING, "Done"),
    ],
)
def test_the_road_shows_where_the_case_is(
    villager: TestClient,
    told: Numbers,
    database: Database,
    cast: dict[str, int],
    status: CaseStatus,
    now: str,
) -> None:
    make_case(database, cast, status)
    road = marks(ask(villager, *told).text)
    assert [words for words, mark in road.items() if mark == "now"] == [now]
    order = ["past", "now", "ahead"]
    assert all(order.index(a) <= order.index(b) for a, b in pairwise(road.values()))


def test_a_closed_case_has_nothing_ahead(
    villager: TestClient, told: Numbers, database: Database, cast: dict[str, int]
) -> None:
    make_case(database, cast, CaseStatus.CLOSED)
    assert set(marks(ask(villager, *told).text).values()) == {"past"}


def test_every_status_has_its_place_and_words() -> None:
    assert set(report_status._REACHED) == set(report_status.CASE_WORDS) == set(CaseStatus)


def test_the_due_time_is_told_while_a_clock_runs(
    villager: TestClient, told: Numbers, database: Database, cast: dict[str, int]
) -> None:
    case_id = make_case(database, cast, CaseStatus.IN_PROGRESS)
    assert "To be solved by" in ask(villager, *told).text
    with database.write() as session:
        session.get_one(Case, case_id).status = CaseStatus.RESOLVED.value
    assert "To be solved by" not in ask(villager, *told).text


@pytest.mark.parametrize(
    ("status", "is_told"), [(CaseStatus.ON_HOLD, True), (CaseStatus.IN_PROGRESS, False)]
)
def test_why_it_rests_is_told_without_anybodys_number(
    villager: TestClient,
    told: Numbers,
    database: Database,
    cast: dict[str, int],
    status: CaseStatus,
    is_told: bool,
) -> None:
    case_id = make_case(database, cast, status)
    with database.write() as session:
        session.add(
            CaseEvent(
                case_id=case_id, at=utc_now(), actor_id=cast["dispatcher"], action="hold",
                after="on_hold", reason="等配件，问13812345678", cycle_no=1,
            )
        )  # fmt: skip
    page = ask(villager, *told).text
    assert ("等配件" in page) is is_told
    assert "13812345678" not in page


@pytest.fixture
def replied(
    villager: TestClient, told: Numbers, database: Database, store: BlobStore, cast: dict[str, int]
) -> int:
    """A reply of the handler with its text."""
    case_id = make_case(database, cast, CaseStatus.IN_PROGRESS)
    sha256 = store.put_bytes(tone())
    with database.write() as session:
        blobs.register(session, store, sha256, "audio/wav")
        reply = CaseReply(
            case_id=case_id,
            sha256=sha256,
            duration_ms=1000,
            text="明天上门修",
            by_id=cast["handler"],
            at=utc_now(),
        )
        session.add(reply)
        session.flush()
        return reply.id


def reply_address(page: str) -> str:
    found = re.search(r'src="(/report/reply/[^"]+)"', page)
    assert found is not None
    return found[1]


def test_the_handlers_answer_is_read_and_heard(
    villager: TestClient, told: Numbers, replied: int
) -> None:
    page = ask(villager, *told).text
    assert "明天上门修" in page
    assert villager.get(reply_address(page)).content == tone()


def test_an_answer_taken_back_is_heard_by_nobody(
    villager: TestClient, told: Numbers, replied: int, database: Database
) -> None:
    address = reply_address(ask(villager, *told).text)
    with database.write() as session:
        session.get_one(CaseReply, replied).withdrawn_at = utc_now()
    assert villager.get(address).status_code == 404
    assert "明天上门修" not in ask(villager, *told).text


def test_a_proof_is_neither_guessed_nor_kept_for_long(
    villager: TestClient, told: Numbers, replied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = reply_address(ask(villager, *told).text)
    assert villager.get(address[:-2] + "xx").status_code == 403
    monkeypatch.setattr(report_status, "PROOF_S", -1)
    assert villager.get(address).status_code == 403


def object_to(browser: TestClient, page: str) -> str:
    data = {name: hidden(page, name) for name in ("csrf_token", "proof")}
    answer = browser.post("/report/status/object", data=data)
    assert answer.status_code == 200
    return answer.text


def test_not_satisfied_takes_done_work_up_again_once(
    villager: TestClient, told: Numbers, database: Database, cast: dict[str, int]
) -> None:
    case_id = make_case(database, cast, CaseStatus.RESOLVED)
    page = ask(villager, *told).text
    assert "I am not satisfied" in page
    for _ in range(2):
        assert "taken up again" in object_to(villager, page)
    with database.read() as session:
        case = session.get_one(Case, case_id)
        assert (case.cycle_no, case.status) == (2, CaseStatus.ASSIGNED)
        assert session.scalar(sa.select(sa.func.count()).select_from(ResidentWord)) == 1
    assert "It was taken up again" in ask(villager, *told).text


def test_what_is_in_work_can_be_reminded_of(
    villager: TestClient, told: Numbers, database: Database, cast: dict[str, int]
) -> None:
    make_case(database, cast, CaseStatus.IN_PROGRESS)
    page = ask(villager, *told).text
    assert "I am not satisfied" not in page
    assert "reminded" in object_to(villager, page)


def test_without_the_pin_nobody_objects(villager: TestClient, told: Numbers) -> None:
    page = ask(villager, *told).text
    data = {"csrf_token": hidden(page, "csrf_token"), "proof": "made.up.proof"}
    assert villager.post("/report/status/object", data=data).status_code == 403


def test_what_was_closed_long_ago_offers_no_objection(
    villager: TestClient, told: Numbers, database: Database, cast: dict[str, int]
) -> None:
    from cases.lifecycle import RESIDENT_REOPENS_WITHIN

    case_id = make_case(database, cast, CaseStatus.CLOSED)
    with database.write() as session:
        session.add(
            CaseEvent(case_id=case_id, at=utc_now(), action="close", after="closed", cycle_no=1)
        )
    assert 'name="proof"' in ask(villager, *told).text
    later = utc_now() + RESIDENT_REOPENS_WITHIN + timedelta(days=1)
    with clock.use(clock.FakeClock(later)):
        assert 'name="proof"' not in ask(villager, *told).text
    assert reports(database)
