"""What all tests share: an own data folder, a database, a cast of people, a clock to turn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import clock, migrate, settings
from core.blobs import BlobStore
from core.database import Base, Database
from core.sealed import Sealer
from core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
migrate.import_all_models()


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test has its own, short-named data folder (Unix sockets allow 108 characters)."""
    for name in list(os.environ):
        if name.startswith(settings.PREFIX):
            monkeypatch.delenv(name)
    folder = tmp_path / "var"
    monkeypatch.setenv("XIANGYIN_DATA_DIR", str(folder))
    settings.load.cache_clear()
    yield folder
    settings.load.cache_clear()


@pytest.fixture
def config(data_dir: Path) -> Settings:
    """The settings of this test."""
    return settings.load()


@pytest.fixture
def database(config: Settings) -> Iterator[Database]:
    """An empty database with all tables."""
    opened = Database.from_settings(config)
    Base.metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def store(config: Settings) -> BlobStore:
    """An empty sound store."""
    return BlobStore.from_settings(config)


@pytest.fixture
def sealer(config: Settings) -> Sealer:
    """A sealer with this test's own secret."""
    return Sealer.from_settings(config)


@pytest.fixture
def fake_clock() -> Iterator[clock.FakeClock]:
    """Monday, 1 June 2026, 08:00 in the town (00:00 UTC), until the test moves it."""
    turned = clock.FakeClock(datetime(2026, 6, 1, 0, 0, tzinfo=UTC))
    with clock.use(turned):
        yield turned
