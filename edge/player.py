"""One play at a time, sounding in its own thread."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from edge import ladder, memory
from edge.cache import Pcm
from edge.clock import Timeline, instant
from edge.errors import CardAway, SinkFailed
from edge.follow import Follower
from edge.guided import GuidedClock
from edge.ladder import Paused
from edge.manifest import PlannedPlay
from edge.plan import Start
from edge.receipts import Heard
from edge.sinks import Sink, Sounded

log = logging.getLogger(__name__)
_STOP_S = 1.0
_STUCK_S = 30.0  # longer than a sink needs to give up a card that is away


@dataclass(frozen=True)
class Loudness:
    """``cap``: 0-1, the loudest sample; ``share``: 0-1, how loud the play is below it."""

    cap: float = 1.0
    share: float = 1.0


@dataclass(frozen=True)
class Result:
    """How a play left the sink. ``cut``: stopped by us; ``failed``: the sink gave up.

    ``card_away``: it failed because there was no sound card.
    """

    end: Literal["whole", "cut", "failed"]
    heard: Heard | None
    card_away: bool = False


class Performance:
    """A play on its way through the sink."""

    def __init__(
        self,
        start: Start,
        pcm: Pcm,
        sink: Sink,
        clock: GuidedClock,
        loudness: Loudness,
        left: threading.Event,
    ) -> None:
        """``left`` is set when the play has left the sink.

        ``resumed_from``: where it had been cut before, None when this is its start.
        """
        self.play: PlannedPlay = start.play
        self.priority = start.priority
        self.at = start.at
        self.resumed_from = start.paused
        self._sink = sink
        self._clock = clock
        self._timeline = Timeline(clock)
        from_s = start.paused.position_s if start.paused else 0.0
        rest_s = max(0.0, len(pcm.samples) / pcm.rate_hz - from_s)
        until_s = max(0.0, start.at.timestamp() - clock.wall_s()) + rest_s
        self._over_at_s = clock.mono_s() + until_s
        self._source = Follower(
            pcm, start.at.timestamp(), self._timeline, loudness.cap, loudness.share, from_s
        )
        self._left = left
        self._stop = threading.Event()
        self._result: Result | None = None
        self._cut_at_s: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"play-{self.play.play_id}")
        self._thread.daemon = True

    def begin(self) -> None:
        """Start the sink."""
        self._thread.start()

    @property
    def begun(self) -> bool:
        """Whether the first sample of the clip has been handed to the sink."""
        return self._source.begun

    @property
    def gone(self) -> bool:
        """Whether the sink has confirmed that it is silent."""
        return not self._thread.is_alive()

    @property
    def is_stuck(self) -> bool:
        """Whether the sink holds it long after its end, or after it was cut: it hangs."""
        return not self.gone and self._clock.mono_s() > self._over_at_s + _STUCK_S

    @property
    def left_s(self) -> float | None:
        """How much is still to be handed to the sound card; None where a file tells it later."""
        return self._source.left_s if self._sink.kind == "device" else None

    @property
    def started_at(self) -> datetime:
        """When the first sample of this part was or will be heard."""
        return instant(self._source.started_s)

    def result(self) -> Result | None:
        """How it ended; None while it sounds."""
        return self._result

    def set_share(self, share: float) -> None:
        """Another loudness from now on."""
        self._source.set_share(share)

    def cut(self) -> Result:
        """Stop now and wait until the sink is silent; whether it is tells ``gone``."""
        self._cut_at_s = self._clock.mono_s()
        self._over_at_s = min(self._over_at_s, self._cut_at_s)
        self._source.hush()
        self._stop.set()
        self._thread.join(_STOP_S)
        return self._result or Result("failed", None)

    def paused(self, result: Result) -> Paused | None:
        """Where it goes on after it was cut; None is from its start."""
        cut_at_s = self._cut_at_s if self._cut_at_s is not None else self._clock.mono_s()
        reached_s = self._source.reached_s(cut_at_s)
        if reached_s is None:
            return self.resumed_from
        position_s = ladder.resume_position_s("resume", reached_s) or 0.0
        first_heard_at = result.heard.started_at if result.heard else self.at
        silent_s = self._silent_s(self.at) + self._source.lost_s
        ago = timedelta(seconds=self._clock.mono_s() - cut_at_s)
        cut_at = instant(self._clock.wall_s()) - ago
        return Paused(position_s, first_heard_at, cut_at, silent_s)

    def _run(self) -> None:
        try:
            sounded = self._sink.sound(self.play.play_id, self._source, self._timeline, self._stop)
            if self._source.mostly_lost:
                raise SinkFailed("the sound device was away for more than half of it")
            end: Literal["whole", "cut"] = "whole" if self._source.done else "cut"
            self._result = Result(end, self._heard(sounded))
        except SinkFailed as error:
            log.error("play %s: %s", self.play.play_id, error)
            self._result = Result("failed", None, isinstance(error, CardAway))
        except Exception:
            log.exception("play %s failed", self.play.play_id)
            self._result = Result("failed", None)
        finally:
            self._left.set()
            memory.give_back()

    def _silent_s(self, begun_at: datetime) -> float:
        return self.resumed_from.silent_until(begun_at) if self.resumed_from else 0.0

    def _heard(self, sounded: Sounded) -> Heard | None:
        if sounded.first_s is None:
            return None
        last_s = sounded.last_s if sounded.last_s is not None else self._clock.wall_s()
        begun_at = instant(sounded.first_s)
        started_at = self.resumed_from.first_heard_at if self.resumed_from else begun_at
        signs = self._clock.signs()
        return Heard(
            started_at=started_at,
            ended_at=instant(last_s),
            start_error_ms=(started_at - self.play.starts_at).total_seconds() * 1000,
            sink=self._sink.kind,
            synchronised=signs["clock_synchronised"],
            file=sounded.file,
            clock_max_error_ms=signs["clock_max_error_ms"],
            clock_estimated_error_ms=signs["clock_estimated_error_ms"],
            clock_source=signs["clock_source"],
            loudness_dbfs=self._source.loudness_dbfs,
            volume_percent=self._source.gain * 100,
            interrupted_ms=(self._silent_s(begun_at) + self._source.lost_s) * 1000,
        )
