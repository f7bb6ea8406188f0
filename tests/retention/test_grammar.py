"""A language model that was made from corrected texts forgets those that were deleted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import sqlalchemy as sa

from core.settings import Settings
from tests.cases.conftest import VILLAGE
from tests.conftest import on_both_databases
from tests.retention.conftest import ROAD, Town
from transcribe import catalogue, domain, grammar, grammar_forget, transcripts
from transcribe.grammar import Correction
from transcribe.models import AreaGrammar

SAID, STILL_SAID = "路灯停水路灯停水", "停水停水路灯"


def taught(town: Town, text: str) -> int:
    """A report whose corrected text teaches; it is on its way to being closed."""
    while True:
        report_id = town.spoken()
        if not Correction("report", report_id, text, "").is_held_out:
            break
    with town.database.write() as session:
        transcripts.save_edit(session, "report", report_id, text, town.cast.operator.id, 0)
    return report_id


def built(town: Town, config: Settings) -> tuple[int, Path]:
    """A grammar in use, and its file."""
    with town.database.write() as session:
        row = grammar.build(session, config, VILLAGE)
        row.active, row.state = True, grammar.MEASURED
        return row.id, grammar.file_of(config, row, catalogue.starter())


def plain(row: AreaGrammar) -> list[str]:
    return [sentence.replace(" ", "") for sentence in row.sentences]


@on_both_databases
def test_deleted_words_leave_the_grammar_and_its_file(town: Town, config: Settings) -> None:
    gone, stays = taught(town, SAID), taught(town, STILL_SAID)
    town.closed(gone)
    row_id, old = built(town, config)
    town.step(town.accepted(stays), *ROAD[:3])
    town.days_pass(730)
    assert town.run().failed == 0
    with town.database.read() as session:
        row = session.get_one(AreaGrammar, row_id)
        assert SAID not in plain(row)
        assert STILL_SAID in plain(row)
        assert len(plain(row)) > len(list(domain.sentences())) / 2
        assert row.active
        fresh = grammar.file_of(config, row, catalogue.starter())
    assert not old.exists()
    assert hashlib.sha256(fresh.read_bytes()).hexdigest() == row.sha256


@on_both_databases
def test_a_grammar_without_such_words_stays_as_it_is(town: Town, config: Settings) -> None:
    taught(town, STILL_SAID)
    row_id, path = built(town, config)
    assert grammar_forget.forget_deleted(town.database, config) == 0
    with town.database.read() as session:
        assert STILL_SAID in plain(session.get_one(AreaGrammar, row_id))
    assert path.exists()


@on_both_databases
def test_a_grammar_of_a_model_that_is_gone_loses_all(town: Town, config: Settings) -> None:
    taught(town, SAID)
    row_id, path = built(town, config)
    with town.database.write() as session:
        session.execute(sa.update(AreaGrammar).values(model_hash="0" * 64))
    assert grammar_forget.forget_deleted(town.database, config) == 1
    assert grammar_forget.forget_deleted(town.database, config) == 0
    with town.database.read() as session:
        row = session.get_one(AreaGrammar, row_id)
        assert (row.sentences, row.active, row.state) == ([], False, grammar.OUTDATED)
    assert not path.exists()
