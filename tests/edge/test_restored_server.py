"""The server's database comes back from a backup: what is ordered then is heard all the same."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from broadcast import after_restore
from edge.config import Home
from tests.edge.conftest import BoxProcess, wait_for
from tests.edge.sounds import locate
from tests.edge.test_override_end_to_end import Office
from tests.edge.test_override_end_to_end import home as home
from tests.edge.test_override_end_to_end import office as office

pytestmark = pytest.mark.slow
SETTINGS = 'sink = "wav"\npoll_s = 60\nhealth_s = 2\n'


def copy(source: str, target: str) -> None:
    """One SQLite file into another, whoever reads them meanwhile."""
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


def is_noticed(office: Office) -> bool:
    with office.services.database.read() as session:
        return after_restore.noticed_at(session) is not None


def sound_one(office: Office) -> int:
    """Order one, wait until the box has proved it; returns the number of its round."""
    whole = office.prepare()
    office.start(whole)
    wait_for(lambda: office.round(whole).state == "played", 90, "the receipt")
    found = office.round(whole)
    office.stop(whole)
    return found.id


@pytest.mark.parametrize("is_said", [True, False], ids=["restored was said", "it was forgotten"])
def test_a_round_ordered_after_a_restore_is_heard_by_a_box_that_heard_one_before(
    office: Office, home: Home, start_box: Callable[..., BoxProcess], tmp_path: Path, is_said: bool
) -> None:
    database = office.services.database
    live, backup = str(database.url.database), str(tmp_path / "backup.db")
    home.settings_file.write_text(SETTINGS)
    start_box(home).ready()
    time.sleep(3)  # it meets the broker
    copy(live, backup)
    before = sound_one(office)
    time.sleep(3)  # its report of health names the newest list
    copy(backup, live)
    if is_said:
        with database.write() as session:
            after_restore.restored(session)
    else:
        wait_for(lambda: is_noticed(office), 30, "a player's word")
    whole = office.prepare()
    office.start(whole)
    wait_for(lambda: office.round(whole).state == "played", 90, "the second receipt")
    after = office.round(whole)
    assert after.id > before + after_restore.STEP
    assert locate(home.sounded, after.id, office.clip(whole)).likeness > 0.9
