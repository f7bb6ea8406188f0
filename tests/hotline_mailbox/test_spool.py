"""A watched voicemail folder: every message once, whatever the other system does to its files."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from core import areas
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.mailbox import condition
from hotline.mailbox import spool as spool_module
from hotline.mailbox.duty import duties
from hotline.mailbox.entering import SAME_SOUND
from hotline.mailbox.spool import Mark, Pair, SpoolWatcher
from hotline.models import HotlineLine
from tests.conftest import on_both_databases
from tests.hotline_mailbox.voicemails import (
    CALLED_AT,
    NUMBER,
    leave,
    messages,
    reports,
    sound,
    text,
)
from tests.hotline_mailbox.voicemails import settle as let_settle


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "voicemail"
    made.mkdir()
    return made


@pytest.fixture
def box(folder: Path) -> Path:
    return folder / "default" / "1001" / "INBOX"


@pytest.fixture
def settings(config: Settings, folder: Path) -> Settings:
    return config.model_copy(update={"voicemail_folder": folder})


def watcher(
    database: Database, store: BlobStore, sealer: Sealer, settings: Settings
) -> SpoolWatcher:
    """A fresh one, as after a restart."""
    (made,) = duties(database, store, sealer, settings)
    assert isinstance(made, SpoolWatcher)
    return made


@pytest.fixture
def spool(database: Database, store: BlobStore, sealer: Sealer, settings: Settings) -> SpoolWatcher:
    return watcher(database, store, sealer, settings)


@on_both_databases
def test_a_message_becomes_a_report_with_caller_time_and_consent(
    spool: SpoolWatcher, box: Path, database: Database, sealer: Sealer
) -> None:
    leave(box, 0, sound(1), text())
    assert spool.run_once() == 1
    (report,) = reports(database)
    assert report.channel == "mailbox"
    assert report.received_at == datetime.fromtimestamp(CALLED_AT, UTC)
    assert sealer.unseal(report.caller_sealed or "") == NUMBER
    assert (report.consent_channel, report.consent_version) == ("mailbox", "mailbox-1")
    assert report.duration_ms == 1000
    assert not report.cut_off
    assert not report.confidential


def test_the_box_that_is_a_village_line_tells_the_village(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    with database.write() as session:
        areas.add(session, "513221100201", "桃坪村", "village")
        session.add(HotlineLine(called="1001", village_code="513221100201", created_at=utc_now()))
    leave(box, 0, sound(1), text())
    spool.run_once()
    assert reports(database)[0].village_code == "513221100201"


def test_the_folder_is_only_read(spool: SpoolWatcher, box: Path, folder: Path) -> None:
    leave(box, 0, sound(1), text())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    spool.run_once()
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@on_both_databases
def test_renumbered_copied_and_moved_messages_come_in_once(
    spool: SpoolWatcher,
    box: Path,
    folder: Path,
    database: Database,
    store: BlobStore,
    sealer: Sealer,
    settings: Settings,
) -> None:
    for number in range(3):
        leave(box, number, sound(number), text(f"id-{number}"))
    spool.run_once()
    for ending in ("wav", "txt"):
        (box / f"msg0000.{ending}").unlink()
        (box / f"msg0001.{ending}").rename(box / f"msg0000.{ending}")
        (box / f"msg0002.{ending}").rename(box / f"msg0001.{ending}")
    shutil.copytree(box, folder / "default" / "1002" / "INBOX")
    (box.parent / "Old").mkdir()
    (box / "msg0001.wav").rename(box.parent / "Old" / "msg0000.wav")
    (box / "msg0001.txt").rename(box.parent / "Old" / "msg0000.txt")
    for _ in range(2):
        spool.run_once()
    watcher(database, store, sealer, settings).run_once()
    assert len(reports(database)) == 3


@on_both_databases
def test_without_a_message_id_the_sound_is_the_identity(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    leave(box, 0, sound(1), text(None))
    leave(box, 1, sound(2), text(None))
    leave(box.parent / "Old", 7, sound(1), text(None))
    spool.run_once()
    assert len(reports(database)) == 2


def test_a_forwarded_message_points_to_the_report_of_its_sound(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    leave(box, 0, sound(1), text("id-1"))
    leave(box.parent.parent / "1002" / "INBOX", 0, sound(1), text("id-2"))
    spool.run_once()
    (report,) = reports(database)
    assert [(row.report_id, row.note) for row in messages(database)] == [
        (report.id, None),
        (report.id, SAME_SOUND),
    ]


def test_one_message_in_two_formats_is_one_report(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    path = leave(box, 0, sound(1), text())
    path.with_suffix(".gsm").write_bytes(b"another form of the same")
    let_settle(path.with_suffix(".gsm"))
    spool.run_once()
    path.unlink()  # somebody tidies up; the other format is left
    spool.run_once()
    assert len(reports(database)) == 1


def test_a_message_id_used_twice_does_not_cost_the_second_voice(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    leave(box, 0, sound(1), text("same"))
    later = text("same").replace(str(CALLED_AT), str(CALLED_AT + 60))
    leave(box, 1, sound(2), later)
    spool.run_once()
    assert len(reports(database)) == 2


def test_a_fresh_message_has_to_look_the_same_twice(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    path = leave(box, 0, sound(1), text(), age_s=0)
    assert spool.run_once() == 0
    path.write_bytes(sound(1, 2.0))
    assert spool.run_once() == 0
    assert spool.run_once() == 1
    assert reports(database)[0].duration_ms == 2000


def test_sound_whose_text_is_not_there_yet_waits(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    path = leave(box, 0, sound(1), None, age_s=30)
    assert spool.run_once() == 0
    path.with_suffix(".txt").write_text(text())
    let_settle(path.with_suffix(".txt"))
    assert spool.run_once() == 1
    assert reports(database)[0].caller_hash is not None


def test_sound_whose_text_never_comes_is_taken_without_it(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    path = leave(box, 0, sound(1), None, age_s=300)
    spool.run_once()
    (report,) = reports(database)
    assert report.received_at == datetime.fromtimestamp(path.stat().st_mtime, UTC)
    assert report.caller_sealed is None


def test_a_wav_that_is_still_being_copied_waits_and_is_cut_off_in_the_end(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    path = leave(box, 0, sound(1, 10.0)[:60_000], text(duration_s=10), age_s=60)
    assert spool.run_once() == 0
    let_settle(path, 700)
    let_settle(path.with_suffix(".txt"), 700)
    assert spool.run_once() == 1
    assert reports(database)[0].cut_off


def test_a_message_that_gets_another_number_while_we_read_is_read_again(
    spool: SpoolWatcher,
    box: Path,
    database: Database,
    sealer: Sealer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave(box, 0, sound(0), text("id-0").replace(NUMBER, "13900000000"))
    leave(box, 1, sound(1), text("id-1"))
    copy = spool_module._copy

    def deletes_the_first_meanwhile(source: Path, target: Path) -> str:
        said = copy(source, target)
        if (box / "msg0001.wav").exists():
            for ending in ("wav", "txt"):
                (box / f"msg0001.{ending}").rename(box / f"msg0000.{ending}")
        return said

    monkeypatch.setattr(spool_module, "_copy", deletes_the_first_meanwhile)
    for _ in range(3):
        spool.run_once()
    (report,) = reports(database)
    assert sealer.unseal(report.caller_sealed or "") == NUMBER
    assert report.audio_sha256 == sha256(sound(1)).hexdigest()


def test_what_is_no_message_is_left_alone(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    leave(box.parent / "tmp", 0, sound(1), text())
    for name in ("unavail.wav", "greet.wav"):
        (box.parent / name).write_bytes(sound(2))
        let_settle(box.parent / name, 300)
    assert spool.run_once() == 0
    assert reports(database) == []


def test_sound_nobody_can_decode_still_reaches_the_operator(
    spool: SpoolWatcher, box: Path, database: Database
) -> None:
    path = leave(box, 0, b"", text())
    path.rename(path.with_suffix(".gsm"))
    path.with_suffix(".gsm").write_bytes(b"no sound at all" * 50)
    let_settle(path.with_suffix(".gsm"))
    spool.run_once()
    assert reports(database)[0].sound_failure is not None


def test_a_missing_folder_is_a_problem_until_it_is_there(
    spool: SpoolWatcher, folder: Path, settings: Settings
) -> None:
    assert condition.look(settings) == {"spool": "starting"}
    folder.rmdir()
    spool.run_once()
    assert condition.look(settings) == {"spool": "folder"}
    folder.mkdir()
    spool.run_once()
    assert condition.look(settings) == {"spool": "ok"}


def test_an_unreadable_message_is_a_problem_and_the_others_come_in(
    spool: SpoolWatcher, box: Path, database: Database, settings: Settings
) -> None:
    (box / "msg0000.wav").mkdir(parents=True)  # cannot be read, not even by root
    let_settle(box / "msg0000.wav", 300)
    leave(box, 1, sound(2), text("b"))
    spool.run_once()
    assert len(reports(database)) == 1
    assert condition.look(settings) == {"spool": "unreadable"}


def test_a_box_that_cannot_be_read_is_a_problem_and_the_others_come_in(
    spool: SpoolWatcher,
    box: Path,
    folder: Path,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = folder / "default" / "1000"
    leave(closed / "INBOX", 0, sound(1), text("a"))
    leave(box, 0, sound(2), text("b"))
    scandir = os.scandir

    def guarded(path: Path) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    spool.run_once()
    assert len(reports(database)) == 1
    assert condition.look(settings) == {"spool": "unreadable"}
    monkeypatch.undo()
    spool.run_once()
    assert len(reports(database)) == 2
    assert condition.look(settings) == {"spool": "ok"}


def test_a_message_that_breaks_us_does_not_hold_up_the_others(
    spool: SpoolWatcher, box: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(box, 0, sound(1), text("a"))
    leave(box, 1, sound(2), text("b"))
    take = SpoolWatcher._take

    def breaks_at_the_first(self: SpoolWatcher, pair: Pair, mark: Mark) -> bool:
        if pair.sound.stem == "msg0000":
            raise KeyError("a bug of ours")
        return take(self, pair, mark)

    monkeypatch.setattr(SpoolWatcher, "_take", breaks_at_the_first)
    assert spool.run_once() == 1
    assert len(reports(database)) == 1


def test_nothing_configured_needs_no_duty(
    database: Database, store: BlobStore, sealer: Sealer, config: Settings
) -> None:
    assert duties(database, store, sealer, config) == []
