"""Breaking in with a real browser: written, heard, started by its number, seen, stopped."""

# ruff: noqa: F811 - fixtures of the neighbour module are asked for by their names

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from broadcast import override_plays, village_map, wiring
from broadcast.models import HourVolume, Override, OverridePlay, Player
from broadcast.override_keeper import OverrideKeeper
from core import outbox
from core.auth import Actor
from core.clock import utc_now
from core.models import LoginSession
from tests.web.conftest import COUNTY, PASSWORD, SECOND_VILLAGE, TOWN, VILLAGE
from tests.web.test_browser import OFFICE, PHONE, Site, chromium, context, site  # noqa: F401
from tests.web.test_overrides import add_player
from tests.web.test_speakers import map_with, village
from tests.web.test_speakers_browser import EAST

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
WIDTHS = [PHONE, OFFICE]
SOUND_MS = 90_000


@pytest.fixture
def duties(site: Site) -> Iterator[None]:
    """What makes the sound and tells the pages."""
    database = site.services.database
    keeper = OverrideKeeper(database, site.services.store)
    dispatcher = outbox.Dispatcher(database)
    for kind, handler in wiring.handlers():
        dispatcher.on(kind, handler)
    dispatcher.on_all(site.services.hub.publish)
    threads = [threading.Thread(target=service.run_forever) for service in (keeper, dispatcher)]
    for thread in threads:
        thread.start()
    yield
    keeper.stop()
    dispatcher.stop()
    for thread in threads:
        thread.join(30)


def look(page: Page, name: str) -> None:
    """Nothing may stick out to the right; a picture is kept where somebody wants to look."""
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if folder := os.environ.get("PICTURES"):
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


