"""Texts that people marked as word for word measure the machine; nothing else does."""

from __future__ import annotations

import pytest

from core import areas, auth
from core.clock import utc_now
from core.database import Database
from core.errors import InvalidInput
from tests.conftest import on_both_databases
from transcribe import quality, transcripts, verbatim
from transcribe.models import Transcript

COUNTY, TOWN = "513221000000", "513221100000"
HASH = "a" * 64


@pytest.fixture
def author(database: Database, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(auth._passwords, "hash", lambda _password: "not used here")
    with database.write() as session:
        areas.add(session, COUNTY, "云溪县", "county")
        areas.add(session, TOWN, "青石镇", "township", COUNTY)
        return auth.create_user(session, "wang", "王", "password 1", ["operator"], TOWN).id


def hear(
    database: Database, subject: int, text: str, confidence: float = 0.9, model: str = HASH
) -> None:
    with database.write() as session:
        known = transcripts.history(session, "report", subject)
        session.add(
            Transcript(
                subject_kind="report", subject_id=subject, version=len(known), text=text,
                words=[{"text": text, "start_ms": 0, "end_ms": 900, "confidence": confidence}],
                confidence=confidence, model_name="m", model_hash=model, created_at=utc_now(),
            )
        )  # fmt: skip


def write(
    database: Database, author: int, subject: int, text: str, *, marked: bool, seen: int = 0
) -> None:
    with database.write() as session:
        transcripts.save_edit(session, "report", subject, text, author, seen, verbatim=marked)


def texts(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        return [(pair.said.text, pair.heard.text) for pair in verbatim.pairs(session)]


@on_both_databases
def test_only_marked_texts_measure(database: Database, author: int) -> None:
    hear(database, 1, "停水量天")
    hear(database, 2, "路等坏了")
    write(database, author, 1, "停水两天", marked=True)
    write(database, author, 2, "路灯坏了", marked=False)
    assert texts(database) == [("停水两天", "停水量天")]


def test_a_text_the_machine_got_right_can_be_marked(database: Database, author: int) -> None:
    hear(database, 1, "停水两天")
    write(database, author, 1, "停水两天", marked=True)
    assert texts(database) == [("停水两天", "停水两天")]


def test_the_mark_is_taken_back_with_a_later_text(database: Database, author: int) -> None:
    hear(database, 1, "停水量天")
    write(database, author, 1, "停水两天", marked=True)
    write(database, author, 1, "停水两天", marked=False, seen=1)
    assert texts(database) == []


@on_both_databases
def test_a_later_hearing_is_measured_by_the_same_text(database: Database, author: int) -> None:
    hear(database, 1, "停水量天")
    write(database, author, 1, "停水两天", marked=True)
    hear(database, 1, "停水两天", model="b" * 64)
    assert sorted(heard for _, heard in texts(database)) == ["停水两天", "停水量天"]


def many(database: Database, author: int, first: int, confidence: float, heard: str) -> None:
    for subject in range(first, first + 20):
        hear(database, subject, heard, confidence)
        write(database, author, subject, "村口路灯坏了", marked=True)


@on_both_databases
def test_the_floor_moves_when_enough_was_written(database: Database, author: int) -> None:
    with database.read() as session:
        assert verbatim.floors(session, HASH, [TOWN]).folded_below == quality.DEFAULT_FLOOR
    many(database, author, 1, 0.62, "某人不知所云")
    many(database, author, 100, 0.9, "村口路灯坏了")
    with database.read() as session:
        found = verbatim.floors(session, HASH, [TOWN])
        assert verbatim.floors(session, "b" * 64, [TOWN]).pairs == 0
    assert (found.folded_below, found.pairs) == (0.65, 40)


def test_a_floor_fixed_nearby_counts_before_the_measured_one(
    database: Database, author: int
) -> None:
    with database.write() as session:
        verbatim.fix_floor(session, None, 0.2, "everywhere", author)
        verbatim.fix_floor(session, COUNTY, 0.7, "方言多", author)
        assert verbatim.floors(session, HASH, [TOWN, COUNTY]).folded_below == 0.7
        assert verbatim.floors(session, HASH, [TOWN]).folded_below == 0.2
        verbatim.fix_floor(session, COUNTY, None, "", author)
        assert verbatim.floors(session, HASH, [TOWN, COUNTY]).folded_below == 0.2


@pytest.mark.parametrize(
    ("floor", "reason", "field"), [(1.2, "x", "floor"), (-0.1, "x", "floor"), (0.4, " ", "reason")]
)
def test_a_floor_needs_a_number_and_a_reason(
    database: Database, author: int, floor: float, reason: str, field: str
) -> None:
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        verbatim.fix_floor(session, None, floor, reason, author)
    assert refused.value.field == field
