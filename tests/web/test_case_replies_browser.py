"""The handler speaks an answer into the browser; the village head presses the quiet button."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cases import replies
from core.database import Database
from schedule import quiet
from tests.web.conftest import VILLAGE, Clients, _session
from tests.web.microphone import with_microphone
from tests.web.test_browser import OFFICE, PHONE, Site, site
from tests.web.test_cases import MakeCase, make_case, step
from web.security import Security

__all__ = ["make_case", "site"]
pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
Enter = Callable[[str, dict[str, int]], Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with with_microphone() as browser:
        yield browser


@pytest.fixture
def enter(chromium: Browser, site: Site, cast: dict[str, int]) -> Iterator[Enter]:
    opened: list[BrowserContext] = []

    def make(name: str, size: dict[str, int]) -> Page:
        context = chromium.new_context(viewport=size, base_url=site.url, locale="zh-CN")  # type: ignore[arg-type]
        opened.append(context)
        cookie = Security(site.services.settings).session_cookie
        token = _session(site.services.database, cast[name])
        context.add_cookies([{"name": cookie, "value": token, "url": site.url}])
        return context.new_page()

    yield make
    for context in opened:
        context.close()


def shot(page: Page, name: str) -> None:
    """For people's eyes, when TEST_SHOTS names a folder."""
    folder = os.environ.get("TEST_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["phone", "office"])
def test_an_answer_is_recorded_heard_and_withdrawn(
    enter: Enter,
    client: Clients,
    make_case: MakeCase,
    cast: dict[str, int],
    database: Database,
    size: dict[str, int],
) -> None:
    case = make_case()
    step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    step(client("handler"), case, "accept")
    page = enter("handler", size)
    page.goto(f"/cases/{case}")
    page.get_by_role("link", name="回复诉求人").click()
    shot(page, f"reply-{size['width']}")
    page.locator("[data-record]").click()
    expect(page.locator(".clock")).to_have_text("0:02", timeout=15_000)
    page.locator("[data-record]").click()
    expect(page.locator(".recorder audio")).to_be_visible()
    shot(page, f"reply-recorded-{size['width']}")
    page.get_by_role("button", name="发送").click()
    expect(page.locator(".answer audio")).to_be_visible(timeout=30_000)
    shot(page, f"case-{size['width']}")
    with database.read() as session:
        reply = replies.newest(session, case)
        assert reply is not None
        assert reply.duration_ms > 1500
    page.get_by_role("button", name="撤回").click()
    expect(page.get_by_text("已撤回", exact=False).first).to_be_visible()


def test_sending_while_it_records_sends_what_was_said(
    enter: Enter, client: Clients, make_case: MakeCase, cast: dict[str, int]
) -> None:
    case = make_case()
    step(client("dispatcher"), case, "assign", handler_id=str(cast["handler"]))
    page = enter("handler", OFFICE)
    page.goto(f"/cases/{case}/reply")
    page.locator("[data-record]").click()
    expect(page.locator(".clock")).to_have_text("0:02", timeout=15_000)
    page.get_by_role("button", name="发送").click()
    expect(page.locator(".answer audio")).to_be_visible(timeout=30_000)


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["phone", "office"])
def test_the_quiet_button(enter: Enter, database: Database, size: dict[str, int]) -> None:
    page = enter("village_head", size)
    page.goto("/")
    shot(page, f"start-{size['width']}")
    page.get_by_role("main").get_by_role("link", name="静音").click()
    shot(page, f"quiet-{size['width']}")
    page.get_by_role("button", name="静音一小时").click()
    expect(page.get_by_role("button", name="立即恢复")).to_be_visible()
    shot(page, f"quiet-on-{size['width']}")
    with database.read() as session:
        assert quiet.running(session, VILLAGE) is not None
    page.get_by_role("button", name="立即恢复").click()
    expect(page.get_by_role("button", name="立即恢复")).to_have_count(0)
