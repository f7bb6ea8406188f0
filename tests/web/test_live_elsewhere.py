"""Two web processes share a database, and one of them carries the address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest
from starlette.testclient import TestClient

from broadcast.live_hub import LiveHub
from broadcast.live_keeper import LiveKeeper
from core.database import Database
from tests.broadcast.box import Box
from tests.web.conftest import VILLAGE, Clients, csrf, post
from tests.web.test_live_address import SPOKEN, as_player, begin, speak
from tests.web.test_live_address import box as box
from tests.web.test_live_address import keeper as keeper
from web.app import create_app
from web.deps import Services

Other = Callable[[TestClient], TestClient]


@pytest.fixture
def other(services: Services) -> Iterator[Other]:
    """Makes of a browser the same one at the second process."""
    app = create_app(replace(services, live=LiveHub()))
    opened: list[TestClient] = []

    def make(browser: TestClient) -> TestClient:
        second = TestClient(app, base_url="https://testserver", follow_redirects=False)
        second.headers.update(browser.headers)
        second.cookies.update(browser.cookies)
        opened.append(second)
        return second

    yield make
    for browser in opened:
        browser.close()


def say(browser: TestClient, session_id: str) -> httpx.Response:
    return browser.post(
        f"/speak/sound/{session_id}",
        content=SPOKEN,
        headers={"x-csrf-token": csrf(browser), "content-type": "application/octet-stream"},
    )


def is_sent_on(answer: httpx.Response) -> bool:
    assert (answer.status_code, answer.json()["retriable"]) == (503, True)
    assert answer.headers["retry-after"] == "1"
    return answer.headers["connection"] == "close"


def test_a_player_at_the_wrong_process_is_told_to_try_again(
    client: Clients, other: Other, box: Box, keeper: LiveKeeper
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    elsewhere = other(client(None))
    assert is_sent_on(as_player(elsewhere, box, f"/edge/v1/live/{session_id}"))
    post(speaker, f"/speak/{session_id}/stop", {"cause": "speaker"})
    assert as_player(elsewhere, box, f"/edge/v1/live/{session_id}").status_code == 404


def test_speech_that_comes_to_the_wrong_process_is_sent_again_and_not_over(
    client: Clients, other: Other, box: Box, keeper: LiveKeeper
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    elsewhere = other(speaker)
    assert is_sent_on(say(elsewhere, session_id))
    assert not speak(speaker, session_id)
    post(elsewhere, f"/speak/{session_id}/stop", {"cause": "speaker"})
    assert say(elsewhere, session_id).json() == {"over": True}


def test_nobody_else_learns_there_that_an_address_is_open(
    client: Clients, other: Other, box: Box, keeper: LiveKeeper
) -> None:
    session_id = begin(client("township"), VILLAGE).json()["id"]
    assert say(other(client("county")), session_id).json() == {"over": True}
    assert say(other(client("township")), "no-such-session").json() == {"over": True}


def test_what_a_horn_tells_to_the_other_process_is_shown_to_the_speaker(
    client: Clients, other: Other, box: Box, keeper: LiveKeeper, database: Database
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    channel = keeper._hub.get(session_id)
    assert channel is not None
    channel._note(box.player.id, joined_at=channel.started_at)  # as when its stream begins
    told = {"first_sound_at": "2026-06-01T00:00:02Z", "lost_ms": 300}
    path = f"/edge/v1/live/{session_id}/heard"
    assert as_player(other(client(None)), box, path, **told).status_code == 200
    assert speaker.get(f"/speak/{session_id}/state").json()["hearing"] == 1
