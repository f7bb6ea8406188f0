"""Cases on the page: the buttons are those of the role, and a mistake is said beside its field."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from cases import intake, review
from cases.intake import Arrival
from cases.models import Case
from cases.review import Decision
from core import auth
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry, User
from core.sealed import Sealer
from tests.web.conftest import VILLAGE, Clients, post

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


def test_lists_are_narrowed(client: Clients, make_case: MakeCase, cast: dict[str, int]) -> None:
    case = make_case()
    link = f'href="/cases/{case}"'
    dispatcher = client("dispatcher")
    assert link in dispatcher.get("/cases").text
    assert link in dispatcher.get("/cases?status=triaged").text
    assert link not in dispatcher.get("/cases?status=closed").text
    assert link not in dispatcher.get("/cases?mine=1").text
    assert link in client("operator").get("/cases/list?mine=1").text


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


@pytest.mark.parametrize("name", ["recorder", "administrator", "auditor"])
def test_other_roles_are_kept_out(client: Clients, make_case: MakeCase, name: str) -> None:
    case = make_case()
    assert client(name).get("/cases").status_code == 403
    assert client(name).get(f"/cases/{case}").status_code == 403
