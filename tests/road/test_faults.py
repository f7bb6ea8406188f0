"""kill -9, a locked or absent database, a full disk: each costs seconds, none costs a voice."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.phone import Press, Say, Step, Wait
from recordings import sound, speech
from tests.postgres import Postgres
from tests.road.callers import TO_THE_BEEP, phone, phone_soon
from tests.road.town import Town, report_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LONG_TALK = "我家停水两天了请派人来看看。" * 4


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A short message as 8 kHz PCM."""
    return spoken("我家停水两天了请派人来看看", tmp_path_factory.mktemp("voice"))


def spoken(text: str, folder: Path) -> bytes:
    wide, narrow = folder / "wide.wav", folder / "narrow.wav"
    speech.render(text, wide)
    sound.to_wav(wide, narrow, rate_hz=8000)
    with wave.open(str(narrow)) as opened:
        return opened.readframes(opened.getnframes())


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    started = Town("--demo")
    try:
        started.start()
        yield started
    finally:
        started.remove()


def wait_for(what: Callable[[], Any], why: str, within_s: float = 60) -> Any:
    """The first true answer; a failure says what was waited for."""
    deadline = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.3)
    return found


def reports(town: Town) -> list[dict[str, Any]]:
    answer = town.api("/reports?limit=100")
    found: list[dict[str, Any]] = answer.json()["reports"] if answer.status_code == 200 else []
    return found


def killed_and_back(town: Town, name: str, *words: str) -> None:
    """kill -9 a child and wait until the supervisor says that it was started again."""
    before = town.said().count(f"{name} was started again")
    town.kill(*words)
    wait_for(lambda: town.said().count(f"{name} was started again") > before, f"{name} stays away")


def well(town: Town) -> bool:
    try:
        return town.api("/me").status_code == 200
    except Exception:
        return False


def test_a_killed_decoder_costs_no_words(town: Town, voice: bytes) -> None:
    [answer] = phone(town, voice)
    killed_and_back(town, "decoder-1", "transcribe", "worker")
    assert answer.reference_no is not None
    assert "停水" in report_of(town, answer.reference_no)["transcript"]["text"]


def test_calls_go_on_while_the_web_process_is_killed(town: Town, voice: bytes) -> None:
    async def scene() -> Any:
        calls = asyncio.create_task(phone_soon(town, voice, 2))
        await asyncio.sleep(6)
        await asyncio.to_thread(town.kill, "server.py", "web")
        return await calls

    answers = asyncio.run(scene())
    wait_for(lambda: well(town), "the pages stay away")
    for answer in answers:
        assert report_of(town, answer.reference_no)["transcript"]["text"]


def test_killed_signalling_lets_the_call_finish_its_recording(town: Town, voice: bytes) -> None:
    before = len(reports(town))

    async def scene() -> Any:
        call = asyncio.create_task(phone_soon(town, voice))
        await asyncio.sleep(9)
        await asyncio.to_thread(town.kill, "hotline", "signalling")
        return await call

    asyncio.run(scene())
    wait_for(lambda: len(reports(town)) == before + 1, "the report did not arrive", 90)
    [answer] = phone(town, voice)
    assert answer.reference_no is not None


def test_killed_telephony_keeps_what_was_said_until_then(town: Town, tmp_path: Path) -> None:
    before = {report["reference_no"] for report in reports(town)}
    long_voice = spoken(LONG_TALK, tmp_path)
    script: list[Step] = [*TO_THE_BEEP, Say(), Wait(1.0), Press("#")]

    async def scene() -> Any:
        call = asyncio.create_task(phone_soon(town, long_voice, 1, script))
        parts = town.folder / "hotline" / "spool"
        while not any(path.stat().st_size > 16_000 * 6 for path in parts.rglob("*.part")):
            await asyncio.sleep(0.1)
        await asyncio.to_thread(town.kill, "hotline", "telephony")
        call.cancel()

    asyncio.run(scene())

    def arrived() -> list[dict[str, Any]]:
        return [report for report in reports(town) if report["reference_no"] not in before]

    [report] = wait_for(arrived, "the cut-off report did not arrive", 90)
    assert report["duration_ms"] >= 5000
    assert report_of(town, report["reference_no"])["cut_off"] is True


