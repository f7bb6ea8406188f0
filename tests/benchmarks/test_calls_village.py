"""The call benchmark knows a whole call from one that lacks something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import calls_village
from benchmarks.calls_village import VILLAGE, Left
from core.sealed import Sealer
from core.settings import Settings
from hotline.call import RecordingStopped
from hotline.journal import CALL_FILE, Journal, spool_of
from transcribe.stream import Announcer


def whole(config: Settings, sealer: Sealer, number: str = "123400001") -> Journal:
    """A call that went as it should, not saved yet."""
    call = Journal.begin(spool_of(config), sealer, f"call-{number}", "13900000001", "hotline")
    call.answered()
    call.consent("1", "key", confidential=False)
    call.entry.village_code, call.entry.village_from = VILLAGE.code, "line"
    call.take_path(1).write_bytes(bytes(320))
    call.keep_take(1, RecordingStopped("stopped", 8000, 8000))
    call.entry.reference_no = number
    call.finish("completed")
    return call


def closed(*calls: Journal) -> None:
    for call in calls:
        call.save()
        call.close()


def test_a_call_that_lacks_nothing_is_whole(config: Settings, sealer: Sealer) -> None:
    closed(whole(config, sealer), whole(config, sealer, "123400002"))
    assert calls_village.left(config.data_dir).whole == 2


def _cut_off(call: Journal) -> None:
    call.entry.takes[0].reason = "network"


def _never_finished_on_disk(call: Journal) -> None:
    call.take_path(1).rename(call.take_path(1).with_suffix(".pcm.part"))


def _second_take(call: Journal) -> None:
    call.take_path(2).write_bytes(bytes(320))


LACKS: dict[str, Callable[[Journal], object]] = {
    "its end": lambda call: setattr(call.entry, "finished", False),
    "an ordinary end": lambda call: call.finish("hangup"),
    "an answer without a call-back": lambda call: setattr(call.entry, "call_back_promised", True),
    "consent": lambda call: call.withdraw_consent(),
    "its village": lambda call: setattr(call.entry, "village_code", None),
    "the end of its take": _cut_off,
    "a finished file": _never_finished_on_disk,
    "one take alone": _second_take,
    "a number": lambda call: setattr(call.entry, "reference_no", None),
}


@pytest.mark.parametrize("lack", LACKS)
def test_a_call_that_lacks_something_is_not(config: Settings, sealer: Sealer, lack: str) -> None:
    call = whole(config, sealer)
    LACKS[lack](call)
    closed(call)
    assert calls_village.left(config.data_dir) == Left(0, None)


def test_a_call_without_a_readable_journal_is_not(config: Settings, sealer: Sealer) -> None:
    call = whole(config, sealer)
    closed(call)
    (call.folder / CALL_FILE).write_text("{")
    assert calls_village.left(config.data_dir) == Left(0, None)


def test_two_calls_with_one_number_are_one(config: Settings, sealer: Sealer) -> None:
    second = whole(config, sealer, "123400002")
    second.entry.reference_no = "123400001"
    closed(whole(config, sealer), second)
    assert calls_village.left(config.data_dir).whole == 1


def test_how_long_a_call_lasted_stands_in_its_journal(config: Settings, sealer: Sealer) -> None:
    call = whole(config, sealer)
    call.entry.started_at = "2026-12-01T08:00:00+00:00"
    call.entry.ended_at = "2026-12-01T08:00:57+00:00"
    closed(call)
    assert calls_village.left(config.data_dir) == Left(1, 57.0)


def test_a_take_is_told_to_the_live_process_by_name(config: Settings, tmp_path: Path) -> None:
    with calls_village.live_process(config.data_dir) as told:
        announcer = Announcer(config)
        announcer.grows("call-1.take-1", tmp_path / "take-1.pcm", 8000)
        announcer.grows("call-1.take-1", tmp_path / "take-1.pcm", 8000)
        announcer.done("call-2.take-1")
    assert told == {"call-1.take-1", "call-2.take-1"}
