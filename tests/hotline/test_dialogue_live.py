"""The dialogue as a pure machine: a live address by telephone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hotline import limits
from hotline import steps as do
from hotline.call import HungUp, Key
from hotline.dialogue import Phase, State
from hotline.directory import Directory, Village
from hotline.played import FileSound, VillageName
from tests.hotline.machine import (
    ENDED,
    GONE,
    LIJIA,
    NAMELESS,
    SILENCE,
    TOWN,
    WANGZHUANG,
    asked,
    keys,
    run,
    said,
)

SIGNED_IN = (Key("9"), *keys("100234"), *keys("654321"))
OPENED = do.Answered({"ok": True, "opened": True})
GO = do.LiveTold("go", hearing=1)


def proved(villages: list[str], quiet: list[str] | None = None) -> do.Answered:
    answer: dict[str, Any] = {"ok": True, "found": True, "user_id": 4}
    return do.Answered({**answer, "villages": villages, "quiet": quiet or []})


def over(cause: str, *missing: str) -> do.LiveTold:
    return do.LiveTold("over", cause, missing=missing)


ONE = (*SIGNED_IN, proved([LIJIA]))
TWO = (*SIGNED_IN, proved([LIJIA, WANGZHUANG]))
MIXED = (*SIGNED_IN, proved([LIJIA, WANGZHUANG], [NAMELESS]))
CALLED = (*ONE, Key("1"), OPENED)
ON_AIR = (*CALLED, GO, ENDED)


def went_live(actions: list[do.Action]) -> list[tuple[str, ...]]:
    return [action.villages for action in actions if isinstance(action, do.GoLive)]


# Who, and which villages


def test_key_nine_asks_for_number_and_pin() -> None:
    _, actions = run(*SIGNED_IN)
    details = {"staff_no": "100234", "pin": "654321", "purpose": "live"}
    assert asked(actions) == [("staff", details)]


def test_a_line_that_cannot_carry_it_says_so() -> None:
    _, actions = run(Key("9"), facts=replace(TOWN, streams=False))
    assert said(actions) == ["live_not_here", "farewell"]


def test_the_only_village_is_named_and_needs_no_choice() -> None:
    state, actions = run(*ONE, facts=TOWN)
    assert do.StaffProved(4, None) in actions
    assert said(actions) == ["live_to", VillageName(LIJIA), "live_ready"]
    assert state.state is State.LIVE_READY


def test_without_a_village_the_call_ends() -> None:
    assert said(run(*SIGNED_IN, proved([]), facts=TOWN)[1]) == ["live_none", "farewell"]


def test_several_villages_are_named_and_all_chosen_by_one_key() -> None:
    _, actions = run(*TWO, facts=TOWN)
    names = [VillageName(LIJIA), VillageName(WANGZHUANG)]
    assert said(actions) == ["live_places", *names, "live_choose"]
    _, actions = run(*TWO, Key("1"), Key("1"), facts=TOWN)
    assert went_live(actions) == [(LIJIA, WANGZHUANG)]


def test_of_many_villages_the_number_is_said() -> None:
    many = [f"3713121012{n:02}" for n in range(12)]
    villages = {code: Village(code, code, sound="x.wav") for code in many}
    facts = replace(TOWN, directory=Directory(villages))
    _, actions = run(*SIGNED_IN, proved(many), facts=facts)
    spoken = ["live_places", "live_count", "digit_1", "digit_2", "pause", "live_choose"]
    assert said(actions) == spoken


def test_villages_that_cannot_be_named_are_counted() -> None:
    _, actions = run(*SIGNED_IN, proved([LIJIA, NAMELESS]), facts=TOWN)
    assert said(actions)[:3] == ["live_places", "live_count", "digit_2"]


def test_villages_under_quiet_are_told_and_left_out_of_all() -> None:
    _, actions = run(*MIXED, facts=TOWN)
    assert said(actions)[3:] == ["live_left_out", "live_count", "digit_1", "pause", "live_choose"]
    assert went_live(run(*MIXED, Key("1"), Key("1"), facts=TOWN)[1]) == [(LIJIA, WANGZHUANG)]


def test_a_village_under_quiet_is_chosen_by_its_own_code_alone() -> None:
    road = (*MIXED, Key("2"), *keys("103"), Key("#"))
    assert said(run(*road, facts=TOWN)[1])[-2:] == ["quiet_on", "live_ready"]
    assert went_live(run(*road, Key("1"), facts=TOWN)[1]) == [(NAMELESS,)]


def test_where_all_is_quiet_a_code_is_asked_for() -> None:
    everywhere = proved([], [LIJIA, WANGZHUANG])
    state, actions = run(*SIGNED_IN, everywhere, facts=TOWN)
    assert state.state is State.LIVE_CODE
    assert said(actions)[0] == "live_left_out"


def test_codes_add_up_until_hash() -> None:
    road = (*MIXED, Key("2"), *keys("102"))
    assert said(run(*road, facts=TOWN)[1]) == [VillageName(WANGZHUANG), "live_next"]
    assert went_live(run(*road, *keys("101#1"), facts=TOWN)[1]) == [(WANGZHUANG, LIJIA)]


def test_silence_after_a_code_goes_on_but_not_on_air() -> None:
    state, actions = run(*MIXED, Key("2"), *keys("102"), *SILENCE, facts=TOWN)
    assert state.state is State.LIVE_READY
    assert said(actions) == ["live_to", VillageName(WANGZHUANG), "live_ready"]


@pytest.mark.parametrize("digits", ["102", "999"])
def test_a_code_outside_the_own_area_looks_like_an_unknown_one(digits: str) -> None:
    mine = proved([LIJIA, NAMELESS])
    state, actions = run(*SIGNED_IN, mine, Key("2"), *keys(digits), facts=TOWN)
    assert said(actions) == ["village_unknown", "live_code"]
    assert state.chosen == ()


def test_star_chooses_anew() -> None:
    road = (*MIXED, Key("2"), *keys("102*101#1"))
    assert went_live(run(*road, facts=TOWN)[1]) == [(LIJIA,)]


def test_three_wrong_codes_end_it() -> None:
    state, _ = run(*MIXED, Key("2"), *keys("999") * 3, facts=TOWN)
    assert state.cause == "nothing_chosen"


@pytest.mark.parametrize("rest", [SILENCE * 3, keys("888")])
def test_nobody_goes_on_air_without_key_one(rest: tuple[do.Event, ...]) -> None:
    actions = [a for n in range(len(rest)) for a in run(*ONE, *rest[: n + 1], facts=TOWN)[1]]
    assert went_live(actions) == []
    assert said(actions)[-1] == "farewell"


# On air


def test_the_villages_are_called_before_anything_goes_out() -> None:
    _, actions = run(*ONE, Key("1"), facts=TOWN)
    assert said(actions) == ["live_calling"]
    assert went_live(actions) == [(LIJIA,)]
    assert do.LetThrough() not in actions


def test_speech_goes_out_after_the_cue() -> None:
    assert said(run(*CALLED, GO, facts=TOWN)[1]) == ["live_now", "beep"]
    state, actions = run(*ON_AIR, facts=TOWN)
    assert actions == [do.LetThrough(), do.Wait(limits.LIVE_LIMIT_S)]
    assert state.phase is Phase.ON_AIR


def test_the_end_of_a_prompt_is_no_cue() -> None:
    assert run(*CALLED, ENDED, facts=TOWN)[1] == []


def test_who_nobody_hears_yet_is_told() -> None:
    _, actions = run(*CALLED, do.LiveTold("go", hearing=0), facts=TOWN)
    assert said(actions) == ["live_none_yet", "live_now", "beep"]


def test_a_cue_that_never_comes_is_not_waited_for() -> None:
    assert said(run(*CALLED, do.TimedOut(), facts=TOWN)[1]) == ["live_now", "beep"]


@pytest.mark.parametrize(("key", "cause"), [("#", "keyed"), ("*", "hard_stop")])
def test_hash_ends_and_star_silences(key: str, cause: str) -> None:
    _, actions = run(*ON_AIR, Key(key), facts=TOWN)
    assert do.EndLive(cause) in actions
    _, actions = run(*ON_AIR, Key(key), over(cause, WANGZHUANG), facts=TOWN)
    assert said(actions) == ["live_over", "live_missing", VillageName(WANGZHUANG), "farewell"]


def test_an_end_nobody_confirms_is_told_all_the_same() -> None:
    _, actions = run(*ON_AIR, Key("#"), do.TimedOut(), facts=TOWN)
    assert said(actions) == ["live_over", "farewell"]


@pytest.mark.parametrize("key", "0123456789")
def test_a_cheek_on_the_keys_ends_nothing(key: str) -> None:
    assert run(*ON_AIR, Key(key), facts=TOWN)[1] == []


@pytest.mark.parametrize(
    ("cause", "spoken"),
    [
        ("stopped", "live_stopped"),
        ("silence", "live_silence"),
        ("limit", "live_limit"),
        ("lost", "live_broken"),
        ("server", "live_broken"),
    ],
)
@pytest.mark.parametrize("road", [CALLED, (*CALLED, GO), ON_AIR])
def test_the_caller_hears_that_it_ended_and_why(
    road: tuple[do.Event, ...], cause: str, spoken: str
) -> None:
    _, actions = run(*road, over(cause), facts=TOWN)
    assert said(actions) == [spoken, "farewell"]


def test_after_half_an_hour_it_ends() -> None:
    assert do.EndLive("limit") in run(*ON_AIR, do.TimedOut(), facts=TOWN)[1]


@pytest.mark.parametrize(
    ("gone", "cause"),
    [
        (GONE, "hung_up"),
        (HungUp("network"), "connection"),
        (HungUp("hold"), "connection"),
        (HungUp("limit"), "limit"),
    ],
)
@pytest.mark.parametrize("road", [(*ONE, Key("1")), CALLED, (*CALLED, GO), ON_AIR])
def test_hanging_up_ends_it(road: tuple[do.Event, ...], gone: HungUp, cause: str) -> None:
    state, actions = run(*road, gone, facts=TOWN)
    assert actions == [do.EndLive(cause), do.End(gone.cause)]
    assert state.ended


def test_the_journal_tells_of_it_without_a_number() -> None:
    assert do.told(GO) == "live go: 1 there, 0 villages missing"
    assert do.told(over("lost", LIJIA)) == "live over: lost, 1 villages missing"


# When it cannot be opened


def busy(village: str, speaker: object = "/spoken/1.wav") -> do.Answered:
    return do.Answered(
        {"ok": True, "error": "somebody_speaks", "village_code": village, "speaker": speaker}
    )


def test_who_speaks_where_is_told() -> None:
    _, actions = run(*ONE, Key("1"), busy(LIJIA), facts=TOWN)
    who = ["live_busy", FileSound("/spoken/1.wav"), "live_busy_in", VillageName(LIJIA)]
    assert said(actions) == [*who, "live_none", "farewell"]


def test_the_other_villages_may_still_be_chosen() -> None:
    state, actions = run(*MIXED, Key("1"), Key("1"), busy(LIJIA, None), facts=TOWN)
    assert said(actions)[:4] == [
        "live_busy_in", VillageName(LIJIA), "live_places", VillageName(WANGZHUANG),
    ]  # fmt: skip
    assert state.state is State.LIVE_PLACES
    again = (*MIXED, Key("1"), Key("1"), busy(LIJIA), Key("1"), Key("1"))
    assert went_live(run(*again, facts=TOWN)[1]) == [(WANGZHUANG,)]


@pytest.mark.parametrize(
    "answer",
    [do.Answered(None), do.Answered({"ok": True, "error": "away"}), do.TimedOut()],
)
def test_when_nobody_answers_nothing_is_said_to_villages(answer: do.Event) -> None:
    _, actions = run(*ONE, Key("1"), answer, facts=TOWN)
    assert said(actions) == ["live_failed", "farewell"]
    assert do.LetThrough() not in actions
