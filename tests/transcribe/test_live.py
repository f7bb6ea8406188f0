"""The live process: what breaks costs time, never words."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from core.settings import Settings
from tests.transcribe.conftest import Spoken, pcm, write_wav
from tests.transcribe.growing import LiveProcess, Tape, live_process, record, wait_for
from transcribe import catalogue, hearings
from transcribe.decoder import Decoder
from transcribe.diagnosis import SILENT
from transcribe.recogniser import STANDARD
from transcribe.turns import REST_OF_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
T = TypeVar("T")
BEGUN = "hearing a stream"
ENDED, BROKE = "a stream was heard to its end", "hearing a stream broke"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveProcess]:
    with live_process(tmp_path) as process:
        yield process


@pytest.fixture
def call(tmp_path: Path) -> Path:
    folder = tmp_path / "call-7"
    folder.mkdir()
    return folder


def test_the_words_are_heard_while_the_call_goes_on(
    config: Settings, live: LiveProcess, call: Path, long_sound: Path, decoder: Decoder
) -> None:
    tape = Tape(config, call / "take-1.pcm", rate_hz=16_000)
    tape.write(pcm(long_sound))
    [child] = wait_for(live.hearing, "the hearing")
    wait_for(lambda: _caught_up(tape, child), "catching up")
    tape.finish()
    heard = tape.heard_soon(long_sound)
    assert heard == decoder.decode(long_sound)
    assert heard.words


def _caught_up(tape: Tape, process: psutil.Process) -> bool:
    """Whether it waits for more: a process with work to do is not asleep each time one looks."""
    for _ in range(8):
        tape.tell()
        if process.status() != psutil.STATUS_SLEEPING:
            return False
        time.sleep(0.05)
    return process.cpu_times().user > 0


def _ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_killed_in_the_middle_of_a_call_it_begins_anew_from_its_start(
    config: Settings, tmp_path: Path, call: Path, spoken: Spoken, decoder: Decoder
) -> None:
    sound = pcm(spoken.telephone)
    tape = Tape(config, call / "take-1.pcm")
    with live_process(tmp_path) as first:
        tape.tell()
        tape.write(sound[: len(sound) // 2])
        [child] = wait_for(first.hearing, "the hearing")
        first.end(signal.SIGKILL)
        assert tape.heard(spoken.telephone) is None  # nobody waits for the dead
        wait_for(lambda: _ended(child), "the child's end")
    with live_process(tmp_path):
        tape.tell()
        tape.write(sound[len(sound) // 2 :])
        tape.finish()
        assert tape.heard_soon(spoken.telephone) == decoder.decode(spoken.telephone)


def test_a_child_that_crashes_is_tried_once_more_and_then_left_to_the_decoders(
    config: Settings, live: LiveProcess, call: Path, spoken: Spoken
) -> None:
    tape = Tape(config, call / "take-1.pcm")
    tape.write(pcm(spoken.telephone))
    for count in (1, 2):
        [child] = wait_for(live.hearing, "the hearing")
        child.send_signal(signal.SIGABRT)
        wait_for(lambda count=count: live.said().count(BROKE) == count, "the crash")
        tape.tell()
    tape.finish()
    assert tape.heard(spoken.telephone) is None
    assert live.hearing() == []
    other = record(config, call.parent / "call-8", spoken.telephone)
    assert other.heard_soon(spoken.telephone)


def test_a_call_that_is_hung_up_at_once(
    config: Settings, live: LiveProcess, call: Path, tmp_path: Path, decoder: Decoder
) -> None:
    tape = Tape(config, call / "take-1.pcm")
    tape.write(bytes(320))
    tape.finish()
    wav = write_wav(tmp_path / "short.wav", bytes(320), 8000)
    assert tape.heard_soon(wav) == decoder.decode(wav)


def test_a_take_without_speech(
    config: Settings, live: LiveProcess, call: Path, tmp_path: Path, decoder: Decoder
) -> None:
    wav = write_wav(tmp_path / "quiet.wav", bytes(8000 * 2 * 9), 8000)
    heard = record(config, call, wav).heard_soon(wav)
    assert heard == decoder.decode(wav)
    assert heard.diagnosis == SILENT


def test_two_takes_of_one_call_are_one_sound(
    config: Settings, live: LiveProcess, call: Path, tmp_path: Path, sentences: list[Spoken],
    decoder: Decoder,
) -> None:  # fmt: skip
    sounds = [pcm(one.telephone) for one in sentences[:2]]
    first = Tape(config, call / "take-1.pcm")
    first.write(sounds[0])
    first.finish()
    second = Tape(config, call / "take-2.pcm", after=(first.path,))
    second.write_in_pieces(sounds[1], random.Random(1), pause_s=0.02)
    second.finish()
    wav = write_wav(tmp_path / "both.wav", b"".join(sounds), 8000)
    assert second.heard_soon(wav) == decoder.decode(wav)
    assert first.heard_soon(sentences[0].telephone) == decoder.decode(sentences[0].telephone)


def test_a_call_on_hold_is_not_over(
    config: Settings, live: LiveProcess, call: Path, spoken: Spoken, decoder: Decoder
) -> None:
    sound = pcm(spoken.telephone)
    tape = Tape(config, call / "take-1.pcm")
    tape.write(sound[:16_000])
    for _ in range(8):  # longer than the quiet that would end it
        time.sleep(0.5)
        tape.tell()
    tape.write(sound[16_000:])
    tape.finish()
    assert tape.heard_soon(spoken.telephone) == decoder.decode(spoken.telephone)


def test_a_recorder_that_died_leaves_what_it_wrote(
    config: Settings, live: LiveProcess, call: Path, spoken: Spoken, decoder: Decoder
) -> None:
    tape = Tape(config, call / "take-1.pcm")
    tape.write(pcm(spoken.telephone))
    wait_for(lambda: ENDED in live.said(), "the end by quiet")
    assert tape.heard_soon(spoken.telephone) == decoder.decode(spoken.telephone)


def test_late_packets_change_nothing_that_counts(
    config: Settings, live: LiveProcess, call: Path, tmp_path: Path, spoken: Spoken
) -> None:
    sound = bytearray(pcm(spoken.telephone))
    tape = Tape(config, call / "take-1.pcm")
    tape.write(bytes(sound))
    [child] = wait_for(live.hearing, "the hearing")
    wait_for(lambda: _caught_up(tape, child), "catching up")
    sound[1000:1320] = b"\x55" * 320
    tape.write(bytes(sound[1000:1320]), at=1000)
    tape.finish()
    wav = write_wav(tmp_path / "changed.wav", bytes(sound), 8000)
    assert tape.heard(wav) is None
    assert "late packets changed a sound that was heard already" in live.said()


def test_more_calls_than_the_cap_wait_for_their_turn(
    config: Settings, tmp_path: Path, spoken: Spoken
) -> None:
    with live_process(tmp_path, XIANGYIN_LIVE_STREAMS="1") as live:
        tapes = []
        for number in (1, 2, 3):
            (tmp_path / f"call-{number}").mkdir()
            tapes.append(Tape(config, tmp_path / f"call-{number}" / "take-1.pcm"))
            tapes[-1].write(pcm(spoken.telephone))
        _telling(tapes, lambda: wait_for(live.hearing, "the hearing"))
        assert len(live.hearing()) == 1
        tapes[2].finish()
        assert tapes[2].heard(spoken.telephone) is None  # over before its turn: to the decoders
        tapes[0].finish()
        assert _telling(tapes[1:2], lambda: tapes[0].heard_soon(spoken.telephone))
        _telling(tapes[1:2], lambda: wait_for(lambda: live.said().count(BEGUN) == 2, "its turn"))
        tapes[1].finish()
        assert tapes[1].heard_soon(spoken.telephone)


def _telling(tapes: list[Tape], what: Callable[[], T]) -> T:
    """``what`` while somebody tells of the tapes, as their recorders do each second."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(0.2):
            for tape in tapes:
                tape.tell()

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        return what()
    finally:
        over.set()
        thread.join()


