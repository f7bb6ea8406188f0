"""The pages in a real browser, on a telephone's width and on an old office screen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from cases.models import Report
from core.clock import utc_now
from tests.web.conftest import PASSWORD, VILLAGE, _session
from tests.web.walk import STREAMS
from web import serve
from web.app import routes
from web.deps import Services
from web.security import Security

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
PHONE, OFFICE = {"width": 390, "height": 800}, {"width": 1366, "height": 768}
DOWNLOADS = (".csv", ".pdf")
FILES = ("/static/", "/healthz", "/api/", "/edge/", "/live")


class Site:
    """A running server that a test can stop."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.url = ""
        self._ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=serve.serve, args=(services, self._stop), kwargs={"ready": self._is_ready}
        )

    def _is_ready(self, web_port: int, _guide_port: int | None) -> None:
        self.url = f"http://localhost:{web_port}"
        self._ready.set()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(30)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)


@pytest.fixture
def site(services: Services, cast: dict[str, int]) -> Iterator[Site]:
    """The pages without TLS: the browser treats localhost as safe all the same."""
    settings = services.settings.model_copy(
        update={"web_host": "127.0.0.1", "web_port": 0, "web_tls": "off", "station_name": "青石镇"}
    )
    made = Site(replace(services, settings=settings))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield browser
        browser.close()


def context(
    chromium: Browser,
    site: Site,
    cast: dict[str, int],
    name: str,
    size: dict[str, int],
    **more: Any,
) -> BrowserContext:
    """A browser of ``name``, logged in, speaking English."""
    made = chromium.new_context(viewport=size, locale="en-GB", **more)  # type: ignore[arg-type]
    token = _session(site.services.database, cast[name])
    cookie = Security(site.services.settings).session_cookie
    made.add_cookies([{"name": cookie, "value": token, "url": site.url}])
    return made


def report(site: Site, number: int) -> None:
    with site.services.database.write() as session:
        session.add(
            Report(
                reference_no=f"{number:09}",
                source_key=f"test:{number}",
                channel="typed",
                received_at=utc_now(),
                village_code=VILLAGE,
                urgent=True,
            )
        )
    site.services.hub.publish("report.received")


def listening(site: Site, page: Page) -> None:
    """Wait until the page's stream stands."""
    for _ in range(100):
        if site.services.hub.listening:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the page opened no stream")


def test_news_appear_without_reloading(chromium: Browser, site: Site, cast: dict[str, int]) -> None:
    page = context(chromium, site, cast, "operator", PHONE).new_page()
    page.goto(site.url + "/")
    expect(page.get_by_text("look now")).to_have_count(0)
    listening(site, page)
    report(site, 1)
    expect(page.get_by_text("Urgent reports to review")).to_be_visible()
    page.context.close()


def test_a_lost_connection_is_told_plainly(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "operator", PHONE).new_page()
    page.goto(site.url + "/")
    listening(site, page)
    site.stop()
    expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=10_000)
    page.context.close()


def test_many_tabs_share_one_stream_and_survive_its_tab(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    made = context(chromium, site, cast, "operator", OFFICE)
    tabs = [made.new_page() for _ in range(8)]  # a browser grants six connections
    for tab in tabs:
        tab.goto(site.url + "/")
    listening(site, tabs[0])
    assert site.services.hub.listening == 1
    report(site, 1)
    expect(tabs[7].get_by_text("Urgent reports to review")).to_be_visible()
    tabs[0].close()
    expect(tabs[7].locator(".duty .number").first).to_have_text("1")
    tabs[7].wait_for_timeout(500)
    listening(site, tabs[7])
    report(site, 2)
    expect(tabs[7].locator(".duty .number").first).to_have_text("2")
    made.close()


def test_the_menu_works_on_a_phone_by_keyboard_and_thumb(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "administrator", PHONE).new_page()
    page.goto(site.url + "/")
    menu = page.locator("details.menu")
    menu.locator("summary").click()
    link = menu.get_by_role("link", name="Areas")
    box = link.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    link.click()
    expect(page.get_by_role("heading", name="Areas")).to_be_visible()
    page.locator("details.menu summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("details.menu").get_by_role("link", name="People")).to_be_visible()
    page.context.close()


def test_a_person_logs_in_and_out(chromium: Browser, site: Site, cast: dict[str, int]) -> None:
    made = chromium.new_context(viewport=OFFICE, locale="en-GB")  # type: ignore[arg-type]
    page = made.new_page()
    page.goto(site.url + "/areas")
    page.get_by_label("Login name").fill("administrator")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Areas")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    made.close()


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["phone", "office"])
@pytest.mark.parametrize("name", ["township", "administrator"])
def test_no_page_is_wider_than_the_screen_or_breaks_its_policy(
    chromium: Browser, site: Site, cast: dict[str, int], name: str, size: dict[str, int]
) -> None:
    made = context(chromium, site, cast, name, size)
    page = made.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda line: (
            complaints.append(f"{page.url}: {line.text}")
            if "Content Security Policy" in line.text
            else None
        ),
    )
    for route in routes():
        if "GET" not in route.methods or "{" in route.path or route.path in STREAMS:
            continue
        if route.path.startswith(FILES) or route.path.endswith(DOWNLOADS):
            continue
        page.goto(site.url + route.path)
        if not page.evaluate("document.styleSheets.length"):
            continue  # a part of a page: measured where it stands
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], f"{route.path} is {width} px wide"
    made.close()
    assert not complaints
