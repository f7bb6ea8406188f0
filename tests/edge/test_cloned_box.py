"""Two real boxes from one copied home folder, and the real server that finds them out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from broadcast import players
from broadcast.models import ForkedReceipt, Player, PlayerEvent, Receipt
from edge.client import Client, identity_from
from edge.config import Home
from edge.manifest import verify
from edge.receipts import Heard, ReceiptBook
from edge.store import Store
from tests.edge.conftest import BoxProcess, wait_for
from tests.edge.test_real_server import plan_play, services, url
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town
from web.deps import Services
from web.tls import ensure

__all__ = ["services", "url"]
pytestmark = pytest.mark.slow
SETTINGS = 'sink = "wav"\npoll_s = 1\nhealth_s = 1\n'


def joined(services: Services, town: Town, url: str, folder: Path) -> Home:
    """A home folder of an approved player."""
    tls = ensure(services.settings)
    assert tls is not None
    home = Home(folder)
    home.make_folders()
    with services.database.write() as session:
        code = players.new_code(session, town.administrator, VILLAGES[0]).code
    client = Client(url, tls.ca)
    answer = client.enrol(code, "村部", home.new_key())
    client.close()
    home.save_enrolment(identity_from(answer, url, own_ca=True, name="村部"), tls.ca.read_bytes())
    home.settings_file.write_text(SETTINGS)
    with services.database.write() as session:
        players.approve(session, town.administrator, answer["player_id"])
    return home


def test_two_boxes_from_one_copied_folder_are_found_by_their_reports_and_their_receipts(
    services: Services, url: str, tmp_path: Path, start_box: Callable[..., BoxProcess]
) -> None:
    town = towns.build(services.database)
    home = joined(services, town, url, tmp_path / "box")
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.folder, copy.folder)

    def seen(kind: str) -> list[str | None]:
        with services.database.read() as session:
            query = sa.select(PlayerEvent.detail).where(PlayerEvent.kind == kind)
            return list(session.scalars(query))

    start_box(home).ready()
    start_box(copy).ready()
    wait_for(lambda: seen("cloned"), 60, "the flag")
    assert seen("cloned") == ["boots"]
    play_id = plan_play(services, town, datetime.now(UTC) + timedelta(seconds=25))

    def receipts() -> int:
        with services.database.read() as session:
            return sum(
                session.scalar(sa.select(sa.func.count(table.id))) or 0
                for table in (Receipt, ForkedReceipt)
            )

    wait_for(lambda: receipts() == 2, 90, "both receipts")
    with services.database.read() as session:
        first = session.scalars(sa.select(Receipt)).one()
        beside = session.scalars(sa.select(ForkedReceipt)).one()
        player = session.scalars(sa.select(Player)).one()
    assert {first.play_id, beside.play_id} == {play_id}
    assert first.hash != beside.hash
    assert player.cloned_at is not None


def test_a_home_folder_put_back_from_an_old_copy_is_found_by_its_receipts(
    services: Services, url: str, tmp_path: Path
) -> None:
    town = towns.build(services.database)
    home = joined(services, town, url, tmp_path / "box")
    play_id = plan_play(services, town, datetime.now(UTC) + timedelta(hours=1))
    identity = home.identity()
    old = tmp_path / "old"
    shutil.copytree(home.folder, old)
    for folder, error_ms in ((home.folder, 0.1), (old, 7.0)):
        client = Client(url, home.ca_file, identity.token)
        store = Store(Home(folder).database_file)
        fetched = client.manifest(None)
        assert fetched is not None
        found = verify(
            fetched.envelope, server_key=identity.server_key_bytes, area_code=identity.area_code
        )
        store.accept(found, fetched.envelope, datetime.now(UTC))
        play = store.play(play_id)
        heard = Heard(play.starts_at, play.starts_at, error_ms, "wav", None, None)
        book = ReceiptBook(store, home.key(), identity.player_id)
        assert book.played(play, heard, play.starts_at)
        assert client.post_receipts(store.receipts()) == 1
        client.close()
        store.close()
    with services.database.read() as session:
        assert session.scalars(sa.select(ForkedReceipt)).one().play_id == play_id
        assert session.scalars(sa.select(Player)).one().cloned_at is not None
