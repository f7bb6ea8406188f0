"""Lists of words go in as a whole or not at all."""

from __future__ import annotations

import pytest

from core.database import Database
from core.errors import InvalidInput
from tests.transcribe.test_vocabulary import TOWN, operator, place
from transcribe import vocabulary, word_list
from transcribe.word_list import Line, ListRefused

__all__ = ["operator", "place"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("comma", [",", "，", "\t", ";"])
def test_a_word_a_line_with_kind_and_meaning(encoding: str, comma: str) -> None:
    text = f"词语{comma}类别\r\n老鹰嘴{comma}俗称{comma}桃坪村\r\n\r\n 王记小卖部 \r\n"
    assert word_list.read(text.encode(encoding)) == [
        Line(2, "老鹰嘴", "俗称", "桃坪村"),
        Line(4, "王记小卖部", "", ""),
    ]


@pytest.mark.parametrize(
    "listed", [b"", b"\n ,\n", "甲\n".encode() * 2001, b"a" * 500_001, b"\xff\xff\xff"]
)
def test_what_is_no_list_is_refused(listed: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        word_list.read(listed)
    assert refused.value.field == "listed"


def test_every_wrong_line_is_named(database: Database, operator: vocabulary.Actor) -> None:
    listed = "老鹰嘴,俗称\n3号楼\n鬼门关,河\n王记,店,一,二".encode()
    with database.write() as session, pytest.raises(ListRefused) as refused:
        vocabulary.add_many(session, operator, TOWN, listed)
    assert [wrong.line for wrong in refused.value.lines] == [4]
    listed = "老鹰嘴,俗称\n3号楼\n鬼门关,河".encode()
    with database.write() as session, pytest.raises(ListRefused) as refused:
        vocabulary.add_many(session, operator, TOWN, listed)
    assert [(one.line, one.error.field) for one in refused.value.lines] == [
        (2, "text"), (3, "kind")
    ]  # fmt: skip


def test_words_that_are_there_are_counted_and_left(
    database: Database, operator: vocabulary.Actor
) -> None:
    with database.write() as session:
        vocabulary.add(session, operator, TOWN, "老鹰嘴", "nickname")
        listed = "老鹰嘴,店\n王记,shop\n王记".encode()
        assert vocabulary.add_many(session, operator, TOWN, listed) == (1, 2)
        kinds = {term.text: term.kind for term in vocabulary.taught(session, TOWN)}
    assert kinds == {"老鹰嘴": "nickname", "王记": "shop"}
