"""Foreign pages change nothing, foreign scripts run nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from core.settings import Settings
from tests.web.conftest import PASSWORD, Clients, csrf, post
from tests.web.walk import pages_of
from web.app import create_app, routes
from web.deps import Services
from web.security import SAFE_METHODS, TOKEN_PREFIXES, Security


def changing() -> Iterator[tuple[str, str]]:
    """(method, path) of every route that changes something and hears cookies."""
    for route in routes():
        for method in sorted(route.methods - SAFE_METHODS):
            if not route.path.startswith(TOKEN_PREFIXES):
                yield method, re.sub(r"\{[^}]*\}", "1", route.path)


def test_every_change_is_refused_without_a_form_token(client: Clients) -> None:
    browser = client("township")
    found = list(changing())
    assert ("POST", "/logout") in found
    for method, path in found:
        answer = browser.request(method, path, headers={"content-type": "text/plain"})
        assert answer.status_code == 403, (method, path, answer.status_code)
        assert "too old" in answer.text, (method, path)


def test_a_token_of_another_browser_does_not_fit(client: Clients) -> None:
    foreign = csrf(client("operator"))
    answer = client("recorder").post("/logout", data={"csrf_token": foreign})
    assert answer.status_code == 403


def test_a_fitting_token_from_another_site_is_refused(client: Clients) -> None:
    browser = client("recorder")
    answer = browser.post(
        "/logout", data={"csrf_token": csrf(browser)}, headers={"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403


def test_the_token_may_come_in_a_header(client: Clients) -> None:
    browser = client("recorder")
    assert browser.post("/logout", headers={"x-csrf-token": csrf(browser)}).status_code == 303


def test_a_bearer_silences_the_cookie(client: Clients) -> None:
    browser = client("recorder")
    answer = browser.get("/api/v1/me", headers={"authorization": "Bearer nonsense"})
    assert answer.status_code == 401


def test_cookies_are_for_this_host_over_tls_and_not_for_scripts(client: Clients) -> None:
    answer = post(client(None), "/login", {"login": "recorder", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-xiangyin_session=")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


def test_without_tls_the_cookie_has_a_name_browsers_accept(config: Settings) -> None:
    plain = Security(config.model_copy(update={"web_tls": "off"}))
    assert plain.session_cookie == "xiangyin_session"
    behind_proxy = config.model_copy(
        update={"web_tls": "off", "public_base_url": "https://town.example"}
    )
    assert Security(behind_proxy).session_cookie.startswith("__Host-")


def test_the_policy_names_no_unsafe_source(client: Clients) -> None:
    for url in ("/login", "/nothing", "/static/app.css", "/healthz", "/api/v1/me"):
        policy = client(None).get(url).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_nonces_are_never_repeated(client: Clients) -> None:
    browser = client(None)
    seen = {browser.get("/login").headers["content-security-policy"] for _ in range(3)}
    assert len(seen) == 3


class _Inline(HTMLParser):
    """Collects what the policy would refuse: inline scripts, styles, on* attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.found += [f"<{tag} {name}>" for name in names if name.startswith("on")]
        self.found += [f"<{tag} hx-on>" for name in names if name.startswith("hx-on")]
        if "style" in names or (tag == "style" and not names.get("nonce")):
            self.found.append(f"<{tag} style>")
        runs = tag == "script" and names.get("type") != "application/json"
        if runs and not (names.get("src") and names.get("nonce")):
            self.found.append("<script> without src and nonce")
        if (names.get("href") or "").startswith("javascript:"):
            self.found.append(f"<{tag} href=javascript:>")


@pytest.mark.parametrize("name", ["township", "administrator", "operator", "recorder", None])
def test_no_page_has_inline_script_or_style(client: Clients, name: str | None) -> None:
    seen = 0
    for url, text in pages_of(client(name)):
        parser = _Inline()
        parser.feed(text)
        assert not parser.found, (url, parser.found)
        seen += 1
    assert seen >= 2


def test_requests_larger_than_allowed_are_refused(services: Services, client: Clients) -> None:
    browser = client(None)
    limit = services.settings.report_upload_max_mb * 1_000_000 + 1_000_000
    answer = browser.post(
        "/login",
        content=b"",
        headers={
            "content-length": str(limit + 1),
            "content-type": "application/x-www-form-urlencoded",
        },
    )
    assert answer.status_code == 413


def test_pages_are_not_kept_by_browsers(client: Clients) -> None:
    assert client("recorder").get("/").headers["cache-control"] == "no-store"


def test_two_applications_in_one_process_do_not_share_sessions(services: Services) -> None:
    first, second = create_app(services), create_app(services)
    assert first.state.security is not second.state.security
