"""Who gets in, for how long, and what happens to those who guess."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import auth, clock
from core.database import Database
from core.models import LoginSession, User
from tests.web.conftest import PASSWORD, Clients, post


def test_the_right_password_leads_to_where_one_wanted_to_go(client: Clients) -> None:
    form = {"login": "recorder", "password": PASSWORD, "next": "/areas?x=1"}
    answer = post(client(None), "/login", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/areas?x=1")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_login_never_leads_to_another_site(client: Clients, target: str) -> None:
    form = {"login": "recorder", "password": PASSWORD, "next": target}
    assert post(client(None), "/login", form).headers["location"] == "/"


def test_a_wrong_password_and_an_unknown_name_look_the_same(client: Clients) -> None:
    wrong = post(client(None), "/login", {"login": "recorder", "password": "wrong"})
    unknown = post(client(None), "/login", {"login": "nobody", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 422
    assert "Name or password is wrong" in wrong.text
    assert "Name or password is wrong" in unknown.text


def test_guessing_locks_the_account_even_for_the_right_password(
    fake_clock: clock.FakeClock, client: Clients
) -> None:
    browser = client(None)
    for _ in range(auth.LOCK_AFTER):
        post(browser, "/login", {"login": "recorder", "password": "wrong"})
    right = {"login": "recorder", "password": PASSWORD}
    assert post(browser, "/login", right).status_code == 422
    fake_clock.advance(auth.LOCK_FOR + timedelta(seconds=1))
    assert post(browser, "/login", right).status_code == 303


def test_a_session_ends_after_its_time(fake_clock: clock.FakeClock, client: Clients) -> None:
    browser = client("recorder")
    assert browser.get("/").status_code == 200
    fake_clock.advance(auth.SESSION_LENGTH + timedelta(seconds=1))
    assert browser.get("/").headers["location"] == "/login"


def test_logging_out_ends_the_session_on_the_server(
    client: Clients, database: Database, app: object
) -> None:
    browser = client("recorder")
    stolen = dict(browser.cookies)
    assert post(browser, "/logout").headers["location"] == "/login"
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LoginSession)) == 0
    thief = client(None)
    thief.cookies.update(stolen)
    assert thief.get("/").status_code == 303


def test_a_person_that_was_shut_out_is_out_at_once(client: Clients, database: Database) -> None:
    browser = client("recorder")
    with database.write() as session:
        session.execute(sa.update(User).where(User.login == "recorder").values(active=False))
    assert browser.get("/").status_code == 303


def test_after_a_reset_nothing_works_before_the_password_is_changed(
    client: Clients, database: Database
) -> None:
    with database.write() as session:
        session.execute(
            sa.update(User).where(User.login == "recorder").values(must_change_password=True)
        )
    browser = client("recorder")
    assert browser.get("/").headers["location"] == "/password"
    form = {"old": PASSWORD, "password": "another long one", "repeated": "another long one"}
    assert post(browser, "/password", form).headers["location"] == "/"
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"old": "wrong"}, "The present password is wrong."),
        ({"password": "short", "repeated": "short"}, "at least 10 characters"),
        ({"repeated": "something else"}, "The two new passwords differ."),
    ],
)
def test_a_refused_password_says_why_beside_its_field(
    client: Clients, form: dict[str, str], sentence: str
) -> None:
    full = {"old": PASSWORD, "password": "another long one", "repeated": "another long one"}
    answer = post(client("recorder"), "/password", full | form)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_changing_the_password_logs_other_browsers_out(client: Clients) -> None:
    here, elsewhere = client("recorder"), client("recorder")
    form = {"old": PASSWORD, "password": "another long one", "repeated": "another long one"}
    post(here, "/password", form)
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 303
