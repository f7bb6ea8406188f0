"""Who speaks live has the air while ladder, quiet hours and the quiet switch allow it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge import ladder
from edge.guest import Host
from edge.plan import Limits, Sounding
from edge.player import Loudness
from edge.sinks import Sink
from tests.edge.planning import EIGHT, at, quiet

NIGHT = quiet("22:00", "06:00")
AT_NIGHT = at(-5 * 3600)  # 03:00 in the village


class Guest:
    """Somebody who wants to speak."""

    def __init__(self, priority: int) -> None:
        self.priority = priority
        self.wants = True
        self.holds = True
        self.cut_for: list[str] = []

    def wants_air(self) -> bool:
        return self.wants

    def begin(self, sink: Sink, loudness: Loudness) -> None:
        pass

    def holds_air(self) -> bool:
        return self.holds

    def hangs(self) -> bool:
        return True

    def cut(self, reason: str) -> None:
        self.cut_for.append(reason)

    def stop(self) -> None:
        pass


def speaking(priority: int = ladder.LIVE) -> tuple[Host, Guest]:
    guest = Guest(priority)
    host = Host(guest)
    assert host.comes_in(EIGHT, Limits(), None) is guest
    host.begin(guest, None, Loudness())  # type: ignore[arg-type]
    return host, guest


@pytest.mark.parametrize(
    ("priority", "comes"), [(ladder.LIVE, False), (ladder.DRILL, False), (ladder.EMERGENCY, True)]
)
def test_in_quiet_hours_only_an_emergency_is_let_in(priority: int, comes: bool) -> None:
    guest = Guest(priority)
    assert (Host(guest).comes_in(AT_NIGHT, NIGHT, None) is guest) == comes
    assert Host(guest).comes_in(EIGHT, NIGHT, None) is guest


@pytest.mark.parametrize(("priority", "comes"), [(ladder.LIVE, False), (ladder.EMERGENCY, True)])
def test_the_quiet_switch_lets_only_an_emergency_in(priority: int, comes: bool) -> None:
    guest = Guest(priority)
    switched = replace(Limits(), switched_quiet=True)
    assert (Host(guest).comes_in(EIGHT, switched, None) is guest) == comes


def test_who_speaks_into_quiet_hours_or_the_switch_is_cut_and_told_why() -> None:
    for limits, now, reason in (
        (NIGHT, AT_NIGHT, "over"),
        (replace(Limits(), switched_quiet=True), EIGHT, "quiet_switch"),
    ):
        host, guest = speaking()
        host.comes_in(now, limits, None)
        assert guest.cut_for == [reason]
        assert host.sounding is None


def test_an_emergency_speaks_on_through_both() -> None:
    host, guest = speaking(ladder.EMERGENCY)
    host.comes_in(AT_NIGHT, replace(NIGHT, switched_quiet=True), None)
    assert guest.cut_for == []
    assert host.sounding == Sounding(0, ladder.EMERGENCY)


@pytest.mark.parametrize(
    ("on_air", "comes"), [(ladder.PROGRAMME, True), (ladder.LIVE, False), (ladder.DRILL, False)]
)
def test_live_speech_breaks_into_what_ranks_lower_alone(on_air: int, comes: bool) -> None:
    guest = Guest(ladder.LIVE)
    assert (Host(guest).comes_in(EIGHT, Limits(), Sounding(7, on_air)) is guest) == comes


def test_who_has_said_the_last_word_leaves_the_air() -> None:
    host, guest = speaking()
    guest.wants = False
    assert host.comes_in(EIGHT, Limits(), None) is None
    assert guest.cut_for == ["over"]


def test_who_lost_the_sink_frees_the_air_and_comes_back_when_it_wants_to() -> None:
    host, guest = speaking()
    guest.holds, guest.wants = False, False
    assert host.comes_in(EIGHT, Limits(), None) is None
    assert host.sounding is None
    guest.wants = True
    assert host.comes_in(EIGHT, Limits(), None) is guest


def test_who_lost_the_sink_is_let_in_at_once_when_it_does_not_wait() -> None:
    host, guest = speaking()
    guest.holds = False
    assert host.comes_in(EIGHT, Limits(), None) is guest


@pytest.mark.parametrize("holds", [True, False])
def test_a_guest_that_was_cut_and_still_holds_the_sink_is_stuck(holds: bool) -> None:
    host, guest = speaking()
    guest.holds = holds
    host.cut("preempted")
    assert host.is_stuck == holds
    assert host.hangs == holds


def test_a_guest_on_air_is_not_stuck() -> None:
    host, _guest = speaking()
    assert not host.is_stuck
    assert not host.hangs
