"""Versions of a transcript: the machine's stays, people's are added, nobody overwrites anybody."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from core import areas, auth
from core.database import Database
from core.errors import Conflict, InvalidInput
from tests.conftest import on_both_databases
from transcribe import catalogue, transcripts
from transcribe.recogniser import Recognition, Utterance, Word, join

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
        assert found.decoder == {
            "chunk_ms": 200,
            "alternatives": 0,
            "code_version": 1,
            "sample_rate_hz": 8_000,
        }
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
def test_two_who_save_at_the_same_moment_do_not_both_win(database: Database, author: int) -> None:
    with database.write() as session:
        store(session)
    with pytest.raises(Conflict), database.write() as one:
        assert transcripts.latest(one, "report", 7) is not None
        with database.write() as other:
            transcripts.save_edit(other, "report", 7, "乙的文字", author, 0)
        one.expire_all()
        _save_as_if_nobody_had(one, author)


def _save_as_if_nobody_had(session: Session, author: int) -> None:
    """Save with a look from before the other's commit."""
    before = transcripts.latest
    stale = transcripts.heard(session, "report", 7)
    transcripts.latest = lambda *_: stale  # type: ignore[assignment]
    try:
        transcripts.save_edit(session, "report", 7, "甲的文字", author, 0)
    finally:
        transcripts.latest = before


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


def test_the_same_text_again_makes_no_version(database: Database, author: int) -> None:
    with database.write() as session:
        store(session)
        same = transcripts.save_edit(session, "report", 7, " 我家停水两天\r\n", author, 0)
        assert same.version == 0


def test_control_characters_go_and_a_text_without_end_is_refused() -> None:
    assert transcripts.clean("一\x00二\r\n三\u200b") == "一二\n三\u200b"
    with pytest.raises(InvalidInput):
        transcripts.clean("长" * (transcripts.MAX_CHARACTERS + 1))


def test_chinese_words_join_without_and_latin_words_with_a_space() -> None:
    assert join(["我家", "的", "wifi", "router", "坏", "了"]) == "我家的wifi router坏了"
