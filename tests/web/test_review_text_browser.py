"""Mending a text in a real browser: readable pieces, other hearings, keys, versions, figures."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.database import Database
from tests.web.conftest import TOWN
from tests.web.spoken import MODEL, hearing, speak
from tests.web.test_browser import OFFICE, PHONE, Site, chromium, context, site  # noqa: F401
from tests.web.test_report import tone
from tests.web.test_review import Arrive, arrive, decide  # noqa: F401
from tests.web.test_review_browser import no_sideways, picture, seconds, until
from transcribe import transcripts, verbatim

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]

HEARD = (
    "喂/90 你好/90 我是/80 桃坪村/50 三/90 组/90 的/90 从/90 十二/80 月/80 三/80 号/80 开始/90"
    " 就/80 停水/90 两/90 天/90 了/70 村口/80 路等/31 也/44 坏勒/28 请/90 派人/90 来/90 看看/90"
)
"""Words, each with the machine's confidence in percent."""
READABLE = (
    "喂 ， 你好 ， 我是 桃坪村 3 组 的 ， 从 12 月 3 号 开始 就 停水 2 天 了 。"
    " 村口 路等 也 坏勒 ， 请 派人 来 看看 。"
)
TEXT = READABLE.replace(" ", "")


def hear(database: Database, report: int) -> None:
    """A call as a real model hears it, with numbers, a repaired name and a doubtful passage."""
    spans, place, word = [], 0, 0
    for text in READABLE.split():
        if text not in "，。":
            spans.append([place, place + len(text), word, word + 1])
            word += 1
        place += len(text)
    words = [word.split("/") for word in HEARD.split()]
    heard = hearing(
        report, 0, [text for text, _ in words], 0.8, confidence=0.81, hears_people=True,
        model_name="vosk-model-small-cn-0.22", model_hash=MODEL, readable=TEXT,
        readable_map=spans, remarks=["clipped"],
        repairs=[{"first": 3, "after": 4, "heard": "套平村", "name": "桃坪村"}],
        alternatives=[
            {"first": 0, "after": 3, "texts": ["喂你好我时"]},
            {"first": 18, "after": 22, "texts": ["村口路灯也坏了", "村口路等也怀了"]},
        ],
    )  # fmt: skip
    for at, (_, percent) in enumerate(words):
        heard.words[at]["confidence"] = int(percent) / 100
    with database.write() as session:
        session.add(heard)


@pytest.fixture
def call(arrive: Arrive, tmp_path: Path, database: Database) -> int:
    """A telephone report of eight seconds, heard with doubts."""
    path = tmp_path / "call.wav"
    path.write_bytes(tone(8.0))
    number = arrive(channel="phone", audio_path=path, typed_text=None, caller_number="13812345678")
    hear(database, number)
    return number


@pytest.fixture
def desk(chromium: Browser, site: Site, cast: dict[str, int], call: int) -> Page:
    """The operator's browser on the page of ``call``; an error of a script fails the test."""
    page = context(chromium, site, cast, "operator", OFFICE).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    page.goto(f"{site.url}/reports/{call}")
    until(page, "document.querySelector('#wave canvas').width > 300")
    assert complaints == []
    return page


def text_of(page: Page) -> str:
    return page.locator("#f-text").input_value()


def test_a_press_on_a_number_plays_from_where_it_was_said(desk: Page) -> None:
    desk.get_by_role("button", name="12", exact=True).click()
    assert seconds(desk) >= 2.4
    until(desk, "!document.getElementById('sound').paused")
    expect(desk.locator(".word[aria-current]").first).to_have_text("12")


def test_another_hearing_is_picked_by_keyboard_and_taken_back(desk: Page) -> None:
    desk.evaluate("document.getElementById('sound').currentTime = 5")
    desk.locator("#f-text").click()
    desk.keyboard.press("F10")
    expect(desk.locator("#choices-title")).to_contain_text("“村口路等也坏勒”")
    desk.keyboard.press("1")
    assert text_of(desk) == TEXT.replace("村口路等也坏勒", "村口路灯也坏了")
    expect(desk.locator("#draft")).to_contain_text("Draft saved")
    desk.keyboard.press("Control+z")
    assert text_of(desk) == TEXT


def test_arrows_and_enter_pick_too_and_escape_leaves(desk: Page) -> None:
    desk.locator("#words .other").last.click()
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    assert "村口路等也怀了" in text_of(desk)
    desk.keyboard.press("F10")
    desk.keyboard.press("F10")  # the next passage
    expect(desk.locator("#choices-title")).to_contain_text("“村口路等也怀了”")
    desk.keyboard.press("Escape")
    expect(desk.locator("#choices")).to_be_hidden()
    assert seconds(desk) == 0  # Escape left the list; it did not play


