"""The player and the real server, from the one-time code to the proof."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from broadcast import players
from broadcast.keys import ServerKey
from broadcast.models import Player
from core import settings as core_settings
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from edge.config import Home
from schedule.models import Play, Slot
from tests.edge.conftest import ROOT, BoxProcess, wait_for
from tests.edge.sounds import locate, opus, speechlike
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town
from web.deps import Services
from web.serve import serve
from web.tls import ensure

pytestmark = pytest.mark.slow
CLIP = opus(speechlike(2))
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def services(
    database: Database, store: BlobStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> Services:
    for name in ("WEB_PORT", "GUIDE_PORT", "MQTT_PORT"):
        monkeypatch.setenv(f"XIANGYIN_{name}", "0" if name != "MQTT_PORT" else "1")
    monkeypatch.setenv("XIANGYIN_WEB_HOST", "127.0.0.1")
    core_settings.load.cache_clear()
    config = core_settings.load()
    return Services(config, database, store, sealer, ServerKey.from_settings(config))


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    """Where the pages are served, by TLS of the server's own authority."""
    stop, port, started = threading.Event(), [0], threading.Event()

    def ready(web_port: int, _guide_port: int | None) -> None:
        port[0] = web_port
        started.set()

    thread = threading.Thread(target=serve, args=(services, stop), kwargs={"ready": ready})
    thread.start()
    assert started.wait(30)
    yield f"https://127.0.0.1:{port[0]}"
    stop.set()
    thread.join(10)


def plan_play(services: Services, town: Town, starts_at: datetime) -> int:
    """One play of an approved episode in the first village."""
    local = starts_at.astimezone(ZONE)
    with services.database.write() as session:
        episode = towns.approve_episode(
            session, services.store, town.programme_id, 1, duration_ms=2000, sound=CLIP
        )
        slot = Slot(
            programme_id=town.programme_id,
            name="试播",
            local_time=local.time(),
            zone=ZONE.key,
            weekdays=[1, 2, 3, 4, 5, 6, 7],
            first_date=local.date(),
            last_date=local.date(),
            created_at=datetime.now(UTC),
        )
        session.add(slot)
        session.flush()
        play = Play(
            slot_id=slot.id,
            area_code=VILLAGES[0],
            local_date=local.date(),
            starts_at=starts_at,
            make_up_until=starts_at + timedelta(hours=1),
            episode_id=episode.id,
            clip_sha256=episode.delivery_sha256,
            duration_ms=2000,
        )
        session.add(play)
        session.flush()
        return play.id


def as_run(services: Services, play_id: int) -> Play:
    with services.database.read() as session:
        return session.scalars(sa.select(Play).where(Play.id == play_id)).one()


def test_an_approved_episode_is_heard_in_the_village_and_proved_to_the_office(
    services: Services, url: str, tmp_path: Path, start_box: Callable[..., BoxProcess]
) -> None:
    town = towns.build(services.database)
    with services.database.write() as session:
        code = players.new_code(session, town.administrator, VILLAGES[0]).code
    tls = ensure(services.settings)
    assert tls is not None
    home = Home(tmp_path / "box")
    joined = subprocess.run(
        [
            sys.executable, "-m", "edge", "enrol", code, "--server", url, "--ca", str(tls.ca),
            "--home", str(home.folder), "--name", "村部",
        ],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert joined.returncode == 0, joined.stderr
    with services.database.write() as session:
        (waiting,) = players.waiting_for_approval(session, town.administrator)
        players.approve(session, town.administrator, waiting.id)
    home.settings_file.write_text('sink = "wav"\npoll_s = 1\n')
    start_box(home).ready()
    starts_at = datetime.now(UTC) + timedelta(seconds=20)
    play_id = plan_play(services, town, starts_at)
    wait_for(lambda: as_run(services, play_id).sounded_sha256, 60, "the proof to arrive")
    found = as_run(services, play_id)
    assert (found.state, found.reason) == ("played", None)
    assert found.start_error_ms is not None
    heard = locate(home.sounded, play_id, CLIP)
    assert abs(heard.at - starts_at) < timedelta(milliseconds=5)
    assert found.started_at is not None
    assert abs(heard.at - found.started_at) < timedelta(milliseconds=5)
    with services.database.read() as session:
        player = session.scalars(sa.select(Player)).one()
        assert player.health is not None
        assert player.health["sink"]["kind"] == "wav"
