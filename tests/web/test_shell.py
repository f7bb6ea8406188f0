"""The frame around every page."""

from __future__ import annotations

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
