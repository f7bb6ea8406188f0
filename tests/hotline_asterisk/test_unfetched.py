"""What Asterisk does not hand over or carry out at once is asked for until it does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases.models import Report
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.asterisk.client import Ari
from hotline.asterisk.taking import Taking
from hotline.importer import Importer
from hotline.journal import Journal, spool_of
from hotline.prompt_sound import wav_bytes
from tests.hotline.conftest import factory, numbers, prompts  # noqa: F401
from tests.hotline.fake_call import voice
from tests.hotline_asterisk.conftest import Telephony
from tests.hotline_asterisk.fake_asterisk import Channel, FakeAsterisk, until
from tests.hotline_asterisk.test_dialogue_over_asterisk import (
    entry,
    hear_out_until,
    reported,
    telephony,  # noqa: F401
)

LENGTHS = ((4, 8), (40, 44))
"""Where a WAV file of Asterisk's tells how long it is."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotline.asterisk.taking.FETCH_TRIES_S", (0.01,))
    monkeypatch.setattr("hotline.asterisk.telephony.RESCUE_AGAIN_S", 0.05)
    monkeypatch.setattr("hotline.asterisk.telephony.LET_GO_AGAIN_S", (0.01,))


@pytest.fixture
def importer(
    database: Database, store: BlobStore, sealer: Sealer, ari_config: Settings
) -> Importer:
    return Importer(database, store, sealer, ari_config)


def unfinished(wav: bytes) -> bytes:
    """As Asterisk leaves a file when it dies: the lengths are written when it is closed."""
    left = bytearray(wav)
    for first, end in LENGTHS:
        left[first:end] = bytes(4)
    return bytes(left)


def fetched(settings: Settings, asterisk: FakeAsterisk, folder: Path, wav: bytes) -> bytes:
    asterisk.stored["xiangyin-x-take-1"] = wav

    async def work() -> bytes:
        ari = Ari(settings)
        take = folder / "take-1.pcm"
        taken = Taking(ari, "xiangyin-x-take-1", take, limit_s=180, recordings=None)
        await taken.finish("")
        await ari.close()
        return take.read_bytes()

    return asyncio.run(work())


@pytest.mark.parametrize("odd", [b"", b"\x01"])
def test_a_recording_that_asterisk_died_over_is_taken_whole(
    ari_config: Settings, asterisk: FakeAsterisk, tmp_path: Path, odd: bytes
) -> None:
    left = unfinished(wav_bytes(voice(3000))) + odd
    assert fetched(ari_config, asterisk, tmp_path, left) == voice(3000)


@pytest.mark.parametrize("at", [20, 22, 24, 34])  # format, channels, rate, bits
def test_a_file_of_another_kind_is_not_taken_for_sound(
    ari_config: Settings, asterisk: FakeAsterisk, tmp_path: Path, at: int
) -> None:
    other = bytearray(unfinished(wav_bytes(voice(3000))))
    other[at] += 1
    assert fetched(ari_config, asterisk, tmp_path, bytes(other)) == b""


def end_while_nothing_can_be_fetched(
    asterisk: FakeAsterisk, settings: Settings, *, hangs_up: bool
) -> Channel:
    asterisk.broken_fetches = 1_000_000
    caller = reported(asterisk)
    if hangs_up:
        asterisk.hang_up(caller)
    else:
        asterisk.press(caller, "#")
        hear_out_until(asterisk, caller, lambda: caller.id not in asterisk.channels)
    until(lambda: entry(settings)["finished"])
    return caller


@pytest.mark.parametrize(("hangs_up", "cause"), [(True, "hangup"), (False, "recorder_lost")])
def test_a_voice_that_could_not_be_fetched_comes_to_its_report_later(
    telephony: Telephony,  # noqa: F811
    asterisk: FakeAsterisk,
    ari_config: Settings,
    importer: Importer,
    database: Database,
    hangs_up: bool,
    cause: str,
) -> None:
    end_while_nothing_can_be_fetched(asterisk, ari_config, hangs_up=hangs_up)
    [folder] = spool_of(ari_config).iterdir()
    assert [path.name for path in folder.glob("take*")] == ["take-1.pcm.part"]
    assert importer.run_once() == 0
    asterisk.broken_fetches = 0
    until(lambda: (folder / "take-1.pcm").exists() and not asterisk.stored)
    until(lambda: importer.run_once() == 1)
    with database.read() as session:
        report = session.scalars(sa.select(Report)).one()
    assert report.end_cause == cause
    assert report.audio_sha256 is not None
    assert report.cut_off is False


def test_a_call_that_is_over_waits_for_its_sound(
    ari_config: Settings, sealer: Sealer, importer: Importer
) -> None:
    journal = Journal.begin(spool_of(ari_config), sealer, "ast-9", "13812345678", "96110")
    journal.consent("test-1", "key", confidential=False)
    journal.finish("hangup")
    journal.save()
    journal.close()
    part = journal.folder / "take-1.pcm.part"
    part.touch()
    assert importer.run_once() == 0
    part.rename(part.with_suffix(""))
    assert importer.run_once() == 1


def test_whose_voice_is_still_at_asterisk_is_promised_a_call(
    telephony: Telephony,  # noqa: F811
    asterisk: FakeAsterisk,
    ari_config: Settings,
) -> None:
    end_while_nothing_can_be_fetched(asterisk, ari_config, hangs_up=False)
    assert entry(ari_config)["call_back_promised"] is True


@pytest.mark.parametrize(
    "order", ["POST channels/1764300000.7/answer", "DELETE channels/1764300000.7"]
)
def test_nobody_stays_on_a_line_that_nobody_leads(
    telephony: Telephony,  # noqa: F811
    asterisk: FakeAsterisk,
    ari_config: Settings,
    order: str,
) -> None:
    asterisk.broken_orders["DELETE channels/1764300000.7"] = 3
    if order.startswith("POST"):
        asterisk.broken_orders[order] = 1
        caller = asterisk.ring()
    else:
        asterisk.broken_fetches = 1_000_000
        caller = reported(asterisk)
        asterisk.press(caller, "#")
    hear_out_until(asterisk, caller, lambda: caller.id not in asterisk.channels)
    assert asterisk.broken_orders["DELETE channels/1764300000.7"] == 0


def test_nor_does_who_is_told_busy(
    telephony: Telephony,  # noqa: F811
    asterisk: FakeAsterisk,
    ari_config: Settings,
) -> None:
    ari_config.call_cap = 0
    asterisk.broken_orders["DELETE channels/1764300000.7"] = 3
    caller = asterisk.ring()
    until(lambda: caller.id not in asterisk.channels)
