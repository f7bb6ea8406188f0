"""What all tests share: an own data folder, a database, a cast of people, a clock to turn."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from core import clock, migrate, settings
from core.blobs import BlobStore
from core.database import Base, Database
from core.sealed import Sealer
from core.settings import Settings
from tests import counterparts
from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent
CLIPS = Path(os.environ.get("XIANGYIN_TEST_CLIPS", ROOT.parent / "shared" / "clips"))
"""Recordings of people, which are not part of the repository; tests skip without them."""
migrate.import_all_models()
_SWEPT = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the whole run, workers and servers too, one temporary folder to be swept away."""
    if hasattr(config, "workerinput"):
        return  # a worker has the folder from who started it
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # tmp_path is kept
    folder = Path(tempfile.mkdtemp(prefix="xy-"))
    folder.chmod(0o711)  # PostgreSQL runs as a user of its own
    config.stash[_SWEPT] = folder
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Sweep away what servers that were killed have left."""
    if _SWEPT in config.stash:
        shutil.rmtree(config.stash[_SWEPT], ignore_errors=True)


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


@pytest.fixture(autouse=True)
def _real_counterparts(request: pytest.FixtureRequest) -> None:
    """Skip tests whose real counterpart is missing; in CI that is a failure."""
    for mark in request.node.iter_markers("real"):
        for name in mark.args:
            counterparts.require(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for all tests that ask for it."""
    counterparts.require("postgresql")
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def database(config: Settings, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database with all tables: SQLite, or PostgreSQL when a test or the run says so."""
    kind = getattr(request, "param", os.environ.get("TEST_DATABASE", "sqlite"))
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        opened = Database(server.new_database())
        with opened.engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(opened.schema))
    else:
        opened = Database.from_settings(config)
    Base.metadata.create_all(opened.engine)
    yield opened
    opened.close()


on_both_databases = pytest.mark.parametrize(
    "database",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.real("postgresql"))],
    indirect=True,
)


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
