"""What leaves the box: files paced like a card, and a card of PortAudio."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from edge import device
from edge.cache import Pcm
from edge.clock import SystemClock, Timeline
from edge.config import Home, Settings
from edge.crystal import Crystals
from edge.device import DeviceSink
from edge.errors import CardAway, SinkFailed
from edge.follow import Follower
from edge.sinks import Sink, Sounded, WavSink
from edge.store import Store
from tests.edge.sounds import RATE_HZ, speechlike

pytestmark = pytest.mark.slow
CLOCK = SystemClock()
VOICE = (speechlike(1) * 32767).astype(np.int16)


def perform(
    sink: Sink,
    play_id: int = 7,
    in_s: float = 0.8,
    stop: threading.Event | None = None,
) -> tuple[Sounded, float]:
    """What the sink did, and the wall second at which the clip was due."""
    due_s = CLOCK.wall_s() + in_s
    timeline = Timeline(CLOCK)
    pcm = Pcm(VOICE, RATE_HZ, float(np.abs(VOICE.astype(np.int32)).max()) / 32768)
    follower = Follower(pcm, due_s, timeline, 1.0)
    return sink.sound(play_id, follower, timeline, stop or threading.Event()), due_s


def wav_sink(folder: Path, limit_mb: float = 200) -> WavSink:
    return WavSink(folder, Settings(sounded_limit_mb=limit_mb), CLOCK)


def test_the_file_tells_when_its_first_sample_was_heard(tmp_path: Path) -> None:
    sounded, due_s = perform(wav_sink(tmp_path))
    facts = json.loads((tmp_path / "play-7.json").read_text())
    heard, rate_hz = sf.read(tmp_path / "play-7.wav", dtype="float32")
    assert (facts["complete"], facts["play_id"], rate_hz) == (True, 7, RATE_HZ)
    assert sounded.first_s == pytest.approx(due_s, abs=0.005)
    assert sounded.last_s == pytest.approx(due_s + 1, abs=0.005)
    assert sounded.file == tmp_path / "play-7.wav"
    assert len(heard) == facts["frames"]


def test_it_takes_as_long_as_a_sound_card_would(tmp_path: Path) -> None:
    begun = time.monotonic()
    perform(wav_sink(tmp_path))
    assert time.monotonic() - begun >= 1.75


def test_a_thread_that_was_held_up_leaves_a_hole_not_a_shift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = 0
    honest = Follower.block

    def slow(self: Follower, frames: int, first: int, heard_at_s: float) -> Any:
        nonlocal blocks
        blocks += 1
        if blocks == 60:
            time.sleep(0.9)
        return honest(self, frames, first, heard_at_s)

    monkeypatch.setattr(Follower, "block", slow)
    sounded, due_s = perform(wav_sink(tmp_path))
    assert sounded.underruns >= 1
    assert sounded.last_s == pytest.approx(due_s + 1, abs=0.03)


def test_a_stop_is_obeyed_at_once(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    begun = time.monotonic()
    sounded, _ = perform(wav_sink(tmp_path), in_s=30, stop=stop)
    assert time.monotonic() - begun < 10
    assert sounded.file is None
    assert json.loads((tmp_path / "play-7.json").read_text())["complete"] is False


def test_what_is_cut_is_silent_at_once_also_what_was_taken_ahead(tmp_path: Path) -> None:
    stop, stopped_s = threading.Event(), 0.0

    def press() -> None:
        nonlocal stopped_s
        stopped_s = CLOCK.wall_s()
        stop.set()

    threading.Timer(1.2, press).start()
    sounded, due_s = perform(wav_sink(tmp_path), stop=stop)
    facts = json.loads((tmp_path / "play-7.json").read_text())
    heard, rate_hz = sf.read(tmp_path / "play-7.wav", dtype="float32")
    loud = np.flatnonzero(np.abs(heard) > 0.001)
    began_s = datetime.fromisoformat(facts["first_sample_at"]).timestamp()
    assert began_s + loud[0] / rate_hz == pytest.approx(due_s, abs=0.05)
    assert began_s + loud[-1] / rate_hz < stopped_s + 0.3
    assert np.abs(heard[-10:]).max() < 0.01  # it has died away, and not clicked
    assert len(heard) == facts["frames"]
    assert sounded.last_s is not None
    assert sounded.last_s < stopped_s + 0.3
    assert (sounded.file, facts["complete"]) == (None, False)


def test_what_was_cut_before_its_first_sample_was_heard_has_not_begun(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()  # its first block was taken already
    sounded, _ = perform(wav_sink(tmp_path), stop=stop)
    assert (sounded.first_s, sounded.last_s) == (None, None)
    assert np.abs(sf.read(tmp_path / "play-7.wav", dtype="float32")[0]).max() < 0.001


def test_the_oldest_files_make_room(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"play-{number}.wav").write_bytes(bytes(100_000))
        (tmp_path / f"play-{number}.json").write_text("{}")
        time.sleep(0.02)
    perform(wav_sink(tmp_path, limit_mb=0.3))
    assert sorted(file.name for file in tmp_path.glob("*.wav")) == ["play-3.wav", "play-7.wav"]
    assert not (tmp_path / "play-1.json").exists()


def test_a_play_longer_than_the_folder_may_grow_is_still_sounded_to_its_end(tmp_path: Path) -> None:
    sounded, due_s = perform(wav_sink(tmp_path, limit_mb=0.1))
    assert (tmp_path / "play-7.wav").stat().st_size <= 100_100
    assert sounded.last_s == pytest.approx(due_s + 1, abs=0.005)
    assert sounded.file is None


def test_a_folder_that_cannot_be_written_is_a_failed_sink(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed):
        perform(wav_sink(tmp_path / "missing"))


# --- PortAudio, played by a stand-in that keeps its contract


class PortAudioError(Exception):
    pass


class FakeStream:
    """Calls back in a thread of its own, ``ppm`` fast, and says when each buffer is heard."""

    latency_s = 0.1

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.frames: list[Any] = []
        self.stamps: list[float] = []
        self.running = threading.Event()
        FakeStream.last = self

    last: FakeStream
    ppm = 200.0
    calls_back = True
    dies_after: int | None = None  # blocks

    @property
    def active(self) -> bool:
        return self.thread.is_alive()

    def start(self) -> None:
        self.running.set()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def stop(self, ignore_errors: bool = False) -> None:
        self.running.clear()
        self.thread.join()

    abort = stop

    def close(self, ignore_errors: bool = False) -> None:
        assert not self.running.is_set(), "closed while it runs"

    def _run(self) -> None:
        count = self.options["blocksize"]
        block_s = count / self.options["samplerate"] / (1 + self.ppm * 1e-6)
        opened_s = time.monotonic()
        number = 0
        while self.running.is_set() and self.calls_back and number != self.dies_after:
            due_s = opened_s + number * block_s
            time.sleep(max(0.0, due_s - time.monotonic()))
            now_s = time.monotonic()
            stamps = SimpleNamespace(currentTime=now_s, outputBufferDacTime=due_s + self.latency_s)
            out = np.zeros((count, 1), np.float32)
            self.options["callback"](out, count, stamps, SimpleNamespace(output_underflow=False))
            self.frames.append(out[:, 0].copy())
            self.stamps.append(due_s + self.latency_s)
            number += 1


def portaudio(**changes: Any) -> ModuleType:
    module = ModuleType("sounddevice")
    module.__dict__.update(
        {
            "PortAudioError": PortAudioError,
            "OutputStream": FakeStream,
            "_terminate": lambda: None,
            "_initialize": lambda: None,
            **changes,
        }
    )
    module.__dict__.setdefault("query_devices", lambda kind=None: {"name": "card"})
    return module


def test_a_card_is_driven_so_that_the_clip_is_heard_at_its_instant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeStream, "ppm", 200.0)
    # The player hands a play over two seconds ahead: the card must settle first.
    sounded, due_s = perform(DeviceSink(portaudio(), CLOCK), in_s=1.8)
    stream = FakeStream.last
    heard = np.concatenate(stream.frames)
    size = 1 << 18
    wanted = VOICE.astype(np.float32)
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    frame = int(np.argmax(cross[: len(heard)]))
    true_rate_hz = RATE_HZ * (1 + FakeStream.ppm * 1e-6)
    heard_s = stream.stamps[0] + frame / true_rate_hz + CLOCK.wall_s() - CLOCK.mono_s()
    assert heard_s == pytest.approx(due_s, abs=0.005)
    assert sounded.first_s == pytest.approx(heard_s, abs=0.005)
    assert sounded.last_s == pytest.approx(due_s + 1, abs=0.005)


def test_a_card_s_crystal_is_learnt_in_a_play_and_told_to_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(FakeStream, "ppm", 150.0)
    monkeypatch.setattr("edge.crystal.SHORTEST_S", 1.0)
    monkeypatch.setattr("edge.crystal.UNSURE", 1.0)
    monkeypatch.setattr(device, "_SETTLED_S", 0.1)
    told: list[float] = []
    honest = Follower.reopened

    def reopened(self: Follower, slope: float = 0.0) -> None:
        told.append(slope)
        honest(self, slope)

    monkeypatch.setattr(Follower, "reopened", reopened)
    store = Store(tmp_path / "memory")
    perform(DeviceSink(portaudio(), CLOCK, Crystals(store)), in_s=2.5)
    perform(DeviceSink(portaudio(), CLOCK, Crystals(store)))
    store.close()
    assert told[0] == 0
    # Stamps of a busy machine: the sign and the size count here.
    assert told[1] == pytest.approx(-150e-6, abs=40e-6)


def test_a_card_that_stops_asking_is_a_failed_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeStream, "calls_back", False)
    monkeypatch.setattr(device, "_STALLED_S", 0.2)
    monkeypatch.setattr(device, "_RETURN_WITHIN_S", 1.0)
    with pytest.raises(SinkFailed, match="stopped") as failed:
        perform(DeviceSink(portaudio(), CLOCK))
    assert not isinstance(failed.value, CardAway), "it is there, and each try of it counts"


def test_a_card_that_cannot_be_opened_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_RETURN_WITHIN_S", 1.0)

    def refuse(**_options: Any) -> None:
        raise PortAudioError("device unavailable")

    with pytest.raises(CardAway, match="unavailable"):
        perform(DeviceSink(portaudio(OutputStream=refuse), CLOCK))


def test_an_error_inside_the_callback_ends_the_play_as_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_arguments: object) -> None:
        raise OSError("the sound is gone")

    monkeypatch.setattr(Follower, "block", broken)
    with pytest.raises(SinkFailed, match="gone"):
        perform(DeviceSink(portaudio(), CLOCK))


def choose(tmp_path: Path, wish: str, monkeypatch: pytest.MonkeyPatch, module: Any) -> str:
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return device.choose(Home(tmp_path), Settings(sink=wish), CLOCK).kind


def _no_card(kind: str | None = None) -> None:
    raise PortAudioError("no default output device")


@pytest.mark.parametrize(
    ("wish", "make", "kind"),
    [
        ("auto", portaudio, "device"),
        ("device", portaudio, "device"),
        ("wav", portaudio, "wav"),
        ("auto", lambda: None, "wav"),  # sounddevice is not installed
        ("auto", lambda: portaudio(query_devices=_no_card), "wav"),
    ],
)
def test_the_card_is_used_where_there_is_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wish: str,
    make: Callable[[], ModuleType | None],
    kind: str,
) -> None:
    assert choose(tmp_path, wish, monkeypatch, make()) == kind


def no_card_yet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine without a card; what is put into the list is plugged in."""
    cards: list[str] = []

    def query(kind: str | None = None) -> dict[str, str]:
        if not cards:
            raise PortAudioError("no default output device")
        return {"name": cards[0]}

    monkeypatch.setitem(sys.modules, "sounddevice", portaudio(query_devices=query))
    return cards


