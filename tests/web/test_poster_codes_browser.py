"""An administrator without a mouse gives a village its digits, on a telephone and in an office."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from core.models import Area
from tests.web.conftest import SECOND_VILLAGE, VILLAGE
from tests.web.test_browser import OFFICE, PHONE, Site, chromium, context, site

__all__ = ["chromium", "site"]
pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
TARGET_PX = 44


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["phone", "office"])
def test_digits_are_refused_mended_and_stored_by_keyboard_alone(
    chromium: Browser, site: Site, cast: dict[str, int], size: dict[str, int]
) -> None:
    with site.services.database.write() as session:
        session.get_one(Area, SECOND_VILLAGE).poster_code = None
    page = context(chromium, site, cast, "administrator", size).new_page()
    page.goto(site.url + "/areas")
    page.get_by_role("link", name="Give 柳树村 a poster code").press("Enter")
    page.get_by_label("Poster code").focus()
    for one in ("input[name=poster_code]", "main button", "main form a"):
        box = page.locator(one).bounding_box()
        assert box is not None
        assert box["height"] >= TARGET_PX, one
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.keyboard.type("101")
    page.keyboard.press("Enter")
    expect(page.locator("#wrong-poster_code")).to_contain_text(
        "桃坪村 (青石镇) has the poster code"
    )
    expect(page.get_by_label("Poster code")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("105")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Print the village's sheets anew now.")).to_be_visible()
    expect(page.locator(f"#a{SECOND_VILLAGE}")).to_contain_text("105")
    page.goto(f"{site.url}/areas/{VILLAGE}/poster-code")
    expect(page.get_by_text("Sheets that were printed carry 101.")).to_be_visible()
    page.context.close()
