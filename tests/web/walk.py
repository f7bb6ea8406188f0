"""Walks over the application as a person with a mouse would: every route, every page."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.testclient import TestClient

from web.app import routes

STREAMS = ("/live",)


def pages_of(browser: TestClient) -> Iterator[tuple[str, str]]:
    """(path, HTML) of each page without parameters in its path, errors included."""
    for route in routes():
        if "GET" not in route.methods or "{" in route.path or route.path in STREAMS:
            continue
        answer = browser.get(route.path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            yield route.path, answer.text
    yield "/no-such-page", browser.get("/no-such-page").text
