"""Cases on the page: the buttons are those of the role, and a mistake is said beside its field."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases import casework, handlers, intake, review
from cases.access import CONFIDENTIAL_ROLES
from cases.intake import Arrival
from cases.models import Case
from cases.review import Decision
from core import areas, audit, auth
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry, User
from core.sealed import Sealer
from tests.statements import statements
from tests.web.conftest import OTHER_TOWN, PASSWORD, TOWN, VILLAGE, Clients, post

MakeCase = Callable[..., int]


@pytest.fixture
def make_case(
    database: Database, store: BlobStore, sealer: Sealer, cast: dict[str, int]
) -> MakeCase:
    """A case made by the operator (county for a confidential one); answers its id."""

    def make(*, confidential: bool = False, key: str = "c1") -> int:
        with database.write() as session:
            maker = session.get_one(User, cast["county" if confidential else "operator"])
            actor = auth.actor_of(maker)
            arrival = Arrival(
                channel="typed", source_key=key, received_at=utc_now(), typed_text="原话",
                village_code=VILLAGE, confidential=confidential,
            )  # fmt: skip
            report = intake.receive(session, store, sealer, arrival).report
            opened = review.start(session, actor, report.id)
            decision = Decision(summary="桃坪村路灯不亮", service_code="road")
            return review.accept(session, actor, report.id, opened.version, decision).id

    return make


def step(browser: TestClient, case: int, action: str, **more: str) -> httpx.Response:
    found = re.search(r'name="version" value="(\d+)"', browser.get(f"/cases/{case}").text)
    data = {"action": action, "version": found[1] if found else "1", **more}
    return post(browser, f"/cases/{case}/step", data)


def buttons(browser: TestClient, case: int) -> list[str]:
    return re.findall(r'name="action" value="(\w+)"', browser.get(f"/cases/{case}").text)


def status(database: Database, case: int) -> str:
    with database.read() as session:
        return session.get_one(Case, case).status


def test_the_road_of_a_case_through_the_pages(
    client: Clients, make_case: MakeCase, database: Database, cast: dict[str, int]
) -> None:
    case = make_case()
    handler, city = client("handler"), client("county")
    assert step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"])).is_redirect
    assert step(handler, case, "accept").is_redirect
    assert step(handler, case, "begin").is_redirect
    assert step(handler, case, "resolve", reason="换了灯泡").is_redirect
    assert step(city, case, "verify").is_redirect
    assert step(city, case, "close", outcome="satisfied").is_redirect
    assert status(database, case) == "closed"
    page = client("operator").get(f"/cases/{case}").text
    assert "换了灯泡" in page
    assert "Satisfied" in page


GRID = "513221100203"


@pytest.fixture
def grid_workers(database: Database, cast: dict[str, int]) -> None:
    """Two more of the cast: one answers for the whole village, one for a grid in it."""
    with database.write() as session:
        areas.add(session, GRID, "三组", "grid", VILLAGE)
        for name, area_code in (("grid_worker", VILLAGE), ("small_grid", GRID)):
            made = auth.create_user(session, name, name, PASSWORD, ["grid_worker"], area_code)
            cast[name] = made.id


@pytest.mark.parametrize("name", sorted({*handlers.ROLES, "small_grid"}))
def test_everybody_who_can_be_given_a_case_opens_and_finishes_it(
    grid_workers: None, client: Clients, make_case: MakeCase, database: Database,
    cast: dict[str, int], name: str,
) -> None:  # fmt: skip
    case, worker = make_case(), client(name)
    assert step(client("dispatcher"), case, "assign", handler_id=str(cast[name])).is_redirect
    assert f'href="/cases/{case}"' in worker.get("/cases?mine=1").text
    assert "Cases that wait for you" in worker.get("/").text
    assert re.search(r'href="/cases\?mine=1"[^>]*>\s*(<[^>]*>)*\s*1', worker.get("/").text)
    for action, more in (("accept", {}), ("begin", {}), ("resolve", {"reason": "换了灯泡"})):
        assert step(worker, case, action, **more).is_redirect
    assert status(database, case) == "resolved"


def test_a_grid_worker_touches_no_case_of_others(
    grid_workers: None, client: Clients, make_case: MakeCase, cast: dict[str, int]
) -> None:
    case = make_case()
    step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    for name in ("grid_worker", "small_grid"):
        assert step(client(name), case, "accept").status_code == 404
        assert client(name).get(f"/cases/{case}").status_code == 404
        assert f'href="/cases/{case}"' not in client(name).get("/cases?status=all").text


def test_each_role_sees_its_own_buttons(
    client: Clients, make_case: MakeCase, cast: dict[str, int]
) -> None:
    case = make_case()
    assert buttons(client("dispatcher"), case) == ["assign"]
    assert buttons(client("operator"), case) == []
    assert buttons(client("handler"), case) == []
    step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    assert buttons(client("handler"), case) == ["accept", "request_return"]


@pytest.mark.parametrize(
    ("action", "more", "field"),
    [("assign", {}, "handler_id"), ("assign", {"handler_id": "99999"}, "handler_id")],
)
def test_what_is_missing_is_said_beside_its_field(
    client: Clients, make_case: MakeCase, action: str, more: dict[str, str], field: str
) -> None:
    answer = step(client("dispatcher"), make_case(), action, **more)
    assert answer.status_code == 422
    assert f'id="e-{action}-{field}"' in answer.text


def test_nobody_closes_without_an_outcome(
    client: Clients, make_case: MakeCase, database: Database, cast: dict[str, int]
) -> None:
    case = make_case()
    handler, county = client("handler"), client("county")
    step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    for action in ("accept", "begin"):
        step(handler, case, action)
    missing = step(handler, case, "resolve", reason=" ")
    assert 'id="e-resolve-reason"' in missing.text
    step(handler, case, "resolve", reason="修好")
    step(county, case, "verify")
    refused = step(county, case, "close")
    assert 'id="e-close-outcome"' in refused.text
    assert status(database, case) == "verifying"


def test_an_old_page_changes_nothing(
    client: Clients, make_case: MakeCase, database: Database, cast: dict[str, int]
) -> None:
    case = make_case()
    answer = step(
        client("dispatcher"), case, "assign", handler_id=str(cast["handler"]), version="99"
    )
    assert answer.status_code == 409
    assert status(database, case) == "triaged"


def test_another_towns_case_is_nowhere(client: Clients, make_case: MakeCase) -> None:
    case = make_case()
    outsider = client("outsider")
    assert outsider.get(f"/cases/{case}").status_code == 404
    assert outsider.get(f"/cases/{case}/events").status_code == 404
    assert (
        post(outsider, f"/cases/{case}/step", {"action": "assign", "version": "1"}).status_code
        == 404
    )
    assert f"/cases/{case}" not in outsider.get("/cases").text


def test_who_is_shut_out_leaves_no_case_behind(
    client: Clients, make_case: MakeCase, cast: dict[str, int], database: Database
) -> None:
    case, waiting, secret = make_case(), make_case(key="c2"), make_case(confidential=True, key="c3")
    step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    for name in ("handler", "operator", "county"):
        post(client("administrator"), f"/people/{cast[name]}/active", {"active": "false"})
    with database.read() as session:
        found = {each.id: each for each in session.scalars(sa.select(Case))}
        owners = {number: session.get_one(User, each.owner_id) for number, each in found.items()}
        assert owners[case].active
        assert owners[waiting].active
        assert found[case].handler_id == found[case].owner_id
        assert (found[case].status, found[waiting].status) == ("assigned", "triaged")
        assert owners[secret].active
        assert set(owners[secret].roles) & CONFIDENTIAL_ROLES
    assert "Handed over" in client("dispatcher").get(f"/cases/{case}").text


@pytest.mark.parametrize(
    ("roles", "area_code", "stays"),
    [
        (["handler"], TOWN, True),
        (["handler", "recorder"], TOWN, True),
        (["handler"], OTHER_TOWN, False),
        (["recorder"], TOWN, False),
    ],
    ids=["other name", "one role more", "other town", "other role"],
)
def test_who_may_no_longer_work_on_a_case_does_not_owe_its_answer(
    client: Clients,
    make_case: MakeCase,
    cast: dict[str, int],
    database: Database,
    roles: list[str],
    area_code: str,
    stays: bool,
) -> None:
    case, handler = make_case(), cast["handler"]
    step(client("dispatcher"), case, "assign", handler_id=str(handler))
    fields = {"display_name": "someone", "area_code": area_code, "roles": roles}
    post(client("administrator"), f"/people/{handler}", fields)
    with database.read() as session:
        found = session.get_one(Case, case)
        assert (found.owner_id == handler, found.handler_id == handler) == (stays, stays)
        assert session.get_one(User, found.owner_id).active


def test_a_grid_worker_who_is_shut_out_leaves_no_case_behind(
    grid_workers: None, client: Clients, make_case: MakeCase, cast: dict[str, int],
    database: Database,
) -> None:  # fmt: skip
    case, worker = make_case(), cast["small_grid"]
    step(client("dispatcher"), case, "assign", handler_id=str(worker))
    post(client("administrator"), f"/people/{worker}/active", {"active": "false"})
    with database.read() as session:
        owner = session.get_one(User, session.get_one(Case, case).owner_id)
    assert owner.active
    assert not set(owner.roles) & handlers.MERE


def test_who_did_the_work_stays_known_when_somebody_else_owes_the_call_back(
    client: Clients, make_case: MakeCase, cast: dict[str, int], database: Database
) -> None:
    case, handler = make_case(), cast["handler"]
    with database.write() as session:
        done = sa.update(Case).where(Case.id == case)
        session.execute(done.values(status="resolved", owner_id=handler, handler_id=handler))
    post(client("administrator"), f"/people/{handler}/active", {"active": "false"})
    with database.read() as session:
        found = session.get_one(Case, case)
        assert found.handler_id == handler
        assert session.get_one(User, found.owner_id).active


def test_lists_are_narrowed(client: Clients, make_case: MakeCase, cast: dict[str, int]) -> None:
    case = make_case()
    link = f'href="/cases/{case}"'
    dispatcher = client("dispatcher")
    assert link in dispatcher.get("/cases").text
    assert link in dispatcher.get("/cases?status=triaged").text
    assert link not in dispatcher.get("/cases?status=closed").text
    assert link not in dispatcher.get("/cases?mine=1").text
    assert link in client("operator").get("/cases/list?mine=1").text


def test_a_case_residents_ask_about_again_says_so_and_stands_first(
    client: Clients, make_case: MakeCase, cast: dict[str, int], database: Database
) -> None:
    quiet, asked_about = make_case(), make_case(key="c2")
    for case in (quiet, asked_about):
        step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    with database.write() as session:
        for _ in range(2):
            casework.remember_reminder(session, session.get_one(Case, asked_about), "催")
    handler = client("handler")
    rows = re.findall(r"<tr>\s*<td.*?</tr>", handler.get("/cases?mine=1").text, re.DOTALL)
    assert [f'"/cases/{asked_about}"' in row for row in rows] == [True, False]
    assert ["Reminded: 2" in row for row in rows] == [True, False]
    assert "Reminded: 2" in handler.get(f"/cases/{asked_about}").text
    step(handler, asked_about, "accept")
    assert "Reminded: " not in handler.get("/cases?mine=1").text


def test_nobody_is_named_as_the_one_who_handed_a_case_over(
    client: Clients, make_case: MakeCase, cast: dict[str, int]
) -> None:
    case = make_case()
    step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    post(client("administrator"), f"/people/{cast['handler']}/active", {"active": "false"})
    page = client("dispatcher").get(f"/cases/{case}").text
    assert "Handed over" in page
    assert "The resident" not in page


def test_a_confidential_case_shows_its_handler_the_paraphrase_only(
    client: Clients, make_case: MakeCase, cast: dict[str, int]
) -> None:
    case = make_case(confidential=True)
    for name in ("operator", "dispatcher", "handler", "township", "leader"):
        assert client(name).get(f"/cases/{case}").status_code == 404
    step(client("county"), case, "assign", handler_id=str(cast["handler"]))
    page = client("handler").get(f"/cases/{case}").text
    assert "桃坪村路灯不亮" in page
    assert "原话" not in page
    assert 'href="/reports/' not in page


def test_looking_at_a_case_is_written_down(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case = make_case()
    client("leader").get(f"/cases/{case}")
    with database.read() as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "case.view")).one()
    assert (entry.actor, entry.subject) == ("leader", f"case:{case}")


def test_a_case_that_cannot_be_noted_is_not_shown(
    client: Clients, make_case: MakeCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, browser = make_case(), client("leader")

    def full(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(audit, "record", full)
    answer = browser.get(f"/cases/{case}")
    assert answer.status_code >= 500
    assert "桃坪村路灯不亮" not in answer.text


def opening(database: Database, browser: TestClient, case: int) -> list[str]:
    """What the database is asked while the case is opened."""
    with statements(database) as told:
        assert browser.get(f"/cases/{case}").status_code == 200
    return told


def test_who_reads_a_case_lets_others_write(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    told = opening(database, client("dispatcher"), make_case())
    while_locked = told[next(i for i, text in enumerate(told) if "BEGIN IMMEDIATE" in text) :]
    tables = {
        word for text in while_locked for word in ("case_file", "user_account") if word in text
    }
    assert tables == set()


def test_opening_a_case_asks_no_more_when_more_people_work_here(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case, browser = make_case(), client("dispatcher")
    before = len(opening(database, browser, case))
    with database.write() as session:
        for number in range(30):
            auth.create_user(session, f"n{number}", f"n{number}", PASSWORD, ["handler"], TOWN)
    assert len(opening(database, browser, case)) == before


@pytest.mark.parametrize("name", ["recorder", "administrator", "auditor"])
def test_other_roles_are_kept_out(client: Clients, make_case: MakeCase, name: str) -> None:
    case = make_case()
    assert client(name).get("/cases").status_code == 403
    assert client(name).get(f"/cases/{case}").status_code == 403
