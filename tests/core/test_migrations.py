"""Migrations make exactly the tables of the models, beside other programs' tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from core import migrate
from core.database import Base, Database
from core.models import OutboxEvent
from core.settings import Settings
from tests.postgres import Postgres

VIEWS = ("v_report", "v_case", "v_play")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real("postgresql"))])
def empty(request: pytest.FixtureRequest, config: Settings) -> Iterator[Database]:
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        opened = Database(server.new_database())
    else:
        opened = Database.from_settings(config)
    yield opened
    opened.close()


def test_migrations_make_what_the_models_say(empty: Database) -> None:
    migrate.upgrade(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "xiangyin_version", "compare_type": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_upgrading_twice_changes_nothing(empty: Database) -> None:
    migrate.upgrade(empty)
    migrate.upgrade(empty)


@pytest.mark.parametrize("view", VIEWS)
def test_other_systems_read_our_views(empty: Database, view: str) -> None:
    migrate.upgrade(empty)
    with empty.engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT * FROM {view}")).all() == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_shows_words_sound_or_numbers(empty: Database, view: str) -> None:
    migrate.upgrade(empty)
    with empty.engine.connect() as connection:
        columns = set(connection.execute(sa.text(f"SELECT * FROM {view}")).keys())
    secret = {"caller_sealed", "caller_hash", "audio_sha256", "typed_text", "pin_hash", "summary"}
    assert not columns & secret


@pytest.mark.real("postgresql")
def test_another_programs_tables_live_beside_ours(postgres: Postgres) -> None:
    url = postgres.new_database()
    other = sa.create_engine(url)
    with other.begin() as connection:
        connection.execute(sa.text("CREATE TABLE cases (theirs int)"))
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('theirs')"))
    ours = Database(url)
    migrate.upgrade(ours)
    with other.connect() as connection:
        version = connection.execute(sa.text("SELECT version_num FROM alembic_version"))
        assert version.scalars().all() == ["theirs"]
        public = sa.inspect(connection).get_table_names(schema="public")
    assert sorted(public) == ["alembic_version", "cases"]
    ours.close()
    other.dispose()


def test_an_upgrade_orders_the_index_of_the_reports_there_are(empty: Database) -> None:
    migrate.upgrade(empty, "0002")
    with empty.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO report (reference_no, source_key, channel, state, received_at,"
                " confidential, urgent, cut_off, proposed_urgent, version) VALUES"
                " ('1', '1', 'typed', 'received', '2026-06-01 00:00:00', false, false, false,"
                " false, 1)"
            )
        )
    migrate.upgrade(empty)
    with empty.read() as session:
        event = session.scalars(sa.select(OutboxEvent)).one()
    assert (event.kind, event.payload, event.state) == ("search.reindex", {"after": 0}, "new")
