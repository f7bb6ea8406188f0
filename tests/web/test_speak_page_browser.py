"""The page for speaking live while the server is slow, away, or has ended the address."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from broadcast.live_hub import Channel
from tests.web.conftest import VILLAGE
from tests.web.microphone import with_microphone
from tests.web.test_browser import OFFICE, PHONE, Site, context, site  # noqa: F401
from tests.web.test_live_address_browser import LONG_MS, patience
from tests.web.test_overrides import add_player

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
WIDTHS = pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["telephone", "desk"])
KEEPS_THE_STREAM = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => (window.stream = await open(wish));
"""
PULLED_OUT = "stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))"
NOT_JSON = "<html>the database does not answer</html>"


@pytest.fixture(scope="module")
def office() -> Iterator[Browser]:
    with with_microphone() as browser:
        yield browser


@pytest.fixture(autouse=True)
def nothing_left(site: Site) -> Iterator[None]:
    """No keeper runs here that would do it."""
    yield
    for channel in site.services.live.all():
        channel.end(hush=True)
        channel.recording.close()


def prepared(
    office: Browser, site: Site, cast: dict[str, int], size: dict[str, int] = OFFICE
) -> Page:
    """A village is chosen, the microphone is open; the page's clock can be put forward."""
    add_player(site.services.database, VILLAGE)
    page = context(office, site, cast, "township", size).new_page()
    page.add_init_script(KEEPS_THE_STREAM)
    page.goto(f"{site.url}/speak")
    page.check(f"input[value='{VILLAGE}']")
    page.click("#arm")
    expect(page.locator("#air")).to_be_visible(timeout=LONG_MS)
    page.clock.install()
    return page


def look(page: Page, name: str) -> None:
    """Nothing may stick out to the right; a picture is kept where somebody wants to look."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if folder := os.environ.get("PICTURES"):
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


def asked(page: Page, url: str = "**/speak") -> list[Route]:
    """Questions of the page to this address; each waits for its answer."""
    found: list[Route] = []
    page.route(url, lambda route: found.append(route))  # Playwright takes no method of a list
    return found


def begun(page: Page, questions: list[Route]) -> Route:
    page.click("#air")
    patience(page, lambda: questions)
    return questions[0]


def carried(site: Site) -> Channel:
    [channel] = site.services.live.all()
    return channel


@WIDTHS
def test_a_server_that_is_slow_to_begin_is_waited_for(
    office: Browser, site: Site, cast: dict[str, int], size: dict[str, int]
) -> None:
    page = prepared(office, site, cast, size)
    question = begun(page, asked(page))
    page.clock.run_for(10_000)
    expect(page.locator("#asking")).to_contain_text("Calling the villages")
    expect(page.locator("#trouble")).to_be_hidden()
    expect(page.get_by_label("What about?")).to_be_disabled()
    look(page, "speak-asking")
    question.continue_()
    expect(page.locator("#air-bar")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#asking")).to_be_empty()
    look(page, "speak-on-air")
    page.context.close()


@WIDTHS
def test_without_an_answer_nobody_is_told_that_nothing_was_sent(
    office: Browser, site: Site, cast: dict[str, int], size: dict[str, int]
) -> None:
    page = prepared(office, site, cast, size)
    begun(page, asked(page))
    page.clock.run_for(31_000)
    expect(page.locator("#trouble")).to_contain_text("The villages may have been called")
    expect(page.locator("#air")).to_be_enabled()
    expect(page.get_by_label("What about?")).to_be_enabled()
    look(page, "speak-no-answer")
    page.context.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (503, "Nothing was sent to the villages"),
        (502, "The villages may have been called"),
        (504, "The villages may have been called"),
        (201, "The villages may have been called"),
    ],
)
def test_an_answer_that_is_no_answer_of_ours_is_told_for_what_it_means(
    office: Browser, site: Site, cast: dict[str, int], status: int, words: str
) -> None:
    page = prepared(office, site, cast)
    begun(page, asked(page)).fulfill(status=status, body=NOT_JSON, content_type="text/html")
    expect(page.locator("#trouble")).to_contain_text(words)
    expect(page.locator("#air")).to_be_enabled()
    page.context.close()


@WIDTHS
def test_an_address_that_was_ended_leaves_the_air_though_nothing_is_written_down(
    office: Browser, site: Site, cast: dict[str, int], size: dict[str, int]
) -> None:
    """The row stays open, as while the database is locked."""
    page = prepared(office, site, cast, size)
    page.click("#air")
    expect(page.locator("#air-bar")).to_be_visible(timeout=LONG_MS)
    carried(site).end(hush=True, cause="stopped", by="county")
    expect(page.locator("#air-bar")).to_be_hidden(timeout=LONG_MS)
    expect(page.locator("#trouble")).to_contain_text("stopped by somebody else")
    look(page, "speak-ended")
    page.context.close()


def test_however_often_a_piece_is_answered_as_over_one_look_is_on_its_way(
    office: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = prepared(office, site, cast)
    looks, pieces = asked(page, "**/speak/*/state"), []

    def over(route: Route) -> None:
        pieces.append(route)
        route.fulfill(json={"over": True})

    page.route("**/speak/sound/*", over)
    page.click("#air")
    patience(page, lambda: len(pieces) >= 4)
    assert len(looks) == 1
    page.context.close()


def test_a_microphone_that_is_pulled_out_meanwhile_ends_what_was_begun(
    office: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = prepared(office, site, cast)
    question = begun(page, asked(page))
    page.evaluate(PULLED_OUT)
    question.continue_()
    expect(page.locator("#trouble")).to_contain_text("The microphone went away", timeout=LONG_MS)
    expect(page.locator("#air-bar")).to_be_hidden()
    patience(page, lambda: carried(site).ended)
    page.context.close()
