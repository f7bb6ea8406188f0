"""An administrator lets people in, within the own area and nowhere else."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core import audit
from core.database import Database
from core.models import AuditEntry, User
from tests.web.conftest import COUNTY, PASSWORD, TOWN, VILLAGE, Clients, post

NEW = {"login": "wang", "display_name": "王文书", "area_code": TOWN, "roles": ["operator"]}


def user_named(database: Database, login: str) -> User:
    with database.read() as session:
        return session.scalars(sa.select(User).where(User.login == login)).one()


def first_password(page: str) -> str:
    found = re.search(r"\b([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})\b", page)
    assert found is not None
    return found[1]


@pytest.fixture
def administrator(client: Clients) -> TestClient:
    return client("administrator")


def test_a_new_person_logs_in_with_the_password_shown_once(
    administrator: TestClient, client: Clients
) -> None:
    page = post(administrator, "/people", NEW).text
    answer = post(client(None), "/login", {"login": "wang", "password": first_password(page)})
    assert answer.status_code == 303
    browser = client(None)
    browser.cookies.update(answer.cookies)
    assert browser.get("/").headers["location"] == "/password"
    assert first_password(page) not in administrator.get("/people").text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"login": ""}, "login"),
        ({"login": "recorder"}, "login"),
        ({"roles": []}, "roles"),
        ({"roles": ["emperor"]}, "roles"),
        ({"area_code": ""}, "area_code"),
        ({"area_code": "999999999999"}, "area_code"),
    ],
)
def test_a_refusal_stands_beside_its_field_and_keeps_what_was_typed(
    administrator: TestClient, database: Database, change: dict[str, object], field: str
) -> None:
    answer = post(administrator, "/people", NEW | change)
    assert answer.status_code == 422
    assert re.search(rf'id="wrong-{field}"|has-error[^>]*>\s*<legend', answer.text)
    assert 'value="王文书"' in answer.text
    with database.read() as session:
        assert session.scalar(sa.select(User.id).where(User.login == "wang")) is None


def test_a_reset_ends_sessions_and_lifts_a_lock(
    administrator: TestClient, client: Clients, database: Database, cast: dict[str, int]
) -> None:
    theirs = client("recorder")
    page = post(administrator, f"/people/{cast['recorder']}/password").text
    assert theirs.get("/").status_code == 303
    form = {"login": "recorder", "password": first_password(page)}
    assert post(client(None), "/login", form).status_code == 303
    old = {"login": "recorder", "password": PASSWORD}
    assert post(client(None), "/login", old).status_code == 422


def test_shutting_out_and_letting_in(
    administrator: TestClient, client: Clients, cast: dict[str, int], database: Database
) -> None:
    theirs = client("recorder")
    post(administrator, f"/people/{cast['recorder']}/active", {"active": "false"})
    assert theirs.get("/").status_code == 303
    assert "shut out" in administrator.get("/people").text
    post(administrator, f"/people/{cast['recorder']}/active", {"active": "true"})
    assert user_named(database, "recorder").active


def test_other_roles_count_from_the_next_request(
    administrator: TestClient, client: Clients, cast: dict[str, int]
) -> None:
    theirs = client("recorder")
    assert theirs.get("/people").status_code == 403
    form = {"display_name": "录制人", "area_code": VILLAGE, "roles": ["administrator"]}
    assert post(administrator, f"/people/{cast['recorder']}", form).status_code == 303
    assert theirs.get("/people").status_code == 200


def test_nobody_takes_the_last_key_from_themselves(
    administrator: TestClient, cast: dict[str, int], database: Database
) -> None:
    own = f"/people/{cast['administrator']}"
    form = {"display_name": "x", "area_code": COUNTY, "roles": ["recorder"]}
    assert post(administrator, own, form).status_code == 409
    assert post(administrator, own + "/active", {"active": "false"}).status_code == 409
    assert user_named(database, "administrator").active


def test_people_of_another_area_are_not_there(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    with database.write() as session:
        session.execute(sa.update(User).where(User.login == "administrator").values(area_code=TOWN))
    browser = client("administrator")
    outsider = f"/people/{cast['outsider']}"
    assert "outsider one" not in browser.get("/people").text
    assert browser.get(outsider).status_code == 404
    for action in ("", "/password", "/active"):
        assert post(browser, outsider + action, NEW).status_code == 404
    assert post(browser, "/people", NEW | {"area_code": COUNTY}).status_code == 422


@pytest.mark.parametrize("name", ["recorder", "operator", "county", "leader", "outsider"])
def test_nobody_else_sees_people_or_areas(client: Clients, name: str) -> None:
    browser = client(name)
    for url in ("/people", "/areas", "/people/1"):
        assert browser.get(url).status_code == 403


def test_each_change_is_in_the_audit_trail_without_a_password(
    administrator: TestClient, database: Database, cast: dict[str, int]
) -> None:
    page = post(administrator, "/people", NEW).text
    post(administrator, f"/people/{cast['recorder']}/active", {"active": "false"})
    with database.read() as session:
        entries = session.scalars(sa.select(AuditEntry)).all()
        assert {"user.created", "user.deactivated"} <= {entry.action for entry in entries}
        assert first_password(page) not in str([entry.detail for entry in entries])
        assert audit.first_broken(session) is None