def test_a_full_disk_costs_the_stream_alone(
    config: Settings, live: LiveProcess, call: Path, spoken: Spoken
) -> None:
    tape = Tape(config, call / "take-1.pcm")
    tape.write(pcm(spoken.telephone))
    [child] = wait_for(live.hearing, "the hearing")
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (0, 0))
    tape.finish()
    wait_for(lambda: BROKE in live.said(), "the refusal")
    assert tape.heard(spoken.telephone) is None
    wait_for(lambda: not list(tape.shelf.folder.iterdir()), "an empty folder")
    other = record(config, call.parent / "call-8", spoken.telephone)
    assert other.heard_soon(spoken.telephone)


def test_what_nobody_wants_is_thrown_away(
    config: Settings, live: LiveProcess, call: Path, long_sound: Path, spoken: Spoken
) -> None:
    heard = record(config, call, spoken.telephone)
    assert heard.heard_soon(spoken.telephone)
    growing = Tape(config, call / "take-2.pcm", rate_hz=16_000)
    growing.write(pcm(long_sound))
    wait_for(live.hearing, "the hearing")
    for tape in (heard, growing):
        tape.news.gone(tape.key)
    wait_for(lambda: not live.hearing(), "the end of the hearing")
    wait_for(lambda: not list(heard.shelf.folder.iterdir()), "an empty folder")


