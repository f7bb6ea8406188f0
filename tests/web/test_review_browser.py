"""The voice road in a real browser: a villager's telephone, an operator's keyboard."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from cases.models import Case, Report
from core.database import Database
from core.models import Area
from tests.web.conftest import VILLAGE
from tests.web.test_browser import OFFICE, PHONE, Site, chromium, context, site  # noqa: F401
from tests.web.test_report import CODE, tone
from tests.web.test_review import Arrive, arrive, hear_words, stored  # noqa: F401
from transcribe import transcripts

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]


def picture(page: Page, name: str) -> None:
    """Keep a picture where XIANGYIN_TEST_PICTURES points, for people who look at pages."""
    if folder := PICTURES:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


PICTURES = os.environ.get("TEST_PICTURES", "")


def no_sideways(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture
def call(arrive: Arrive, tmp_path: Path) -> int:
    """A telephone report of two seconds."""
    path = tmp_path / "call.wav"
    path.write_bytes(tone(2.0))
    return arrive(channel="phone", audio_path=path, typed_text=None, caller_number="13812345678")


@pytest.fixture
def desk(
    chromium: Browser, site: Site, cast: dict[str, int], call: int, database: Database
) -> Page:
    """The operator's browser on the page of ``call``; a broken rule of the CSP fails the test."""
    hear_words(database, call)
    page = context(chromium, site, cast, "operator", OFFICE).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site.url}/reports/{call}")
    until(page, "document.querySelector('#wave canvas').width > 300")
    assert not [text for text in complaints if "Content Security" in text or "Error" in text]
    return page


