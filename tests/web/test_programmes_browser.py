"""An episode in a real browser: sent with a bar, refused beside the field, heard, cut, ready."""

# ruff: noqa: F811 - fixtures of the neighbour module are asked for by their names

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from core import outbox
from recordings.worker import RenderWorker
from tests.web.test_browser import PHONE, Site, chromium, context, site  # noqa: F401

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]


@pytest.fixture
def rendering(site: Site) -> Iterator[None]:
    """The services that make episodes and tell the pages."""
    database = site.services.database
    worker = RenderWorker(database, site.services.store)
    dispatcher = outbox.Dispatcher(database)
    dispatcher.on_all(site.services.hub.publish)
    threads = [threading.Thread(target=service.run_forever) for service in (worker, dispatcher)]
    for thread in threads:
        thread.start()
    yield
    worker.stop()
    dispatcher.stop()
    for thread in threads:
        thread.join(30)


@pytest.mark.usefixtures("rendering")
def test_a_recorder_sends_hears_cuts_and_submits_on_a_telephone(
    chromium: Browser,
    site: Site,
    cast: dict[str, int],
    tmp_path: Path,
) -> None:
    time_s = np.arange(16_000 * 8) / 16_000
    voice = tmp_path / "voice.wav"
    with wave.open(str(voice), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        samples = 0.3 * np.sin(2 * np.pi * 440 * time_s) * (0.6 + 0.4 * np.sin(20 * time_s))
        out.writeframes((samples * 32_767).astype("<i2").tobytes())
    letter = tmp_path / "letter.txt"
    letter.write_text("no sound")
    browser = context(chromium, site, cast, "recorder", PHONE)
    page = browser.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))

    page.goto(f"{site.url}/programmes")
    page.get_by_role("link", name="New programme").click()
    page.get_by_label("Name").fill("平安青石")
    page.get_by_role("button", name="Make the programme").click()
    page.get_by_role("link", name="New episode").first.click()
    form = page.locator("form[data-upload]")
    form.get_by_label("Title").fill("防汛")
    form.get_by_label("Sound file").set_input_files(letter)
    form.get_by_role("button", name="Send").click()
    expect(form.locator("[data-field=file] .wrong")).to_contain_text("not a sound file")
    expect(form.get_by_label("Title")).to_have_value("防汛")

    form.get_by_label("Sound file").set_input_files(voice)
    form.get_by_role("button", name="Send").click()
    page.wait_for_url("**/episodes/*")
    expect(page.locator("#listen canvas")).to_be_visible(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.locator("#listen canvas").click(position={"x": 150, "y": 40})
    page.wait_for_function("document.querySelector('audio').currentTime > 2")
    page.locator("#cut summary").click()
    page.get_by_role("button", name="Begin where it plays now").click()
    assert float(page.get_by_label("At the start (s)").input_value()) > 2
    page.get_by_label("At the start (s)").fill("4")
    page.get_by_role("button", name="Make anew").click()
    expect(page.locator("#listen")).to_contain_text("0:04", timeout=60_000)

    page.get_by_role("button", name="Submit for approval").click()
    expect(page.locator("#state")).to_contain_text("waiting for approval")
    assert broken == []
    browser.close()
