"""The server dies while it takes in a full voicemail box; afterwards each message is there once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases.models import Report
from core.database import Database
from tests.conftest import ROOT, on_both_databases
from tests.hotline_mailbox.voicemails import leave, messages, reports, sound, text

MESSAGES = int(os.environ.get("MAILBOX_MESSAGES", "40"))
"""500 for the figure in the documentation."""
TRUST_S = 170 if MESSAGES <= 40 else 3600


def start(database: Database, folder: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "XIANGYIN_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "XIANGYIN_VOICEMAIL_FOLDER": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.hotline_mailbox.spool_process"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def stored(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Report)) or 0


def wait_for(database: Database, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TRUST_S
    while stored(database) < count:
        assert process.poll() is None, "the watcher ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(2 * TRUST_S)
@on_both_databases
def test_killed_twice_each_message_is_taken_in_once(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "voicemail"
    sounds = [sound(seed, 0.3) for seed in range(MESSAGES)]
    for number, content in enumerate(sounds):
        box = folder / "default" / f"{1000 + number % 5}" / ("Old" if number % 2 else "INBOX")
        leave(box, number, content, text(f"id-{number}" if number % 3 else None))
    for share in (0.25, 0.6):
        process = start(database, folder)
        wait_for(database, int(MESSAGES * share), process)
        process.kill()
        process.wait()
    process = start(database, folder)
    wait_for(database, MESSAGES, process)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "0":  # a whole look that found nothing new
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    wanted = {sha256(content).hexdigest() for content in sounds}
    found = Counter(report.audio_sha256 for report in reports(database))
    assert set(found) == wanted
    assert set(found.values()) == {1}
    assert len(messages(database)) == MESSAGES
