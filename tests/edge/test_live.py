"""A box and a live address: joins when called, comes back, gives way, falls silent."""

from __future__ import annotations

import queue
import struct
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from urllib3.exceptions import ReadTimeoutError

from edge import live_line
from edge.clock import SystemClock, Timeline, instant, iso
from edge.errors import ServerRefused, SinkFailed
from edge.health import Problems
from edge.live import LONGEST, LiveGuest
from edge.live_line import Call
from edge.player import Loudness
from edge.sinks import Sounded
from tests.edge.conftest import wait_for

VOICE = b"\x90" * 1600
CLOCK = SystemClock()
AFTER_CHIME = 70_000
"""Frames of silence and chime before the first word, with some to spare."""


def frame(at_ms: int, sound: bytes = VOICE) -> bytes:
    return struct.pack(">HI", len(sound), at_ms) + sound


class Answer:
    """An answer that comes piece by piece; None is the end of the line, an error is raised."""

    def __init__(self) -> None:
        self._come: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        self._held = b""
        self.closed = False

    def say(self, *frames: bytes | Exception | None) -> None:
        for each in frames:
            self._come.put(each)

    def read(self, count: int, decode_content: bool = True) -> bytes:
        if not self._held:
            piece = self._come.get()
            if isinstance(piece, Exception):
                raise piece
            self._held = piece or b""
        got, self._held = self._held[:count], self._held[count:]
        return got

    def close(self) -> None:
        self.closed = True


