"""An area's language model is measured before anybody may switch it on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from core import blobs
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.errors import Conflict, NotFound
from core.models import AuditEntry
from core.settings import Settings
from tests.conftest import on_both_databases
from tests.transcribe.conftest import Spoken
from tests.transcribe.test_vocabulary import FAR, OTHER_TOWN, TOWN, VILLAGE, operator, person, place
from transcribe import catalogue, grammar, grammar_text, grammar_trial, jobs, vocabulary
from transcribe.__main__ import main
from transcribe.decoder import Decoder
from transcribe.grammar import Correction
from transcribe.models import AreaGrammar, Hearing, Transcript
from transcribe.recogniser import Recognition, Utterance, Word
from transcribe.sounds import Sounds
from transcribe.worker import Worker

__all__ = ["operator", "place"]
STARTER = catalogue.starter()


@settings(deadline=None)
@given(st.lists(st.text("停水了，路灯魑魅。 ", max_size=12), max_size=4))
def test_a_grammar_holds_only_words_of_the_model_in_their_order(texts: list[str]) -> None:
    known = {"停水", "停", "水", "了", "路灯"}
    made = grammar_text.cut(texts, known)
    assert all(word in known for sentence in made.sentences for word in sentence.split())
    said = "".join(texts)
    lacking = sum(count * len(piece) for piece, count in made.lacking)
    kept = sum(len(sentence.replace(" ", "")) for sentence in made.sentences)
    assert kept + lacking == sum(char not in "，。 " for char in said)


def test_a_sentence_ends_at_signs_and_where_a_word_is_lacking() -> None:
    made = grammar_text.cut(["我家停水了，路灯魑魅坏了"], {"我家", "停水", "了", "路灯", "坏"})
    assert made.sentences == ("我家 停水 了", "路灯", "坏 了")
    assert made.lacking == (("魑魅", 1),)


def test_the_starter_takes_grammars_and_covers_what_nobody_foresaw() -> None:
    assert grammar_text.takes_grammar(STARTER.path)
    known = grammar_text.vocabulary(STARTER.path)
    assert "停水" in known
    assert not {"[unk]", "<eps>"} & known
    assert set(grammar_text.complete(["停水 了"], known)) == {"停水 了", *known}
    many = {chr(0x4E00 + number) + "甲" for number in range(20_001)} | {"乙"}
    assert grammar_text.complete(["停水 了"], many) == ["停水 了", "乙"]


@given(st.integers(min_value=1))
def test_what_measures_never_teaches(subject_id: int) -> None:
    correction = Correction("report", subject_id, "村口停水", "0" * 64)
    again = Correction("report", subject_id, "别的", "1" * 64)
    assert correction.is_held_out == again.is_held_out


@pytest.fixture
def corrected(
    database: Database, store: BlobStore, operator: Actor, sentences: list[Spoken]
) -> list[int]:
    """70 reports of a village that a person corrected, in three sounds; some are held out."""
    with database.write() as session:
        for number in range(1, 71):
            spoken = sentences[number % 3]
            sha256 = store.put_file(spoken.telephone)
            blobs.register(session, store, sha256, "audio/wav")
            jobs.enqueue(session, "report", number, sha256, area_code=VILLAGE)
            session.add(
                Transcript(
                    subject_kind="report", subject_id=number, version=1, text=spoken.text,
                    words=[], author_id=operator.id, created_at=utc_now(),
                )
            )  # fmt: skip
    return list(range(1, 71))


def build(database: Database, config: Settings, area_code: str = TOWN) -> AreaGrammar:
    with database.write() as session:
        return grammar.build(session, config, area_code)


@on_both_databases
def test_it_is_made_of_the_areas_words_and_of_what_is_not_held_out(
    database: Database, config: Settings, operator: Actor, corrected: list[int]
) -> None:
    with database.write() as session:
        vocabulary.add(session, operator, VILLAGE, "魑魅沟", "nickname")
        found = grammar.corrections(session, TOWN)
        assert [one.subject_id for one in found] == corrected
        assert grammar.corrections(session, OTHER_TOWN) == []
        held_out = [one.subject_id for one in found if one.is_held_out]
        assert grammar.LEAST_HELD_OUT <= len(held_out) < 50
        taught = grammar.texts(session, TOWN, [Correction("report", held_out[0], "秘密", "")])
        assert "秘密" not in taught
        assert {"我是桃坪村的", "魑魅沟停水了"} <= set(taught)
    row = build(database, config)
    assert "我家 停水 两天 了 请 派人 来 看看".replace(" ", "") in {
        sentence.replace(" ", "") for sentence in row.sentences
    }
    assert "魑魅" in (row.note or "")


@pytest.mark.slow
def test_it_is_measured_on_held_out_sounds_by_real_decoding(
    database: Database,
    store: BlobStore,
    config: Settings,
    corrected: list[int],
    decoder: Decoder,
    tmp_path: Path,
) -> None:
    row = build(database, config)
    found = grammar_trial.measure(config, database, Sounds(store), tmp_path, row.id, decoder)
    assert found.state == grammar.MEASURED
    assert found.held_out >= grammar.LEAST_HELD_OUT
    assert found.characters == sum(
        len(one.text) for one in _corrections(database) if one.is_held_out
    )
    assert found.cer_without is not None
    assert found.cer_with is not None
    assert found.better + found.worse <= found.held_out
    with database.read() as session:
        assert len(session.scalars(sa.select(Hearing)).all()) == 6  # three sounds, two ways


def _corrections(database: Database) -> list[Correction]:
    with database.read() as session:
        return grammar.corrections(session, TOWN)


class Scripted:
    """A decoder that hears everything with a grammar and nothing right without."""

    def __init__(self, hears: dict[bool, str]) -> None:
        self.hears, self.heard = hears, 0

    def decode(self, wav: Path, *, grammar: Path | None = None) -> Recognition:
        self.heard += 1
        word = Word(self.hears[grammar is not None], 0, 1, 1.0)
        return Recognition((Utterance((word,)),), 1, 8000)


@on_both_databases
def test_a_worker_measures_a_sound_at_a_time(
    database: Database, store: BlobStore, config: Settings, corrected: list[int], tmp_path: Path
) -> None:
    row = build(database, config)
    trials, other = (
        grammar_trial.Trials(config, database, Sounds(store), tmp_path) for _ in range(2)
    )
    decoder = Scripted({True: "我家停水两天了请派人来看看", False: "听谁"})
    assert trials.step(lambda _model: decoder)
    assert decoder.heard == 2
    assert not other.step(lambda _model: decoder)
    while trials.step(lambda _model: decoder):
        pass
    with database.read() as session:
        found = session.get_one(AreaGrammar, row.id)
    assert found.state == grammar.MEASURED
    assert (found.cer_with or 1) < (found.cer_without or 0)
    assert decoder.heard == 6


def judged(database: Database, config: Settings, **figures: object) -> AreaGrammar:
    row = build(database, config)
    measured = {"state": "measured", "held_out": 20, "cer_without": 0.2, "cer_with": 0.1}
    with database.write() as session:
        for name, value in {**measured, **figures}.items():
            setattr(session.get_one(AreaGrammar, row.id), name, value)
    return row


@pytest.mark.parametrize(
    "figures",
    [
        {"state": "waiting"},
        {"held_out": 19},
        {"cer_with": 0.2},
        {"cer_with": 0.3},
        {"cer_with": None, "cer_without": None},
        {"model_hash": "f" * 64},
    ],
)
def test_what_was_not_found_to_help_is_not_switched_on(
    database: Database, config: Settings, place: None, figures: dict[str, object]
) -> None:
    row = judged(database, config, **figures)
    with database.write() as session, pytest.raises(Conflict):
        grammar.switch_on(session, config, session.get_one(AreaGrammar, row.id), "ana")
    with database.read() as session:
        assert grammar.active(session, config, VILLAGE, STARTER) is None


@on_both_databases
def test_one_that_helps_serves_its_area_and_all_below_until_it_is_switched_off(
    database: Database, config: Settings, place: None
) -> None:
    first, second = judged(database, config), judged(database, config)
    for row in (first, second):
        with database.write() as session:
            grammar.switch_on(session, config, session.get_one(AreaGrammar, row.id), "ana")
    with database.read() as session:
        path = grammar.active(session, config, VILLAGE, STARTER)
        assert grammar.active(session, config, FAR, STARTER) is None
        assert grammar.active(session, config, None, STARTER) is None
        assert [
            row.id for row in session.scalars(sa.select(AreaGrammar).where(AreaGrammar.active))
        ] == [second.id]
    assert path is not None
    assert path.stem == second.sha256
    sentences = json.loads(path.read_text(encoding="utf-8"))
    assert {"村口 停水 了".replace(" ", "")} <= {one.replace(" ", "") for one in sentences}
    with database.write() as session:
        grammar.switch_off(session, session.get_one(AreaGrammar, second.id), "ana")
        assert grammar.active(session, config, VILLAGE, STARTER) is None
        actions = session.scalars(sa.select(AuditEntry.action)).all()
    assert actions[-3:] == ["grammar.on", "grammar.on", "grammar.off"]


def test_another_model_switches_it_off_and_that_is_told(
    database: Database, config: Settings, place: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = judged(database, config)
    with database.write() as session:
        grammar.switch_on(session, config, session.get_one(AreaGrammar, row.id), "ana")
    with database.write() as session:
        assert grammar.switch_off_outdated(session, config) == 0
    other = catalogue.InstalledModel("other", STARTER.path, "f" * 64, True, True)
    monkeypatch.setattr(catalogue, "choice_for", lambda *_: other)
    with database.write() as session:
        assert grammar.active(session, config, VILLAGE, other) is None
        assert grammar.switch_off_outdated(session, config) == 1
        assert session.get_one(AreaGrammar, row.id).state == grammar.OUTDATED
        assert grammar.outdated_count(session, [TOWN]) == 1


def test_a_model_without_look_ahead_takes_none(
    database: Database, config: Settings, place: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_text, "takes_grammar", lambda _: False)
    assert build(database, config).state == grammar.REFUSED


def test_a_grammar_of_another_town_is_not_there(
    database: Database, config: Settings, place: None
) -> None:
    row = build(database, config)
    outsider = person(database, "township", OTHER_TOWN)
    with database.read() as session, pytest.raises(NotFound):
        grammar.one(session, outsider, row.id)


def test_a_worker_hears_with_the_grammar_in_use(
    database: Database, store: BlobStore, config: Settings, place: None, spoken: Spoken
) -> None:
    row = judged(database, config)
    with database.write() as session:
        grammar.switch_on(session, config, session.get_one(AreaGrammar, row.id), "ana")
        sha256 = store.put_file(spoken.telephone)
        blobs.register(session, store, sha256, "audio/wav")
        for number, area_code in ((1, VILLAGE), (2, FAR)):
            jobs.enqueue(session, "report", number, sha256, area_code=area_code)
    worker = Worker(config, database, store, "decoder-1")
    try:
        assert worker.run_once()
        assert worker.run_once()
    finally:
        worker._pool.close()
    with database.read() as session:
        heard = {one.subject_id: one for one in session.scalars(sa.select(Transcript))}
    assert (heard[1].decoder or {})["grammar_sha256"] == row.sha256
    assert (heard[2].decoder or {})["grammar_sha256"] is None
    assert heard[1].text == spoken.text


def test_the_command_builds_and_switches(
    database: Database, config: Settings, place: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grammar", "on", "--area", TOWN]) == 1
    assert main(["grammar", "build", "--area", TOWN]) == 0
    assert main(["grammar", "on", "--area", TOWN]) == 1
    told = capsys.readouterr()
    assert "Build it first" in told.err
    assert "Measure it first" in told.err
    with database.write() as session:
        row = session.scalars(sa.select(AreaGrammar)).one()
        row.state, row.held_out, row.cer_without, row.cer_with = "measured", 20, 0.2, 0.1
    assert main(["grammar", "on", "--area", TOWN]) == 0
    assert "in use" in capsys.readouterr().out
    assert main(["grammar", "off", "--area", TOWN]) == 0
    assert "not in use" in capsys.readouterr().out
