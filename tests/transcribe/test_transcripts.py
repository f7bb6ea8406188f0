"""Versions of a transcript: the machine's stays, people's are added, nobody overwrites anybody."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from core import areas, auth
from core.database import Database
from core.errors import Conflict, InvalidInput
from tests.conftest import on_both_databases
from transcribe import catalogue, transcripts
from transcribe.recogniser import DecoderConfig, Recognition, Utterance, Word, join

HEARD = Recognition(
    (
        Utterance((Word("我家", 0, 480, 1.0), Word("停水", 480, 1110, 0.5))),
        Utterance((Word("两天", 1500, 1900, 0.9),)),
    ),
    2_000,
    8_000,
)


@pytest.fixture
def author(database: Database) -> int:
    with database.write() as session:
        areas.add(session, "500000000000", "某县", "county")
        return auth.create_user(
            session, "li", "李四", "a long password", ["operator"], "500000000000"
        ).id


def store(session: Session) -> None:
    transcripts.store_heard(session, "report", 7, HEARD, catalogue.starter())


def test_what_the_machine_heard_is_version_0_with_all_that_explains_it(database: Database) -> None:
    with database.write() as session:
        store(session)
    with database.read() as session:
        found = transcripts.latest(session, "report", 7)
        assert found is not None
        assert (found.version, found.text, found.diagnosis) == (0, "我家停水两天", None)
        assert found.confidence == pytest.approx(0.8)
        assert (found.model_name, found.hears_people) == ("starter-zh", False)
        assert found.model_hash == catalogue.starter().tree_hash
        assert found.decoder == {**DecoderConfig().to_json(), "sample_rate_hz": 8_000}
        assert found.words[1] == {
            "text": "停水",
            "start_ms": 480,
            "end_ms": 1110,
            "confidence": 0.5,
        }
        assert transcripts.latest(session, "episode", 7) is None


@on_both_databases
def test_edits_are_versions_and_version_0_never_changes(database: Database, author: int) -> None:
    with database.write() as session:
        store(session)
    with database.write() as session:
        transcripts.save_edit(session, "report", 7, "我家停电两天", author, 0)
    with database.write() as session:
        transcripts.save_edit(session, "report", 7, "我家停水两天。", author, 1)
    with database.read() as session:
        versions = transcripts.history(session, "report", 7)
    assert [(one.version, one.text, one.author_id) for one in versions] == [
        (0, "我家停水两天", None),
        (1, "我家停电两天", author),
        (2, "我家停水两天。", author),
    ]
    assert [word["start_ms"] for word in versions[2].words] == [0, 480, 1500, 1900]
    assert versions[2].words[1]["confidence"] == 0.5


@on_both_databases
def test_who_saw_an_older_version_is_told_and_nothing_is_lost(
    database: Database, author: int
) -> None:
    with database.write() as session:
        store(session)
        transcripts.save_edit(session, "report", 7, "甲的文字", author, 0)
    with database.write() as session, pytest.raises(Conflict):
        transcripts.save_edit(session, "report", 7, "乙的文字", author, 0)
    with database.read() as session:
        assert transcripts.history(session, "report", 7)[-1].text == "甲的文字"


@pytest.mark.real("postgresql")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("step", ["_next_version", "align"])
def test_two_who_save_at_the_same_moment_do_not_both_win(
    database: Database, author: int, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:
        store(session)
    real = getattr(transcripts, step)

    def then_the_other_saves(*arguments: object) -> object:
        found = real(*arguments)
        monkeypatch.setattr(transcripts, step, real)
        with database.write() as other:
            transcripts.save_edit(other, "report", 7, "乙的文字", author, 0)
        return found

    monkeypatch.setattr(transcripts, step, then_the_other_saves)
    with pytest.raises(Conflict), database.write() as one:
        transcripts.save_edit(one, "report", 7, "甲的文字", author, 0)
    with database.read() as session:
        assert [one.text for one in transcripts.history(session, "report", 7)][1:] == ["乙的文字"]


def test_a_person_may_write_where_the_machine_has_not_and_0_stays_the_machines(
    database: Database, author: int
) -> None:
    with database.write() as session:
        transcripts.save_edit(session, "report", 7, "他说停水", author, None)
    with database.write() as session:
        store(session)
    with database.read() as session:
        versions = transcripts.history(session, "report", 7)
    assert [(one.version, one.text) for one in versions] == [(0, "我家停水两天"), (1, "他说停水")]


def test_a_second_hearing_is_a_version_and_not_a_new_version_0(database: Database) -> None:
    for _ in range(2):
        with database.write() as session:
            store(session)
    with database.read() as session:
        assert [one.version for one in transcripts.history(session, "report", 7)] == [0, 1]


@on_both_databases
def test_what_a_person_wrote_counts_more_than_any_later_hearing(
    database: Database, author: int
) -> None:
    with database.write() as session:
        store(session)
        transcripts.save_edit(session, "report", 7, "甲的文字", author, 0)
        store(session)
    with database.read() as session:
        counts = transcripts.latest(session, "report", 7)
        heard = transcripts.heard(session, "report", 7)
        newest = transcripts.newest_heard(session, "report", 7)
        numbers = [one.version for one in transcripts.history(session, "report", 7)]
    assert counts is not None
    assert (counts.version, counts.text) == (1, "甲的文字")
    assert heard is not None
    assert newest is not None
    assert (heard.version, newest.version, numbers) == (0, 2, [0, 1, 2])


@on_both_databases
def test_numbers_rise_past_a_hearing_that_came_after_an_edit(
    database: Database, author: int
) -> None:
    with database.write() as session:
        store(session)
        transcripts.save_edit(session, "report", 7, "甲的文字", author, 0)
        store(session)
        again = transcripts.save_edit(session, "report", 7, "甲的新文字", author, 1)
    assert again.version == 3


def test_a_hearing_meanwhile_does_not_stop_an_author_but_another_author_does(
    database: Database, author: int
) -> None:
    with database.write() as session:
        store(session)
        store(session)
        mine = transcripts.save_edit(session, "report", 7, "甲的文字", author, 0)
        assert mine.version == 2
    for seen in (0, 1, None, 9):
        with database.write() as session, pytest.raises(Conflict):
            transcripts.save_edit(session, "report", 7, "乙的文字", author, seen)


def test_a_version_that_never_was_cannot_be_what_the_author_saw(
    database: Database, author: int
) -> None:
    with database.write() as session:
        store(session)
    with database.write() as session, pytest.raises(Conflict):
        transcripts.save_edit(session, "report", 7, "乙的文字", author, 9)


def test_the_same_text_again_makes_no_version(database: Database, author: int) -> None:
    with database.write() as session:
        store(session)
        same = transcripts.save_edit(session, "report", 7, " 我家停水两天\r\n", author, 0)
        assert same.version == 0


def test_other_hearings_stand_beside_the_words_they_may_replace(database: Database) -> None:
    doubtful = Utterance((Word("两天", 1500, 1900, 0.4),), ("良田", "两点"))
    heard = Recognition((HEARD.utterances[0], doubtful), 2_000, 8_000, None, ("clipped",))
    with database.write() as session:
        found = transcripts.store_heard(session, "report", 7, heard, catalogue.starter())
    assert found.alternatives == [{"first": 2, "after": 3, "texts": ["良田", "两点"]}]
    assert found.remarks == ["clipped"]


def test_control_characters_go_and_a_text_without_end_is_refused() -> None:
    assert transcripts.clean("一\x00二\r\n三\u200b") == "一二\n三\u200b"
    with pytest.raises(InvalidInput):
        transcripts.clean("长" * (transcripts.MAX_CHARACTERS + 1))


def test_chinese_words_join_without_and_latin_words_with_a_space() -> None:
    assert join(["我家", "的", "wifi", "router", "坏", "了"]) == "我家的wifi router坏了"
