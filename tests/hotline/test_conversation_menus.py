"""The whole call flow over a (fake) telephone: what is heard, asked, rung and written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from hotline import directory, journal, takes, talk
from hotline.call import Call, HungUp
from hotline.conversation import ConversationFactory
from hotline.directory import Directory, Village
from hotline.outgoing.contract import Found
from hotline.prompt_sound import wav_bytes
from hotline.prompts import Prompts
from tests.hotline.fake_call import FakeCall, GoAway, Move, Press, Silence, Speak, told, voice
from tests.hotline.holding import hold

LIJIA = "371312101201"
AGREED: list[Move] = [Press("1"), Press("1")]
SPOKEN: list[Move] = [Silence(), Speak(4000), Press("#")]


def presses(digits: str) -> list[Move]:
    return [Press(digit) for digit in digits]


@pytest.fixture
def lijia(config: Settings) -> Path:
    """A directory with one village; returns the sound of its name."""
    folder = directory.folder(config)
    for name in ("lijia", "news-1", "news-2"):
        (folder / f"{name}.wav").write_bytes(wav_bytes(bytes(320)))
    village = Village(LIJIA, "李家庄村", "101", "lijia.wav", ("news-1.wav", "news-2.wav"))
    directory.store(config, Directory({LIJIA: village}, {"96110": LIJIA}))
    return folder / "lijia.wav"


@dataclass
class Office:
    """Answers instead of the web process."""

    answers: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def ask(self, _settings: Settings, question: str, **details: Any) -> Any:
        self.asked.append((question, details))
        return self.answers.get(question)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    """An office that answers nothing until a test lets it."""
    made = Office()
    monkeypatch.setattr(talk, "ask", made.ask)
    return made


@dataclass
class People:
    """Fulfils ``outgoing.contract.Outgoing``."""

    result: Found = "nobody"
    rung: list[dict[str, Any]] = field(default_factory=list)
    sought: list[str | None] = field(default_factory=list)
    broken: bool = False

    def ring_duty(self, call_id: str, **about: Any) -> None:
        self.rung.append({"call_id": call_id, **about})
        if self.broken:
            raise RuntimeError("the bell is broken")

    async def find_human(self, call: Call, *, village_code: str | None) -> Found:
        self.sought.append(village_code)
        if self.broken:
            raise RuntimeError("the bell is broken")
        if self.result == "caller_gone":
            assert isinstance(await call.next_event(1.0), HungUp)
        return self.result


def test_the_village_of_the_line_is_spoken_and_stored(
    factory: ConversationFactory, lijia: Path
) -> None:
    call = FakeCall([*AGREED, Press("1"), *SPOKEN, Press("1")])
    entry = hold(factory, call)
    assert (entry.village_code, entry.village_from) == (LIJIA, "line")
    assert any(lijia.stem in sounds for sounds in call.played)


def test_the_callers_last_village_is_asked_of_the_office(
    factory: ConversationFactory, lijia: Path, office: Office
) -> None:
    office.answers["village_of"] = {"ok": True, "village_code": LIJIA}
    entry = hold(factory, FakeCall([*AGREED, Press("1"), GoAway()], called="5000"))
    assert office.asked == [("village_of", {"caller": "13812345678"})]
    assert (entry.village_code, entry.village_from) == (LIJIA, "last")


def test_news_are_played_and_nothing_is_recorded(factory: ConversationFactory, lijia: Path) -> None:
    call = FakeCall([Press("3")])
    entry = hold(factory, call)
    assert ("lijia", "news-1", "news-2") in [sounds[:3] for sounds in call.played]
    assert (entry.kind, entry.call_back_promised, entry.takes) == ("news", False, [])


def test_the_language_of_the_call_is_stored_and_spoken(
    factory: ConversationFactory, prompts: Prompts
) -> None:
    class Listening(FakeCall):
        def play(self, sounds: list[Path]) -> int:  # type: ignore[override]
            heard.append({path.parent.name for path in sounds})
            return super().play(sounds)

    heard: list[set[str]] = []
    entry = hold(factory, Listening([Press("*"), *AGREED, *SPOKEN]))
    assert entry.language == "en"
    assert entry.consent_version == "test-en"
    assert heard[0] == {"zh_CN", "en"}, "the other language is offered in its own words"
    assert all(folders == {"en"} for folders in heard[2:])


def test_two_takes_are_both_kept_and_the_second_counts(factory: ConversationFactory) -> None:
    call = FakeCall([*AGREED, *SPOKEN, Press("3"), Silence(), Speak(3000), Press("#"), Press("1")])
    entry = hold(factory, call)
    assert [(take.name, take.replaced) for take in entry.takes] == [
        ("take-1.pcm", True),
        ("take-2.pcm", False),
    ]
    folder = factory.spool / "call-1"
    sound = takes.join(takes.find(folder, entry), folder / "report.wav").read_bytes()[44:]
    assert sound.startswith(voice(3000))
    assert sound.endswith(voice(4000))


def test_what_is_added_follows_what_was_said(factory: ConversationFactory) -> None:
    call = FakeCall([*AGREED, *SPOKEN, Press("4"), Silence(), Speak(3000), Press("#"), Press("1")])
    entry = hold(factory, call)
    folder = factory.spool / "call-1"
    sound = takes.join(takes.find(folder, entry), folder / "report.wav").read_bytes()[44:]
    assert sound == voice(4000) + voice(3000)


def test_the_caller_hears_the_own_take(factory: ConversationFactory) -> None:
    call = FakeCall([*AGREED, *SPOKEN, Press("2")])
    hold(factory, call)
    assert ("take-1", "review") in call.played


def test_key_five_rings_the_duty_phone_before_a_word_is_said(
    factory: ConversationFactory, lijia: Path
) -> None:
    people = People()
    factory.outgoing = people
    entry = hold(factory, FakeCall([Press("5"), GoAway()]))
    assert people.rung == [
        {
            "call_id": "call-1",
            "caller": "13812345678",
            "village_code": LIJIA,
            "reference_no": None,
        }
    ]
    assert entry.urgent_reason == "fraud"


def test_a_broken_bell_does_not_lose_the_report(factory: ConversationFactory) -> None:
    factory.outgoing = People(broken=True)
    entry = hold(factory, FakeCall([Press("5"), Silence(), Silence(), Speak(3000), Press("#")]))
    assert entry.reference_no is not None


@pytest.mark.parametrize(
    ("result", "cause", "promised"),
    [
        ("joined", "joined", False),
        ("parted", "joined", False),
        ("caller_gone", "hangup", False),
        ("nobody", "call_back_wanted", True),
        ("limit", "call_back_wanted", True),
    ],
)
def test_a_person_is_looked_for(
    factory: ConversationFactory, prompts: Prompts, result: Found, cause: str, promised: bool
) -> None:
    factory.outgoing = people = People(result)
    call = FakeCall([Press("0"), GoAway() if result == "caller_gone" else Silence()])
    entry = hold(factory, call)
    assert people.sought == [None]
    assert told(call, prompts).count("please_wait") > 5, "nobody waits in silence"
    assert (entry.kind, entry.end_cause, entry.call_back_promised) == ("human", cause, promised)


def test_who_reported_and_then_spoke_with_a_person_has_heard_the_number_twice(
    factory: ConversationFactory, prompts: Prompts
) -> None:
    factory.outgoing = People("parted")
    call = FakeCall([*AGREED, *SPOKEN, Press("0")])
    entry = hold(factory, call)
    heard = told(call, prompts)
    assert entry.reference_no is not None
    number = [sound for sound in heard if sound.startswith("digit_")]
    assert number == 2 * number[:22], "nine digits twice and the PIN, before and after the talk"
    assert [int(sound[-1]) for sound in number[:9]] == [int(digit) for digit in entry.reference_no]
    assert heard.index("reference") > heard.index("please_wait")
    assert (entry.kind, entry.end_cause, entry.call_back_promised) == ("report", "joined", False)


def test_a_search_that_breaks_is_a_call_back(
    factory: ConversationFactory, prompts: Prompts
) -> None:
    factory.outgoing = People(broken=True)
    call = FakeCall([Press("0")])
    entry = hold(factory, call)
    assert told(call, prompts)[-2:] == ["nobody", "call_back"]
    assert entry.call_back_promised


def test_without_a_trunk_a_call_back_is_promised(
    factory: ConversationFactory, prompts: Prompts
) -> None:
    entry = hold(factory, FakeCall([Press("0")]))
    assert entry.end_cause == "call_back_wanted"


FOUND: dict[str, Any] = {
    "ok": True, "found": True, "state": "accepted", "status": "resolved", "due": "2026-12-01",
    "reply": None, "may_reopen": True,
}  # fmt: skip


def test_the_office_is_asked_for_the_caller_and_the_call(
    factory: ConversationFactory, office: Office
) -> None:
    office.answers = {"status": FOUND, "not_satisfied": {"ok": True, "done": True}}
    script = [Press("2"), *presses("123456783"), Silence(), Press("1"), Silence(), Speak(3000)]
    entry = hold(factory, FakeCall([*script, Press("#")]))
    proof = {"reference": "123456783", "pin": "", "caller": "13812345678", "call_id": "call-1"}
    first = {**proof, "counted": False}
    assert office.asked == [("status", first), ("not_satisfied", proof)]
    assert (entry.kind, entry.about_reference_no) == ("status", "123456783")
    assert entry.not_satisfied
    assert entry.consent_channel == "speech"
    assert (factory.spool / "call-1" / "take-1.pcm").read_bytes() == voice(3000)


def test_without_the_office_not_satisfied_waits_in_the_journal(
    factory: ConversationFactory, office: Office
) -> None:
    office.answers = {"status": FOUND}
    script = [Press("2"), *presses("123456783"), Silence(), Press("1")]
    entry = hold(factory, FakeCall(script))
    assert entry.not_satisfied
    assert entry.call_back_promised
    assert entry.takes == []


def test_keyed_numbers_and_pins_are_on_no_disk(
    factory: ConversationFactory, office: Office
) -> None:
    office.answers = {"status": {"ok": True, "found": False}}
    hold(factory, FakeCall([Press("2"), *presses("198765432"), *presses("7391"), GoAway()]))
    hold(
        factory,
        FakeCall([Press("7"), *presses("100234"), *presses("654321"), GoAway()], call_id="staff"),
    )
    for path in factory.spool.rglob("call.json"):
        text = path.read_text()
        steps = "".join(step["event"] for step in journal.Entry.parse(text).steps)
        assert not any(f"key {digit}" in steps for digit in "34569")
        assert "198765432" not in text


def test_a_programme_is_recorded_and_submitted_by_staff(
    factory: ConversationFactory, office: Office
) -> None:
    office.answers = {"staff": {"ok": True, "found": True, "user_id": 4, "programme_id": 2}}
    login: list[Move] = [Press("7"), *presses("100234"), *presses("654321")]
    entry = hold(factory, FakeCall([*login, *SPOKEN, Press("1")]))
    assert (entry.kind, entry.staff_user_id, entry.programme_id) == ("studio", 4, 2)
    assert entry.submitted
    assert entry.reference_no is None
    left = hold(factory, FakeCall([*login, *SPOKEN, GoAway()], call_id="left"))
    assert not left.submitted
    assert (factory.spool / "left" / "take-1.pcm").is_file()


def test_the_quiet_button_is_asked_for_by_who_proved_it(
    factory: ConversationFactory, office: Office, prompts: Prompts
) -> None:
    head = {"ok": True, "found": True, "user_id": 9, "village_code": None, "quiet_until": None}
    office.answers = {"staff": head, "quiet": {"ok": True, "done": True}}
    call = FakeCall([Press("8"), *presses("100234"), *presses("654321"), Press("2")])
    entry = hold(factory, call)
    assert office.asked[-1] == ("quiet", {"user_id": 9, "hours": 12, "call_id": "call-1"})
    assert told(call, prompts)[-2:] == ["quiet_morning", "farewell"]
    assert (entry.kind, entry.call_back_promised) == ("quiet", False)


def test_a_directory_nobody_can_read_is_an_empty_one(
    factory: ConversationFactory, config: Settings
) -> None:
    (directory.folder(config) / "directory.json").write_text("{")
    entry = hold(factory, FakeCall([*AGREED, *SPOKEN, Press("1")]))
    assert entry.reference_no is not None
    assert entry.village_code is None
