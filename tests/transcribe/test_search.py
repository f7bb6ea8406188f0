"""Everything that holds the query is found, nothing else, and no number of anybody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import auth
from core.clock import utc_now
from core.database import Database
from core.errors import InvalidInput
from core.models import OutboxEvent
from tests.conftest import on_both_databases
from transcribe import grams, search
from transcribe.__main__ import main
from transcribe.models import SearchText, Transcript, TranscriptGram

WORDS = st.sampled_from(
    (
        "停水",
        "听谁",
        "银行",
        "银航",
        "不",
        "了",
        "路灯",
        "坏了",
        "两天",
        "2天",
        "3号",
        "A座",
        "，",
        " ",
    )
)
TEXTS = st.lists(WORDS, max_size=8).map("".join)
QUERIES = st.one_of(TEXTS, st.text("停听水谁银行不了天2aA，", max_size=3))
REPEATED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def known(database: Database, *texts: Sequence[str]) -> None:
    """Subjects 1, 2, … with these texts, and no others."""
    with database.write() as session:
        session.execute(sa.delete(SearchText))
        session.execute(sa.delete(TranscriptGram))
        for number, lines in enumerate(texts, 1):
            search.index(session, "report", number, lines)


def found(database: Database, query: str, **how: object) -> list[int]:
    with database.read() as session:
        return search.find(session, "report", query, **how)  # type: ignore[arg-type]


@on_both_databases
@REPEATED
@given(texts=st.lists(st.lists(TEXTS, max_size=3), max_size=6), query=QUERIES)
def test_exactly_the_texts_that_hold_the_query_are_found(
    database: Database, texts: list[list[str]], query: str
) -> None:
    known(database, *texts)
    wanted = grams.plain(query)
    holding = [
        number
        for number, lines in enumerate(texts, 1)
        if wanted and any(wanted in grams.plain(line) for line in lines)
    ]
    assert found(database, query) == holding[::-1]
    assert set(holding) <= set(found(database, query, by_sound=True))


@on_both_databases
@REPEATED
@given(texts=st.lists(TEXTS, max_size=6), query=QUERIES)
def test_by_sound_exactly_what_sounds_so_is_found(
    database: Database, texts: list[str], query: str
) -> None:
    known(database, *([text] for text in texts))
    ways = grams.by_sound(query)
    holding = [
        number
        for number, text in enumerate(texts, 1)
        if any(
            way.match(grams.plain(text), grams.syllables(grams.plain(text))) is not None
            for way in ways
        )
    ]
    assert found(database, query, by_sound=True) == holding[::-1]


@on_both_databases
def test_a_misheard_word_is_found_by_its_sound_alone(database: Database) -> None:
    known(database, ["我们这里听谁了"], ["停水两天"], ["停电两天"])
    assert found(database, "停水") == [2]
    assert found(database, "停水", by_sound=True) == [2, 1]
    assert found(database, "ting shui", by_sound=True) == [2, 1]


@on_both_databases
def test_single_characters_letters_and_digits_are_found(database: Database) -> None:
    known(database, ["路灯坏了"], ["WiFi没有信号"], ["二组3号楼停水"])
    assert [found(database, query) for query in ("灯", "了", "wifi", "ＷＩ", "3", "水")] == [
        [1], [1], [2], [2], [3], [3]
    ]  # fmt: skip
    assert found(database, "登", by_sound=True) == [1]


@on_both_databases
def test_pages_follow_each_other_and_keep_to_those_that_may_be_seen(database: Database) -> None:
    known(database, *(["停水"] for _ in range(250)))
    assert found(database, "停水", limit=3) == [250, 249, 248]
    assert found(database, "停水", limit=3, offset=240) == [10, 9, 8]
    assert found(database, "停水", limit=100, offset=245) == [5, 4, 3, 2, 1]
    seen = sa.select(SearchText.subject_id).where(SearchText.subject_id.in_((7, 200)))
    assert found(database, "停水", among=seen) == [200, 7]


@on_both_databases
def test_another_text_replaces_what_a_subject_was_found_by(database: Database) -> None:
    known(database, ["停水两天"])
    with database.write() as session:
        assert search.index(session, "report", 1, ["停电两天"])
        assert not search.index(session, "report", 1, ["停电两天"])
    assert (found(database, "停水"), found(database, "停电")) == ([], [1])
    with database.write() as session:
        search.forget(session, "report", 1)
        assert session.scalars(sa.select(TranscriptGram.gram)).all() == []
        assert session.scalars(sa.select(SearchText.text)).all() == []


def test_other_kinds_of_subjects_are_left_alone(database: Database) -> None:
    with database.write() as session:
        search.index(session, "episode", 1, ["停水通知"])
    assert found(database, "停水") == []


@pytest.mark.parametrize(
    "text", ["打13812345678找我", "打一三八一二三四五六七八找我", "身份证11010519491231002X我的"]
)
def test_numbers_of_people_are_not_in_the_index(database: Database, text: str) -> None:
    known(database, [text])
    with database.read() as session:
        stored = session.scalars(sa.select(SearchText.text)).one()
    assert not any(char in stored for char in "0123456789三八五六七")
    assert found(database, "找我") + found(database, "我的") == [1]
    assert found(database, "13812345678") == found(database, "5678", by_sound=True) == []


def test_what_the_machine_heard_first_and_last_and_what_a_person_wrote_is_found(
    database: Database,
) -> None:
    with database.write() as session:
        author = auth.create_user(session, "ana", "Ana", "a long password", ["operator"], None).id
        versions = [
            ("听谁", None),
            ("先前改的", author),
            ("听水", None),
            ("停水", author),
            ("停睡", None),
        ]
        for version, (text, author_id) in enumerate(versions):
            session.add(
                Transcript(
                    subject_kind="report", subject_id=1, version=version, text=f"{text}两天",
                    words=[], readable=f"{text}2天", author_id=author_id, created_at=utc_now(),
                )
            )  # fmt: skip
        session.flush()
        search.refresh(session, "report", 1, ["打字的", None])
    asked = ("听谁", "停水", "停睡", "停睡2天", "打字的", "先前改的", "听水")
    assert [bool(found(database, one)) for one in asked] == [True] * 5 + [False] * 2


def test_a_hit_is_shown_in_the_text_as_it_is_written() -> None:
    hit = search.locate(["没有", "昨天，停 水。了"], "停水", by_sound=False)
    assert hit is not None
    assert hit.text[hit.start : hit.end] == "停 水"
    sound = search.locate(["昨天听谁了"], "停水", by_sound=True)
    assert sound is not None
    assert sound.text[sound.start : sound.end] == "听谁"
    assert search.locate(["昨天听谁了"], "停水", by_sound=False) is None


def test_an_endless_query_is_refused() -> None:
    with pytest.raises(InvalidInput):
        search.read("水" * 101, by_sound=False)


def test_the_command_orders_the_index_once_and_says_how_far_it_is(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    known(database, ["停水"])
    assert main(["reindex"]) == main(["reindex"]) == 0
    told = capsys.readouterr().out
    assert "Ordered" in told
    assert "Under way: done up to number 0." in told
    assert "Findable by their words: 1." in told
    with database.read() as session:
        events = session.scalars(sa.select(OutboxEvent)).all()
    assert [(event.kind, event.payload) for event in events] == [(search.REINDEX, {"after": 0})]


@on_both_databases
def test_a_character_of_several_readings_is_found_in_every_batch(database: Database) -> None:
    known(database, *([("了解了却了结了断", "好了")[number % 2]] for number in range(250)))
    assert found(database, "了", limit=300) == list(range(250, 0, -1))
    assert found(database, "了解", limit=300) == list(range(249, 0, -2))
