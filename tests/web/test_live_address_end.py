"""An address that is over, while the database cannot take it down: the speaker's page knows."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from broadcast.live_hub import Channel
from broadcast.live_keeper import LiveKeeper
from core.clock import utc_now
from core.database import Database
from tests.broadcast.box import Box
from tests.web.conftest import VILLAGE, Clients, post
from tests.web.test_live_address import begin, carried, locked, row, speak
from tests.web.test_live_address import box as box
from tests.web.test_live_address import keeper as keeper
from web.deps import Services


@pytest.fixture
def speaker(client: Clients) -> TestClient:
    return client("township")


@pytest.fixture
def session_id(speaker: TestClient, box: Box, keeper: LiveKeeper) -> str:
    found: str = begin(speaker, VILLAGE).json()["id"]
    return found


@pytest.fixture
def channel(session_id: str, services: Services, box: Box) -> Channel:
    """The player of the village listens, and its horn has sounded."""
    found = carried(services)
    found._note(box.player.id, joined_at=utc_now(), first_sound_at=utc_now())
    return found


def state(speaker: TestClient, session_id: str) -> dict[str, Any]:
    answer = speaker.get(f"/speak/{session_id}/state")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_the_keeper_silenced_is_over_at_once_with_its_cause(
    speaker: TestClient, session_id: str, channel: Channel, database: Database
) -> None:
    assert not speak(speaker, session_id)
    assert not state(speaker, session_id)["over"]
    channel.end(hush=False, cause="silence")
    told = state(speaker, session_id)
    assert (told["over"], told["cause"]) == (True, "silence")
    assert row(database).end_cause is None  # nobody has written it down yet


def test_what_somebody_else_stopped_is_over_at_once(
    client: Clients, speaker: TestClient, session_id: str, channel: Channel, database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    county = client("county")
    county.get("/speak")
    with monkeypatch.context() as away:
        away.setattr(Database, "write", locked)
        assert post(county, f"/speak/{session_id}/stop-form").status_code == 303
        told = state(speaker, session_id)
    assert (told["over"], told["cause"]) == (True, "stopped")
    assert row(database).state == "opening"


def test_a_player_that_left_with_the_end_has_not_dropped_out(
    speaker: TestClient, session_id: str, channel: Channel, database: Database, box: Box
) -> None:
    channel._note(box.player.id, left_at=utc_now(), cause="end")
    assert [each["state"] for each in state(speaker, session_id)["villages"]] == ["dropped"]
    channel.end(hush=False, cause="speaker")
    assert [each["state"] for each in state(speaker, session_id)["villages"]] == ["hears"]


def test_the_cause_that_is_written_down_counts(
    speaker: TestClient, session_id: str, channel: Channel, keeper: LiveKeeper,
    database: Database,
) -> None:  # fmt: skip
    channel.end(hush=True, cause="hard_stop", by="township")
    keeper.look()
    told = state(speaker, session_id)
    assert (told["over"], told["cause"]) == (True, row(database).end_cause)
