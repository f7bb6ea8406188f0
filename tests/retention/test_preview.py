"""``python -m cases retention --dry-run`` tells what would go, and deletes nothing."""

from __future__ import annotations

import pytest

from cases.__main__ import main
from cases.models import RetentionWatch
from cases.retention_job import THE_ROW
from core import migrate, settings
from core.clock import utc_now
from core.settings import Settings
from tests.retention.conftest import Town


def test_it_names_the_reports_and_deletes_nothing(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    old, middle, fresh = town.spoken(), town.spoken(), town.spoken()
    town.closed(old)
    town.days_pass(600)
    town.closed(middle)
    town.days_pass(180)
    town.closed(fresh)
    before = town.files()
    assert main(["retention", "--dry-run"]) == 0
    told = capsys.readouterr().out
    numbers = [town.report(one).reference_no for one in (old, middle, fresh)]
    assert [told.count(number) for number in numbers] == [2, 1, 0]
    assert f"{numbers[0]}  sound  closed 2026-06-01  3 files" in told
    assert f"{numbers[0]}  words  closed 2026-06-01" in told
    assert "2 reports would lose their sound" in told
    assert "1 their words" in told
    assert town.files() == before
    assert all(town.is_whole(one) for one in (old, middle, fresh))


def test_it_says_that_the_server_waits(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    main(["retention", "--dry-run"])
    assert "No server has looked at the clock yet" in capsys.readouterr().out
    keeper = town.keeper()
    keeper.look()
    main(["retention", "--dry-run"])
    assert "deletes nothing before 2026-06-02 00:00 UTC" in capsys.readouterr().out
    with town.database.write() as session:
        session.get_one(RetentionWatch, THE_ROW).not_before = utc_now()
    main(["retention", "--dry-run"])
    assert "before" not in capsys.readouterr().out


def test_without_dry_run_it_deletes_nothing(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    town.days_pass(200)
    with pytest.raises(SystemExit):
        main(["retention"])
    assert "--dry-run" in capsys.readouterr().err
    assert town.is_whole(report_id)


def test_it_reads_a_database_made_by_the_migrations(
    config: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.database import Database

    opened = Database.from_settings(config)
    migrate.upgrade(opened)
    opened.close()
    assert main(["retention", "--dry-run"]) == 0
    assert "0 reports would lose their sound" in capsys.readouterr().out


# --- the settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audio", "words", "told"),
    [
        ("181", "730", "XIANGYIN_KEEP_AUDIO_DAYS is 181. Set 30 to 180"),
        ("365", "730", "callers agree to 180 days"),
        ("29", "730", "XIANGYIN_KEEP_AUDIO_DAYS is 29. Set 30 to 180"),
        ("0", "730", "XIANGYIN_KEEP_AUDIO_DAYS is 0"),
        ("180", "179", "XIANGYIN_KEEP_WORDS_DAYS is 179. Set at least 180"),
        ("60", "30", "XIANGYIN_KEEP_WORDS_DAYS is 30. Set at least 60"),
    ],
)
def test_days_that_break_the_promise_are_refused(
    monkeypatch: pytest.MonkeyPatch, audio: str, words: str, told: str
) -> None:
    monkeypatch.setenv("XIANGYIN_KEEP_AUDIO_DAYS", audio)
    monkeypatch.setenv("XIANGYIN_KEEP_WORDS_DAYS", words)
    settings.load.cache_clear()
    with pytest.raises(SystemExit) as refused:
        settings.load()
    assert told in str(refused.value)


@pytest.mark.parametrize(("audio", "words"), [("30", "30"), ("180", "180"), ("90", "3650")])
def test_other_contracts_are_taken(monkeypatch: pytest.MonkeyPatch, audio: str, words: str) -> None:
    monkeypatch.setenv("XIANGYIN_KEEP_AUDIO_DAYS", audio)
    monkeypatch.setenv("XIANGYIN_KEEP_WORDS_DAYS", words)
    settings.load.cache_clear()
    chosen = settings.load()
    assert (str(chosen.keep_audio_days), str(chosen.keep_words_days)) == (audio, words)
