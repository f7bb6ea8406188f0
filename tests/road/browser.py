"""What a person does in Chromium, as a program of its own so that it can run in another namespace.

``python -m tests.road.browser ADDRESS LOGIN PASSWORD WAV`` prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from tests import counterparts

LONG_MS = 60_000
SUMMARY = "石桥村停水两天，请水务站上门查看"


def log_in(page: Page, address: str, login: str, password: str) -> None:
    page.goto(f"{address}/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")


def review(page: Page, address: str) -> dict[str, Any]:
    """Hear the first report to its end, accept it, find the case."""
    page.goto(f"{address}/reports/next")
    expect(page.locator("#words button").first).to_be_visible(timeout=LONG_MS)
    words = page.inner_text("#words")
    microphone_possible = page.evaluate("() => window.isSecureContext")
    page.keyboard.press("Escape")
    expect(page.locator("#heard")).to_contain_text("✓", timeout=LONG_MS)
    page.fill("textarea[name=summary]", SUMMARY)
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    page.goto(f"{address}/cases")
    page.get_by_text("石桥村停水").first.click()
    page.wait_for_load_state()
    return {"words": words, "secure": microphone_possible, "case": page.inner_text("main")}


def calendar(page: Page, address: str) -> dict[str, Any]:
    """Watch the week until the demo play is green, then listen to what a village heard."""
    page.goto(f"{address}/calendar")
    page.evaluate("() => { window.notReloaded = true }")
    expect(page.get_by_text("全部已播").first).to_be_visible(timeout=2 * LONG_MS)
    still_same_page = page.evaluate("() => window.notReloaded === true")
    page.locator("a", has_text="演示：马上播放").first.click()
    page.wait_for_load_state()
    page.locator("a[data-listen]").first.click(timeout=LONG_MS)
    page.wait_for_function(
        "() => [...document.querySelectorAll('audio')].some(a => a.currentTime > 0.5)",
        timeout=LONG_MS,
    )
    return {"live": still_same_page, "lines": page.inner_text("main")}


def villager(page: Page, address: str, wav: str) -> dict[str, Any]:
    """Send a recording from the QR code's page, without JavaScript."""
    answer = page.goto(f"{address}/report/zx101")
    assert answer is not None
    size = len(answer.body())
    page.check("input[name=consent]")
    page.set_input_files("input[name=chosen]", wav)
    page.click("button")
    page.wait_for_load_state()
    return {"bytes": size, "answer": page.inner_text("body")}


def main(address: str, login: str, password: str, wav: str) -> None:
    seen: dict[str, Any] = {}
    complaints: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=counterparts.find("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        plain = browser.new_context(java_script_enabled=False, locale="zh-CN")
        seen["villager"] = villager(plain.new_page(), address, wav)
        context = browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
        page = context.new_page()
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        log_in(page, address, login, password)
        seen["review"] = review(page, address)
        seen["calendar"] = calendar(page, address)
        browser.close()
    seen["complaints"] = complaints
    print(json.dumps(seen, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