class Server:
    """Gives one answer after another; refuses when there are none left."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked = 0
        self.told: list[Mapping[str, object]] = []

    def live_stream(self, _session_id: str) -> Any:
        self.asked += 1
        if not self._answers:
            raise ServerRefused(404, "over")
        return self._answers.pop(0)

    def post_heard(self, _session_id: str, told: Mapping[str, object]) -> None:
        self.told.append(told)


class Horn:
    """A sink that takes blocks far faster than a sound card and keeps them."""

    kind = "wav"

    def __init__(self) -> None:
        self.heard = np.zeros(0, np.float32)
        self.sounds = False

    def sound(
        self, play_id: int, source: Any, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        self.sounds, frame_no = True, 0
        while not source.done and not source.silent:
            if stop.wait(0.002):
                source.hush()
            block = source.block(960, frame_no, CLOCK.mono_s())
            self.heard = np.concatenate((self.heard, block))
            frame_no += 960
        self.sounds = False
        return Sounded(None, None, 0, None)


class Broken(Horn):
    """A sink whose card is gone."""

    def sound(
        self, play_id: int, source: Any, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        raise SinkFailed("no card")


class Clinging(Horn):
    """A sink that does not come back before it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def sound(
        self, play_id: int, source: Any, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        self.released.wait(60)
        return Sounded(None, None, 0, None)


def called(session_id: str = "s-1", **changes: Any) -> dict[str, Any]:
    now = instant(CLOCK.wall_s())
    return {
        "session_id": session_id,
        "started_at": iso(now),
        "ends_at": iso(now + timedelta(minutes=30)),
        "rate_hz": 16_000,
        "codec": "mulaw",
        **changes,
    }


@pytest.fixture
def made() -> Iterator[list[LiveGuest]]:
    guests: list[LiveGuest] = []
    yield guests
    for guest in guests:
        guest.stop()


def guest_of(made: list[LiveGuest], server: Server) -> LiveGuest:
    guest = LiveGuest(server, CLOCK, lambda: None)
    made.append(guest)
    return guest


def sounding(made: list[LiveGuest], *answers: Answer) -> tuple[LiveGuest, Horn, Server]:
    """A guest on air, its first words said."""
    server, horn = Server(*answers), Horn()
    guest = guest_of(made, server)
    answers[0].say(*(frame(at_ms) for at_ms in range(0, 500, 100)))
    assert guest.join(called()) == ("done", "")
    wait_for(guest.wants_air)
    guest.begin(horn, Loudness())
    wait_for(lambda: np.abs(horn.heard[AFTER_CHIME:]).max(initial=0) > 0.01)
    return guest, horn, server


def test_a_call_is_answered_and_the_voice_sounds(made: list[LiveGuest]) -> None:
    _guest, horn, server = sounding(made, answer := Answer())
    answer.say(frame(500), struct.pack(">HI", 0, 0))
    wait_for(lambda: not horn.sounds)
    wait_for(lambda: server.told)
    assert server.told[-1]["cause"] == "end"
    assert server.told[-1]["first_sound_at"] is not None


def test_speech_goes_on_while_the_server_is_slow_to_note_what_was_heard(
    made: list[LiveGuest],
) -> None:
    class Slow(Server):
        def __init__(self, *answers: Answer) -> None:
            super().__init__(*answers)
            self.noted = threading.Event()

        def post_heard(self, session_id: str, told: Mapping[str, object]) -> None:
            self.noted.wait(60)
            super().post_heard(session_id, told)

    server, horn, answer = Slow(), Horn(), Answer()
    server._answers.append(answer)
    guest = guest_of(made, server)
    answer.say(*(frame(at_ms) for at_ms in range(0, 500, 100)))
    guest.join(called())
    wait_for(guest.wants_air)
    guest.begin(horn, Loudness())
    wait_for(lambda: np.abs(horn.heard[AFTER_CHIME:]).max(initial=0) > 0.01)
    answer.say(*(frame(at_ms) for at_ms in range(500, 3000, 100)), struct.pack(">HI", 0, 0))
    wait_for(lambda: not horn.sounds)
    assert server.told == []
    server.noted.set()
    wait_for(lambda: server.told and server.told[-1]["cause"] == "end")


def test_the_end_comes_after_the_last_word_and_the_air_is_given_back(
    made: list[LiveGuest],
) -> None:
    guest, horn, _server = sounding(made, answer := Answer())
    answer.say(struct.pack(">HI", 0, 0))
    wait_for(lambda: not horn.sounds)
    wait_for(lambda: not guest.wants_air())


def test_a_hush_does_not_wait_for_what_is_held(made: list[LiveGuest]) -> None:
    guest, horn, _server = sounding(made, answer := Answer())
    answer.say(struct.pack(">HI", 0, 1))
    wait_for(lambda: not horn.sounds)
    assert not guest.wants_air()


def test_a_stop_that_comes_another_way_hushes_too(made: list[LiveGuest]) -> None:
    guest, horn, _server = sounding(made, Answer())
    assert guest.leave({"session_id": "s-1", "hush": True}) == ("done", "")
    wait_for(lambda: not horn.sounds)
    assert not guest.wants_air()


def test_a_stop_of_another_address_changes_nothing(made: list[LiveGuest]) -> None:
    guest, horn, _server = sounding(made, Answer())
    guest.leave({"session_id": "s-2", "hush": True})
    assert horn.sounds
    assert guest.wants_air()


def test_a_line_that_broke_is_opened_anew_and_it_goes_on_at_the_present(
    made: list[LiveGuest],
) -> None:
    second = Answer()
    guest, horn, server = sounding(made, first := Answer(), second)
    first.say(ReadTimeoutError(None, "", "nothing came"))  # type: ignore[arg-type]
    wait_for(lambda: server.asked == 2)
    length = len(horn.heard)
    second.say(*(frame(at_ms) for at_ms in range(4000, 4900, 100)))
    wait_for(lambda: np.abs(horn.heard[length:]).max(initial=0) > 0.01)
    second.say(struct.pack(">HI", 0, 0))
    wait_for(lambda: server.told and server.told[-1]["cause"] == "end")
    assert server.told[-1]["lost_ms"] == 3500
    assert not guest.wants_air()


def test_an_address_that_is_over_when_the_line_returns_ends(made: list[LiveGuest]) -> None:
    guest, horn, server = sounding(made, first := Answer())
    first.say(None)
    wait_for(lambda: not horn.sounds)
    assert server.asked == 2
    assert not guest.wants_air()


def test_a_box_that_hears_nothing_gives_the_air_back(
    made: list[LiveGuest], monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, _horn, _server = sounding(made, Answer())
    monkeypatch.setattr(live_line, "LINK_LOST_S", 0.2)
    wait_for(lambda: not guest.wants_air())


def test_cut_by_something_more_urgent_it_comes_back_at_the_present(
    made: list[LiveGuest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.live._STOP_S", 20.0)
    guest, horn, _server = sounding(made, answer := Answer())
    guest.cut("preempted")
    assert not horn.sounds
    assert guest.wants_air()
    answer.say(*(frame(at_ms) for at_ms in range(500, 3000, 100)))
    again = Horn()
    guest.begin(again, Loudness())
    wait_for(lambda: again.sounds and len(again.heard) > 70_000)
    assert np.abs(again.heard).max() > 0.01


def test_the_same_call_twice_is_one(made: list[LiveGuest]) -> None:
    server = Server(Answer())
    guest = guest_of(made, server)
    guest.join(call := called())
    wait_for(lambda: server.asked == 1)
    assert guest.join(call) == ("done", "")
    assert server.asked == 1


def test_a_stop_that_overtook_its_call_counts(made: list[LiveGuest]) -> None:
    server = Server(Answer())
    guest = guest_of(made, server)
    guest.leave({"session_id": "s-1", "hush": True})
    guest.join(called())
    assert server.asked == 0
    assert not guest.wants_air()


def test_a_call_that_is_too_old_is_not_answered(made: list[LiveGuest]) -> None:
    server = Server(Answer())
    guest = guest_of(made, server)
    past = instant(CLOCK.wall_s()) - timedelta(seconds=1)
    assert guest.join(called(ends_at=iso(past)))[0] == "expired"
    assert server.asked == 0


@pytest.mark.parametrize(
    "wrong", [{"codec": "opus"}, {"rate_hz": 8000}, {"ends_at": "soon"}, {"started_at": None}]
)
def test_what_the_box_does_not_understand_is_refused(
    made: list[LiveGuest], wrong: dict[str, Any]
) -> None:
    guest = guest_of(made, Server(Answer()))
    assert guest.join(called(**wrong))[0] == "refused"


def test_an_alarm_ranks_with_emergencies(made: list[LiveGuest]) -> None:
    guest = guest_of(made, Server(Answer()))
    assert guest.priority == 90
    guest.join(called(emergency=True))
    assert guest.priority == 100


def test_only_a_true_alarm_is_one() -> None:
    assert not Call.read(called(emergency="yes")).emergency


def test_a_sink_that_fails_is_told_and_tried_again_while_the_address_lasts(
    made: list[LiveGuest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.live._RETRY_S", 3600)
    problems, answer = Problems(), Answer()
    guest = LiveGuest(Server(answer), CLOCK, lambda: None, problems)
    made.append(guest)
    answer.say(*(frame(at_ms) for at_ms in range(0, 500, 100)))
    guest.join(called())
    wait_for(guest.wants_air)
    guest.begin(Broken(), Loudness())
    wait_for(lambda: not guest.holds_air())
    assert "sink" in problems.all()
    assert not guest.wants_air()
    monkeypatch.setattr("edge.live._RETRY_S", 0.0)
    wait_for(guest.wants_air)
    horn = Horn()
    guest.begin(horn, Loudness())
    wait_for(lambda: np.abs(horn.heard[AFTER_CHIME:]).max(initial=0) > 0.01)
    assert problems.all() == {}
    assert guest.holds_air()


def test_no_command_keeps_the_air_for_longer_than_an_hour(made: list[LiveGuest]) -> None:
    guest = guest_of(made, Server(Answer()))
    far = iso(instant(CLOCK.wall_s()) + timedelta(days=2))
    assert guest.join(called(ends_at=far)) == ("done", "")
    address = guest._address
    assert address is not None
    assert address.call.ends_at <= instant(CLOCK.wall_s()) + LONGEST


def test_a_sink_that_keeps_what_was_cut_hangs_after_half_a_minute(
    made: list[LiveGuest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.live._STOP_S", 0.1)
    answer, horn = Answer(), Clinging()
    guest = guest_of(made, Server(answer))
    answer.say(frame(0))
    guest.join(called())
    wait_for(guest.wants_air)
    guest.begin(horn, Loudness())
    assert not guest.hangs(), "it sounds"
    guest.cut("over")
    assert (guest.holds_air(), guest.hangs()) == (True, False)
    monkeypatch.setattr("edge.live._HANGS_S", 0.0)
    wait_for(guest.hangs)
    horn.released.set()
    wait_for(lambda: not guest.holds_air())
    assert not guest.hangs()