def test_a_killed_broker_does_not_keep_a_play_from_sounding(town: Town) -> None:
    killed_and_back(town, "broker", "broadcast", "broker")
    played = town.command("demo", "status", "--json")["plays_played"]
    killed_and_back(town, "director", "demo", "director")  # plans another play soon

    def more() -> bool:
        return bool(town.command("demo", "status", "--json")["plays_played"] >= played + 3)

    wait_for(more, "the play after the broker's death did not sound", 150)


def test_a_player_killed_while_it_sounds_explains_or_makes_up(town: Town) -> None:
    sounded = town.folder / "demo/players/zx102/sounded"
    before = set(sounded.glob("*.wav"))
    killed_and_back(town, "director", "demo", "director")
    wait_for(lambda: set(sounded.glob("*.wav")) - before, "no new play began", 120)
    killed_and_back(town, "player-zx102", "edge", "zx102")

    def settled() -> bool:
        status = town.command("demo", "status", "--json")
        return bool(status["plays_played"] + status["plays_missed"] == status["plays_planned"])

    wait_for(settled, "a play is neither played nor explained", 150)


def test_a_locked_database_delays_twenty_reports_and_loses_none(town: Town, voice: bytes) -> None:
    before = len(reports(town))
    lock = sqlite3.connect(town.folder / "xiangyin.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answers = phone(town, voice, 20)
    lock.execute("ROLLBACK")
    lock.close()
    numbers = {answer.reference_no for answer in answers}
    assert len(numbers) == 20
    assert None not in numbers
    wait_for(lambda: len(reports(town)) >= before + 20, "reports are missing", 120)
    known = [report["reference_no"] for report in reports(town)]
    assert numbers <= set(known)
    assert len(known) == before + 20


@pytest.mark.real("postgresql")
def test_a_stopped_postgresql_delays_twenty_reports_and_loses_none(voice: bytes) -> None:
    server = Postgres()
    town = Town("--demo", XIANGYIN_DATABASE_URL=server.new_database())
    try:
        town.start()
        server.stop()
        answers = phone(town, voice, 20)
        server.start()
        numbers = {answer.reference_no for answer in answers}
        assert len(numbers) == 20
        assert None not in numbers
        wait_for(lambda: len(reports(town)) >= 20, "reports are missing", 120)
        assert {report["reference_no"] for report in reports(town)} == numbers
    finally:
        town.remove()
        server.remove()


@pytest.mark.real("netns")
def test_a_full_disk_is_apologised_for_and_keeps_what_was_said(
    tmp_path: Path, voice: bytes
) -> None:
    town = Town("--demo")
    spool = town.folder / "hotline" / "spool"
    spool.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(spool)], check=True)
    try:
        town.start()
        long_voice = spoken(LONG_TALK, tmp_path)
        used = sum(path.stat().st_size for path in spool.rglob("*") if path.is_file())
        (spool / "filler").write_bytes(bytes(512 * 1024 - used - 130_000))
        script: list[Step] = [*TO_THE_BEEP, Say(), Wait(6.0)]
        [answer] = phone(town, long_voice, 1, script)
        (spool / "filler").unlink()
        [report] = wait_for(lambda: reports(town), "the report did not arrive", 90)
        assert report["duration_ms"] >= 3000
        assert report["duration_ms"] < len(long_voice) / 16
        assert answer.result.ended_by == "them"
    finally:
        town.stop()
        subprocess.run(["umount", str(spool)], check=True)
        town.remove()


def test_a_port_that_is_taken_is_named_with_its_setting(town: Town) -> None:
    second = Town("--demo")
    second.environment["XIANGYIN_WEB_PORT"] = str(town.web_port)
    process = subprocess.Popen(
        [sys.executable, "server.py"],
        env=second.environment,
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while "XIANGYIN_WEB_PORT" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
    finally:
        process.terminate()
        process.wait(60)
        second.remove()
    assert f"port {town.web_port} is used by another program" in said


def test_a_second_server_on_the_same_folder_is_refused(town: Town) -> None:
    again = subprocess.run(
        [sys.executable, "server.py"],
        env=town.environment,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 78
    assert "already" in again.stderr
