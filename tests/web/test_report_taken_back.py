"""What somebody deletes, or no longer consents to, goes from the server whatever the net does."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from core.database import Database
from tests.web.test_browser import Site, site  # noqa: F401
from tests.web.test_report import reports
from tests.web.test_report_browser import choose, file, listed, takes
from tests.web.test_report_photos import photo
from tests.web.test_report_recorder import (  # noqa: F401
    GONE,
    LONG_MS,
    SLOW,
    URL,
    Villager,
    one_report,
    someone,
    spoken,
    telephone,
)
from tests.web.test_review_browser import no_sideways, picture

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
LISTED = "localStorage.getItem('xy-gone')"
DELETED, DELETED_LATER = "已删除。", "等网络连上后就删除"


def says(someone: Villager, text: str) -> None:
    expect(someone.page.locator("#xy-say")).to_contain_text(text, timeout=LONG_MS)


def arrived(someone: Villager) -> Villager:
    """All that was recorded is on the server."""
    expect(someone.page.locator("#xy-near")).to_contain_text("录音已传到", timeout=LONG_MS)
    return someone


def emptied(someone: Villager, site: Site) -> None:
    """In time nothing is left on the server, and nothing is listed any more."""
    for _ in range(LONG_MS // 200):
        if not takes(site) and someone.page.evaluate(LISTED) is None:
            return
        someone.page.wait_for_timeout(200)
    raise AssertionError(takes(site), someone.page.evaluate(LISTED))


def delete(someone: Villager) -> None:
    someone.page.click("#xy-drop")
    expect(someone.page.locator("#xy-taken")).to_be_hidden()


def test_what_an_earlier_opening_of_the_page_sent_is_deleted_too(
    someone: Villager, site: Site
) -> None:
    someone.open().agree().speak(4000)
    someone.page.close()
    assert len(takes(site)) == 1
    someone.open()
    expect(someone.page.locator("#xy-old")).to_be_visible(timeout=LONG_MS)
    delete(someone)
    expect(someone.page.locator("#xy-say")).to_have_text(DELETED, timeout=LONG_MS)
    expect(someone.page.locator("#xy-old")).to_be_hidden()
    emptied(someone, site)


def test_deleted_without_a_net_it_is_deleted_when_the_net_is_back(
    someone: Villager, site: Site
) -> None:
    arrived(someone.open().agree().speak(2500).end())
    someone.is_net(GONE)
    delete(someone)
    says(someone, DELETED_LATER)
    picture(someone.page, "report-deleted-offline-390")
    no_sideways(someone.page)
    assert len(takes(site)) == 1
    someone.is_net(SLOW)
    expect(someone.page.locator("#xy-say")).to_have_text(DELETED, timeout=LONG_MS)
    emptied(someone, site)


def test_a_page_closed_before_the_net_was_back_deletes_it_when_opened_again(
    someone: Villager, site: Site
) -> None:
    arrived(someone.open().agree().speak(2500).end())
    someone.is_net(GONE)
    delete(someone)
    someone.page.close()
    assert len(takes(site)) == 1
    someone.open()
    emptied(someone, site)
    assert not someone.page.is_checked("input[name=consent]")


def test_a_page_that_lay_open_for_too_long_can_still_delete(someone: Villager, site: Site) -> None:
    arrived(someone.open().agree().speak(2500).end())
    someone.context.clear_cookies()
    delete(someone)
    emptied(someone, site)


def test_a_wish_for_confidence_without_a_net_hinders_no_deletion(
    someone: Villager, site: Site
) -> None:
    arrived(someone.open().agree().speak(2500).end())
    someone.is_net(GONE)
    someone.page.check("input[name=confidential]")
    delete(someone)
    someone.is_net(SLOW)
    emptied(someone, site)


def test_what_was_taken_back_is_gone_before_anything_is_handed_in(
    someone: Villager, site: Site, database: Database
) -> None:
    arrived(someone.open().agree().speak(2500).end())
    someone.is_net(GONE)
    delete(someone)
    someone.page.fill("textarea", "路灯坏了")
    someone.send()
    expect(someone.page.locator("#xy-state")).to_contain_text("网络断了", timeout=LONG_MS)
    someone.page.close()
    left: list[int] = []

    def look(route: Route) -> None:
        if route.request.method == "POST":
            left.append(len(takes(site)))
        route.continue_()

    someone.context.route("**" + URL, look)
    someone.open().numbers()
    assert left == [0]
    assert one_report(database).audio_sha256 is None


def test_consent_taken_back_after_send_sends_nothing_when_the_page_is_opened_again(
    someone: Villager, site: Site, database: Database
) -> None:
    someone.open().agree().speak(2500)
    someone.is_net(GONE)
    someone.end().page.fill("#phone", "13800001234")
    someone.send()
    expect(someone.page.locator("#xy-state")).to_contain_text("网络断了", timeout=LONG_MS)
    someone.page.uncheck("input[name=consent]")
    says(someone, DELETED_LATER)
    expect(someone.page.locator("#xy-state")).to_be_hidden()
    someone.page.close()
    someone.open()
    expect(someone.page.locator("#xy-old")).to_be_visible(timeout=LONG_MS)
    assert not someone.page.is_checked("input[name=consent]")
    expect(someone.page.locator("#xy-send")).to_be_enabled()
    emptied(someone, site)
    assert reports(database) == []


def test_who_agrees_again_sends_all_of_it(
    someone: Villager, site: Site, database: Database
) -> None:
    arrived(someone.open().agree().speak(2500).end())
    someone.page.uncheck("input[name=consent]")
    says(someone, "什么都不会发送")
    emptied(someone, site)
    arrived(someone.agree()).send().numbers()
    assert (one_report(database).duration_ms or 0) > 1500


def test_a_picture_taken_off_leaves_nothing_to_delete(someone: Villager, site: Site) -> None:
    someone.open().agree()
    choose(someone, file("a.jpg", photo()))
    listed(someone, 1)
    someone.page.get_by_role("button", name="去掉第 1 张").click()
    emptied(someone, site)
