"""Whole made-up days: clips that rot, clocks that jump, power cuts, switches, and every rank."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from edge import ladder, plan
from edge.ladder import Paused
from edge.manifest import PlannedPlay
from edge.plan import ClipState, Entry, Limits, Sounding
from tests.edge.planning import at, play, quiet


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
            seconds=plan.rest_s(Entry(self.on_air.play, paused=self.on_air.paused))
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
        if decision.cut:
            assert self.on_air
            if decision.cut == "preempted":
                assert decision.start
                assert decision.start.priority > self.on_air.priority, "broken off by an equal"
            self._break_off(decision.cut, now)
        if decision.start:
            assert self.on_air is None, "two at once"
            number = decision.start.play.play_id
            entry = self.entries[number]
            self.entries[number] = replace(entry, attempts=entry.attempts + 1)
            self.starts.append(decision.start)
            self.on_air = decision.start
        if self.limits.switched_quiet and self.on_air:
            assert self.on_air.priority >= ladder.EMERGENCY, "sounds though switched quiet"
        return decision.sleep_s

    def cut(self, reason: str, *, counts: bool) -> None:
        assert self.on_air is not None
        number = self.on_air.play.play_id
        entry = self.entries[number]
        attempts = entry.attempts if counts else entry.attempts - 1
        self.entries[number] = replace(entry, blocked=reason, attempts=attempts)
        self.on_air = None

    def _break_off(self, reason: str, now: float) -> None:
        assert self.on_air is not None
        start, number = self.on_air, self.on_air.play.play_id
        reached = (at(now) - start.at).total_seconds()
        reached_s = (start.paused.position_s if start.paused else 0.0) + reached
        position_s = ladder.resume_position_s(
            start.play.on_interrupt, reached_s if reached > 0 else None
        )
        self.cut(reason, counts=False)
        if position_s is None:
            self._end(number, f"missed: {reason}")
        elif reached > 0 and position_s > 0:
            paused = Paused(position_s, start.at, at(now))
            self.entries[number] = replace(self.entries[number], paused=paused)

    def _end(self, number: int, how: str) -> None:
        assert number not in self.ended, "ended twice"
        assert how != "missed: "
        self.ended[number] = how


PLAYS = st.lists(
    st.builds(
        lambda fate, **how: replace(play(**how), on_interrupt=fate),
        fate=st.sampled_from(["resume", "restart", "skip"]),
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
        st.sampled_from(["forward", "back", "kill", "off", "clip", "rot", "switch"]),
        st.integers(1, 90),
    ),
    max_size=6,
)


def last_start(start: plan.Start, now: float) -> datetime:
    """Of its beginning, or of its rest after a break that was not too long."""
    if start.paused and start.paused.silent_until(at(now)) <= plan.LONGEST_BREAK_S:
        return start.at
    return plan.last_start(start.play)


@patch.object(plan, "LONGEST_BREAK_S", 300.0)  # so that a day ends soon
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
            elif what == "switch":
                quiet_now = not village.limits.switched_quiet
                village.limits = replace(village.limits, switched_quiet=quiet_now)
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
            assert begun.at <= last_start(begun, real + step), "after its time"
            assert begun.at >= at(real + step)
            assert village.clips[begun.play.play_id] == "ready"
        real += sleep
    assert set(village.ended) == set(village.entries), "a play without an end"
    played = [number for number, _ in village.heard]
    assert len(played) == len(set(played)), "heard twice"
    assert all(how == "played" or len(how) > len("missed: ") for how in village.ended.values())
