"""The search box by keyboard, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from cases import finding
from cases.models import Report
from core.clock import utc_now
from tests.web.conftest import VILLAGE
from tests.web.test_browser import OFFICE, PHONE, Site, chromium, context, site

__all__ = ["chromium", "site"]
pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
COMPOSING = """document.body.dispatchEvent(
  new KeyboardEvent("keydown", {key: "/", isComposing: true, bubbles: true}))"""


def report(site: Site, text: str) -> None:
    with site.services.database.write() as session:
        row = Report(
            reference_no="123456789", source_key=text, channel="typed", received_at=utc_now(),
            village_code=VILLAGE, typed_text=text,
        )  # fmt: skip
        session.add(row)
        session.flush()
        finding.index(session, row.id)


def test_a_slash_leads_to_the_box_but_not_while_somebody_types_or_composes(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "operator", OFFICE).new_page()
    report(site, "桥头听谁了")
    page.goto(site.url + "/reports")
    box = page.locator("#seek")
    page.evaluate(COMPOSING)
    expect(box).not_to_be_focused()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("停水/")
    expect(box).to_have_value("停水/")
    page.keyboard.press("Enter")
    expect(page.locator("mark")).to_have_text("听谁")
    expect(page.get_by_text("sounds like it")).to_be_visible()
    page.context.close()


def test_results_fit_a_phone(chromium: Browser, site: Site, cast: dict[str, int]) -> None:
    page = context(chromium, site, cast, "operator", PHONE).new_page()
    report(site, "桥头停水了" + "很长的话" * 40)
    page.goto(site.url + "/search?q=停水")
    expect(page.locator("mark")).to_have_text("停水")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.context.close()
