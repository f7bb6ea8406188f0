"""The loudspeakers in a real browser: map and list say the same, by mouse and by keyboard."""

# ruff: noqa: F811 - fixtures of the neighbour module are asked for by their names

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from broadcast import players, village_map
from core import areas
from core.auth import Actor
from core.database import Database
from tests.broadcast.box import Box, enrolled
from tests.web.conftest import COUNTY, SECOND_VILLAGE, TOWN, VILLAGE
from tests.web.test_browser import (  # noqa: F401
    OFFICE,
    PHONE,
    Site,
    chromium,
    context,
    listening,
    site,
)
from tests.web.test_speakers import map_with, village

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
EAST = [[[119.1, 28.0], [119.2, 28.0], [119.2, 28.1], [119.1, 28.0]]]


@pytest.fixture
def box(database: Database, site: Site, cast: dict[str, int]) -> Box:
    chief = Actor(cast["administrator"], "administrator", "", frozenset({"administrator"}), COUNTY)
    made = enrolled(database, chief, VILLAGE)
    with database.write() as session:
        players.approve(session, chief, made.player.id)
        players.note_seen(session, made.player.id)
        drawn = map_with(village(VILLAGE), village(SECOND_VILLAGE, EAST))
        village_map.keep(session, chief, site.services.settings, drawn)
    return made


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["phone", "office"])
def test_the_map_says_what_the_list_says_and_leads_to_it(
    chromium: Browser, site: Site, cast: dict[str, int], box: Box, size: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "township", size).new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    page.goto(f"{site.url}/speakers")
    labels = page.locator(".horn-label span")
    expect(labels).to_have_text(["– 柳树村", "○ 桃坪村"])
    page.locator(".horn-label", has_text="桃坪村").click()
    expect(page.locator(f"#v{VILLAGE} a")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert broken == []
    page.context.close()


@pytest.fixture
def many(database: Database, site: Site, cast: dict[str, int], box: Box) -> None:
    """So many villages that the list scrolls."""
    with database.write() as session:
        for number in range(30):
            areas.add(session, f"5132211003{number:02}", f"山村{number}", "village", TOWN)


@pytest.mark.usefixtures("many")
def test_news_leave_whoever_walks_through_the_list_where_they_are(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "administrator", OFFICE).new_page()
    # Details and inner scrolling stand for what a part may hold.
    page.add_init_script(
        """
        const inside = '<details id="d"><summary>More</summary>more</details>' +
          '<textarea id="s" rows="2">' + 'long\\n'.repeat(40) + '</textarea>';
        const real = window.fetch;
        window.fetch = async (url, how) => {
          const answer = await real(url, how);
          if (!String(url).includes("/speakers/rows")) return answer;
          return new Response(inside + await answer.text(), { status: 200 });
        };"""
    )
    page.goto(f"{site.url}/speakers")
    listening(site, page)
    expect(page.locator("#d")).to_be_visible()  # what is fetched when the stream opens is there
    page.evaluate(
        """() => {
          document.getElementById("d").open = true;
          document.getElementById("s").scrollTop = 123;
        }"""
    )
    link = page.locator('a[href="/speakers/new?village=513221100319"]')
    link.focus()  # the 20th village by keyboard
    link.evaluate("link => link.scrollIntoView({ block: 'center' })")
    before = link.bounding_box()
    with site.services.database.write() as session:
        # One more village appears above the one in focus.
        areas.add(session, "513221100250", "新村", "village", TOWN)
    site.services.hub.publish("player.changed")
    expect(page.get_by_text("新村")).to_be_visible()
    expect(link).to_be_focused()
    after = link.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 2
    assert page.evaluate("document.getElementById('d').open")
    assert page.evaluate("document.getElementById('s').scrollTop") == 123
    page.context.close()


def test_24_volumes_are_set_by_keyboard_and_by_a_preset(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "township", PHONE).new_page()
    page.goto(f"{site.url}/speakers/volumes?area={VILLAGE}")
    page.get_by_role("button", name="Night quiet").click()
    expect(page.get_by_label("23:00")).to_have_value("30")
    page.get_by_label("12:00").focus()
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The volume is on its way to the players.")).to_be_visible()
    expect(page.get_by_label("12:00")).to_have_value("95")
    expect(page.get_by_label("03:00")).to_have_value("30")
    page.context.close()
