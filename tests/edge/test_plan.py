"""What to do now: each rule by example, and all of them together over made-up days."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from edge import ladder, plan
from edge.ladder import Paused
from edge.manifest import ORDERED_IDS, PlannedPlay
from edge.plan import ClipState, Decision, Entry, Limits, Sounding
from tests.edge.planning import EIGHT, at, play, quiet

OPEN = Limits()


def decide(
    *plays: PlannedPlay | Entry,
    now: float,
    sounding: Sounding | None = None,
    clip: ClipState = "ready",
    limits: Limits = OPEN,
) -> Decision:
    entries = [found if isinstance(found, Entry) else Entry(found) for found in plays]
    return plan.decide(entries, at(now), sounding, lambda _play: clip, limits)


def started(decision: Decision) -> int | None:
    return decision.start.play.play_id if decision.start else None


def test_before_its_time_nothing_happens() -> None:
    decision = decide(play(starts=100), now=0)
    assert (decision.start, decision.missed, decision.blocked) == (None, (), ())


def test_a_play_is_armed_shortly_before_and_begins_at_its_instant() -> None:
    decision = decide(play(starts=100), now=99.2)
    assert decision.start is not None
    assert decision.start.at == at(100)


def test_a_late_play_begins_from_now_on_with_its_preroll() -> None:
    decision = decide(play(starts=0), now=600)
    assert decision.start is not None
    assert at(600.5) <= decision.start.at <= at(601)


def test_a_play_is_not_begun_after_make_up_until() -> None:
    decision = decide(Entry(play(make_up=60), blocked="overlap"), now=60)
    assert decision.start is None
    assert decision.missed == ((1, "overlap"),)


def test_a_play_nobody_looked_at_in_time_was_missed_because_the_player_was_off() -> None:
    assert decide(play(make_up=60), now=5000).missed == ((1, "player_off"),)


def test_without_make_up_time_two_seconds_are_forgiven() -> None:
    assert started(decide(play(make_up=0), now=1)) == 1
    assert decide(play(make_up=0), now=3).missed == ((1, "player_off"),)


def test_without_its_clip_a_play_waits_and_says_why() -> None:
    for state, reason in (
        ("missing", "clip_missing"),
        ("damaged", "clip_damaged"),
        ("preparing", "not_prepared"),
    ):
        decision = decide(play(), now=0, clip=state)  # type: ignore[arg-type]
        assert decision.start is None
        assert decision.blocked == ((1, reason),)


def test_a_play_longer_than_the_box_allows_is_refused() -> None:
    decision = decide(play(starts=500, lasts=7201), now=0)
    assert decision.missed == ((1, "too_long"),)


def test_what_is_longer_than_its_list_says_is_as_long_as_it_is() -> None:
    short = Entry(play(make_up=60, lasts=0.001), sound_s=7200)
    assert decide(short, now=0, limits=quiet("09:30", "11:00")).blocked == ((1, "quiet_hours"),)
    assert started(decide(short, now=0, limits=quiet("10:01", "11:00"))) == 1
    assert decide(Entry(play(lasts=1), sound_s=7201), now=0).missed == ((1, "too_long"),)


def test_of_two_plays_at_once_the_more_important_begins() -> None:
    decision = decide(play(1, priority=50), play(2, priority=70), now=0)
    assert started(decision) == 2
    assert decision.blocked == ((1, "overlap"),)


def test_a_more_important_play_interrupts() -> None:
    decision = decide(play(2, priority=70), now=0, sounding=Sounding(1, 50))
    assert decision.cut == "preempted"
    assert started(decision) == 2


def test_an_equal_play_waits_for_the_end_of_the_one_that_sounds() -> None:
    decision = decide(play(2), now=0, sounding=Sounding(1, 50))
    assert decision.cut is None
    assert decision.blocked == ((2, "overlap"),)


def test_a_play_on_time_interrupts_one_that_is_made_up() -> None:
    late = plan.effective_priority(play(1), at(600))
    assert started(decide(play(2, starts=600), now=600, sounding=Sounding(1, late))) == 2


def test_a_made_up_play_waits_when_it_does_not_fit_before_the_next() -> None:
    late, following = play(1, lasts=300), play(2, starts=1000)
    assert started(decide(late, following, now=600)) == 1
    decision = decide(late, following, now=800)
    assert decision.start is None
    assert decision.blocked == ((1, "overlap"),)


def test_a_late_emergency_keeps_its_priority() -> None:
    decision = decide(play(2, priority=100), now=600, sounding=Sounding(1, 50))
    assert decision.cut == "preempted"


def notice(play_id: int, **when: float) -> PlannedPlay:
    return replace(play(play_id, priority=ladder.NOTICE, **when), kind="notice")  # type: ignore[arg-type]


def test_a_notice_that_somebody_ordered_breaks_in_however_late_it_is_ready() -> None:
    ordered = notice(ORDERED_IDS + 1, make_up=3600)
    for late_s in (10, 1800):
        decision = decide(ordered, now=late_s, sounding=Sounding(1, ladder.PROGRAMME))
        assert decision.cut == "preempted"
        assert started(decision) == ordered.play_id


def test_a_notice_that_somebody_ordered_does_not_wait_for_a_programme_that_comes_soon() -> None:
    ordered, programme = notice(ORDERED_IDS + 1), play(1, starts=20)
    assert started(decide(ordered, programme, now=10)) == ordered.play_id


def test_a_notice_of_the_plan_that_is_late_is_made_up() -> None:
    planned = notice(ORDERED_IDS - 1)
    assert started(decide(planned, now=1, sounding=Sounding(1, ladder.PROGRAMME))) is not None
    assert decide(planned, now=10, sounding=Sounding(1, ladder.PROGRAMME)).start is None


def test_horns_that_are_ready_before_the_first_round_begin_it_at_one_instant() -> None:
    flood = play(ORDERED_IDS + 1, starts=5, priority=ladder.EMERGENCY)
    early, later = decide(flood, now=3).start, decide(flood, now=4.6).start
    assert early is not None
    assert later is not None
    assert early.at == later.at == at(5)
    late = decide(flood, now=9).start
    assert late is not None
    assert late.at <= at(10), "at once when it is ready"


PAUSED = Paused(position_s=20, first_heard_at=at(0), cut_at=at(30))


def test_a_play_that_was_broken_off_goes_on_from_where_it_stopped() -> None:
    decision = decide(Entry(play(), blocked="preempted", paused=PAUSED), now=60)
    assert decision.start is not None
    assert decision.start.paused == PAUSED


def test_what_can_be_broken_off_again_need_not_fit_before_the_next_play() -> None:
    broken_off = Entry(play(1, lasts=300), blocked="preempted", paused=PAUSED)
    assert started(decide(broken_off, play(2, starts=1000), now=800)) == 1


def test_only_the_rest_of_a_broken_off_play_must_end_before_quiet_hours() -> None:
    limits = quiet("08:02", "09:00")
    whole, rest = Entry(play(lasts=70)), Entry(play(lasts=70), paused=PAUSED)
    assert decide(whole, now=60, limits=limits).blocked == ((1, "quiet_hours"),)
    assert started(decide(rest, now=60, limits=limits)) == 1


def test_a_broken_off_play_that_finds_no_room_was_missed_for_being_broken_off() -> None:
    broken_off = Entry(play(1, make_up=60), blocked="preempted", paused=PAUSED)
    waiting = decide(broken_off, now=50, sounding=Sounding(2, 100))
    assert waiting.blocked == ((1, "preempted"),)
    too_late = 30 + plan.LONGEST_BREAK_S + 1
    assert decide(broken_off, now=too_late).missed == ((1, "preempted"),)


LONG = play(lasts=1800, make_up=0)
BROKEN_OFF = Entry(LONG, blocked="preempted", paused=Paused(899, at(0), cut_at=at(900)))


def test_what_began_in_time_goes_on_after_its_make_up_time() -> None:
    """Somebody spoke live for a minute in the middle of it."""
    decision = decide(BROKEN_OFF, now=960)
    assert decision.missed == ()
    assert decision.start is not None
    assert decision.start.paused == BROKEN_OFF.paused
    assert started(decide(BROKEN_OFF, now=899 + plan.LONGEST_BREAK_S)) == 1


def test_what_was_broken_off_for_too_long_in_all_does_not_go_on() -> None:
    assert decide(BROKEN_OFF, now=901 + plan.LONGEST_BREAK_S).missed == ((1, "preempted"),)
    again = Paused(899, at(0), cut_at=at(900), silent_s=plan.LONGEST_BREAK_S - 30)
    twice = replace(BROKEN_OFF, paused=again)
    assert started(decide(twice, now=929)) == 1
    assert decide(twice, now=931).missed == ((1, "preempted"),)


def test_what_starts_from_its_beginning_again_still_keeps_to_its_make_up_time() -> None:
    assert decide(Entry(LONG, blocked="preempted"), now=960).missed == ((1, "preempted"),)


def test_quiet_of_the_village_lets_nothing_go_on_after_its_make_up_time() -> None:
    ordered = Limits(ordered_quiet=True)
    assert decide(BROKEN_OFF, now=960, limits=ordered).missed == ((1, "preempted"),)
    in_time = Entry(play(), blocked="preempted", paused=PAUSED)
    assert started(decide(in_time, now=60, limits=ordered)) == 1


def test_live_gives_way_to_an_emergency_and_to_a_drill_alone() -> None:
    live = Sounding(0, ladder.LIVE)
    for priority, is_cut in ((100, True), (95, True), (90, False), (70, False), (50, False)):
        assert (decide(play(priority=priority), now=0, sounding=live).cut is not None) == is_cut


SWITCHED = Limits(switched_quiet=True)


def test_the_quiet_switch_silences_at_once_what_is_no_emergency() -> None:
    for priority, is_cut in ((95, True), (90, True), (50, True), (100, False)):
        decision = decide(now=0, sounding=Sounding(1, priority), limits=SWITCHED)
        assert (decision.cut == "quiet_switch") == is_cut


def test_while_the_quiet_switch_is_on_only_an_emergency_begins() -> None:
    assert decide(play(priority=95), now=0, limits=SWITCHED).blocked == ((1, "quiet_switch"),)
    assert started(decide(play(priority=100), now=0, limits=SWITCHED)) == 1
    assert decide(Entry(play(make_up=60), blocked="quiet_switch"), now=61).missed == (
        (1, "quiet_switch"),
    )


def test_three_times_cut_by_the_box_is_enough() -> None:
    entry = Entry(play(), attempts=3, blocked="interrupted")
    assert decide(entry, now=10).missed == ((1, "interrupted"),)


def test_quiet_hours_hold_everything_back_but_an_emergency() -> None:
    limits = quiet("07:30", "08:30")
    assert decide(play(), now=0, limits=limits).blocked == ((1, "quiet_hours"),)
    assert started(decide(play(priority=100), now=0, limits=limits)) == 1


def test_a_play_that_would_reach_into_quiet_hours_is_held_back_too() -> None:
    limits = quiet("08:00:30", "09:00")
    assert decide(play(lasts=60), now=0, limits=limits).blocked == ((1, "quiet_hours"),)
    assert started(decide(play(lasts=20), now=0, limits=limits)) == 1


def test_quiet_hours_pass_midnight() -> None:
    limits = quiet("22:00", "08:10")
    assert decide(play(), now=0, limits=limits).start is None
    assert started(decide(play(), now=601, limits=limits)) == 1


def test_what_was_held_back_is_made_up_after_quiet_hours() -> None:
    limits = quiet("07:30", "08:30")
    assert started(decide(Entry(play(), blocked="quiet_hours"), now=1801, limits=limits)) == 1


def test_the_loop_never_sleeps_longer_than_a_step_of_the_clock_may_cost() -> None:
    assert decide(play(starts=10_000), now=0).sleep_s <= 0.5
    assert decide(play(starts=plan.ARM_S + 0.1), now=0).sleep_s <= 0.11


def test_eight_is_eight_in_the_village() -> None:
    assert EIGHT.astimezone(ZoneInfo("Asia/Shanghai")).hour == 8


def test_of_two_late_plays_the_more_important_is_made_up_first() -> None:
    assert started(decide(play(1, priority=50), play(2, starts=5, priority=70), now=60)) == 2
