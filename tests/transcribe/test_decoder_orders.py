"""What a decoder does on order: stand still, look words up, take a grammar, hear two sides."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from core.errors import InvalidInput
from tests.transcribe.conftest import Spoken, pcm, write_wav
from tests.transcribe.layouts import static
from tests.transcribe.test_decoder import first_child
from transcribe import catalogue, stopwatch
from transcribe.complaints import Complaints
from transcribe.decoder import Decoder, DecoderGone
from transcribe.decoder_process import DecoderProcess
from transcribe.recogniser import STANDARD, DecoderConfig, Recognition
from transcribe.stopwatch import Stopwatch


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stopped(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


def test_a_paused_sound_works_no_more_others_are_heard_and_it_ends_as_if_never_paused(
    decoder: Decoder, spoken: Spoken, long_sound: Path
) -> None:
    assert decoder.pid is not None
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(decoder.decode, long_sound, task="job-1")
        child = first_child(decoder.pid)
        decoder.pause("job-1")
        wait_until(lambda: stopped(child))
        spent = child.cpu_times()
        assert decoder.decode(spoken.wide, task="job-2").text == spoken.text
        assert child.cpu_times() == spent
        assert not long.done()
        decoder.resume("job-1")
        assert long.result() == decoder.decode(long_sound)


def test_pausing_what_does_not_run_does_nothing(decoder: Decoder, spoken: Spoken) -> None:
    decoder.pause("nothing")
    decoder.resume("nothing")
    assert decoder.decode(spoken.wide, task="job-1").text == spoken.text
    decoder.pause("job-1")


def test_closing_ends_a_paused_sound_too(decoder: Decoder, long_sound: Path) -> None:
    assert decoder.pid is not None
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(decoder.decode, long_sound, task="job-1")
        child = first_child(decoder.pid)
        decoder.pause("job-1")
        wait_until(lambda: stopped(child))
        decoder.close()
        with pytest.raises(DecoderGone):
            long.result()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running()


def test_a_sound_paused_the_moment_it_begins_still_ends_with_its_decoder(
    long_sound: Path, tmp_path: Path
) -> None:
    request = {"wav": str(long_sound), "out": str(tmp_path / "out"), "cpu_s": 60}
    request |= {"memory_mb": 1024, "grammar": None, "config": STANDARD.to_json()}
    complaints = Complaints(tmp_path / "stderr")
    process = DecoderProcess(catalogue.STARTER, complaints)
    process.wait_until_ready(Stopwatch(60), lambda: None)
    process.send({"pause": 1})
    for number in (1, 2, 3):
        process.send({"id": number, **request})
        process.send({"pause": number})
    wait_until(lambda: len(psutil.Process(process.pid).children()) == 3)
    children = psutil.Process(process.pid).children()
    wait_until(lambda: all(map(stopped, children)))
    process.kill()
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_giving_up_a_paused_sound_ends_it(decoder: Decoder, long_sound: Path) -> None:
    class Enough(Exception):
        pass

    enough = threading.Event()

    def watch() -> None:
        if enough.is_set():
            raise Enough

    assert decoder.pid is not None
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(decoder.decode, long_sound, task="job-1", on_wait=watch)
        child = first_child(decoder.pid)
        decoder.pause("job-1")
        wait_until(lambda: stopped(child))
        enough.set()
        with pytest.raises(Enough):
            long.result()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running()


def test_a_limit_of_time_stands_still_while_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: now[0])
    limit = Stopwatch(10.0)
    now[0] = 6.0
    limit.pause()
    limit.pause()
    now[0] = 1_000.0
    assert not limit.over
    limit.resume()
    now[0] = 1_003.0
    limit.resume()
    assert not limit.over
    now[0] = 1_004.5
    assert limit.over


def test_the_models_vocabulary_can_be_asked(decoder: Decoder) -> None:
    words = ["停水", "两天", "鼎湖山泉村", "xyz", "两天"]
    found = decoder.known_words(words)
    assert found == {"停水": True, "两天": True, "鼎湖山泉村": False, "xyz": False}
    assert decoder.known_words([]) == {}
    assert len(decoder.known_words([f"词{n}" for n in range(50_000)])) == 50_000


def grammar_of(path: Path, sentences: object) -> Path:
    path.write_text(json.dumps(sentences, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_grammar_is_all_a_sound_can_say_and_the_next_sound_is_free_of_it(
    decoder: Decoder, spoken: Spoken, tmp_path: Path
) -> None:
    grammar = grammar_of(
        tmp_path / "grammar.json", ["垃圾 没有 人 清理", "路灯 坏 了", "鼎湖山泉村"]
    )
    heard = decoder.decode(spoken.wide, grammar=grammar)
    assert heard.words
    assert {word.text for word in heard.words} <= {"垃圾", "没有", "人", "清理", "路灯", "坏", "了"}
    assert decoder.decode(spoken.wide).text == spoken.text


@pytest.mark.parametrize("sentences", [{}, [], ["  "], [1], "路灯 坏 了"])
def test_a_grammar_that_is_none_is_refused(
    decoder: Decoder, spoken: Spoken, tmp_path: Path, sentences: object
) -> None:
    with pytest.raises(InvalidInput, match="list of sentences") as refused:
        decoder.decode(spoken.wide, grammar=grammar_of(tmp_path / "grammar.json", sentences))
    assert refused.value.field == "grammar"


@pytest.mark.real("openfst")
def test_a_model_of_one_graph_says_that_it_takes_no_grammar(tmp_path: Path, spoken: Spoken) -> None:
    static(tmp_path / "model")
    decoder = Decoder(tmp_path / "model", tmp_path / "work")
    decoder.start()
    grammar = grammar_of(tmp_path / "grammar.json", ["路灯 坏 了"])
    with pytest.raises(InvalidInput, match="takes no grammar"):
        decoder.decode(spoken.wide, grammar=grammar)
    assert decoder.decode(spoken.wide).words
    decoder.close()


def test_how_a_sound_is_decoded_has_a_hash_that_every_part_of_it_changes(tmp_path: Path) -> None:
    grammar = grammar_of(tmp_path / "grammar.json", ["路灯 坏 了"])
    configs = [
        STANDARD,
        DecoderConfig(chunk_ms=100),
        DecoderConfig(gate=False),
        DecoderConfig(alternatives=0),
        DecoderConfig(alternatives_below=0.5),
        STANDARD.with_grammar(grammar),
        DecoderConfig(code_version=STANDARD.code_version + 1),
    ]
    assert len({config.hash for config in configs}) == len(configs)
    assert DecoderConfig(**STANDARD.to_json()).hash == STANDARD.hash
    assert STANDARD.with_grammar(grammar).with_grammar(None) == STANDARD


def test_the_two_sides_of_a_call_are_heard_apart_and_told_in_order_of_time(
    decoder: Decoder, sentences: list[Spoken], tmp_path: Path
) -> None:
    first, second, third = (pcm(one.telephone) for one in sentences)
    left = first + bytes(len(second)) + third
    right = bytes(len(first)) + second + bytes(len(third))
    call = write_wav(tmp_path / "call.wav", interleaved(left, right), 8_000, channels=2)
    heard = decoder.decode(call)
    assert [said.side for said in heard.utterances] == [0, 1, 0]
    assert [said.text for said in heard.utterances] == [one.text for one in sentences]
    assert heard.duration_ms == len(left) // 2 * 1000 // 8_000
    assert Recognition.from_json(json.loads(json.dumps(heard.to_json()))) == heard


def interleaved(left: bytes, right: bytes) -> bytes:
    pairs = zip(memoryview(left).cast("h"), memoryview(right).cast("h"), strict=True)
    return b"".join(
        one.to_bytes(2, "little", signed=True) + other.to_bytes(2, "little", signed=True)
        for one, other in pairs
    )


def test_a_hearing_survives_being_stored(spoken: Spoken, tmp_path: Path) -> None:
    doubting = Decoder(
        catalogue.STARTER, tmp_path / "work", config=DecoderConfig(alternatives_below=1.1)
    )
    doubting.start()
    heard = doubting.decode(spoken.wide)
    doubting.close()
    assert heard.utterances[0].alternatives
    assert Recognition.from_json(json.loads(json.dumps(heard.to_json()))) == heard
