"""What callers are told is true: of the number that is withheld, of what was recorded or played."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline import limits
from hotline import steps as do
from hotline.call import Key, RecordingStopped, SpeechHeard
from hotline.dialogue import Dialogue, Facts, Goal, Phase, State
from hotline.played import VillageNews
from tests.hotline.machine import (
    BOUND,
    ENDED,
    ENOUGH,
    LIJIA,
    TOWN,
    VILLAGE_LINE,
    WANGZHUANG,
    WITHHELD,
    keys,
    last_village,
    run,
    said,
)
from tests.hotline.test_dialogue_rules import follow, picks, places

OBJECTED = (
    Key("2"),
    *keys("1234567834711"),
    do.Answered({"ok": True, "found": True, "may_reopen": True, "state": "accepted"}),
    ENDED,
    Key("1"),
    do.Answered({"ok": True, "done": True, "outcome": "reopened"}),
)
"""Not satisfied, after number and PIN."""
WITHHELD_IN_TOWN = replace(TOWN, number_known=False)
RECORDING = (Key("1"), Key("1"), ENDED)
REVIEW = (*RECORDING, ENOUGH)
NO_NUMBER = do.ReferenceBound(None, None)
NEVER_ENDS = (*RECORDING, Key("#"), do.TimedOut())


# Whose number is withheld


def heard(actions: list[do.Action]) -> list[object]:
    """Every prompt of these actions, those around a number included."""
    around = (a for a in actions if isinstance(a, do.SayReference))
    return [*said(actions), *(prompt for a in around for prompt in (*a.before, *a.after))]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from([WITHHELD, WITHHELD_IN_TOWN]), st.sampled_from([(), REVIEW, OBJECTED]), picks
)
def test_nobody_is_promised_a_call_whose_number_is_withheld(
    facts: Facts, first: tuple[do.Event, ...], choices: list[int]
) -> None:
    for _, event, _, actions in follow(facts, choices, first):
        promises = {"goodbye", "call_back", "reference_later"} & {*heard(actions)}
        assert not promises, event


@pytest.mark.parametrize(
    "road", [(Key("1"), BOUND), (Key("0"), BOUND, ENDED, do.Connected("nobody"))]
)
def test_who_shows_no_number_is_asked_to_keep_the_reference(road: tuple[do.Event, ...]) -> None:
    _, actions = run(*REVIEW, *road, facts=WITHHELD)
    (reading,) = (action for action in actions if isinstance(action, do.SayReference))
    assert reading.after == ("goodbye_withheld",)
    _, actions = run(*REVIEW, *road)
    (reading,) = (action for action in actions if isinstance(action, do.SayReference))
    assert reading.after == ("goodbye",)


def test_who_shows_no_number_and_gets_none_is_promised_nothing() -> None:
    _, actions = run(*REVIEW, Key("1"), NO_NUMBER, facts=WITHHELD)
    assert said(actions) == ["reference_none", "farewell"]


def test_who_shows_no_number_and_is_not_satisfied_is_promised_no_call() -> None:
    assert said(run(*OBJECTED, ENDED, do.TimedOut(), facts=WITHHELD)[1]) == ["farewell"]


# Whose take has no end


@pytest.mark.parametrize("road", [NEVER_ENDS, (Key("5"), ENDED, ENDED, Key("#"), do.TimedOut())])
def test_a_take_whose_end_is_not_told_is_noted_and_phoned_about(road: tuple[do.Event, ...]) -> None:
    state, actions = run(*road)
    assert said(actions) == ["reference_later", "call_back"]
    assert do.PromiseCallBack() in actions
    assert state.cause == "recorder_lost"
    _, actions = run(*road, facts=WITHHELD)
    assert said(actions) == ["reference_none", "call_again"]


def test_so_is_what_somebody_is_not_satisfied_with() -> None:
    why = do.Answered({"ok": True, "done": True, "outcome": "reopened"})
    found = do.Answered({"ok": True, "found": True, "may_reopen": True, "state": "accepted"})
    road = (Key("2"), *keys("123456783"), found, ENDED, Key("1"), why, ENDED, SpeechHeard())
    _, actions = run(*road, Key("#"), do.TimedOut())
    assert said(actions) == ["reference_none", "call_back"]
    assert do.PromiseCallBack() in actions


def test_a_slow_disk_has_twenty_seconds() -> None:
    assert do.Wait(limits.STOP_LIMIT_S) in run(*RECORDING, Key("#"))[1]
    assert limits.STOP_LIMIT_S >= 20


def test_a_take_that_is_fetched_later_has_been_recorded() -> None:
    after, actions = run(*RECORDING, RecordingStopped("unfetched", 0, 0))
    assert "apology_down" not in said(actions)
    assert said(actions)[-1] == "call_back"
    assert (after.cause, do.PromiseCallBack() in actions) == ("recorder_lost", True)


def test_a_disk_that_refuses_with_too_little_speech_has_recorded_nothing() -> None:
    _, actions = run(*RECORDING, RecordingStopped("disk", 2000, 1000))
    assert said(actions) == ["apology_down", "call_back"]


@settings(max_examples=400, deadline=None)
@given(places, picks)
def test_nothing_was_recorded_is_said_only_by_who_knows(facts: Facts, choices: list[int]) -> None:
    """The driver, or the disk: not a clock that ran out. A programme is simply spoken again."""
    for before, event, _, actions in follow(facts, choices):
        if "apology_down" in said(actions) and before.goal is not Goal.STUDIO:
            assert isinstance(event, RecordingStopped | do.NotStored)


# Who is joined to a person


def test_who_asks_for_a_person_hears_number_and_pin_before_anybody_is_rung() -> None:
    state, actions = run(*REVIEW, Key("0"), BOUND)
    assert (state.state, state.phase) == (State.HUMAN, Phase.SPEAKING)
    assert actions == [
        do.SayReference("123456783", "4711", (), ()),
        do.Wait(limits.PROMPT_LIMIT_S),
    ]
    assert run(*REVIEW, Key("0"), BOUND, Key("0"), Key("#"))[1] == []
    for ended in (ENDED, do.TimedOut()):
        state, actions = run(*REVIEW, Key("0"), BOUND, ended)
        assert do.Connect(None) in actions
        assert state.phase is Phase.CONNECTING


@settings(max_examples=600, deadline=None)
@given(places, picks)
def test_nobody_is_joined_while_the_number_is_read(facts: Facts, choices: list[int]) -> None:
    reading = False
    for _, event, _, actions in follow(facts, choices, [Key("1"), Key("1"), ENDED, ENOUGH]):
        reading = reading and event not in (ENDED, do.TimedOut())
        reading |= any(isinstance(action, do.SayReference) for action in actions)
        if any(isinstance(action, do.Connect) for action in actions):
            assert not reading, event


# What was played


def news_before(sounds: list[object], prompt: str) -> bool:
    return any(isinstance(sound, VillageNews) for sound in sounds[: sounds.index(prompt)])


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from([TOWN, VILLAGE_LINE, WITHHELD_IN_TOWN, Facts()]),
    st.sampled_from([LIJIA, WANGZHUANG, None]),
    picks,
)
def test_news_is_over_after_news_and_missing_of_a_village(
    facts: Facts, last: str | None, choices: list[int]
) -> None:
    state = Dialogue()
    for _, _, state, actions in follow(facts, choices, [Key("3"), last_village(last)]):
        sounds: list[object] = [*said(actions)]
        if "news_over" in sounds:
            assert news_before(sounds, "news_over")
        if "news_none" in sounds:
            assert state.village is not None


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([TOWN, WITHHELD_IN_TOWN]), picks)
def test_a_code_is_called_wrong_only_after_its_last_digit(facts: Facts, choices: list[int]) -> None:
    """Neither silence nor the star key is a village code."""
    for _, event, _, actions in follow(facts, choices, [Key("3"), last_village(None)]):
        if "village_unknown" in said(actions):
            assert isinstance(event, Key)
            assert event.digit.isdigit()
