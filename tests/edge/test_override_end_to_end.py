"""A click in the office, a siren in the village: the real server, a real broker, a real box."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import soundfile as sf
import sqlalchemy as sa

from broadcast import override, override_plays, players, wiring
from broadcast.keys import ServerKey
from broadcast.models import OverridePlay
from broadcast.override import Order
from broadcast.override_keeper import OverrideKeeper
from broadcast.wake import Waker
from core import settings as core_settings
from core.auth import Actor
from core.blobs import BlobStore
from core.database import Database
from core.outbox import Dispatcher
from core.sealed import Sealer
from edge.config import Home
from tests.broadcast.brokers import free_port, own_broker
from tests.edge.conftest import ROOT, BoxProcess, wait_for
from tests.edge.sounds import locate, opus, speechlike
from tests.schedule import town as towns
from tests.schedule.town import TOWNSHIP, VILLAGES, Town
from web.deps import Services
from web.serve import serve
from web.tls import ensure

pytestmark = pytest.mark.slow
VILLAGE = VILLAGES[0]
POLL_S = 60  # so that nothing but the wake-up can be quick
SOURCE_S = 12


class Office:
    """The server with all that overrides need, and an official at it."""

    def __init__(self, services: Services, url: str, town: Town, official: Actor) -> None:
        self.services, self.url, self.town, self.official = services, url, town, official

    def let_in(self, home: Home) -> None:
        """Enrol a box and approve it."""
        with self.services.database.write() as session:
            code = players.new_code(session, self.town.administrator, VILLAGE).code
        tls = ensure(self.services.settings)
        assert tls is not None
        joined = subprocess.run(
            [
                sys.executable, "-m", "edge", "enrol", code, "--server", self.url,
                "--ca", str(tls.ca), "--home", str(home.folder), "--name", "村部",
            ],
            cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert joined.returncode == 0, joined.stderr
        with self.services.database.write() as session:
            (waiting,) = players.waiting_for_approval(session, self.town.administrator)
            players.approve(session, self.town.administrator, waiting.id)
        home.settings_file.write_text(f'sink = "wav"\npoll_s = {POLL_S}\n')

    def prepare(self, **changes: object) -> int:
        """Write one down and wait for its sound."""
        source = self.services.store.put_bytes(opus(speechlike(SOURCE_S)))
        order: dict[str, object] = {
            "kind": "emergency", "villages": [VILLAGE], "form_token": str(time.monotonic()),
            "source_sha256": source,
        }  # fmt: skip
        with self.services.database.write() as session:
            found = override.create(
                session, self.services.store, self.official,
                Order(**{**order, **changes}),  # type: ignore[arg-type]
            )  # fmt: skip
        wait_for(lambda: self.read(found.id).state == "ready", 90, "the sound")
        return found.id

    def start(self, override_id: int) -> OverridePlay:
        """The second step; returns the first round."""
        with self.services.database.write() as session:
            version = session.get_one(override.Override, override_id).version
            override.confirm(session, self.official, override_id, version, "1")
        return self.round(override_id)

    def stop(self, override_id: int) -> None:
        with self.services.database.write() as session:
            assert override.cancel(session, self.official, override_id)

    def read(self, override_id: int) -> override.Override:
        with self.services.database.read() as session:
            return session.get_one(override.Override, override_id)

    def round(self, override_id: int) -> OverridePlay:
        with self.services.database.read() as session:
            query = sa.select(OverridePlay).where(OverridePlay.override_id == override_id)
            return session.scalars(query.order_by(OverridePlay.round_no)).all()[0]

    def clip(self, override_id: int) -> bytes:
        sha256 = self.read(override_id).clip_sha256
        assert sha256 is not None
        return self.services.store.existing_path(sha256).read_bytes()


@contextmanager
def running(*duties: object) -> Iterator[None]:
    threads = [threading.Thread(target=duty.run_forever) for duty in duties]  # type: ignore[attr-defined]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for duty in duties:
            duty.stop()  # type: ignore[attr-defined]
        for thread in threads:
            thread.join(10)


@pytest.fixture
def office(
    database: Database, store: BlobStore, sealer: Sealer, data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office]:  # fmt: skip
    port = free_port()
    for name, value in (("WEB_PORT", "0"), ("GUIDE_PORT", "0"), ("MQTT_PORT", str(port))):
        monkeypatch.setenv(f"XIANGYIN_{name}", value)
    monkeypatch.setenv("XIANGYIN_WEB_HOST", "127.0.0.1")
    monkeypatch.setenv("XIANGYIN_MQTT_HOST", "127.0.0.1")
    core_settings.load.cache_clear()
    config = core_settings.load()
    services = Services(config, database, store, sealer, ServerKey.from_settings(config))
    town = towns.build(database)
    with database.write() as session:
        official = towns._person(session, "official", ["township"], TOWNSHIP)
    dispatcher = Dispatcher(database)
    for kind, handler in wiring.handlers():
        dispatcher.on(kind, handler)
    ensure(config)
    stop, where, started = threading.Event(), [0], threading.Event()

    def ready(web_port: int, _guide_port: int | None) -> None:
        where[0] = web_port
        started.set()

    pages = threading.Thread(target=serve, args=(services, stop), kwargs={"ready": ready})
    pages.start()
    assert started.wait(60)
    with (
        own_broker(data_dir, port),
        running(dispatcher, OverrideKeeper(database, store), Waker(database, config)),
    ):
        yield Office(services, f"https://127.0.0.1:{where[0]}", town, official)
    stop.set()
    pages.join(10)


@pytest.fixture
def home(office: Office, tmp_path: Path) -> Home:
    """A box that was let in and never ran."""
    found = Home(tmp_path / "box")
    office.let_in(found)
    return found


def is_awake(box: BoxProcess) -> bool:
    """Whether the box listens to the broker."""
    return any("broker" in line for line in list(box.log))


def test_a_click_is_heard_within_seconds_and_stop_is_silence(
    office: Office, home: Home, start_box: Callable[..., BoxProcess]
) -> None:
    start_box(home).ready()
    time.sleep(3)  # it meets the broker
    whole = office.prepare()
    first = office.start(whole)
    wait_for(lambda: office.round(whole).state == "sounding", POLL_S / 2, "the first sound")
    wait_for(lambda: office.round(whole).state == "played", 90, "the receipt")
    heard = locate(home.sounded, first.id, office.clip(whole))
    assert heard.likeness > 0.9
    done = office.round(whole)
    assert done.started_at is not None
    assert abs(heard.at - done.started_at) < timedelta(milliseconds=5)
    begun_after = heard.at - office.read(whole).confirmed_at
    assert begun_after > override_plays.FIRST_ROUND_IN - timedelta(milliseconds=50)

    cut = office.prepare()
    second = office.start(cut)
    wait_for(lambda: office.round(cut).state == "sounding", POLL_S / 2, "the first sound")
    office.stop(cut)
    file = home.sounded / f"play-{second.id}.json"
    wait_for(file.exists, POLL_S / 2, "the silence")
    length_ms = office.read(cut).duration_ms
    assert length_ms is not None
    assert sf.info(file.with_suffix(".wav")).duration < length_ms / 1000
    assert office.round(cut).state == "cancelled"


def test_a_box_that_was_away_hears_it_when_it_comes_back(
    office: Office, home: Home, start_box: Callable[..., BoxProcess]
) -> None:
    begun = office.prepare()
    office.start(begun)
    time.sleep(3)
    start_box(home).ready()
    wait_for(lambda: office.round(begun).state == "sounding", 60, "the first sound")
    assert office.round(begun).started_at > office.read(begun).confirmed_at + timedelta(seconds=3)


def test_a_box_that_comes_back_too_late_is_silent(
    office: Office, home: Home, start_box: Callable[..., BoxProcess]
) -> None:
    begun = office.prepare()
    office.start(begun)
    office.stop(begun)
    start_box(home).ready()
    time.sleep(5)
    assert not list(home.sounded.glob("play-*"))
    assert office.round(begun).state == "cancelled"
