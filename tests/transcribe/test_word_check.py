"""Local words are looked up in the model of their area, by the decoder that has it loaded."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from core import areas
from core.blobs import BlobStore
from core.database import Database
from core.models import Area
from core.settings import Settings
from tests.conftest import on_both_databases
from tests.transcribe.test_vocabulary import TOWN, VILLAGE, operator, place
from tests.transcribe.test_worker import wait_for
from transcribe import catalogue, vocabulary, word_check
from transcribe.decoder import Decoder
from transcribe.models import LocalTerm
from transcribe.word_check import WordCheck, segment
from transcribe.worker import Worker

__all__ = ["operator", "place"]
LETTERS = st.text("甲乙丙", max_size=6)


@settings(deadline=None)
@given(LETTERS, st.sets(st.text("甲乙丙", min_size=1, max_size=3), max_size=6))
def test_pieces_are_the_word_and_only_what_is_known_counts(term: str, known: set[str]) -> None:
    pieces = segment(term, known)
    assert "".join(text for text, _ in pieces) == term
    assert all((text in known) or not is_known for text, is_known in pieces)
    assert known <= set(word_check.spellings([*known]))


@settings(deadline=None)
@given(st.lists(st.sampled_from(("甲", "乙丙", "丙甲乙")), max_size=5))
def test_a_word_made_of_known_words_lacks_nothing(parts: list[str]) -> None:
    assert all(is_known for _, is_known in segment("".join(parts), {"甲", "乙丙", "丙甲乙"}))


@pytest.mark.parametrize(
    ("term", "pieces"),
    [
        ("桃坪村", [("桃坪", True), ("村", True)]),
        ("老鹰嘴", [("老", True), ("鹰嘴", False)]),
        ("桃坪", [("桃坪", True)]),
        ("嘴桃", [("嘴", False), ("桃", True)]),
    ],
)
def test_as_much_as_can_be_in_the_fewest_pieces(term: str, pieces: list[tuple[str, bool]]) -> None:
    assert segment(term, {"桃", "坪", "桃坪", "村", "老"}) == pieces


class Vocabulary:
    """A model that knows these words and counts how often it is asked."""

    def __init__(self, *words: str) -> None:
        self.words, self.asked = words, 0

    def __call__(self, asked: Sequence[str]) -> dict[str, bool]:
        self.asked += 1
        return {word: word in self.words for word in asked}


def states(database: Database) -> dict[str, tuple[bool, bool]]:
    with database.read() as session:
        return {
            term.text: (term.known_to is not None, term.unknown_to is not None)
            for term in session.scalars(sa.select(LocalTerm))
        }


@on_both_databases
def test_villages_come_by_themselves_and_all_words_are_looked_up_once(
    database: Database, config: Settings, operator: vocabulary.Actor
) -> None:
    with database.write() as session:
        vocabulary.add(session, operator, TOWN, "老鹰嘴", "nickname")
    check, model = WordCheck(config, database), Vocabulary("桃", "坪", "村", "老")
    assert check.run_due(lambda _: model) == 4
    assert check.run_due(lambda _: model) == 0
    assert model.asked == 1
    assert states(database) == {
        "桃坪村": (True, False), "柳树村": (False, True), "石桥村": (False, True),
        "老鹰嘴": (False, True),
    }  # fmt: skip
    with database.read() as session:
        assert word_check.lacking_count(session, areas.below(session, TOWN)) == 2


def test_a_changed_word_a_renamed_village_and_another_model_are_looked_up_anew(
    database: Database,
    config: Settings,
    operator: vocabulary.Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check, model = WordCheck(config, database), Vocabulary("柳", "树", "村", "石", "桥", "老")
    check.run_due(lambda _: model)
    with database.write() as session:
        term = vocabulary.add(session, operator, TOWN, "老桥")
    assert check.run_due(lambda _: model) == 1
    with database.write() as session:
        vocabulary.change(session, operator, term.id, "老鹰", "other")
        session.get_one(Area, VILLAGE).name = "桥村"
    assert check.run_due(lambda _: model) == 1
    assert states(database)["老鹰"] == (False, True)
    monkeypatch.setattr(word_check, "EVERYTHING_EACH_S", 0.0)
    again = WordCheck(config, database)
    assert again.run_due(lambda _: model) == 1
    assert states(database)["桥村"] == (True, False)
    assert "桃坪村" not in states(database)
    other = catalogue.InstalledModel("other", catalogue.STARTER, "f" * 64, True, True)
    monkeypatch.setattr(catalogue, "choice_for", lambda *_: other)
    assert again.run_due(lambda _: Vocabulary()) == 4


def test_the_real_model_says_what_it_knows(
    database: Database, config: Settings, operator: vocabulary.Actor, decoder: Decoder
) -> None:
    with database.write() as session:
        vocabulary.add(session, operator, TOWN, "停水点")
        vocabulary.add(session, operator, TOWN, "魑魅沟")
    WordCheck(config, database).run_due(lambda _: decoder.known_words)
    with database.read() as session:
        found = {
            term.text: term
            for term in session.scalars(
                sa.select(LocalTerm).where(LocalTerm.added_by_id.is_not(None))
            )
        }
    assert found["停水点"].pieces == [["停水", True], ["点", True]]
    assert found["停水点"].known_to == catalogue.starter().tree_hash
    assert found["魑魅沟"].pieces == [["魑魅", False], ["沟", True]]
    assert found["魑魅沟"].unknown_to == catalogue.starter().tree_hash


def test_a_worker_with_nothing_to_do_looks_words_up(
    database: Database, store: BlobStore, config: Settings, operator: vocabulary.Actor
) -> None:
    with database.write() as session:
        vocabulary.add(session, operator, TOWN, "停水点")
    worker = Worker(config, database, store, "decoder-1")
    running = threading.Thread(target=worker.run_forever)
    running.start()
    try:
        wait_for(lambda: states(database)["停水点"] == (True, False), "the look-up")
    finally:
        worker.stop()
        running.join()
