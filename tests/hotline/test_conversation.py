"""The dialogue over a (fake) telephone: what is heard, and what is on disk at each moment."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.sealed import Sealer
from hotline import journal, limits, talk
from hotline.conversation import ConversationFactory
from hotline.prompt_texts import number_sounds
from hotline.prompts import Prompts
from tests.hotline.fake_call import (
    FakeCall,
    GoAway,
    Late,
    Move,
    Press,
    Silence,
    Speak,
    told,
    voice,
)
from tests.hotline.holding import REPORT, hold


def test_a_report_is_recorded_bound_and_read_out(
    factory: ConversationFactory, prompts: Prompts, sealer: Sealer
) -> None:
    call = FakeCall(REPORT)
    entry = hold(factory, call)
    assert (entry.finished, entry.end_cause, call.ended) == (True, "completed", "completed")
    assert (factory.spool / "call-1" / "take-1.pcm").read_bytes() == voice(4000)
    assert [(take.reason, take.speech_ms) for take in entry.takes] == [("stopped", 4000)]
    assert (entry.consent_channel, entry.consent_version) == ("key", "test-zh_CN")
    assert entry.reference_no is not None
    heard = told(call, prompts)
    number = number_sounds(entry.reference_no)
    assert heard[-1] == "goodbye"
    start = heard.index("reference")
    assert tuple(heard[start + 1 : start + 1 + len(number)]) == number
    pin = "".join(name[-1] for name in heard[heard.index("pin") + 1 :][:4])
    assert entry.pin_hash == sealer.keyed_hash("pin", entry.reference_no, pin)


def test_the_number_is_on_disk_before_it_is_read_out(factory: ConversationFactory) -> None:
    class Suspicious(FakeCall):
        def play(self, sounds: list[Path]) -> int:  # type: ignore[override]
            if any(path.stem == "reference" for path in sounds):
                written = json.loads((factory.spool / "call-1" / "call.json").read_text())
                seen.append((written["reference_no"], len(written["takes"])))
            return super().play(sounds)

    seen: list[tuple[str, int]] = []
    entry = hold(factory, Suspicious(REPORT))
    assert seen == [(entry.reference_no, 1)]


def test_the_consent_is_on_disk_before_the_sound(factory: ConversationFactory) -> None:
    class Suspicious(FakeCall):
        def record(self, take: Path, **how: object) -> None:  # type: ignore[override]
            seen.append(json.loads((take.parent / "call.json").read_text())["consent_channel"])
            super().record(take, **how)  # type: ignore[arg-type]

    seen: list[str] = []
    spoken: list[Move] = [Press("1"), Silence(), Speak(3000), Press("#")]
    hold(factory, Suspicious(spoken, call_id="spoken"))
    hold(factory, Suspicious(REPORT))
    hold(factory, Suspicious([Press("5"), Silence(), Silence(), Speak(3000)], call_id="fraud"))
    assert seen == ["speech", "key", "key"]


def test_a_take_runs_from_the_end_of_the_beep_however_slow_the_disk_is(
    factory: ConversationFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, runs = talk.Talk._save, []

    async def looks(self: talk.Talk) -> bool:
        steps = [(step["state"], step["event"]) for step in self._journal.entry.steps]
        if steps[-1:] == [("record", "prompt ended")]:
            runs.append(self._recording)
        return await save(self)

    monkeypatch.setattr(talk.Talk, "_save", looks)
    hold(factory, FakeCall(REPORT))
    assert runs == [True]


def test_words_spoken_as_consent_are_in_the_take(factory: ConversationFactory) -> None:
    hold(factory, FakeCall([Press("1"), Silence(), Speak(1500), Speak(1000), Press("#")]))
    assert (factory.spool / "call-1" / "take-1.pcm").read_bytes() == voice(1500) + voice(1000)


def test_no_number_and_no_pin_is_plain_on_disk(factory: ConversationFactory) -> None:
    call = FakeCall(REPORT, caller="13998765432")
    entry = hold(factory, call)
    for path in factory.spool.rglob("*"):
        if path.is_file():
            assert b"13998765432" not in path.read_bytes()
    assert factory.sealer.unseal(entry.caller_sealed or "") == "13998765432"
    assert entry.caller_hash == factory.sealer.keyed_hash("caller", "13998765432")


@pytest.mark.parametrize(
    "script",
    [
        [GoAway()],
        [Silence(), GoAway()],
        [Press("1"), GoAway()],
        [Press("1"), Silence(), GoAway()],
        [Press("1"), Press("9")],
        [Press("5"), GoAway()],
        [Press("1"), Speak(5000), GoAway()],
    ],
)
def test_before_consent_no_sound_is_kept(factory: ConversationFactory, script: list[Move]) -> None:
    entry = hold(factory, FakeCall(script))
    assert list((factory.spool / "call-1").glob("take*")) == []
    assert entry.finished
    assert entry.consent_at is None


def test_a_hang_up_while_speaking_keeps_the_take(factory: ConversationFactory) -> None:
    entry = hold(factory, FakeCall([*REPORT[:4], GoAway()]))
    assert entry.end_cause == "hangup"
    assert [(take.reason, take.speech_ms) for take in entry.takes] == [("hangup", 4000)]


def test_every_step_and_the_end_cause_are_stored(factory: ConversationFactory) -> None:
    entry = hold(factory, FakeCall(REPORT))
    assert [(step["state"], step["event"]) for step in entry.steps] == [
        ("consent", "key 1"),
        ("record", "key 1"),
        ("record", "prompt ended"),
        ("record", "speech heard"),
        ("record", "key #"),
        ("review", "take ended: stopped, 4000 ms, speech 4000 ms"),
        ("reference", "key 1"),
        ("reference", "number bound"),
        ("ended", "prompt ended"),
    ]


def test_the_end_of_an_interrupted_prompt_means_nothing(factory: ConversationFactory) -> None:
    entry = hold(factory, FakeCall([Press("1"), Late(), Press("1"), Late(), GoAway()]))
    assert [step["event"] for step in entry.steps] == ["key 1", "key 1", "hung up: hangup"]


def test_a_key_silences_the_prompt(factory: ConversationFactory) -> None:
    call = FakeCall([Press("1"), GoAway()])
    hold(factory, call)
    assert call.interrupted == 1


def test_no_call_lasts_for_ever_and_what_was_said_is_kept(
    factory: ConversationFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "CALL_LIMIT_S", 2.0)
    call = FakeCall([*REPORT[:4], *[Press("8")] * 400])
    entry = hold(factory, call)
    assert (call.ended, entry.end_cause) == ("limit", "limit")
    assert [take.speech_ms for take in entry.takes] == [4000]
    assert call.polls < 400


def test_a_key_held_down_cannot_hold_the_call(factory: ConversationFactory) -> None:
    entry = hold(factory, FakeCall([*REPORT[:3], *[Press("8")] * 450]))
    assert entry.finished
    assert len(entry.steps) == journal.MAX_STEPS
    assert entry.steps[-1]["state"] == "ended"


def test_the_same_call_delivered_twice_is_dropped(factory: ConversationFactory) -> None:
    first = hold(factory, FakeCall(REPORT))
    again = FakeCall(REPORT)
    hold(factory, again)
    assert again.ended == "duplicate"
    assert first.reference_no is not None


def test_a_call_id_is_no_path(factory: ConversationFactory) -> None:
    call = FakeCall([GoAway()], call_id="../../etc/x@10.0.0.1")
    factory.monotonic_s = call.monotonic_s
    asyncio.run(factory.converse(call))
    (folder,) = factory.spool.iterdir()
    assert folder.name == journal.folder_name(call.call_id)
    assert folder.name.isalnum()


def test_no_call_gets_the_number_of_another(factory: ConversationFactory) -> None:
    async def all_at_once() -> None:
        await asyncio.gather(
            *(factory.converse(FakeCall(REPORT, call_id=f"call-{n}")) for n in range(12))
        )

    asyncio.run(all_at_once())
    numbers = {
        json.loads(path.read_text())["reference_no"] for path in factory.spool.glob("*/call.json")
    }
    assert len(numbers) == 12
    assert None not in numbers


def test_two_seconds_decide(factory: ConversationFactory, prompts: Prompts) -> None:
    short: list[Move] = [Press("1"), Press("1"), Silence(), Speak(1000), Press("#"), Silence()]
    entry = hold(factory, FakeCall([*short, Speak(limits.SPEECH_NEEDED_MS), Press("#")]))
    assert [take.name for take in entry.takes] == ["take-1.pcm", "take-2.pcm"]
    assert entry.reference_no is not None
    assert (factory.spool / "call-1" / "take-1.pcm").read_bytes() == voice(1000)


def test_telephony_never_loads_the_database_library() -> None:
    code = (
        "import hotline.conversation, sys; "
        "sys.exit(any(name.startswith('sqlalchemy') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
