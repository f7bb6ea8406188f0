"""What was heard live becomes the transcript; if anything is amiss, the sound is decoded."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from core import bell
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.settings import Settings
from tests.conftest import on_both_databases
from tests.transcribe.conftest import Spoken
from tests.transcribe.growing import live_process, record
from tests.transcribe.working import ask, here, state, text, wait_for
from transcribe import catalogue, claims, hearings, jobs, stream, transcripts
from transcribe.decoder import Decoder
from transcribe.models import Hearing
from transcribe.recogniser import STANDARD, Recognition, Utterance, Word
from transcribe.stream import Shelf, Standing
from transcribe.worker import Worker

__all__ = ["here"]

HEARD = Recognition((Utterance((Word("直播", 0, 400, 0.9),)),), 500, 8000)
KEY = "call-7.take-1"


class Refuses(Decoder):
    """A decoder that must not be asked."""

    def decode(self, *_: object, **__: object) -> Recognition:
        raise AssertionError("it was decoded")


@pytest.fixture
def shelf(config: Settings) -> Shelf:
    return Shelf(config)


@pytest.fixture
def somebody_listens(config: Settings) -> Iterator[None]:
    """As far as others can see, a live process runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(stream.socket_path(config)))
        yield


def standing(*, ended: bool = True) -> Standing:
    return Standing(catalogue.starter().tree_hash, STANDARD.hash, ended)


def sources(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(sa.select(Hearing.source)))


def test_what_was_heard_live_is_stored_without_decoding(
    database: Database, store: BlobStore, shelf: Shelf, spoken: Spoken,
    here: Callable[..., Worker],
) -> None:  # fmt: skip
    shelf.put(KEY, hearings.sound_of(spoken.telephone).pcm_sha256, standing(), HEARD)
    job_id = ask(database, store, 1, spoken.telephone, stream_key=KEY)
    here(Refuses)
    wait_for(lambda: state(database, job_id) == "done", "the hand-over")
    assert text(database, 1) == "直播"
    assert sources(database) == ["stream"]
    assert shelf.ready() == []
    with database.read() as session:
        found = transcripts.heard(session, "report", 1)
        assert found is not None
        assert found.decoder is not None
        assert found.decoder["code_version"] == STANDARD.code_version


@pytest.mark.parametrize("wrong", ["sound", "model", "config", "none", "torn"])
def test_anything_but_the_same_sound_and_model_is_decoded(
    database: Database, store: BlobStore, shelf: Shelf, spoken: Spoken,
    here: Callable[..., Worker], wrong: str,
) -> None:  # fmt: skip
    sha256 = hearings.sound_of(spoken.telephone).pcm_sha256
    model, config = catalogue.starter().tree_hash, STANDARD.hash
    if wrong != "none":
        shelf.put(
            KEY,
            "0" * 64 if wrong == "sound" else sha256,
            Standing(
                "m" if wrong == "model" else model, "c" if wrong == "config" else config, True
            ),
            HEARD,
        )
    if wrong == "torn":
        os.truncate(shelf.result_path(KEY), 100)
    job_id = ask(database, store, 1, spoken.telephone, stream_key=KEY)
    here()
    wait_for(lambda: state(database, job_id) == "done", "decoding")
    assert text(database, 1) == spoken.text
    assert sources(database) == ["batch"]
    assert shelf.ready() == []


def test_a_live_process_that_died_with_a_stream_is_not_waited_for(
    database: Database, store: BlobStore, shelf: Shelf, spoken: Spoken,
    here: Callable[..., Worker],
) -> None:  # fmt: skip
    shelf.stands(KEY, standing())
    job_id = ask(database, store, 1, spoken.telephone, stream_key=KEY)
    here()
    wait_for(lambda: state(database, job_id) == "done", "decoding")
    assert sources(database) == ["batch"]


@pytest.mark.usefixtures("somebody_listens")
def test_who_waits_for_a_stream_keeps_nobody_from_being_decoded(
    database: Database, store: BlobStore, shelf: Shelf, sentences: list[Spoken],
    here: Callable[..., Worker],
) -> None:  # fmt: skip
    first, other = sentences[0].telephone, sentences[1]
    shelf.stands(KEY, standing())
    waiting = ask(database, store, 1, first, stream_key=KEY, priority=90)
    behind = ask(database, store, 2, other.telephone)
    here()
    wait_for(lambda: state(database, behind) == "done", "the job behind")
    assert text(database, 2) == other.text
    assert state(database, waiting) != "done"
    shelf.put(KEY, hearings.sound_of(first).pcm_sha256, standing(), HEARD)
    shelf.over(KEY)
    bell.ring(jobs.BELL)
    wait_for(lambda: state(database, waiting) == "done", "the hand-over")
    assert text(database, 1) == "直播"


@on_both_databases
def test_a_sound_that_was_heard_live_goes_first_and_passes_every_other(
    database: Database, store: BlobStore, spoken: Spoken
) -> None:
    for number, options in enumerate(({}, {"priority": 90}, {"stream_key": KEY}), 1):
        ask(database, store, number, spoken.telephone, duration_ms=2000, **options)
    assert _subject(database, streamed=[KEY, "another"]) == 3
    assert _subject(database, streamed=[]) == 2
    urgent = claims.Standing(90, utc_now(), 1, 0)
    assert claims.claim(database, "d", passing=urgent, streamed=["another"]) is None


@on_both_databases
def test_a_job_that_was_put_back_costs_no_try_and_is_due_once_it_was_heard(
    database: Database, store: BlobStore, spoken: Spoken
) -> None:
    job_id = ask(database, store, 1, spoken.telephone, stream_key=KEY)
    held = claims.claim(database, "d")
    assert held is not None
    with database.write() as session:
        assert claims.put_back(session, held, 60)
    assert claims.claim(database, "d") is None
    again = claims.claim(database, "d", streamed=[KEY])
    assert again is not None
    assert (again.job_id, again.try_no) == (job_id, 1)
    assert claims.claim(database, "e", streamed=[KEY]) is None


def _subject(database: Database, streamed: list[str]) -> int:
    held = claims.claim(database, "d", streamed=streamed)
    assert held is not None
    return held.subject_id


@pytest.mark.slow
def test_the_real_live_process_hands_over_to_the_real_decoder(
    config: Settings, database: Database, store: BlobStore, spoken: Spoken, tmp_path: Path,
    here: Callable[..., Worker],
) -> None:  # fmt: skip
    with live_process(tmp_path):
        tape = record(config, tmp_path / "call-7", spoken.telephone)
        wait_for(lambda: tape.key in tape.shelf.ready(), "hearing")
        here(Refuses)
        job_id = ask(database, store, 1, spoken.telephone, stream_key=tape.key)
        wait_for(lambda: state(database, job_id) == "done", "the hand-over")
    assert text(database, 1) == spoken.text
    assert sources(database) == ["stream"]
