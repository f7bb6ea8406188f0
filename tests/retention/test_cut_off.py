"""Killed anywhere, run twice, in two processes, with a report that fails: the end is the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
import sqlalchemy as sa

from cases import retention_hold, retention_sound
from cases.retention_job import GIVE_UP_AFTER, Run
from core import blobs, leaving
from core.clock import utc_now
from core.models import Blob, LeavingBlob
from tests.conftest import on_both_databases
from tests.retention.conftest import ROAD, Town


class Killed(BaseException):
    """As a SIGKILL: nobody handles it."""


def due(town: Town, count: int = 1) -> list[int]:
    """Reports whose sound is due."""
    found = [town.spoken() for _ in range(count)]
    for report_id in found:
        town.rejected(report_id)
    town.days_pass(180)
    return found


def killed_at(monkeypatch: pytest.MonkeyPatch, town: Town, place: str, after: int = 0) -> None:
    """Run until ``place`` (module.function) is called for the time after ``after`` others."""
    calls = iter(range(after + 1))

    def killed(*given: object, **named: object) -> object:
        if next(calls) == after:
            raise Killed
        return real(*given, **named)

    with monkeypatch.context() as deadly:
        module, name = place.rsplit(".", 1)
        target = __import__(module, fromlist=[name]) if "BlobStore" not in module else None
        owner = target or blobs.BlobStore
        real = getattr(owner, name)
        deadly.setattr(owner, name, killed)
        with pytest.raises(Killed):
            town.run()


@on_both_databases
def test_killed_between_commit_and_files_the_next_run_removes_them(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    (report_id,) = due(town)
    killed_at(monkeypatch, town, "core.blobs.BlobStore.remove")
    assert town.report(report_id).sound_gone_at is not None
    assert len(town.files()) == 3
    done = town.run()
    assert (done.sounds, done.files) == (0, 3)
    assert town.files() == set()
    assert len(town.trail("retention.audio")) == 1


@on_both_databases
def test_killed_between_two_files_the_next_run_removes_the_others(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(town)
    killed_at(monkeypatch, town, "core.blobs.BlobStore.remove", after=1)
    assert len(town.files()) == 2
    town.run()
    assert town.files() == set()
    with town.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LeavingBlob)) == 0


@on_both_databases
def test_killed_before_the_commit_nothing_has_happened(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    (report_id,) = due(town)
    killed_at(monkeypatch, town, "core.audit.record")
    assert town.is_whole(report_id)
    assert town.run().sounds == 1
    assert town.files() == set()


@on_both_databases
def test_running_twice_changes_nothing(town: Town) -> None:
    due(town, 2)
    first, second = town.run(), town.run()
    assert (first.sounds, first.files) == (2, 6)
    assert second == Run()


@on_both_databases
def test_two_at_once_do_no_harm(town: Town) -> None:
    reports = due(town, 4)
    other = town.spoken()
    town.age_files()
    keepers = [town.keeper() for _ in range(2)]
    for keeper in keepers:  # as if the lease had failed: both work
        keeper._may_go_on = lambda: True  # type: ignore[method-assign]
    now, done = utc_now(), list[Run]()
    threads = [threading.Thread(target=lambda k=one: done.append(k.run(now))) for one in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    town.run()
    assert sum(one.sounds for one in done) + sum(one.failed for one in done) >= 4
    assert all(town.report(one).audio_sha256 is None for one in reports)
    assert len(town.trail("retention.audio")) == 4
    assert town.is_whole(other)
    assert len(town.files()) == 3


@on_both_databases
def test_who_has_not_the_duty_deletes_nothing(town: Town) -> None:
    (report_id,) = due(town)
    holder = town.keeper()
    assert holder._duty.is_ours()
    town.age_files()
    assert town.keeper().run(utc_now()).sounds == 0
    assert town.is_whole(report_id)


@on_both_databases
def test_one_report_that_fails_does_not_stop_the_others(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = due(town, 2)
    real = retention_sound._let_go

    def fails(session: object, report: object) -> None:
        if report.id == bad:  # type: ignore[attr-defined]
            raise ValueError("something nobody foresaw")
        real(session, report)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(retention_sound, "_let_go", fails)
        done = town.run()
    assert (done.sounds, done.failed, done.cut_off) == (1, 1, False)
    assert town.is_whole(bad)
    assert town.report(good).audio_sha256 is None
    assert town.run().sounds == 1


def test_when_everything_fails_it_stops_and_tries_again_later(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = town.keeper()
    with suppress(AttributeError):
        monkeypatch.setattr(keeper, "_may_go_on", lambda: True)

    def fails(_one: int) -> None:
        raise ValueError("no database")

    count = keeper._all_of(range(100), fails)
    assert (count.failed, keeper._is_cut_off()) == (GIVE_UP_AFTER, True)


@on_both_databases
def test_the_same_sound_that_comes_in_again_keeps_its_file(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = town.sound()
    report_id = town.spoken(path)
    town.rejected(report_id)
    town.days_pass(180)
    killed_at(monkeypatch, town, "core.blobs.BlobStore.remove")
    again = town.spoken(path)
    town.run()
    assert town.is_whole(again)
    assert len(town.files()) == 3


@on_both_databases
def test_a_file_put_in_a_moment_ago_is_left_alone(town: Town) -> None:
    """Whoever has stored the same bytes has perhaps no row yet."""
    (report_id,) = due(town)
    files = [town.store.path(one) for one in town.sounds(report_id)]
    town.age_files()
    os.utime(files[0])
    keeper = town.keeper()
    keeper.run(utc_now())
    assert town.files() == {files[0]}
    keeper._duty.give_back()
    town.run()
    assert town.files() == set()


@on_both_databases
def test_a_file_that_is_gone_already_is_no_failure(town: Town) -> None:
    (report_id,) = due(town)
    for one in town.sounds(report_id):
        town.store.path(one).unlink()
    done = town.run()
    assert (done.sounds, done.failed) == (1, 0)
    with town.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LeavingBlob)) == 0


@on_both_databases
def test_a_disk_that_refuses_is_asked_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    due(town)

    def refuses(*_given: object) -> bool:
        raise PermissionError("read-only")

    with monkeypatch.context() as broken:
        broken.setattr(blobs.BlobStore, "remove", refuses)
        assert town.run().files == 0
    assert town.run().files == 3


@on_both_databases
def test_a_row_that_nobody_saw_keeps_the_file(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the look for other uses saw nothing: the foreign key refuses."""
    path = town.sound()
    old, fresh = town.spoken(path), town.spoken(path)
    town.rejected(old)
    town.days_pass(180)
    with monkeypatch.context() as blind:
        blind.setattr(leaving, "still_named", lambda *_given: set())
        done = town.run()
    assert (done.sounds, done.failed) == (0, 1)
    assert town.is_whole(old)
    assert town.is_whole(fresh)


@on_both_databases
def test_a_hold_between_two_looks_counts(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    report_id = town.spoken()
    case_id = town.accepted(report_id)
    town.step(case_id, *ROAD)
    town.days_pass(180)
    looked: Callable[..., object] = retention_sound.files_of

    def held_meanwhile(*given: object) -> object:
        monkeypatch.setattr(retention_sound, "files_of", looked)
        with town.database.write() as session:
            retention_hold.hold(session, town.cast.county, case_id, "法院调取")
        return looked(*given)

    monkeypatch.setattr(retention_sound, "files_of", held_meanwhile)
    assert town.run().sounds == 0
    assert town.is_whole(report_id)


@on_both_databases
def test_a_restored_database_lets_it_go_again(town: Town) -> None:
    """The backup still names a sound whose file went since."""
    (report_id,) = due(town)
    for path in town.files():
        path.unlink()
    assert town.run().sounds == 1
    assert town.report(report_id).audio_sha256 is None
    with town.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Blob)) == 0
