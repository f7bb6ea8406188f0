"""The frame around every page."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import CAST, Clients


def test_each_of_the_cast_sees_the_start_page(client: Clients) -> None:
    for name in CAST:
        answer = client(name).get("/")
        assert answer.status_code == 200, name
        assert f"{name} one" in answer.text


def test_the_public_is_led_to_the_login(client: Clients) -> None:
    answer = client(None).get("/?a=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/%3Fa%3D1"


@pytest.mark.parametrize(
    ("page", "entry"), [("/speak/history", "/speak/history"), ("/speak", "/speak"), ("/", "/")]
)
def test_the_menu_marks_the_one_entry_of_the_page(client: Clients, page: str, entry: str) -> None:
    shown = client("township").get(page).text
    marked = re.findall(r'<a href="([^"]+)" aria-current="page"', shown)
    assert set(marked) == {entry}


def test_a_page_below_an_entry_belongs_to_it(client: Clients) -> None:
    shown = client("township").get("/calendar/days/2026-06-01").text
    assert set(re.findall(r'<a href="([^"]+)" aria-current="page"', shown)) == {"/calendar"}