def test_a_card_that_was_demanded_and_is_missing_lets_nothing_sound_until_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = no_card_yet(monkeypatch)
    home = Home(tmp_path)
    home.make_folders()
    sink = device.choose(home, Settings(sink="device"), CLOCK)
    with pytest.raises(SinkFailed, match="no sound card answers"):
        perform(sink)
    assert list(home.sounded.iterdir()) == []
    cards.append("USB horn")
    assert perform(sink)[0].last_s is not None


def test_a_card_that_was_away_for_a_moment_goes_on_where_the_clip_is_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeStream, "dies_after", 60)  # at 1.2 s: 0.5 s into the clip
    monkeypatch.setattr(device, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr("edge.follow._SETTLE_BLOCKS", 12)
    opened = 0

    def open_stream(**options: Any) -> FakeStream:
        nonlocal opened
        opened += 1
        if opened == 2:
            raise PortAudioError("device unavailable")
        if opened == 3:
            monkeypatch.setattr(FakeStream, "dies_after", None)
        return FakeStream(**options)

    sounded, due_s = perform(DeviceSink(portaudio(OutputStream=open_stream), CLOCK))
    assert opened == 3
    assert sounded.first_s == pytest.approx(due_s, abs=0.005)
    assert sounded.last_s == pytest.approx(due_s + 1, abs=0.02)


def test_a_card_that_comes_later_is_used_from_the_next_play_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = no_card_yet(monkeypatch)
    home = Home(tmp_path)
    home.make_folders()
    sink = device.choose(home, Settings(), CLOCK)
    perform(sink, 1)
    assert (sink.kind, (home.sounded / "play-1.wav").exists()) == ("wav", True)
    cards.append("USB horn")
    perform(sink, 2)
    assert (sink.kind, (home.sounded / "play-2.wav").exists()) == ("device", False)
