"""What to do now: each rule by example, and all of them together over made-up days."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from edge import plan
from edge.manifest import PlannedPlay
from edge.plan import ClipState, Decision, Entry, Limits, QuietHours, Sounding
from tests.edge.planning import EIGHT, at, play

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


def test_of_two_plays_at_once_the_more_important_begins() -> None:
    decision = decide(play(1, priority=50), play(2, priority=70), now=0)
    assert started(decision) == 2
    assert decision.blocked == ((1, "overlap"),)


def test_a_more_important_play_interrupts() -> None:
    decision = decide(play(2, priority=70), now=0, sounding=Sounding(1, 50))
    assert decision.interrupt
    assert started(decision) == 2


def test_an_equal_play_waits_for_the_end_of_the_one_that_sounds() -> None:
    decision = decide(play(2), now=0, sounding=Sounding(1, 50))
    assert not decision.interrupt
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
    assert decision.interrupt


def test_three_times_cut_by_the_box_is_enough() -> None:
    entry = Entry(play(), attempts=3, blocked="interrupted")
    assert decide(entry, now=10).missed == ((1, "interrupted"),)


def quiet(start: str, end: str) -> Limits:
    hours = QuietHours(
        time.fromisoformat(start), time.fromisoformat(end), ZoneInfo("Asia/Shanghai")
    )
    return Limits(quiet=hours)


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


# --- whole days


@dataclass
class Village:
    """Follows the decisions as the box does, and remembers everything."""

    entries: dict[int, Entry]
    limits: Limits
    clips: dict[int, ClipState]
    on_air: plan.Start | None = None
    heard: list[tuple[int, float]] = field(default_factory=list)
    starts: list[plan.Start] = field(default_factory=list)
    ended: dict[int, str] = field(default_factory=dict)

    def look(self, now: float) -> float:
        moment = at(now)
        if self.on_air and moment >= self.on_air.at + timedelta(
            seconds=plan.duration_s(self.on_air.play)
        ):
            self._end(self.on_air.play.play_id, "played")
            self.heard.append((self.on_air.play.play_id, now))
            self.on_air = None
        sounding = self.on_air and Sounding(self.on_air.play.play_id, self.on_air.priority)
        waiting = [
            entry for number, entry in sorted(self.entries.items())
            if number not in self.ended and (not sounding or number != sounding.play_id)
        ]  # fmt: skip
        decision = plan.decide(
            waiting, moment, sounding, lambda wanted: self.clips[wanted.play_id], self.limits
        )
        for number, reason in decision.missed:
            self._end(number, f"missed: {reason}")
        for number, reason in decision.blocked:
            self.entries[number] = replace(self.entries[number], blocked=reason)
        if decision.start:
            if self.on_air:
                assert decision.interrupt
                self.cut("preempted", counts=False)
            number = decision.start.play.play_id
            entry = self.entries[number]
            self.entries[number] = replace(entry, attempts=entry.attempts + 1)
            self.starts.append(decision.start)
            self.on_air = decision.start
        return decision.sleep_s

    def cut(self, reason: str, *, counts: bool) -> None:
        assert self.on_air is not None
        number = self.on_air.play.play_id
        entry = self.entries[number]
        attempts = entry.attempts if counts else entry.attempts - 1
        self.entries[number] = replace(entry, blocked=reason, attempts=attempts)
        self.on_air = None

    def _end(self, number: int, how: str) -> None:
        assert number not in self.ended, "ended twice"
        assert how != "missed: "
        self.ended[number] = how


PLAYS = st.lists(
    st.builds(
        play,
        starts=st.integers(10, 400),
        lasts=st.integers(1, 120),
        make_up=st.sampled_from([0, 5, 60, 200]),
        priority=st.sampled_from([10, 40, 50, 50, 70, 90, 100]),
    ),
    min_size=1,
    max_size=6,
)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 500),
        st.sampled_from(["forward", "back", "kill", "off", "clip", "rot"]),
        st.integers(1, 90),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(plays=PLAYS, events=EVENTS, with_quiet=st.booleans())
def test_whatever_happens_no_play_sounds_twice_or_early_and_each_is_explained(
    plays: list[PlannedPlay], events: list[tuple[int, str, int]], with_quiet: bool
) -> None:
    numbered = [replace(found, play_id=number) for number, found in enumerate(plays, 1)]
    village = Village(
        {found.play_id: Entry(found) for found in numbered},
        quiet("08:03", "08:04") if with_quiet else Limits(longest_play_s=100),
        {found.play_id: "ready" for found in numbered},
    )
    real, step, happening = 0.0, 0.0, sorted(events)
    off_until = -1.0
    while real < 1200 and len(village.ended) < len(numbered):
        while happening and happening[0][0] <= real:
            _, what, size = happening.pop(0)
            if what == "forward":
                step += size
            elif what == "back":
                step -= size
            elif what == "clip":
                village.clips[size % len(numbered) + 1] = "ready"
            elif what == "rot":
                village.clips[size % len(numbered) + 1] = "damaged"
            else:
                if village.on_air:
                    village.cut("interrupted", counts=True)
                off_until = real + (size if what == "off" else 0.5)
        if real < off_until:
            real = off_until
        before = len(village.starts)
        sleep = village.look(real + step)
        for begun in village.starts[before:]:
            assert begun.at >= begun.play.starts_at, "before its time"
            assert begun.at <= plan.last_start(begun.play), "after its time"
            assert begun.at >= at(real + step)
            assert village.clips[begun.play.play_id] == "ready"
        real += sleep
    assert set(village.ended) == set(village.entries), "a play without an end"
    played = [number for number, _ in village.heard]
    assert len(played) == len(set(played)), "heard twice"
    assert all(how == "played" or len(how) > len("missed: ") for how in village.ended.values())


def test_eight_is_eight_in_the_village() -> None:
    assert EIGHT.astimezone(ZoneInfo("Asia/Shanghai")).hour == 8
