"""A town that can only receive calls: the handler's own telephone, and what he notes by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from cases.contacts import TOLD_BY_PHONE, TOLD_IN_PERSON
from cases.models import Case
from core import clock, settings
from core.clock import FakeClock, utc_now
from core.database import Database
from core.settings import Settings
from tests.web.conftest import Clients, post
from tests.web.test_bridges import BUTTON, NUMBER, make_case, reveals

__all__ = ["make_case"]
MakeCase = Callable[..., int]
SHOW, TOLD = "Show the telephone number", "I spoke with the resident"
REASON, WORDS = "首次联系诉求人", "约好周一上门看路灯"


@pytest.fixture(params=[""])
def config(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Settings:
    """No line out, unless a test names its carrier."""
    monkeypatch.setenv("XIANGYIN_TRUNK_HOST", request.param)
    settings.load.cache_clear()
    return settings.load()


with_a_line = pytest.mark.parametrize("config", ["carrier.example"], indirect=True)


def page(browser: TestClient, case: int) -> str:
    return browser.get(f"/cases/{case}").text


def ask(browser: TestClient, case: int, reason: str = REASON) -> httpx.Response:
    return post(browser, f"/cases/{case}/number", {"reason": reason})


def note(browser: TestClient, case: int, **typed: str) -> httpx.Response:
    data = {"way": TOLD_BY_PHONE, "words": WORDS, "spoke_at": "", **typed}
    return post(browser, f"/cases/{case}/contact", data)


def make_confidential(database: Database, case: int) -> None:
    with database.write() as session:
        session.get_one(Case, case).confidential = True


def test_the_handler_asks_phones_and_notes_it(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case, handler = make_case(phone=False), client("handler")
    before = page(handler, case)
    assert "No contact yet" in before
    assert SHOW in before
    assert BUTTON not in before
    assert "My telephone" not in before
    assert NUMBER not in before
    assert ask(handler, case).is_redirect
    assert f'href="tel:{NUMBER}"' in page(handler, case)
    assert SHOW not in page(handler, case)
    assert note(handler, case).is_redirect
    after = page(handler, case)
    assert "First contact" in after
    assert "No contact yet" not in after
    assert "by telephone (noted by hand)" in after
    assert WORDS in after
    [(subject, detail)] = reveals(database)
    assert (subject, detail["reason"]) == (f"case:{case}", REASON)


def test_after_a_day_it_is_hidden_again(client: Clients, make_case: MakeCase) -> None:
    case = make_case()
    ask(client("handler"), case)
    with clock.use(FakeClock(utc_now() + timedelta(hours=25))):
        text = page(client("handler"), case)
    assert NUMBER not in text
    assert SHOW in text


def test_without_a_reason_the_field_says_so(client: Clients, make_case: MakeCase) -> None:
    case, handler = make_case(), client("handler")
    refused = ask(handler, case, " ")
    assert refused.status_code == 422
    assert 'aria-describedby="wrong-reason"' in refused.text
    assert NUMBER not in refused.text


@pytest.mark.parametrize("who", ["operator", "dispatcher", "township", "leader"])
def test_nobody_else_gets_the_handlers_button_or_sees_the_number(
    client: Clients, make_case: MakeCase, who: str
) -> None:
    case = make_case()
    ask(client("handler"), case)
    text = page(client(who), case)
    assert SHOW not in text
    assert TOLD not in text
    assert NUMBER not in text
    assert note(client(who), case).status_code == 403


def test_another_town_finds_nothing(client: Clients, make_case: MakeCase) -> None:
    case, outsider = make_case(), client("outsider")
    assert outsider.get(f"/cases/{case}/contact").status_code == 404
    assert note(outsider, case).status_code == 404
    assert ask(outsider, case).status_code == 404


def test_of_a_confidential_case_the_handler_gets_neither(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case, handler = make_case(), client("handler")
    make_confidential(database, case)
    text = page(handler, case)
    assert SHOW not in text
    assert TOLD not in text
    assert ask(handler, case).status_code == 403
    assert note(handler, case).status_code == 403
    assert reveals(database) == []


@with_a_line
def test_beside_a_line_there_is_the_bridge_and_a_visit_to_note(
    client: Clients, make_case: MakeCase, database: Database
) -> None:
    case, handler = make_case(), client("handler")
    text = page(handler, case)
    assert BUTTON in text
    assert SHOW not in text
    assert "I spoke with the resident face to face" in text
    assert ask(handler, case).status_code == 403
    refused = note(handler, case)
    assert refused.status_code == 422
    assert "wrong-way" in refused.text
    assert note(handler, case, way=TOLD_IN_PERSON).is_redirect
    assert "face to face (noted by hand)" in page(handler, case)
    assert "No contact yet" not in handler.get(f"/cases/{case}/bridge").text
    assert reveals(database) == []


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"words": "好"}, "words"),
        ({"spoke_at": "yesterday"}, "spoke_at"),
        ({"spoke_at": "2999-01-01T08:00"}, "spoke_at"),
        ({"spoke_at": "2001-01-01T08:00"}, "spoke_at"),
        ({"way": "dream"}, "way"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    client: Clients, make_case: MakeCase, typed: dict[str, str], field: str
) -> None:
    case, handler = make_case(), client("handler")
    refused = note(handler, case, **typed)
    assert refused.status_code == 422
    assert f'id="wrong-{field}"' in refused.text
    for name, value in {"words": WORDS, **typed}.items():
        assert name == "way" or f'value="{value}"' in refused.text
    assert "No contact yet" in page(handler, case)


def test_the_time_of_the_form_is_the_towns(client: Clients, make_case: MakeCase) -> None:
    case, handler = make_case(), client("handler")
    with clock.use(FakeClock(utc_now() + timedelta(hours=2))):
        found = re.search(r'name="spoke_at"[^>]* min="([^"]+)"', page(handler, case))
        assert found is not None
        assert note(handler, case, spoke_at=found[1]).is_redirect
        part = handler.get(f"/cases/{case}/contact").text
    assert found[1][5:].replace("T", " ") in part
    assert "noted by hand" in part


def test_a_double_press_is_one_line_of_the_history(client: Clients, make_case: MakeCase) -> None:
    case, handler = make_case(), client("handler")
    assert note(handler, case).is_redirect
    assert note(handler, case).is_redirect
    assert page(handler, case).count(WORDS) == 1


def test_the_township_is_told_that_no_line_goes_out(client: Clients, make_case: MakeCase) -> None:
    text = page(client("township"), make_case())
    assert "has no line out" in text
    assert BUTTON not in text
    assert "Show the whole number" in text
