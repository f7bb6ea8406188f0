"""A running application and its fixed cast: each role can be logged in as a client.

The cast lives in two towns. ``client("recorder")`` is a browser of the recorder in the own town;
``client("outsider")`` has every role of a station, in the other town; ``client(None)`` is the
public. Post forms with ``post(client, url, data)``: it adds the form token.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from broadcast.keys import ServerKey
from core import areas, auth
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import LoginSession
from core.sealed import Sealer
from core.settings import Settings
from web.app import create_app
from web.deps import Services

COUNTY, TOWN, OTHER_TOWN = "513221000000", "513221100000", "513221200000"
VILLAGE, SECOND_VILLAGE, OTHER_VILLAGE = "513221100201", "513221100202", "513221200201"
PASSWORD = "a long enough password"
CAST: dict[str, tuple[list[str], str | None]] = {
    "operator": (["operator"], TOWN),
    "colleague": (["operator"], TOWN),
    "dispatcher": (["dispatcher"], TOWN),
    "handler": (["handler"], TOWN),
    "township": (["township"], TOWN),
    "county": (["county"], COUNTY),
    "custodian": (["custodian"], COUNTY),
    "leader": (["leader"], TOWN),
    "auditor": (["auditor"], COUNTY),
    "recorder": (["recorder"], TOWN),
    "approver": (["approver"], TOWN),
    "village_head": (["village_head"], VILLAGE),
    "administrator": (["administrator"], COUNTY),
    "outsider": (
        ["operator", "dispatcher", "handler", "township", "recorder", "approver"],
        OTHER_TOWN,
    ),
}

Clients = Callable[[str | None], TestClient]
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Hashing takes long on purpose; the cast shares one password."""
    return auth._passwords.hash(PASSWORD)


@pytest.fixture
def cast(database: Database, password_hash: str) -> dict[str, int]:
    """Two towns with villages, and a person for each role; returns name -> user id."""
    with database.write() as session:
        areas.add(session, COUNTY, "云溪县", "county")
        areas.add(session, TOWN, "青石镇", "township", COUNTY)
        areas.add(session, OTHER_TOWN, "白河镇", "township", COUNTY)
        areas.add(session, VILLAGE, "桃坪村", "village", TOWN, poster_code="101")
        areas.add(session, SECOND_VILLAGE, "柳树村", "village", TOWN, poster_code="102")
        areas.add(session, OTHER_VILLAGE, "石桥村", "village", OTHER_TOWN, poster_code="201")
        people = {}
        for name, (roles, area_code) in CAST.items():
            user = auth.create_user(session, name, f"{name} one", PASSWORD, roles, area_code)
            people[name] = user.id
    return people


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch, password_hash: str) -> None:
    """Making the cast does not hash twelve times; checking stays the real thing."""
    real = auth._passwords.hash
    monkeypatch.setattr(
        type(auth._passwords),
        "hash",
        lambda _self, password, **more: (
            password_hash if password == PASSWORD else real(password, **more)
        ),
    )


@pytest.fixture
def services(config: Settings, database: Database, store: BlobStore, sealer: Sealer) -> Services:
    """What the application works with."""
    return Services(config, database, store, sealer, ServerKey.from_settings(config))


@pytest.fixture
def app(services: Services) -> FastAPI:
    """The whole application."""
    return create_app(services)


@pytest.fixture
def client(app: FastAPI, database: Database, cast: dict[str, int]) -> Iterator[Clients]:
    """Makes browsers: logged in as one of the cast, or None for the public."""
    opened: list[TestClient] = []

    def make(name: str | None) -> TestClient:
        browser = TestClient(app, base_url="https://testserver", follow_redirects=False)
        browser.headers["accept-language"] = "en"
        opened.append(browser)
        if name is not None:
            browser.cookies.set(app.state.security.session_cookie, _session(database, cast[name]))
        return browser

    yield make
    for browser in opened:
        browser.close()


def _session(database: Database, user_id: int) -> str:
    """A session as a login makes it, without the price of checking the password."""
    token = secrets.token_urlsafe(32)
    with database.write() as session:
        session.add(
            LoginSession(
                token_hash=auth.token_hash(token),
                user_id=user_id,
                created_at=utc_now(),
                last_seen_at=utc_now(),
                expires_at=utc_now() + auth.SESSION_LENGTH,
            )
        )
    return token


def csrf(browser: TestClient) -> str:
    """A form token for this browser, read from a page as a browser would."""
    found = _CSRF.search(browser.get("/password").text) or _CSRF.search(browser.get("/login").text)
    assert found is not None
    return found[1]


def post(
    browser: TestClient, url: str, data: dict[str, Any] | None = None, **more: Any
) -> httpx.Response:
    """Send a form as a person does, with its token."""
    return browser.post(url, data={"csrf_token": csrf(browser), **(data or {})}, **more)
