"""One play at a time, sounding in its own thread."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Literal

from edge import clock as clocks
from edge.cache import Pcm
from edge.clock import Clock, Timeline, instant
from edge.errors import SinkFailed
from edge.follow import Follower
from edge.manifest import PlannedPlay
from edge.plan import Start
from edge.receipts import Heard
from edge.sinks import Sink, Sounded

log = logging.getLogger(__name__)
_STOP_S = 1.0


@dataclass(frozen=True)
class Result:
    """How a play left the sink. ``cut``: stopped by us; ``failed``: the sink gave up."""

    end: Literal["whole", "cut", "failed"]
    heard: Heard | None


class Performance:
    """A play on its way through the sink."""

    def __init__(
        self, start: Start, pcm: Pcm, sink: Sink, clock: Clock, cap: float, left: threading.Event
    ) -> None:
        """``cap``: 0-1, the loudest sample; ``left`` is set when the play has left the sink."""
        self.play: PlannedPlay = start.play
        self.priority = start.priority
        self.at = start.at
        self._sink = sink
        self._clock = clock
        self._timeline = Timeline(clock)
        self._source = Follower(pcm, start.at.timestamp(), self._timeline, cap)
        self._left = left
        self._stop = threading.Event()
        self._result: Result | None = None
        self._thread = threading.Thread(target=self._run, name=f"play-{self.play.play_id}")
        self._thread.daemon = True

    def begin(self) -> None:
        """Start the sink."""
        self._thread.start()

    @property
    def begun(self) -> bool:
        """Whether the first sample of the clip has been handed to the sink."""
        return self._source.begun

    def result(self) -> Result | None:
        """How it ended; None while it sounds."""
        return self._result

    def cut(self) -> Result:
        """Stop now and wait until the sink is silent."""
        self._stop.set()
        self._thread.join(_STOP_S)
        return self._result or Result("failed", None)

    def _run(self) -> None:
        try:
            sounded = self._sink.sound(self.play.play_id, self._source, self._timeline, self._stop)
            end: Literal["whole", "cut"] = "whole" if self._source.done else "cut"
            self._result = Result(end, self._heard(sounded))
        except SinkFailed as error:
            log.error("play %s: %s", self.play.play_id, error)
            self._result = Result("failed", None)
        except Exception:
            log.exception("play %s failed", self.play.play_id)
            self._result = Result("failed", None)
        finally:
            self._left.set()

    def _heard(self, sounded: Sounded) -> Heard | None:
        if sounded.first_s is None:
            return None
        last_s = sounded.last_s if sounded.last_s is not None else self._clock.wall_s()
        return Heard(
            started_at=instant(sounded.first_s),
            ended_at=instant(last_s),
            start_error_ms=(sounded.first_s - self.play.starts_at.timestamp()) * 1000,
            sink=self._sink.kind,
            synchronised=clocks.synchronised(),
            file=sounded.file,
        )
