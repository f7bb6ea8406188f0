"""Announcing growing sound, and asking for what was heard of it."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.settings import Settings
from transcribe import stream
from transcribe.recogniser import Recognition, Utterance, Word
from transcribe.stream import Announcer, GrowingSound, News, Shelf, Standing

HEARD = Recognition((Utterance((Word("停水", 0, 400, 0.9),)),), 500, 8000, None, ("clipped",))
WANTED = {"pcm_sha256": "p" * 64, "model_hash": "m" * 64, "config_hash": "c" * 64}
STANDING = Standing(WANTED["model_hash"], WANTED["config_hash"], ended=True)


@pytest.fixture
def shelf(config: Settings) -> Shelf:
    return Shelf(config)


def listen(config: Settings) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(str(stream.socket_path(config)))
    line.setblocking(False)
    return line


def test_telling_nobody_is_no_trouble(config: Settings) -> None:
    news = Announcer(config)
    news.grows("call.take-1", Path("take-1.pcm"), 8000)
    news.done("call.take-1")
    news.gone("call.take-1")


def test_telling_one_who_does_not_read_never_waits(config: Settings) -> None:
    news = Announcer(config)
    with listen(config):
        for _ in range(5_000):
            news.grows("call.take-1", Path("take-1.pcm"), 8000)


def test_without_live_streams_nothing_is_told(config: Settings) -> None:
    with listen(config) as line:
        Announcer(config.model_copy(update={"live_streams": 0})).done("call.take-1")
        with pytest.raises(BlockingIOError):
            line.recv(1000)


def test_what_is_told_arrives_whole(config: Settings) -> None:
    with listen(config) as line:
        Announcer(config).grows("k", Path("/b.wav"), 16_000, after=[Path("/a.wav")], skip_bytes=44)
        told = News.decode(line.recv(1000))
    assert told == News("grows", "k", GrowingSound(("/a.wav", "/b.wav"), 16_000, 44))


@given(st.binary(max_size=300) | st.builds(
    lambda what, key, sound: json.dumps({"what": what, "key": key, "sound": sound}).encode(),
    st.sampled_from(["grows", "done", "gone", "x", 1]),
    st.sampled_from(["k", "", "../k", "a/b", 7, None]),
    st.none() | st.just({"paths": ["/a"], "rate_hz": "x", "skip_bytes": 0})
    | st.just({"paths": [], "rate_hz": 1, "skip_bytes": 0}) | st.integers(),
))  # fmt: skip
def test_news_that_is_none_is_refused_as_such(data: bytes) -> None:
    try:
        told = News.decode(data)
    except ValueError:
        return
    assert told.what in ("done", "gone")
    assert told.key in ("k", "7", "None")


@pytest.mark.parametrize("key", ["", "../secret", "a/b", ".hidden", "x" * 101])
def test_a_key_cannot_leave_the_folder(config: Settings, key: str) -> None:
    with pytest.raises(InvalidInput):
        Announcer(config).done(key)
    with pytest.raises(InvalidInput):
        Shelf(config).result_path(key)


def test_what_was_heard_comes_back_as_it_was(shelf: Shelf) -> None:
    shelf.put("k", WANTED["pcm_sha256"], STANDING, HEARD)
    assert shelf.get("k", **WANTED) == HEARD


@pytest.mark.parametrize("other", list(WANTED))
def test_another_sound_model_or_configuration_does_not_count(shelf: Shelf, other: str) -> None:
    shelf.put("k", WANTED["pcm_sha256"], STANDING, HEARD)
    assert shelf.get("k", **{**WANTED, other: "x" * 64}) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"heard": 1}', b"\xff\xfe"])
def test_a_damaged_result_counts_as_none(shelf: Shelf, damage: bytes) -> None:
    shelf.result_path("k").write_bytes(damage)
    assert shelf.get("k", **WANTED) is None


def test_a_result_without_words_inside_counts_as_none(shelf: Shelf) -> None:
    shelf.result_path("k").write_text(json.dumps({**WANTED, "heard": {"words": 3}}))
    assert shelf.get("k", **WANTED) is None


def test_only_its_owner_may_read_what_a_caller_said(shelf: Shelf) -> None:
    shelf.put("k", WANTED["pcm_sha256"], STANDING, HEARD)
    assert shelf.result_path("k").stat().st_mode & 0o077 == 0


def test_nobody_waits_for_a_process_that_is_gone(shelf: Shelf) -> None:
    shelf.stands("k", STANDING)
    assert shelf.wait("k", **WANTED, wait_s=3600) is None


def test_nobody_waits_for_a_stream_of_another_model(config: Settings, shelf: Shelf) -> None:
    shelf.stands("k", STANDING)
    with listen(config):
        assert shelf.busy("k", model_hash="m" * 64, config_hash="c" * 64)
        assert shelf.wait("k", **{**WANTED, "model_hash": "x" * 64}, wait_s=3600) is None


def test_waiting_for_a_busy_stream_has_an_end(config: Settings, shelf: Shelf) -> None:
    shelf.stands("k", STANDING)
    with listen(config):
        assert shelf.wait("k", **WANTED, wait_s=0.1) is None


def test_old_results_are_swept_and_new_ones_stay(shelf: Shelf) -> None:
    for key in ("old", "new"):
        shelf.put(key, WANTED["pcm_sha256"], STANDING, HEARD)
    long_ago = time.time() - stream.KEEP_S - 60
    os.utime(shelf.result_path("old"), (long_ago, long_ago))
    assert shelf.sweep() == 1
    assert [path.name for path in shelf.folder.iterdir()] == ["new.json"]


def test_a_full_disk_leaves_nothing_half_written(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transcribe.stream.json.dump", full)
    with pytest.raises(OSError, match="No space"):
        shelf.put("k", WANTED["pcm_sha256"], STANDING, HEARD)
    assert list(shelf.folder.iterdir()) == []
