"""A new model hears again what an earlier one heard: best first, once, while there is room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases.models import Report
from core.blobs import BlobStore
from core.database import Database
from core.models import OutboxEvent
from core.settings import Settings
from desk import __main__ as command
from desk import rehearing
from desk.rehearer import Rehearer
from tests.cases.conftest import Arrive, Cast, tone
from tests.conftest import on_both_databases
from transcribe import catalogue, claims, jobs, transcripts
from transcribe.catalogue import InstalledModel
from transcribe.models import TranscriptionJob
from transcribe.recogniser import Recognition, Utterance, Word

WAITING = (
    sa.select(sa.func.count())
    .select_from(TranscriptionJob)
    .where(TranscriptionJob.state.in_(("queued", "running")))
)
OLD = replace(catalogue.starter(), name="old", tree_hash="a" * 64, hears_people=True)
NEW = replace(OLD, name="new", tree_hash="b" * 64)


def heard(confidence: float, text: str = "停水") -> Recognition:
    return Recognition((Utterance((Word(text, 0, 600, confidence),)),), 5_000, 8_000)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[InstalledModel], None]:
    """Choose a model for everything."""
    return lambda model: monkeypatch.setattr(catalogue, "choice_for", lambda *_: model)


@pytest.fixture
def spoken(database: Database, arrive: Arrive, cast: Cast, tmp_path: Path) -> Callable[..., int]:
    """A report whose sound the old model has heard; returns its id."""

    def one(confidence: float, state: str = "received") -> int:
        path = tone(tmp_path / "call.wav", duration_s=5)
        report = arrive(audio_path=path, typed_text=None, channel="phone").report
        held = claims.claim(database, "decoder-1")
        assert held is not None
        with database.write() as session:
            jobs.finish(session, held, heard(confidence), OLD, took_ms=100)
            session.get_one(Report, report.id).state = state
        return report.id

    return one


def order(database: Database, config: Settings) -> list[int]:
    with database.read() as session:
        return [one.subject_id for one in rehearing.ranked(session, config)]


def hear_all(database: Database, model: InstalledModel) -> list[int]:
    done = []
    while held := claims.claim(database, "decoder-1"):
        with database.write() as session:
            jobs.finish(session, held, heard(0.9, "停电"), model, took_ms=100)
        done.append(held.subject_id)
    return done


@on_both_databases
def test_the_open_go_first_and_among_them_the_least_certain(
    database: Database,
    config: Settings,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
) -> None:
    use(OLD)
    closed, sure, unsure = spoken(0.1, "rejected"), spoken(0.8), spoken(0.3)
    assert order(database, config) == []
    use(NEW)
    assert order(database, config) == [unsure, sure, closed]


@on_both_databases
def test_a_subject_meets_a_model_once_also_after_a_restart(
    database: Database,
    config: Settings,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
) -> None:
    number = spoken(0.3)
    use(NEW)
    first = Rehearer(database, config)
    assert first.sweep() == 1
    first.give_back()
    with database.read() as session:
        job = jobs.latest(session, "report", number)
        assert job is not None
        assert (job.priority, job.duration_ms) == (rehearing.PRIORITY, 5_000)
    assert order(database, config) == []
    assert hear_all(database, NEW) == [number]
    second = Rehearer(database, config)
    assert second.sweep() == 0
    newer = spoken(0.3)
    assert second.sweep() == 1
    assert hear_all(database, NEW) == [newer]
    with database.read() as session:
        versions = [one.model_hash for one in transcripts.history(session, "report", number)]
    assert versions == [OLD.tree_hash, NEW.tree_hash]


def test_what_the_new_model_failed_at_is_not_asked_of_it_again(
    database: Database,
    config: Settings,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
) -> None:
    spoken(0.3)
    use(NEW)
    assert Rehearer(database, config).sweep() == 1
    held = claims.claim(database, "decoder-1")
    assert held is not None
    with database.write() as session:
        jobs.fail(session, held, "decoder_crashed", "", retriable=False, model_hash=NEW.tree_hash)
    assert order(database, config) == []
    with database.read() as session:
        kinds = session.scalars(sa.select(OutboxEvent.kind)).all()
    assert "transcript.failed" not in kinds


def test_while_the_queue_is_full_nothing_is_asked_for(
    database: Database,
    config: Settings,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
    store: BlobStore,
    arrive: Arrive,
    tmp_path: Path,
) -> None:
    spoken(0.3)
    use(NEW)
    report = arrive(audio_path=tone(tmp_path / "new.wav", duration_s=1), channel="phone").report
    with database.write() as session:
        job = jobs.latest(session, "report", report.id)
        assert job is not None
        job.duration_ms = config.queue_full_min * 60_000
    keeper = Rehearer(database, config)
    assert keeper.sweep() == 0
    with database.write() as session:
        session.get_one(TranscriptionJob, job.id).duration_ms = 1_000
    assert keeper.sweep() == 1


def test_only_a_small_batch_waits_at_a_time(
    database: Database,
    config: Settings,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rehearing, "BATCH", 2)
    for _ in range(3):
        spoken(0.3)
    use(NEW)
    keeper = Rehearer(database, config)
    assert (keeper.sweep(), keeper.sweep()) == (2, 0)
    assert len(hear_all(database, NEW)) == 2
    assert keeper.sweep() == 1


def test_the_starter_does_not_replace_what_a_real_model_heard(
    database: Database,
    config: Settings,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
) -> None:
    spoken(0.3)
    use(catalogue.starter())
    assert order(database, config) == []


def test_what_a_person_wrote_still_counts_after_the_new_model_has_heard(
    database: Database,
    config: Settings,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
    cast: Cast,
) -> None:
    number = spoken(0.0)
    with database.write() as session:
        transcripts.save_edit(session, "report", number, "我家停水", cast.operator.id, 0)
    use(NEW)
    Rehearer(database, config).sweep()
    hear_all(database, NEW)
    with database.read() as session:
        counts = transcripts.latest(session, "report", number)
        newest = transcripts.newest_heard(session, "report", number)
    assert counts is not None
    assert newest is not None
    assert (counts.text, newest.text) == ("我家停水", "停电")


def test_the_command_shows_the_ranked_list_and_asks_for_nothing_when_it_is_dry(
    database: Database,
    spoken: Callable[..., int],
    use: Callable[[InstalledModel], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    sure, unsure = spoken(0.8), spoken(0.3)
    use(NEW)
    assert command.main(["rehear", "--dry-run"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[:2]] == [f"report:{unsure}", f"report:{sure}"]
    assert shown[-1] == "2 would be heard again."
    with database.read() as session:
        assert session.scalar(WAITING) == 0
    assert command.main(["rehear", "--limit", "1"]) == 0
    with database.read() as session:
        assert session.scalar(WAITING) == 1
