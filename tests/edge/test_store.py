"""The memory keeps its word through kill -9 and damage; receipts form one chain."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.clock import iso
from edge.manifest import Manifest, PlannedPlay
from edge.receipts import Heard, ReceiptBook, check_chain
from edge.store import Store
from tests.counterparts import require
from tests.edge.planning import at, play

KEY = Ed25519PrivateKey.generate()
HEARD = Heard(at(0), at(60), 0.4, "wav", None, None)


def manifest(*plays: PlannedPlay, issued: float = -3600) -> Manifest:
    return Manifest("610111001201", 1, at(issued), at(issued) + timedelta(days=7), plays)


def open_store(folder: Path, *plays: PlannedPlay) -> Store:
    store = Store(folder / "edge.sqlite3")
    if plays:
        store.accept(manifest(*plays), b"{}", at(-3600))
    return store


def waiting(store: Store) -> list[int]:
    return [entry.play.play_id for entry in store.open_entries()]


def test_a_play_begins_once(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1))
    assert store.begin(play(1))
    assert not store.begin(play(1))
    assert waiting(store) == []


def test_a_play_that_was_revised_meanwhile_does_not_begin(tmp_path: Path) -> None:
    store = open_store(tmp_path, replace(play(1), revision=2))
    assert not store.begin(play(1))


def test_an_ended_play_stays_ended_whatever_a_manifest_says(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1))
    book = ReceiptBook(store, KEY, "p-1")
    assert book.played(play(1), HEARD, at(60))
    store.accept(manifest(replace(play(1, starts=500), revision=2)), b"{}", at(100))
    assert waiting(store) == []
    assert store.play(1) == play(1)
    assert not book.missed(play(1), "late", at(99), sink="wav")
    assert len(store.receipts()) == 1


def test_a_play_withdrawn_before_its_time_goes_silently(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1, starts=500), play(2, starts=600))
    assert store.accept(manifest(play(2, starts=600), issued=0), b"{}", at(0)) == []
    assert waiting(store) == [2]


def test_a_play_withdrawn_while_due_is_named_for_an_explanation(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1))
    assert store.accept(manifest(issued=10), b"{}", at(10)) == [1]


def test_a_play_that_ran_out_before_the_issue_is_left_to_the_player_to_explain(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path, play(1, make_up=60))
    assert store.accept(manifest(issued=100), b"{}", at(100)) == []
    assert waiting(store) == [1]


def test_a_cut_play_waits_again_and_counts_only_if_the_box_was_at_fault(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1))
    store.begin(play(1))
    store.give_back(play(1), "preempted", counts=False)
    assert [(entry.attempts, entry.blocked) for entry in store.open_entries()] == [(0, "preempted")]
    store.begin(play(1))
    store.give_back(play(1), "interrupted", counts=True)
    assert [entry.attempts for entry in store.open_entries()] == [1]


def test_receipts_are_numbered_chained_and_signed(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1), play(2, starts=100))
    book = ReceiptBook(store, KEY, "p-1")
    book.played(play(1), HEARD, at(60))
    book.missed(play(2, starts=100), "clip_missing", at(9000), sink="wav")
    first, second = store.receipts()
    assert (first.seq, second.seq, first.previous_hash) == (1, 2, "")
    assert second.previous_hash == first.hash
    assert check_chain([first, second], KEY.public_key()) is None
    said = json.loads(second.body)
    assert (said["outcome"], said["reason"], said["started_at"]) == ("missed", "clip_missing", None)


@pytest.mark.parametrize("change", ["body", "hash", "previous_hash", "signature"])
def test_a_changed_receipt_is_named(tmp_path: Path, change: str) -> None:
    store = open_store(tmp_path, play(1), play(2, starts=100))
    book = ReceiptBook(store, KEY, "p-1")
    book.played(play(1), HEARD, at(60))
    book.played(play(2, starts=100), HEARD, at(160))
    first, second = store.receipts()
    forged = replace(second, **{change: getattr(first, change)})
    assert check_chain([first, forged], KEY.public_key()) == 2


def test_acknowledged_receipts_are_not_sent_again(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1), play(2, starts=100))
    book = ReceiptBook(store, KEY, "p-1")
    book.played(play(1), HEARD, at(60))
    book.played(play(2, starts=100), HEARD, at(160))
    assert store.acknowledge(1, at(200)) == 1
    assert [receipt.seq for receipt in store.receipts(unsent_only=True)] == [2]


def spoil(file: Path) -> None:
    file.write_bytes(b"\x00 not a database \xff" * 400)


def test_a_damaged_memory_is_set_aside_and_its_copy_takes_over(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1), play(2, starts=100))
    ReceiptBook(store, KEY, "p-1").played(play(1), HEARD, at(60))
    store.close()
    spoil(tmp_path / "edge.sqlite3")
    store = open_store(tmp_path)
    assert not store.started_anew
    assert (tmp_path / "edge.sqlite3.damaged-1").exists()
    assert waiting(store) == [2], "what had sounded is still known"
    assert [receipt.seq for receipt in store.receipts()] == [1]


def test_damage_deep_inside_is_found_at_the_start(tmp_path: Path) -> None:
    store = open_store(tmp_path, *(play(number, starts=number) for number in range(1, 200)))
    store.close()
    file = tmp_path / "edge.sqlite3"
    content = bytearray(file.read_bytes())
    for place in range(8192, len(content), 4096):
        content[place : place + 512] = b"\xff" * 512
    file.write_bytes(content)
    assert len(waiting(open_store(tmp_path))) == 199
    assert (tmp_path / "edge.sqlite3.damaged-1").exists()


def test_with_the_copy_lost_too_a_new_chain_begins_above_all_old_numbers(tmp_path: Path) -> None:
    open_store(tmp_path, play(1)).close()
    spoil(tmp_path / "edge.sqlite3")
    spoil(tmp_path / "edge.sqlite3.copy")
    store = open_store(tmp_path)
    assert store.started_anew
    store.remember("memory_lost_at", "2026-06-01T00:00:00.000000Z")
    store.accept(manifest(play(1)), b"{}", at(0))
    ReceiptBook(store, KEY, "p-1").played(play(1), HEARD, at(60))
    (receipt,) = store.receipts()
    assert receipt.seq == int(at(60).timestamp())
    assert receipt.previous_hash == ""


@pytest.mark.real("netns")
def test_on_a_full_disk_receipts_are_still_written(tmp_path: Path) -> None:
    require("netns")  # root, to mount a small disk
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)], check=True)
    try:
        plays = [play(number, starts=number * 100) for number in range(1, 60)]
        store = open_store(disk, *plays)
        book = ReceiptBook(store, KEY, "p-1")
        with (disk / "somebody-elses").open("wb") as hog, pytest.raises(OSError, match="No space"):
            while True:
                hog.write(bytes(1 << 16))
                hog.flush()
        for each in plays:
            assert book.played(each, HEARD, at(each.play_id * 100 + 60))
        assert len(store.receipts()) == len(plays)
        assert not (disk / "reserve").exists()
        (disk / "somebody-elses").unlink()
        store.database.keep_reserve()
        assert (disk / "reserve").stat().st_blocks > 0
        store.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_old_things_are_forgotten_but_the_end_of_the_chain_is_not(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1), play(2, starts=100))
    book = ReceiptBook(store, KEY, "p-1")
    book.played(play(1), HEARD, at(60))
    book.played(play(2, starts=100), HEARD, at(160))
    store.acknowledge(2, at(200))
    store.prune(at(90 * 86400))
    assert [receipt.seq for receipt in store.receipts()] == [2]
    assert store.chain_end() is not None


def test_what_stays_of_the_chain_has_no_gap(tmp_path: Path) -> None:
    plays = [play(n, starts=n, make_up=200 * 86400 if n == 2 else 3600) for n in range(1, 6)]
    store = open_store(tmp_path, *plays)
    book = ReceiptBook(store, KEY, "p-1")
    for each in plays:
        book.played(each, HEARD, at(60))
    store.acknowledge(5, at(200))
    store.prune(at(90 * 86400))
    assert [receipt.seq for receipt in store.receipts()] == [2, 3, 4, 5]
    assert check_chain(store.receipts(), KEY.public_key()) is None
    store.prune(at(300 * 86400))
    assert [receipt.seq for receipt in store.receipts()] == [5]


def test_what_nobody_acknowledged_keeps_all_that_follows_it(tmp_path: Path) -> None:
    plays = [play(n, starts=n) for n in range(1, 5)]
    store = open_store(tmp_path, *plays)
    book = ReceiptBook(store, KEY, "p-1")
    for each in plays:
        book.played(each, HEARD, at(60))
    store.acknowledge(4, at(200))
    store.send_again(1)
    store.prune(at(90 * 86400))
    assert [receipt.seq for receipt in store.receipts()] == [2, 3, 4]


def test_a_play_keeps_how_urgent_and_how_loud_it_is(tmp_path: Path) -> None:
    urgent = replace(play(1), kind="emergency", volume_percent=70, on_interrupt="resume")
    assert open_store(tmp_path, urgent).play(1) == urgent


def test_the_memory_of_an_older_program_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "edge.sqlite3"
    with closing(sqlite3.connect(file)) as older:
        older.execute(
            "CREATE TABLE play (play_id INTEGER PRIMARY KEY, revision INTEGER NOT NULL,"
            " starts_at TEXT NOT NULL, make_up_until TEXT NOT NULL, priority INTEGER NOT NULL,"
            " programme TEXT NOT NULL, title TEXT NOT NULL, clip_sha256 TEXT NOT NULL,"
            " size_bytes INTEGER NOT NULL, duration_ms INTEGER NOT NULL,"
            " media_type TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting',"
            " attempts INTEGER NOT NULL DEFAULT 0, blocked TEXT)"
        )
        older.execute(
            "INSERT INTO play VALUES (1, 1, ?, ?, 50, '所长说法', '第1期', ?, 1000, 60000,"
            " 'audio/ogg', 'waiting', 2, 'overlap')",
            (iso(at(0)), iso(at(3600)), "a" * 64),
        )
        older.commit()
    for _ in range(2):  # the second opening finds nothing to add
        store = Store(file)
        (entry,) = store.open_entries()
        assert (entry.play, entry.attempts, entry.blocked) == (play(1), 2, "overlap")
        store.close()


def test_two_threads_keep_one_whole_copy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(tmp_path, *(play(number, starts=number) for number in range(1, 50)))
    threads = [
        threading.Thread(target=lambda: [store.database.save_copy() for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.message for each in caplog.records if "copy" in each.message] == []
    with closing(sqlite3.connect(tmp_path / "edge.sqlite3.copy")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT COUNT(*) FROM play").fetchone() == (49,)
    store.close()
