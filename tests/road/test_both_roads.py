"""What a newcomer sees after ``make run``: a call becomes a report, an episode is heard."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta

import numpy as np
import pytest
import soundfile

from core.clock import SystemClock
from tests.road.town import Town, report_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SPOKEN = "我家停水两天了,请派人来看看"


def test_the_start_says_where_who_what_runs_and_what_is_missing(town: Town) -> None:
    block = town.said()
    for part in ("pages", "log-in", "API token", "hotline", "runs", "missing"):
        assert part in block
    assert "NOT up" not in block
    assert "synthetic voices" in block


def test_a_call_is_recorded_transcribed_and_readable_by_its_number(town: Town) -> None:
    answer = town.command("demo", "call", "--text", SPOKEN)
    report = report_of(town, answer["reference_no"])
    assert "停水" in report["transcript"]["text"].replace(" ", "")
    assert report["state"] == "received"
    assert report["proposed_service"] == "utilities"


def test_the_api_says_that_the_starter_does_not_hear_people(town: Town) -> None:
    answer = town.command("demo", "call", "--text", SPOKEN, "--consent", "speech")
    transcript = report_of(town, answer["reference_no"])["transcript"]
    assert transcript["hears_people"] is False
    assert "听不懂真人" in transcript["warning"]


def test_a_play_is_heard_in_three_villages_soon_after_the_start(town: Town) -> None:
    deadline = time.monotonic() + 120
    while town.command("demo", "status", "--json")["plays_played"] < 3:
        assert time.monotonic() < deadline, town.said()
        time.sleep(2)
    status = town.command("demo", "status", "--json")
    assert status["plays_missed"] == 0
    assert abs(status["worst_start_error_ms"]) <= 50


def test_what_a_player_sounded_is_the_approved_episode_at_its_second(town: Town) -> None:
    [recording] = sorted((town.folder / "demo/players/zx101/sounded").glob("play-*.wav"))[:1]
    note = json.loads(recording.with_suffix(".json").read_text())
    sounded, rate_hz = soundfile.read(recording)
    clips = list((town.folder / "demo/players/zx101").rglob("*"))
    [clip] = [path for path in clips if path.is_file() and path.read_bytes()[:4] == b"OggS"][:1]
    episode, clip_rate_hz = soundfile.read(clip)
    assert clip_rate_hz == rate_hz
    size = 1 << int(len(sounded) + len(episode)).bit_length()
    match = np.fft.irfft(np.fft.rfft(sounded, size) * np.conj(np.fft.rfft(episode, size)), size)
    offset_s = int(np.argmax(match[: len(sounded)])) / rate_hz
    first = datetime.fromisoformat(note["first_sample_at"])
    started = first + timedelta(seconds=offset_s)
    nearest_second = round(started.timestamp())  # the demo's slot is a whole second
    assert abs(started.timestamp() - nearest_second) < 0.01
    assert started < SystemClock().now()


def test_a_second_start_brings_the_same_town_back(town: Town) -> None:
    before = town.credentials
    assert town.stop() == 0
    town.start()
    assert town.credentials == before
    assert "NOT up" not in town.said()
