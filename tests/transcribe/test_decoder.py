"""The decoder process: what is thrown at it costs that one sound."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from core.errors import InvalidInput, ToolFailed
from tests.transcribe.conftest import Spoken, pcm, write_wav
from transcribe import catalogue
from transcribe.decoder import (
    Decoder,
    DecoderCrashed,
    DecoderGone,
    DecoderTooSlow,
)
from transcribe.recogniser import Recognition


def first_child(pid: int) -> psutil.Process:
    deadline = time.monotonic() + 20
    while not (children := psutil.Process(pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return children[0]


def signal_the_child(decoder: Decoder, number: int) -> threading.Thread:
    assert decoder.pid is not None
    thread = threading.Thread(
        target=lambda pid: first_child(pid).send_signal(number), args=(decoder.pid,)
    )
    thread.start()
    return thread


def test_many_sounds_at_a_time_share_one_model(decoder: Decoder, sentences: list[Spoken]) -> None:
    with ThreadPoolExecutor(3) as pool:
        heard = list(pool.map(decoder.decode, [one.wide for one in sentences] * 3))
    assert [found.text for found in heard[:3]] == [found.text for found in heard[6:]]
    assert heard[0].text == sentences[0].text


def test_a_crash_costs_the_one_sound_and_the_model_stays(
    decoder: Decoder, spoken: Spoken, long_sound: Path
) -> None:
    pid = decoder.pid
    thread = signal_the_child(decoder, signal.SIGABRT)
    with pytest.raises(DecoderCrashed):
        decoder.decode(long_sound)
    thread.join()
    assert decoder.pid == pid
    assert decoder.decode(spoken.wide).text == spoken.text


def test_a_model_that_fails_at_its_first_sound_does_not_start_and_vosks_reason_is_told(
    tmp_path: Path,
) -> None:
    model = tmp_path / "model"
    shutil.copytree(catalogue.STARTER, model)
    mfcc = model / "conf" / "mfcc.conf"
    mfcc.write_text(mfcc.read_text().replace("--num-ceps=40", "--num-ceps=13"))
    with pytest.raises(ToolFailed, match="dimension mismatch: got 13 but network expects 40"):
        Decoder(model, tmp_path / "work").start()


def test_a_sound_that_takes_too_much_processor_time_is_stopped(
    tmp_path: Path, spoken: Spoken, long_sound: Path
) -> None:
    decoder = Decoder(catalogue.STARTER, tmp_path / "work", cpu_factor=0.0, least_cpu_s=1)
    decoder.start()
    with pytest.raises(DecoderTooSlow, match="1 s"):
        decoder.decode(long_sound)
    assert decoder.decode(spoken.wide).text == spoken.text
    decoder.close()


def test_a_sound_that_wants_too_much_memory_is_stopped(tmp_path: Path, spoken: Spoken) -> None:
    decoder = Decoder(catalogue.STARTER, tmp_path / "work", memory_mb=1)
    decoder.start()
    with pytest.raises(DecoderCrashed):
        decoder.decode(spoken.wide)
    assert decoder.alive
    decoder.close()


def test_when_the_process_is_killed_its_children_go_and_a_new_start_mends_it(
    decoder: Decoder, spoken: Spoken, long_sound: Path
) -> None:
    assert decoder.pid is not None
    children: list[psutil.Process] = []

    def kill() -> None:
        pid = decoder.pid
        assert pid is not None
        children.append(first_child(pid))
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(DecoderGone):
        decoder.decode(long_sound)
    thread.join()
    psutil.wait_procs(children, timeout=5)
    assert not children[0].is_running()
    with pytest.raises(DecoderGone):
        decoder.decode(spoken.wide)
    decoder.start()
    assert decoder.decode(spoken.wide).text == spoken.text


def test_a_caller_that_gives_up_ends_the_decoding(decoder: Decoder, long_sound: Path) -> None:
    class Enough(Exception):
        pass

    def give_up() -> None:
        raise Enough

    with pytest.raises(Enough):
        decoder.decode(long_sound, on_wait=give_up)
    assert decoder.pid is not None
    psutil.wait_procs(psutil.Process(decoder.pid).children(), timeout=5)
    assert psutil.Process(decoder.pid).children() == []


def test_files_that_are_no_plain_wav_are_refused(
    decoder: Decoder, spoken: Spoken, tmp_path: Path
) -> None:
    many = write_wav(tmp_path / "many.wav", pcm(spoken.wide), 16_000, channels=4)
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    for path in (many, text, tmp_path / "missing.wav"):
        with pytest.raises(InvalidInput, match="one or two channels"):
            decoder.decode(path)
    odd = write_wav(tmp_path / "odd.wav", pcm(spoken.wide), 4_000)
    with pytest.raises(InvalidInput, match="4000 samples a second"):
        decoder.decode(odd)


def test_an_empty_sound_is_silent(decoder: Decoder, tmp_path: Path) -> None:
    heard = decoder.decode(write_wav(tmp_path / "empty.wav", b"", 16_000))
    assert heard == Recognition((), 0, 16_000, "silent")
    assert (heard.text, heard.confidence) == ("", None)


def test_a_folder_that_is_no_model_is_named_with_vosks_reason(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ToolFailed, match=r"does not load: .*none"):
        Decoder(tmp_path / "none", tmp_path / "work").start()


def test_results_leave_no_files_behind(decoder: Decoder, spoken: Spoken, tmp_path: Path) -> None:
    decoder.decode(spoken.wide)
    assert sorted(path.name for path in (tmp_path / "decoder").iterdir()) == ["stderr"]
