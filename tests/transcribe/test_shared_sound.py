"""The sound others hear: made once for the present words, with every number muted."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from core import areas, auth, blobs
from core.blobs import BlobStore
from core.database import Database
from core.errors import Conflict
from core.types import Sha256
from tests.conftest import on_both_databases
from tests.transcribe.conftest import write_wav
from tests.transcribe.test_normalise import said
from transcribe import catalogue, mute, shared_sound, transcripts
from transcribe.recogniser import Recognition, Utterance, Word

RATE_HZ = 8_000
WORDS = said("打 幺三八 零零幺三 八零零零 找 我")
NUMBER_MS = (WORDS[1].start_ms, WORDS[3].end_ms)
HEARD = Recognition(
    (Utterance(tuple(Word(w.text, w.start_ms, w.end_ms, 0.9) for w in WORDS)),), 4_000, RATE_HZ
)


@pytest.fixture
def audio(database: Database, store: BlobStore, tmp_path: Path) -> Sha256:
    """The sound of report 7: four seconds of noise."""
    noise = np.random.default_rng(3).integers(9_000, 30_000, 4 * RATE_HZ).astype(np.int16)
    sha256 = store.put_file(write_wav(tmp_path / "call.wav", noise.tobytes(), RATE_HZ))
    with database.write() as session:
        blobs.register(session, store, sha256, "audio/wav")
    return sha256


@pytest.fixture
def author(database: Database) -> int:
    with database.write() as session:
        areas.add(session, "500000000000", "某县", "county")
        return auth.create_user(
            session, "li", "李四", "a long password", ["operator"], "500000000000"
        ).id


def hear(database: Database) -> None:
    with database.write() as session:
        transcripts.store_heard(session, "report", 7, HEARD, catalogue.starter())


def write(database: Database, author: int, text: str, based_on: int | None) -> None:
    with database.write() as session:
        transcripts.save_edit(session, "report", 7, text, author, based_on)


def loud(store: BlobStore, sha256: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each millisecond whether more than the tone is heard."""
    with wave.open(str(store.path(sha256)), "rb") as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    return np.abs(samples.reshape(-1, RATE_HZ // 1000)).max(axis=1) > mute.TONE_PEAK


@on_both_databases
def test_the_number_is_muted_and_the_rest_is_heard(
    database: Database, store: BlobStore, audio: Sha256, author: int
) -> None:
    hear(database)
    write(database, author, "打13800138000找我", 0)
    row = shared_sound.ensure(database, store, "report", 7, audio)
    start_ms, end_ms = NUMBER_MS[0] - mute.MARGIN_MS, NUMBER_MS[1] + mute.MARGIN_MS
    assert row.spans == [[start_ms, end_ms]]
    heard = loud(store, row.sha256)
    assert not heard[start_ms:end_ms].any()
    assert heard[:start_ms].all()
    assert heard[end_ms:].all()
    assert loud(store, audio).all()


def test_a_number_that_a_person_left_out_of_the_text_is_muted_all_the_same(
    database: Database, store: BlobStore, audio: Sha256, author: int
) -> None:
    hear(database)
    write(database, author, "请他回电话", 0)
    assert shared_sound.ensure(database, store, "report", 7, audio).spans


def test_it_is_made_once_and_again_for_new_words(
    database: Database, store: BlobStore, audio: Sha256, author: int
) -> None:
    hear(database)
    write(database, author, "打13800138000找我", 0)
    first, again = (shared_sound.ensure(database, store, "report", 7, audio) for _ in range(2))
    write(database, author, "打13800138000找我，谢谢", 1)
    later = shared_sound.ensure(database, store, "report", 7, audio)
    assert first.id == again.id
    assert later.id != first.id


def test_a_rendition_that_is_gone_from_the_disk_is_made_anew(
    database: Database, store: BlobStore, audio: Sha256, author: int
) -> None:
    hear(database)
    write(database, author, "打13800138000找我", 0)
    row = shared_sound.ensure(database, store, "report", 7, audio)
    store.path(row.sha256).unlink()
    assert shared_sound.ensure(database, store, "report", 7, audio).id == row.id
    assert store.path(row.sha256).is_file()


def test_nothing_is_shared_while_nobody_knows_what_is_said(
    database: Database, store: BlobStore, audio: Sha256
) -> None:
    with pytest.raises(Conflict):
        shared_sound.ensure(database, store, "report", 7, audio)
    hear(database)  # by the starter model, which does not hear people
    with pytest.raises(Conflict):
        shared_sound.ensure(database, store, "report", 7, audio)
