"""The dialogue as a pure machine: village, person, studio, quiet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hotline import steps as do
from hotline.call import Key, SpeechHeard
from hotline.dialogue import Facts, State
from hotline.played import OwnTake, VillageName
from tests.hotline.machine import (
    BOUND,
    DIRECTORY,
    ENDED,
    ENOUGH,
    GONE,
    LIJIA,
    NAMELESS,
    SILENCE,
    TOO_SHORT,
    TOWN,
    UNKNOWN,
    VILLAGE_LINE,
    WANGZHUANG,
    asked,
    keys,
    last_village,
    run,
    said,
)

AGREED = (Key("1"), Key("1"))


# The village


def test_without_villages_nobody_is_asked_for_one() -> None:
    state, _ = run(*AGREED)
    assert state.state is State.RECORD


def test_the_number_dialled_tells_the_village_and_it_is_confirmed() -> None:
    _, actions = run(*AGREED, facts=VILLAGE_LINE)
    assert said(actions) == ["village_is", VillageName(LIJIA), "village_right"]
    state, actions = run(*AGREED, Key("1"), facts=VILLAGE_LINE)
    assert do.SetVillage(LIJIA, "line") in actions
    assert state.state is State.RECORD


def test_a_line_whose_village_has_no_spoken_name_is_believed() -> None:
    facts = Facts(called="96113", directory=DIRECTORY)
    state, actions = run(*AGREED, facts=facts)
    assert do.SetVillage(NAMELESS, "line") in actions
    assert state.state is State.RECORD


def test_the_line_is_known_however_the_network_writes_its_number() -> None:
    directory = replace(DIRECTORY, lines={"05391234567": LIJIA})
    for called in ("05391234567", "+865391234567", "00865391234567"):
        assert Facts(called=called, directory=directory).line_village == LIJIA


def test_silence_leaves_the_village_of_the_line() -> None:
    _, actions = run(*AGREED, *SILENCE, *SILENCE, facts=VILLAGE_LINE)
    assert do.SetVillage(LIJIA, "line") in actions


def test_the_callers_last_village_is_asked_for_and_confirmed() -> None:
    _, actions = run(*AGREED, facts=TOWN)
    assert asked(actions) == [("village_of", {})]
    _, actions = run(*AGREED, last_village(WANGZHUANG), facts=TOWN)
    assert said(actions) == ["village_is", VillageName(WANGZHUANG), "village_right"]
    _, actions = run(*AGREED, last_village(WANGZHUANG), Key("1"), facts=TOWN)
    assert do.SetVillage(WANGZHUANG, "last") in actions


def test_silence_does_not_confirm_the_last_village() -> None:
    state, actions = run(*AGREED, last_village(WANGZHUANG), *SILENCE, *SILENCE, facts=TOWN)
    assert state.state is State.RECORD
    assert not any(isinstance(action, do.SetVillage) for action in actions)


def test_hash_leaves_the_village_open() -> None:
    _, actions = run(*AGREED, last_village(WANGZHUANG), Key("#"), facts=TOWN)
    assert said(actions) == ["record", "beep"]
    _, actions = run(*AGREED, Key("#"), facts=VILLAGE_LINE)
    assert do.SetVillage(LIJIA, "line") in actions


@pytest.mark.parametrize("answer", [last_village(None), last_village("1"), do.Answered(None)])
def test_else_the_poster_tells(answer: do.Answered) -> None:
    _, actions = run(*AGREED, answer, facts=TOWN)
    assert said(actions) == ["village_code"]
    _, actions = run(*AGREED, answer, *keys("102"), facts=TOWN)
    assert do.SetVillage(WANGZHUANG, "code") in actions
    assert said(actions)[0] == VillageName(WANGZHUANG)


def test_a_wrong_village_is_denied_then_keyed() -> None:
    _, actions = run(*AGREED, Key("2"), facts=VILLAGE_LINE)
    assert said(actions) == ["village_code"]


def test_after_two_errors_the_operator_sets_the_village() -> None:
    wrong = (*AGREED, last_village(None), *keys("999"))
    _, actions = run(*wrong, facts=TOWN)
    assert said(actions) == ["village_unknown", "village_code"]
    for silent in (SILENCE, keys("*"), keys("9*")):
        _, actions = run(*AGREED, last_village(None), *silent, facts=TOWN)
        assert said(actions) == ["village_code"], "nothing was keyed that could be unknown"
    for second in (keys("998"), SILENCE, keys("#")):
        state, actions = run(*wrong, *second, facts=TOWN)
        assert state.state is State.RECORD
        assert not any(isinstance(action, do.SetVillage) for action in actions)


def test_who_reports_for_another_is_not_asked_about_the_own_village() -> None:
    _, actions = run(Key("4"), Key("1"), facts=TOWN)
    assert asked(actions) == []
    assert said(actions) == ["village_code"]


def test_who_simply_speaks_is_asked_nothing_and_keeps_the_village_of_the_line() -> None:
    state, actions = run(Key("1"), ENDED, SpeechHeard(), facts=VILLAGE_LINE)
    assert do.SetVillage(LIJIA, "line") in actions
    assert state.recording


# A person


def test_zero_looks_for_a_person() -> None:
    _, actions = run(Key("0"), facts=VILLAGE_LINE)
    assert do.Connect(LIJIA) in actions
    assert do.Wants("human") in actions


def test_the_call_ends_with_the_talk() -> None:
    assert run(Key("0"), do.Connected("joined"))[1] == [do.End("joined")]
    assert run(Key("0"), do.Connected("parted"))[1] == [do.End("joined")]
    assert run(Key("0"), do.Connected("caller_gone"))[1] == [do.End("hangup")]


@pytest.mark.parametrize("result", ["nobody", "no_trunk", "limit"])
def test_nobody_there_is_a_call_back(result: Any) -> None:
    state, actions = run(Key("0"), do.Connected(result))
    assert said(actions) == ["nobody", "call_back"]
    assert do.PromiseCallBack() in actions
    assert state.cause == "call_back_wanted"


SPOKEN_THEN_ZERO = (*AGREED, ENDED, ENOUGH, Key("0"))
NO_NUMBER = do.ReferenceBound(None, None)


def test_who_has_spoken_already_hears_the_number_before_telephones_ring() -> None:
    _, actions = run(*SPOKEN_THEN_ZERO)
    assert do.Wants("human") not in actions
    assert actions.index(do.Say(("please_wait",))) < actions.index(do.BindReference())
    _, actions = run(*SPOKEN_THEN_ZERO, BOUND)
    assert do.SayReference("123456783", "4711", (), ()) in actions
    _, actions = run(*SPOKEN_THEN_ZERO, BOUND, ENDED)
    assert actions[0] == do.Connect(None)


def test_who_stays_when_the_person_hangs_up_hears_the_number_again() -> None:
    state, actions = run(*SPOKEN_THEN_ZERO, BOUND, ENDED, do.Connected("parted"))
    assert do.SayReference("123456783", "4711", (), ("goodbye",)) in actions
    assert do.BindReference() not in actions
    assert state.cause == "joined"


def test_with_nobody_there_the_number_comes_before_the_call_back() -> None:
    _, actions = run(*SPOKEN_THEN_ZERO, BOUND, ENDED, do.Connected("nobody"))
    assert do.SayReference("123456783", "4711", ("nobody",), ("goodbye",)) in actions
    assert do.PromiseCallBack() in actions


@pytest.mark.parametrize("failure", [NO_NUMBER, do.TimedOut()])
def test_without_a_number_to_be_had_a_person_is_looked_for_all_the_same(failure: do.Event) -> None:
    _, actions = run(*SPOKEN_THEN_ZERO, failure)
    assert said(actions) == ["reference_later"]
    assert do.PromiseCallBack() in actions
    assert do.Connect(None) in actions


# Studio and quiet

STUDIO = (Key("7"), *keys("100234"), *keys("654321"))
PROVED = do.Answered({"ok": True, "found": True, "user_id": 4, "programme_id": 2})


def test_staff_prove_themselves_by_number_and_pin() -> None:
    _, actions = run(*STUDIO)
    details = {"staff_no": "100234", "pin": "654321", "purpose": "studio"}
    assert asked(actions) == [("staff", details)]
    _, actions = run(*STUDIO, PROVED)
    assert do.StaffProved(4, 2) in actions
    assert said(actions) == ["studio_record", "beep"]


def test_a_programme_may_take_ten_minutes_and_pause() -> None:
    _, actions = run(*STUDIO, PROVED, ENDED)
    assert actions[0] == do.Record(1, 600.0, 20.0)


RECORDED = (*STUDIO, PROVED, ENDED, ENOUGH)


def test_a_programme_is_heard_then_submitted() -> None:
    assert said(run(*RECORDED)[1]) == ["studio_review"]
    assert said(run(*RECORDED, Key("2"))[1]) == [OwnTake(1), "studio_review"]
    _, actions = run(*RECORDED, Key("1"))
    assert actions[0] == do.Submit()
    assert said(actions) == ["studio_submitted"]


@pytest.mark.parametrize("rest", [(GONE,), SILENCE * 3, keys("888")])
def test_a_programme_is_never_submitted_without_a_key(rest: tuple[do.Event, ...]) -> None:
    actions = [a for n in range(len(rest)) for a in run(*RECORDED, *rest[: n + 1])[1]]
    assert do.Submit() not in actions


def test_wrong_staff_are_sent_away_after_three_tries() -> None:
    wrong = (*keys("100234"), *keys("000000"), UNKNOWN)
    _, actions = run(Key("7"), *wrong)
    assert said(actions) == ["staff_refused", "staff_number"]
    state, actions = run(Key("7"), *wrong * 3)
    assert state.cause == "staff_refused"
    locked = do.Answered({"ok": True, "found": False, "locked": True})
    assert said(run(*STUDIO, locked)[1]) == ["locked", "farewell"]


def test_a_silent_studio_is_left_without_a_promise() -> None:
    _, actions = run(*STUDIO, PROVED, ENDED, TOO_SHORT, ENDED, TOO_SHORT)
    assert said(actions) == ["no_speech", "farewell"]


QUIET = (Key("8"), *keys("100234"), *keys("654321"))
HEAD = {"ok": True, "found": True, "user_id": 9, "village_code": LIJIA, "quiet_until": None}


def test_the_village_head_hears_the_village_and_whether_it_is_quiet() -> None:
    _, actions = run(*QUIET, do.Answered(HEAD), facts=TOWN)
    assert said(actions) == [VillageName(LIJIA), "quiet_menu"]
    now_quiet = HEAD | {"quiet_until": "2026-12-01T06:00:00+00:00"}
    _, actions = run(*QUIET, do.Answered(now_quiet), facts=TOWN)
    assert said(actions) == [VillageName(LIJIA), "quiet_on", "quiet_menu"]


@pytest.mark.parametrize(
    ("key", "hours", "told"),
    [("1", 1, "quiet_hour"), ("2", 12, "quiet_morning"), ("3", 0, "quiet_lifted")],
)
def test_quiet_is_asked_for_and_confirmed(key: str, hours: int, told: str) -> None:
    road = (*QUIET, do.Answered(HEAD), Key(key))
    _, actions = run(*road, facts=TOWN)
    assert asked(actions) == [("quiet", {"user_id": 9, "hours": hours})]
    _, actions = run(*road, do.Answered({"ok": True, "done": True}), facts=TOWN)
    assert said(actions) == [told, "farewell"]
    _, actions = run(*road, do.Answered(None), facts=TOWN)
    assert said(actions) == ["quiet_failed", "farewell"]
