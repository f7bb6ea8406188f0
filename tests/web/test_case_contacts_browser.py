"""The handler of a town without a line out, on a telephone and in the office."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.web.test_bridges import NUMBER, make_case
from tests.web.test_browser import OFFICE, PHONE, site
from tests.web.test_case_replies_browser import Enter, chromium, enter, shot

__all__ = ["chromium", "enter", "make_case", "site"]
pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["phone", "office"])
def test_the_handler_asks_for_the_number_and_notes_the_talk(
    enter: Enter, make_case: Callable[..., int], size: dict[str, int]
) -> None:
    case, page = make_case(phone=False), enter("handler", size)
    width = size["width"]
    page.goto(f"/cases/{case}")
    shot(page, f"contact-before-{width}")
    page.get_by_label("为什么要看号码").fill("首次联系诉求人")
    page.get_by_role("button", name="显示电话号码").click()
    expect(page.get_by_role("link", name=NUMBER)).to_be_visible()
    shot(page, f"contact-number-{width}")
    page.get_by_label("谈了什么").fill("约好周一上门看路灯")
    page.get_by_label("什么时间").fill("2001-01-01T08:00")
    page.locator("#contact form").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="我已与群众通话或见面").click()
    expect(page.locator("#wrong-spoke_at")).to_be_visible()
    expect(page.get_by_label("什么时间")).to_be_focused()
    shot(page, f"contact-wrong-{width}")
    page.get_by_label("什么时间").fill("")
    page.get_by_role("button", name="我已与群众通话或见面").click()
    expect(page.get_by_text("首次联系", exact=False).first).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="手工填报")).to_be_visible()
    shot(page, f"contact-noted-{width}")
    for selector in ("a.big", "button.big"):
        box = page.locator(selector).first.bounding_box()
        assert box is None or box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