def until(page: Page, condition: str) -> None:
    """Wait for a JavaScript condition (Playwright's own waiting needs eval, which the CSP bars)."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def seconds(page: Page) -> float:
    return float(page.evaluate("document.getElementById('sound').currentTime"))


def playing(page: Page) -> bool:
    return bool(page.evaluate("!document.getElementById('sound').paused"))


def test_a_villager_without_script_reports_by_sound(
    chromium: Browser, site: Site, cast: dict[str, int], database: Database
) -> None:
    with database.write() as session:
        session.get_one(Area, VILLAGE).report_code = CODE
    phone = chromium.new_context(viewport=PHONE, locale="zh-CN", java_script_enabled=False)
    page = phone.new_page()
    page.goto(f"{site.url}/report/{CODE}")
    picture(page, "report-form-390")
    page.locator("#chosen").set_input_files(
        {"name": "录音.wav", "mimeType": "audio/wav", "buffer": tone()}
    )
    page.get_by_label("电话号码").fill("不是号码")
    page.get_by_label("我同意").check()
    page.get_by_role("button", name="发送").click()
    expect(page.get_by_text("这不是电话号码")).to_be_visible()
    picture(page, "report-error-390")
    page.get_by_label("电话号码").fill("138 1234 5678")
    page.locator("#chosen").set_input_files(
        {"name": "录音.wav", "mimeType": "audio/wav", "buffer": tone()}
    )
    page.get_by_role("button", name="发送").click()
    expect(page.get_by_text("我们已收到，谢谢您。")).to_be_visible()
    picture(page, "report-sent-390")
    number, pin = page.locator("p.n").all_inner_texts()
    assert re.fullmatch(r"\d{3} \d{3} \d{3}", number)
    page.get_by_role("link", name="查询我的诉求").click()
    page.get_by_label("编号").fill(number)
    page.get_by_label("密码").fill(pin)
    page.get_by_role("button", name="查看").click()
    expect(page.get_by_text("我们已收到，工作人员会收听。")).to_be_visible()
    picture(page, "report-status-390")
    phone.close()


def test_a_call_is_heard_mended_and_accepted_by_keyboard(
    desk: Page, call: int, database: Database, site: Site
) -> None:
    picture(desk, "review-1366")
    text = desk.get_by_label("Text", exact=True)
    text.click()
    desk.keyboard.press("Escape")
    until(desk, "document.getElementById('sound').currentTime > 0.2")
    desk.keyboard.press("Control+a")
    desk.keyboard.type("村口路灯坏了")
    expect(text).to_have_value("村口路灯坏了")
    expect(desk.locator("#heard")).to_contain_text("Played to its end", timeout=15_000)
    desk.get_by_label("Summary").fill("桃坪村村口路灯不亮")
    expect(desk.locator("#draft")).to_contain_text("Draft saved")
    desk.keyboard.press("Control+Enter")
    desk.wait_for_url("**/reports")
    expect(desk.get_by_text("Accepted: a case was made")).to_be_visible()
    with database.read() as session:
        latest = transcripts.latest(session, "report", call)
        assert latest is not None
        assert latest.text == "村口路灯坏了"
        assert session.scalars(sa.select(Case.summary)).one() == "桃坪村村口路灯不亮"
    assert desk.evaluate("Object.keys(localStorage).length") == 0


def test_a_word_seeks_and_doubts_are_found_by_key(desk: Page) -> None:
    desk.get_by_role("button", name="坏勒").click()
    assert seconds(desk) >= 0.6
    until(desk, "!document.getElementById('sound').paused")
    desk.keyboard.press("Escape")
    desk.evaluate("document.getElementById('sound').currentTime = 0")
    desk.get_by_label("Summary").click()
    desk.keyboard.press("F9")
    until(desk, "document.getElementById('sound').currentTime >= 0.3")
    expect(desk.locator(".word[aria-current]")).to_have_text("路灯")
    desk.keyboard.press("Escape")


def test_keys_back_and_speed(desk: Page) -> None:
    desk.evaluate("document.getElementById('sound').currentTime = 1.5")
    desk.get_by_label("Summary").click()
    desk.keyboard.press("F2")
    assert seconds(desk) == 0
    desk.keyboard.press("F8")
    assert desk.locator("#speed").input_value() == "1.25"
    assert desk.evaluate("document.getElementById('sound').playbackRate") == 1.25


def test_space_plays_outside_fields_and_writes_inside(desk: Page) -> None:
    summary = desk.get_by_label("Summary")
    summary.click()
    desk.keyboard.press(" ")
    assert not playing(desk)
    expect(summary).to_have_value(" ")
    desk.locator("h1").click()
    desk.keyboard.press(" ")
    until(desk, "!document.getElementById('sound').paused")
    desk.keyboard.press("Escape")


@pytest.mark.parametrize("key", ["Escape", "F2", "F8", "F9", "Enter"])
def test_no_key_acts_while_an_input_method_composes(desk: Page, key: str) -> None:
    desk.get_by_label("Summary").click()
    desk.evaluate("document.getElementById('sound').currentTime = 1")
    desk.evaluate(
        """key => {
          const field = document.getElementById("f-summary");
          const made = {key, bubbles: true, cancelable: true, ctrlKey: key === "Enter"};
          field.dispatchEvent(new KeyboardEvent("keydown", {...made, isComposing: true}));
          field.dispatchEvent(new KeyboardEvent("keydown", {...made, keyCode: 229}));
        }""",
        key,
    )
    desk.wait_for_timeout(200)
    assert not playing(desk)
    assert seconds(desk) == 1
    assert desk.locator("#speed").input_value() == "1"
    assert "/reports/" in desk.url


def test_typed_text_outlives_a_lost_connection(desk: Page, call: int, database: Database) -> None:
    desk.context.set_offline(True)
    desk.get_by_label("Summary").fill("断网时写的")
    expect(desk.locator("#draft")).to_contain_text("no connection")
    desk.context.set_offline(False)
    expect(desk.locator("#draft")).to_contain_text("Draft saved", timeout=15_000)
    draft = stored(database, call).draft
    assert draft is not None
    assert "断网时写的" in draft


def test_text_the_server_never_got_is_offered_again(desk: Page) -> None:
    desk.context.set_offline(True)
    desk.get_by_label("Summary").fill("没存上的")
    expect(desk.locator("#draft")).to_contain_text("no connection")
    desk.on("dialog", lambda dialog: dialog.accept())
    desk.route("**/draft", lambda route: route.abort())
    desk.context.set_offline(False)
    desk.reload()
    expect(desk.get_by_text("This browser still has text")).to_be_visible()
    desk.unroute("**/draft")
    desk.get_by_role("button", name="Put it into the form").click()
    expect(desk.get_by_label("Summary")).to_have_value("没存上的")
    expect(desk.locator("#draft")).to_contain_text("Draft saved")


def test_two_operators_on_one_report(
    desk: Page, chromium: Browser, site: Site, cast: dict[str, int], call: int
) -> None:
    other = context(chromium, site, cast, "colleague", OFFICE).new_page()
    other.goto(f"{site.url}/reports/{call}")
    other.get_by_label("Summary").fill("同事先写的")
    expect(other.locator("#draft")).to_contain_text("Draft saved")
    desk.get_by_label("Summary").fill("我后写的")
    expect(desk.locator("#draft")).to_contain_text("colleague one changed this report")
    expect(desk.get_by_label("Summary")).to_have_value("我后写的")
    other.context.close()


def test_words_appear_by_themselves(
    chromium: Browser, site: Site, cast: dict[str, int], call: int, database: Database
) -> None:
    page = context(chromium, site, cast, "operator", PHONE).new_page()
    page.goto(f"{site.url}/reports/{call}")
    expect(page.get_by_text("The machine is writing it down")).to_be_visible()
    for _ in range(100):
        if site.services.hub.listening:
            break
        page.wait_for_timeout(50)
    hear_words(database, call)
    site.services.hub.publish("transcript.ready")
    expect(page.get_by_role("button", name="村口")).to_be_visible()
    no_sideways(page)
    text = page.get_by_label("Text", exact=True)
    expect(text).to_have_value("村口路灯坏勒")
    text.fill("村口路灯坏了")
    page.get_by_role("button", name="Save the text").click()
    expect(page.get_by_text("Version 1, corrected by a person.")).to_be_visible()
    page.context.close()


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["390", "1366"])
def test_pages_fit_and_can_be_looked_at(
    chromium: Browser,
    site: Site,
    cast: dict[str, int],
    call: int,
    arrive: Arrive,
    database: Database,
    size: dict[str, int],
) -> None:
    hear_words(database, call)
    arrive(typed_text="隔壁有人拿刀要砍人", urgent=True)
    arrive(confidential=True)
    width = size["width"]
    made = context(chromium, site, cast, "operator", size)
    made.add_cookies([{"name": "xiangyin_lang", "value": "zh-CN", "url": site.url}])
    page = made.new_page()
    for name, url in (("reports", "/reports"), ("report", f"/reports/{call}")):
        page.goto(site.url + url)
        picture(page, f"{name}-{width}-zh")
        no_sideways(page)
    page.get_by_text("录音无法播放到结尾").click()
    page.locator("#f-unheard_reason").fill("录音损坏")
    page.locator("#f-summary").fill("村口路灯不亮")
    page.get_by_role("button", name="受理并看下一条").click()
    page.wait_for_url(re.compile(r"/reports/\d+$"))
    with database.read() as session:
        case = session.scalars(sa.select(Case.id)).one()
        assert session.get_one(Report, call).state == "accepted"
    page.goto(f"{site.url}/reports?show=decided")
    no_sideways(page)
    made.close()
    boss = context(chromium, site, cast, "dispatcher", size)
    boss.add_cookies([{"name": "xiangyin_lang", "value": "zh-CN", "url": site.url}])
    page = boss.new_page()
    for name, url in (("cases", "/cases"), ("case", f"/cases/{case}")):
        page.goto(site.url + url)
        picture(page, f"{name}-{width}-zh")
        no_sideways(page)
    page.get_by_role("button", name="派单").click()
    expect(page.locator("#e-assign-handler_id")).to_be_visible()
    picture(page, f"case-error-{width}-zh")
    page.get_by_label("承办人").select_option(label="handler one")
    page.get_by_role("button", name="派单").click()
    expect(page.get_by_text("已派单").first).to_be_visible()
    boss.close()