def test_no_hearing_is_picked_while_an_input_method_composes(desk: Page) -> None:
    desk.keyboard.press("F10")
    for made in ({"isComposing": True}, {"keyCode": 229}):
        desk.evaluate(
            """made => document.getElementById("choices-list").dispatchEvent(new KeyboardEvent(
              "keydown", {key: "1", bubbles: true, cancelable: true, ...made}))""",
            made,
        )
    assert text_of(desk) == TEXT
    desk.keyboard.press("1")
    assert text_of(desk).startswith("喂你好我时")


def test_a_passage_changed_by_hand_is_not_guessed(desk: Page) -> None:
    desk.locator("#f-text").fill("完全改写过")
    desk.locator("#words .other").last.click()
    desk.keyboard.press("1")
    assert text_of(desk) == "完全改写过"
    expect(desk.locator("#choices-said")).to_contain_text("You have changed this passage")


def test_keys_are_changed_and_kept(desk: Page) -> None:
    desk.get_by_role("button", name="Keys").click()
    button = desk.locator("[data-action=choices]")
    button.click()
    desk.keyboard.press("a")
    expect(desk.locator("#keys-said")).to_contain_text("Take a function key")
    desk.keyboard.press("F9")
    expect(desk.locator("#keys-said")).to_contain_text("another duty")
    desk.keyboard.press("Alt+j")
    expect(button).to_have_text("Alt+J")
    picture(desk, "keys-1366")
    desk.get_by_role("button", name="Done").click()
    desk.reload()
    desk.keyboard.press("F10")
    expect(desk.locator("#choices")).to_be_hidden()
    desk.locator("#f-text").click()
    desk.keyboard.press("Alt+j")
    expect(desk.locator("#choices")).to_be_visible()
    desk.get_by_role("button", name="Keys").click()
    desk.get_by_role("button", name="As they were at first").click()
    assert desk.evaluate("Object.keys(localStorage).filter(key => key.includes('keys'))") == []


def test_a_text_is_marked_word_for_word_and_an_older_one_put_back(
    desk: Page, call: int, database: Database
) -> None:
    desk.locator("#f-text").fill("喂你好我是桃坪村三组的，停水两天了")
    desk.get_by_label("Exactly what is said").check()
    desk.get_by_role("button", name="Play / pause").click()
    expect(desk.locator("#heard")).to_contain_text("Played to its end", timeout=20_000)
    desk.keyboard.press("Control+s")
    expect(desk.get_by_text("Marked as word for word.")).to_be_visible()
    with database.read() as session:
        assert len(verbatim.pairs(session)) == 1
    desk.locator("#f-summary").fill("停水")
    desk.get_by_text("2 versions of the text").click()
    picture(desk, "versions-1366")
    desk.get_by_role("button", name="Put this text back").click()
    expect(desk.get_by_text("3 versions of the text")).to_be_visible()
    assert text_of(desk) == TEXT
    expect(desk.locator("#f-summary")).to_have_value("停水")
    with database.read() as session:
        assert len(transcripts.history(session, "report", call)) == 3


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["390", "1366"])
def test_pages_fit_and_show_their_plots(
    chromium: Browser,
    site: Site,
    cast: dict[str, int],
    call: int,
    database: Database,
    size: dict[str, int],
    language: str,
) -> None:
    speak(database, cast["operator"], 200, first=1000)
    with database.write() as session:
        verbatim.fix_floor(session, TOWN, 0.55, "方言多，低于此数多半无用", cast["county"])
    made = context(chromium, site, cast, "county", size)
    made.add_cookies([{"name": "xiangyin_lang", "value": language, "url": site.url}])
    page = made.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    tag = f"{size['width']}-{language}"
    page.goto(f"{site.url}/quality?show=chosen&weeks=0")
    until(page, "document.querySelectorAll('.plot canvas').length === 2")
    picture(page, f"quality-{tag}")
    no_sideways(page)
    page.goto(f"{site.url}/quality?show=sample&weeks=0")
    no_sideways(page)
    made.close()
    made = context(chromium, site, cast, "operator", size)
    made.add_cookies([{"name": "xiangyin_lang", "value": language, "url": site.url}])
    page = made.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site.url}/reports/{call}")
    page.locator("#words .other").last.click()
    picture(page, f"text-{tag}")
    no_sideways(page)
    page.locator("#open-keys").click()
    no_sideways(page)
    page.goto(f"{site.url}/dialects")
    picture(page, f"dialects-{tag}")
    no_sideways(page)
    assert [told for told in complaints if not re.search("favicon", told)] == []
    made.close()