def test_another_model_is_followed_and_what_the_old_one_heard_does_not_count(
    config: Settings, tmp_path: Path, call: Path, spoken: Spoken
) -> None:
    with live_process(tmp_path) as live:
        tape = Tape(config, call / "take-1.pcm")
        tape.write(pcm(spoken.telephone))
        wait_for(live.hearing, "the hearing")
        other = catalogue.folder(config) / "other"
        shutil.copytree(catalogue.STARTER, other)
        (other / "README").write_text("another")
        catalogue.choose(config, "other")
        wait_for(lambda: "another model was chosen" in live.said(), "following")
        wait_for(lambda: (tape.tell(), live.hearing())[1], "the hearing by the other")
        tape.finish()
        wait_for(lambda: ENDED in live.said(), "the end")
        assert tape.heard(spoken.telephone) is None
        assert tape.shelf.get(
            tape.key,
            pcm_sha256=hearings.sound_of(spoken.telephone).pcm_sha256,
            model_hash=catalogue.at(other).tree_hash,
            config_hash=STANDARD.hash,
        )


def test_growing_streams_rest_and_go_on(
    config: Settings, live: LiveProcess, tmp_path: Path, long_sound: Path, spoken: Spoken
) -> None:
    """While finished sounds take every core the growing one stands still, and loses nothing."""
    (tmp_path / "grows").mkdir()
    growing = Tape(config, tmp_path / "grows" / "take-1.pcm")
    growing.write(pcm(spoken.telephone))
    wait_for(live.hearing, "the hearing")
    cores = len(os.sched_getaffinity(0))
    for number in range(cores):
        record(config, tmp_path / f"over-{number}", long_sound, rate_hz=16_000)
    growing.tell()
    child = min(live.hearing(), key=lambda one: one.create_time())
    wait_for(lambda: child.status() == psutil.STATUS_STOPPED, "the rest")
    deadline = time.monotonic() + REST_OF_S + 30
    while live.said().count(ENDED) < cores and time.monotonic() < deadline:
        growing.tell()
        time.sleep(0.2)
    growing.finish()
    assert growing.heard_soon(spoken.telephone)


def test_a_second_live_process_is_refused(config: Settings, live: LiveProcess) -> None:
    with pytest.raises(AssertionError, match="runs on this data folder already"):
        LiveProcess(live.log.with_name("second.log"))
