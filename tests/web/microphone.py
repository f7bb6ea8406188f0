"""Chromium with a microphone that nobody has to plug in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def with_microphone(spoken: Path | None = None) -> Iterator[Browser]:
    """A browser whose microphone says ``spoken`` (WAV) again and again, or beeps; it may listen."""
    said = [f"--use-file-for-fake-audio-capture={spoken}"] if spoken is not None else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                *said,
            ],
        )
        yield browser
        browser.close()
