"""The judge of the week of faults sees what must not be; its plan kills as often as it says."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import faults, faults_plan, faults_town
from benchmarks.faults_judge import TARGETS, Evidence, Kept, Planned, Sounding, judge
from benchmarks.faults_plan import SHORT, WEEK
from benchmarks.harness import missed
from edge.config import Home
from tests.counterparts import require

CLIPS = frozenset({"a" * 64, "b" * 64})
CLIP = "a" * 64


def sounding(play_id: int, first: str = "12:00") -> Sounding:
    return Sounding(play_id, "player-1", first, True, CLIP)


def chain() -> list[Kept]:
    return [
        Kept("player-1", 1, 11, "played", "h1", "", CLIP),
        Kept("player-1", 2, 12, "missed", "h2", "h1", CLIP),
        Kept("player-1", 3, 13, "played", "h3", "h2", CLIP),
    ]


def good() -> Evidence:
    """Three plays of one village: two heard, one explained."""
    return Evidence(
        planned=[
            Planned(11, "player-1", "played", None, CLIPS),
            Planned(12, "player-1", "missed", "interrupted", CLIPS),
            Planned(13, "player-1", "played", None, CLIPS),
        ],
        soundings=[sounding(11), sounding(13)],
        own=chain(),
        server=chain(),
    )


def test_a_week_in_order_meets_the_targets() -> None:
    found = judge(good())
    assert not missed(found, TARGETS)
    assert (found["planned"], found["played"], found["explained"]) == (3, 2, 1)


def test_a_sounding_that_was_cut_may_be_followed_by_a_whole_one() -> None:
    week = good()
    week.soundings.append(Sounding(11, "player-1", "11:59", False, CLIP))
    week.soundings.append(Sounding(13, "player-1", "11:58", False, None))
    assert not missed(judge(week), TARGETS)


def heard_twice(week: Evidence) -> None:
    week.soundings.append(sounding(11, "12:07"))


def nobody_knows(week: Evidence) -> None:
    week.planned[1] = replace(week.planned[1], state="published", reason=None)


def missed_without_reason(week: Evidence) -> None:
    week.planned[1] = replace(week.planned[1], reason=None)


def believed_and_not_heard(week: Evidence) -> None:
    del week.soundings[0]


def heard_and_not_told(week: Evidence) -> None:
    week.soundings.append(sounding(12))


def receipt_never_arrived(week: Evidence) -> None:
    del week.server[-1]


def receipt_forgotten_by_the_player(week: Evidence) -> None:
    del week.own[-1]


def numbers_begun_anew(week: Evidence) -> None:
    for receipts in (week.own, week.server):
        receipts[2] = replace(receipts[2], seq=1_750_000_000, previous_hash="")


def hole_in_the_chain(week: Evidence) -> None:
    for receipts in (week.own, week.server):
        del receipts[1]


def forged(week: Evidence) -> None:
    week.forged.append("player-1")


def clip_nobody_approved(week: Evidence) -> None:
    week.soundings[0] = replace(week.soundings[0], clip_sha256="c" * 64)


def unknown_sound(week: Evidence) -> None:
    week.soundings[0] = replace(week.soundings[0], clip_sha256=None)


def play_nobody_planned(week: Evidence) -> None:
    week.soundings.append(sounding(99))


def other_clip_than_the_receipt_says(week: Evidence) -> None:
    week.soundings[0] = replace(week.soundings[0], clip_sha256="b" * 64)


@pytest.mark.parametrize(
    ("sabotage", "figure"),
    [
        (heard_twice, "doubles"),
        (nobody_knows, "unexplained"),
        (missed_without_reason, "unexplained"),
        (believed_and_not_heard, "played_unheard"),
        (heard_and_not_told, "heard_unproved"),
        (receipt_never_arrived, "receipts_lost"),
        (receipt_forgotten_by_the_player, "receipts_lost"),
        (numbers_begun_anew, "chains_broken"),
        (hole_in_the_chain, "chains_broken"),
        (forged, "chains_broken"),
        (clip_nobody_approved, "unapproved"),
        (unknown_sound, "unapproved"),
        (play_nobody_planned, "unapproved"),
        (other_clip_than_the_receipt_says, "unapproved"),
    ],
)
def test_what_must_not_be_is_counted(sabotage: Callable[[Evidence], None], figure: str) -> None:
    week = copy.deepcopy(good())
    sabotage(week)
    assert figure in missed(judge(week), TARGETS)


# --- the plan

FIRST = date(2026, 6, 1)


@pytest.mark.parametrize("scenario", [WEEK, SHORT])
def test_the_plan_kills_as_often_as_it_says_and_the_same_each_time(
    scenario: faults_plan.Scenario,
) -> None:
    starts = scenario.starts(FIRST)
    planned = faults_plan.kills(scenario, starts)
    assert planned == faults_plan.kills(scenario, starts)
    assert len(planned) == scenario.kills
    assert len(starts) == scenario.days * len(scenario.times)
    near = [
        kill
        for kill in planned
        if any(abs((kill.at - start).total_seconds()) <= 10 for start in starts)
    ]
    assert len(near) >= scenario.kills * 0.6


def test_the_week_is_the_one_that_was_promised() -> None:
    assert (WEEK.villages, WEEK.days * len(WEEK.times), WEEK.kills) == (24, 21, 50)
    assert WEEK.cut is not None
    assert WEEK.cut[1] - WEEK.cut[0] == timedelta(hours=6)
    midnight = WEEK.starts(FIRST)[0] - timedelta(hours=7)
    assert any(WEEK.cut[0] < start - midnight < WEEK.cut[1] for start in WEEK.starts(FIRST)), (
        "a play falls into the cut"
    )


@given(st.floats(0, 8 * 86_400), st.floats(0.01, 30))
def test_the_clock_never_leaps_over_the_slow_part_before_a_play(
    since_s: float, passed_s: float
) -> None:
    starts = WEEK.starts(FIRST)
    now = starts[0] - timedelta(hours=1) + timedelta(seconds=since_s)
    after = now + faults_plan.leap(now, passed_s, starts, WEEK)
    assert after >= now
    for start in starts:
        slow_from = start - timedelta(seconds=WEEK.slow_before_s)
        assert not (now < slow_from < after)


def test_the_clock_goes_like_ours_while_something_sounds() -> None:
    starts = WEEK.starts(FIRST)
    for seconds in (-14, 0, 5, 14):
        now = starts[3] + timedelta(seconds=seconds)
        assert faults_plan.leap(now, 0.5, starts, WEEK) == timedelta(0)
    noon = datetime(2026, 6, 1, 5, 30, tzinfo=UTC)  # half past one there
    assert faults_plan.gear(noon, starts, WEEK) == WEEK.idle_gear


# --- the real thing, short


@pytest.mark.slow
@pytest.mark.real("faketime")
@pytest.mark.timeout(600)
def test_a_short_run_with_six_kills_loses_nothing() -> None:
    require("faketime")
    found = faults.run(quick=True)
    assert found["met"], found["figures"]


def forget(home: Home) -> None:
    """The memory is gone, as on a card that was changed for an empty one."""
    for file in home.folder.glob(f"{home.database_file.name}*"):
        file.unlink()


@pytest.mark.slow
@pytest.mark.real("faketime")
@pytest.mark.timeout(600)
def test_players_that_forget_when_they_are_killed_are_found_out() -> None:
    require("faketime")
    found = faults.measure(SHORT, sabotage=forget)
    assert not found["met"]
    failed = missed(found["figures"], found["targets"])
    assert {"receipts_lost", "chains_broken", "doubles", "heard_unproved"} & set(failed)


def test_a_clip_is_known_by_its_sound(tmp_path: Path) -> None:
    for number in (0, 7, 21):
        samples, rate_hz = sf.read(io.BytesIO(faults_town.clip(number)))
        sf.write(tmp_path / "one.wav", samples, rate_hz)
        assert faults_town.heard_number(tmp_path / "one.wav") == number
    sf.write(tmp_path / "one.wav", samples * 0.001, rate_hz)
    assert faults_town.heard_number(tmp_path / "one.wav") is None
