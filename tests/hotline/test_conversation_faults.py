"""Disk, recorder, numbers or the process fail in the middle of a call."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from core.sealed import Sealer
from core.settings import Settings
from hotline import journal
from hotline.conversation import ConversationFactory
from hotline.number_block import NumberBlock
from hotline.prompts import Prompts
from tests.hotline.fake_call import (
    DiskFull,
    FakeCall,
    told,
    voice,
)
from tests.hotline.holding import REPORT, hold


def test_a_full_disk_is_apologised_for_and_the_rest_kept(
    factory: ConversationFactory, prompts: Prompts
) -> None:
    call = FakeCall([*REPORT[:4], DiskFull()])
    entry = hold(factory, call)
    heard = told(call, prompts)
    assert heard.index("apology_disk") < heard.index("reference")
    assert entry.end_cause == "disk"
    assert entry.reference_no is not None


def test_without_numbers_and_office_the_report_is_taken_all_the_same(
    config: Settings, sealer: Sealer, prompts: Prompts
) -> None:
    factory = ConversationFactory(config, sealer, prompts)
    call = FakeCall(REPORT)
    entry = hold(factory, call)
    assert entry.reference_no is None
    assert entry.call_back_promised
    assert "reference_later" in told(call, prompts)
    assert (factory.spool / "call-1" / "take-1.pcm").is_file()


def test_a_disk_that_refuses_the_number_keeps_it_unspoken(
    factory: ConversationFactory, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: NumberBlock) -> str | None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NumberBlock, "take", refuse)
    call = FakeCall(REPORT)
    entry = hold(factory, call)
    assert entry.reference_no is None
    assert "reference_later" in told(call, prompts)


def refusing(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """The disk refuses the first entry that has ``field``, then works again."""
    real, refused = journal.write_durably, []

    def write(path: Path, content: bytes) -> None:
        if json.loads(content)[field] is not None and not refused:
            refused.append(path)
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(journal, "write_durably", write)


def test_a_consent_the_disk_refuses_records_nothing(
    factory: ConversationFactory, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, "consent_at")
    call = FakeCall(REPORT)
    entry = hold(factory, call)
    assert "apology_down" in told(call, prompts)
    assert entry.consent_at is None
    assert list((factory.spool / "call-1").glob("take*")) == []


def test_a_number_the_disk_refuses_is_not_read_out(
    factory: ConversationFactory, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, "reference_no")
    call = FakeCall(REPORT)
    entry = hold(factory, call)
    assert "reference_later" in told(call, prompts)
    assert (entry.reference_no, entry.pin_hash) == (None, None)
    assert (factory.spool / "call-1" / "take-1.pcm").is_file()


def test_a_spool_that_cannot_be_written_apologises(
    factory: ConversationFactory, prompts: Prompts, tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    factory.spool = blocker
    call = FakeCall(REPORT)
    factory.monotonic_s = call.monotonic_s
    asyncio.run(factory.converse(call))
    assert told(call, prompts) == ["apology_down"]
    assert call.ended == "disk"


def test_a_recorder_that_never_answers_leaves_its_part_to_the_importer(
    factory: ConversationFactory, prompts: Prompts
) -> None:
    call = FakeCall(REPORT, broken_recorder=True)
    entry = hold(factory, call)
    assert (entry.end_cause, entry.call_back_promised) == ("recorder_lost", True)
    assert told(call, prompts)[-2:] == ["reference_later", "call_back"]
    assert (factory.spool / "call-1" / "take-1.pcm.part").is_file()


def test_a_stopping_process_keeps_what_was_said(factory: ConversationFactory) -> None:
    class Blocked(FakeCall):
        async def next_event(self, timeout_s: float | None) -> object:  # type: ignore[override]
            if self._take is not None and self._speech_ms and not self._queue:
                waiting.set()
                await asyncio.sleep(60)
            return await super().next_event(timeout_s)

    call = Blocked(REPORT[:4])

    async def stop_midway() -> None:
        factory.monotonic_s = call.monotonic_s
        task = asyncio.create_task(factory.converse(call))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    waiting = asyncio.Event()
    asyncio.run(stop_midway())
    entry = journal.Entry.parse((factory.spool / "call-1" / "call.json").read_text())
    assert (entry.finished, entry.end_cause) == (True, "stopped")
    assert (factory.spool / "call-1" / "take-1.pcm").read_bytes() == voice(4000)