@pytest.mark.usefixtures("duties")
@pytest.mark.parametrize("size", WIDTHS, ids=["telephone", "desk"])
def test_an_official_breaks_in_and_stops(
    chromium: Browser, site: Site, cast: dict[str, int], size: dict[str, int]
) -> None:
    add_player(site.services.database, VILLAGE)
    browser = context(chromium, site, cast, "township", size)
    page = browser.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))

    page.goto(f"{site.url}/overrides?lang=zh-CN")
    look(page, "empty")
    page.get_by_role("link", name="紧急").click()
    page.get_by_label("文字（由机器朗读）").fill("山洪要来了，请马上往高处走。")
    look(page, "new")
    page.get_by_role("button", name="下一步：试听").click()
    look(page, "preparing")
    start = page.get_by_role("button", name="立即播出")
    expect(start).to_be_visible(timeout=SOUND_MS)  # the page goes on by itself
    look(page, "ready")
    seconds = page.wait_for_function(
        "() => { const a = document.querySelector('audio'); return a.duration || 0 }",
        timeout=SOUND_MS,
    ).json_value()
    assert seconds > 5

    page.get_by_label(re.compile("请输入村的个数")).fill("3")
    start.click()
    expect(page.locator("#wrong-count")).to_be_visible()
    page.get_by_label(re.compile("请输入村的个数")).fill("2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="停止：马上静音")).to_be_visible()
    look(page, "on-air")

    with site.services.database.write() as session:
        found = session.scalars(
            sa.select(OverridePlay).where(OverridePlay.area_code == VILLAGE)
        ).first()
        assert found is not None
        told = {"play_id": found.id, "outcome": "sounding", "at": utc_now().isoformat()}
        assert override_plays.heard_of(session, VILLAGE, {"last_play": told})
    expect(page.get_by_text("▶ 正在响")).to_be_visible(timeout=SOUND_MS)  # without reloading
    look(page, "sounding")
    address = page.url
    page.goto(f"{site.url}/")
    expect(page.get_by_text("正在插播")).to_be_visible()
    look(page, "start")
    page.goto(f"{site.url}/overrides")
    look(page, "list")
    page.goto(address)
    page.get_by_role("button", name="停止：马上静音").click()
    expect(page.get_by_text("已停止，大喇叭正在静下来")).to_be_visible()
    look(page, "stopped")
    assert not broken
    browser.close()


def labels(page: Page) -> list[str]:
    page.locator(".horn-label").first.wait_for()
    return sorted(page.locator(".horn-label span").all_inner_texts())


@pytest.mark.usefixtures("duties")
@pytest.mark.parametrize("size", WIDTHS, ids=["telephone", "desk"])
def test_the_map_shows_who_will_hear_it_and_then_how_soon(
    chromium: Browser, site: Site, cast: dict[str, int], size: dict[str, int]
) -> None:
    database = site.services.database
    add_player(database, VILLAGE)
    chief = Actor(cast["administrator"], "administrator", "", frozenset({"administrator"}), COUNTY)
    with database.write() as session:
        drawn = map_with(village(VILLAGE), village(SECOND_VILLAGE, EAST))
        village_map.keep(session, chief, site.services.settings, drawn)
    browser = context(chromium, site, cast, "leader", size)  # may not read the loudspeakers page
    page = browser.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"{site.url}/overrides/new?kind=drill&lang=zh-CN")
    page.get_by_label("文字（由机器朗读）").fill("这是一次演练。")
    page.get_by_role("button", name="下一步：试听").click()
    start = page.get_by_role("button", name="现在开始演练")
    expect(start).to_be_visible(timeout=SOUND_MS)
    expect(page.get_by_text("2 个村中，1 个村马上能听到。")).to_be_visible()
    assert labels(page) == ["– 柳树村", "✓ 桃坪村"]
    page.locator(".horn-label", has_text="柳树村").click()
    expect(page.locator(f"#v{SECOND_VILLAGE}")).to_be_focused()
    look(page, "map-ready")
    page.get_by_label(re.compile("请输入村的个数")).fill("2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="停止：马上静音")).to_be_visible()
    with database.write() as session:
        round_ = session.scalars(
            sa.select(OverridePlay).where(OverridePlay.area_code == VILLAGE)
        ).one()
        confirmed_at = session.scalars(sa.select(Override.confirmed_at)).one()
        assert confirmed_at is not None
        at = confirmed_at + timedelta(seconds=2.4)
        told = {"play_id": round_.id, "outcome": "sounding", "at": at.isoformat()}
        assert override_plays.heard_of(session, VILLAGE, {"last_play": told})
    expect(page.locator(".horn-label", has_text="2.4 秒")).to_be_visible()
    assert labels(page) == ["– 柳树村", "▶ 2.4 秒 桃坪村"]
    look(page, "map-running")
    assert not broken
    browser.close()


def test_news_between_the_page_and_its_stream_is_not_missed(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    """When the stream opens the list is fetched once more: it may have changed since the page."""
    browser = context(chromium, site, cast, "leader", {"width": 1366, "height": 768})
    page = browser.new_page()
    with page.expect_request("**/overrides/rows"):
        page.goto(f"{site.url}/overrides")
    browser.close()


@pytest.mark.usefixtures("duties")
def test_without_scripts_the_list_says_all_of_it(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    with site.services.database.write() as session:
        session.add(
            Override(
                kind="drill", title="演练", text="演练", villages=[VILLAGE, SECOND_VILLAGE],
                state="ready", duration_ms=20_000, valid_until=utc_now() + timedelta(hours=1),
                created_by_id=cast["township"], created_at=utc_now(), form_token="t",
            )
        )  # fmt: skip
    add_player(site.services.database, VILLAGE)
    made = context(chromium, site, cast, "township", PHONE, java_script_enabled=False)
    page = made.new_page()
    page.goto(f"{site.url}/overrides/1?lang=en")
    expect(page.get_by_text("1 of 2 villages will hear it at once.")).to_be_visible()
    expect(page.get_by_text("– 柳树村: no player")).to_be_visible()
    expect(page.locator(".village-map")).to_be_hidden()  # no empty frame
    page.context.close()


@pytest.mark.parametrize("size", WIDTHS, ids=["telephone", "desk"])
def test_before_a_drill_it_names_the_switched_box_and_the_soft_hour(
    chromium: Browser, site: Site, cast: dict[str, int], size: dict[str, int]
) -> None:
    database = site.services.database
    for code in (VILLAGE, SECOND_VILLAGE):
        add_player(database, code)
    with database.write() as session:
        session.get_one(Player, f"p-{VILLAGE}").health = {"quiet_switch": True}
        session.add(HourVolume(area_code=TOWN, percent=[30] * 24, changed_at=utc_now()))
        session.add(
            Override(
                kind="drill", title="演练", text="演练", villages=[VILLAGE, SECOND_VILLAGE],
                state="ready", duration_ms=20_000, valid_until=utc_now() + timedelta(hours=1),
                created_by_id=cast["township"], created_at=utc_now(), form_token="t",
            )
        )  # fmt: skip
    page = context(chromium, site, cast, "township", size).new_page()
    page.goto(f"{site.url}/overrides/1?lang=zh-CN")
    expect(page.get_by_text("2 个村中，1 个村马上能听到。")).to_be_visible()
    expect(page.get_by_text("■ 桃坪村: 终端的静音开关已打开")).to_be_visible()
    expect(page.get_by_text("柳树村: 30 %")).to_be_visible()
    look(page, "ready-soft")
    page.context.close()


def test_a_login_that_runs_out_while_the_text_is_written_loses_nothing(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "township", PHONE).new_page()
    page.goto(f"{site.url}/overrides/new?kind=notice&lang=en")
    page.get_by_label("Text, spoken by the machine").fill("明天停水。")
    page.get_by_label("柳树村").uncheck()
    with site.services.database.write() as session:
        session.execute(sa.delete(LoginSession))
    page.get_by_role("button", name="Next: hear it").click()
    page.get_by_label("Login name").fill("township")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("What you had written is here again.")).to_be_visible()
    expect(page.get_by_label("Text, spoken by the machine")).to_have_value("明天停水。")
    expect(page.get_by_label("柳树村")).not_to_be_checked()
    page.get_by_role("button", name="Next: hear it").click()
    expect(page.get_by_text("The sound is being made.")).to_be_visible()
    page.wait_for_function("() => !sessionStorage.getItem('draft:override')")
    page.goto(f"{site.url}/overrides/new?kind=notice")  # the next one begins empty
    expect(page.get_by_label("Text, spoken by the machine")).to_have_value("")
    page.context.close()


@pytest.mark.usefixtures("duties")
def test_the_back_button_after_the_start_never_shows_a_start_that_does_anything(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "township", OFFICE).new_page()
    page.goto(f"{site.url}/overrides/new?kind=drill&lang=en")
    page.get_by_label("Text, spoken by the machine").fill("下午三点演练，请大家参加。")
    page.get_by_role("button", name="Next: hear it").click()
    expect(page.get_by_role("button", name="Start the drill now")).to_be_visible(timeout=SOUND_MS)
    page.get_by_label(re.compile("type the number of villages")).fill("2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop: silence now")).to_be_visible()
    page.go_back()
    start = page.get_by_role("button", name="Start the drill now")
    expect(start).to_have_count(0)
    with site.services.database.read() as session:
        assert session.scalars(sa.select(Override.state)).all() == ["on_air"]
    page.context.close()


def test_the_cursor_stands_where_something_is_wrong(
    chromium: Browser, site: Site, cast: dict[str, int]
) -> None:
    page = context(chromium, site, cast, "township", PHONE).new_page()
    page.goto(f"{site.url}/overrides/new?kind=notice&lang=en")
    page.get_by_label("Text, spoken by the machine").fill("明天停水。")
    page.get_by_role("button", name="None").press("Enter")
    page.get_by_role("button", name="Next: hear it").press("Enter")
    expect(page.get_by_text("Choose at least one village.").first).to_be_visible()
    expect(page.get_by_label("桃坪村")).to_be_focused()
    expect(page.get_by_label("Text, spoken by the machine")).to_have_value("明天停水。")
    page.context.close()
