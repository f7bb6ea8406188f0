"""A machine's transcript gets its readable text when it is stored; the raw words stay."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from core import areas, blobs
from core.blobs import BlobStore
from core.database import Database
from demo import town
from tests.conftest import on_both_databases
from tests.transcribe.test_normalise import said
from transcribe import catalogue, jobs, transcripts
from transcribe.models import Transcript
from transcribe.recogniser import Recognition, Utterance, Word

SPOKEN = ("我 是 风 树 零 村 的", "路灯 坏 了 三十 五 天 了")


def heard() -> Recognition:
    utterances = []
    for number, text in enumerate(SPOKEN):
        words = [
            Word(w.text, w.start_ms + number * 9_000, w.end_ms + number * 9_000, 0.9)
            for w in said(text)
        ]
        utterances.append(Utterance(tuple(words)))
    return Recognition(tuple(utterances), 20_000, 8_000)


def stored(session: Session) -> Transcript:
    return transcripts.store_heard(session, "report", 7, heard(), catalogue.starter())


@pytest.fixture
def job_area(database: Database, store: BlobStore) -> str:
    """Report 7 came from a village of the town and waits to be heard."""
    area_code = town.villages()[0].code
    sha256 = store.put_bytes(b"sound")
    with database.write() as session:
        town.seed_areas(session)
        blobs.register(session, store, sha256, "audio/wav")
        jobs.enqueue(session, "report", 7, sha256, area_code=area_code)
    return area_code


@on_both_databases
def test_the_readable_text_has_names_numbers_and_marks(database: Database, job_area: str) -> None:
    with database.write() as session:
        found = stored(session)
    assert found.text == "我是风树零村的路灯坏了三十五天了"
    assert found.readable == "我是枫树岭村的。路灯坏了35天了。"
    assert found.repairs == [{"first": 2, "after": 6, "heard": "风树零村", "name": "枫树岭村"}]
    assert [word["text"] for word in found.words][:4] == ["我", "是", "风", "树"]


def test_a_click_on_the_readable_text_finds_its_time(database: Database, job_area: str) -> None:
    with database.write() as session:
        found = stored(session)
    assert found.readable is not None
    assert found.readable_map is not None
    place = found.readable.index("35")
    start, end, first, after = next(one for one in found.readable_map if one[0] <= place < one[1])
    assert found.readable[start:end] == "35"
    assert [word["text"] for word in found.words[first:after]] == ["三十", "五"]


def test_without_a_place_all_villages_come_into_question(database: Database) -> None:
    with database.write() as session:
        town.seed_areas(session)
        assert stored(session).repairs


def test_without_villages_nothing_is_repaired(database: Database) -> None:
    with database.write() as session:
        areas.add(session, "500000000000", "某县", "county")
        found = stored(session)
    assert (found.repairs, found.readable) == (None, "我是风树零村的。路灯坏了35天了。")


def test_words_of_nothing_are_an_empty_text(database: Database) -> None:
    with database.write() as session:
        found = transcripts.store_heard(
            session, "report", 7, Recognition((), 900, 8_000, "silent"), catalogue.starter()
        )
    assert (found.readable, found.readable_map) == ("", [])
