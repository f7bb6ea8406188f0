"""喊话 on the box: the guest that sounds a live address while the ladder allows."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from edge import ladder
from edge.clock import Clock, Timeline, instant
from edge.errors import SinkFailed
from edge.health import Problems
from edge.live_line import Address, Call, Line
from edge.live_sound import LiveSource
from edge.player import Loudness
from edge.sinks import Sink

log = logging.getLogger(__name__)
PLAY_ID = 0
LONGEST = timedelta(hours=1)
"""No address is longer, whatever a command says."""
_STOP_S = 1.0
_RETRY_S = 1.0
_HANGS_S = 30.0


class LiveGuest:
    """The box's guest (see edge.guest): at most one address at a time, the newest one."""

    def __init__(
        self,
        line: Line,
        clock: Clock,
        ring: Callable[[], None],
        problems: Problems | None = None,
    ) -> None:
        """``ring`` wakes the box's loop; ``problems`` hears when the sink takes no sound."""
        self._line = line
        self._clock = clock
        self._ring = ring
        self._problems = problems or Problems()
        self._failed_s: float | None = None
        self._cut_s: float | None = None
        self._address: Address | None = None
        self._over: list[str] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def priority(self) -> int:
        """Of the address that runs."""
        address = self._address
        is_emergency = address is not None and address.call.emergency
        return ladder.EMERGENCY if is_emergency else ladder.LIVE

    def join(self, payload: Mapping[str, Any]) -> tuple[str, str]:
        """Do a ``live`` command whose signature was checked; result and detail for the server."""
        try:
            call = Call.read(payload)
        except (KeyError, TypeError, ValueError) as error:
            return "refused", f"not understood: {error}"
        now = instant(self._clock.wall_s())
        if call.ends_at <= now:
            return "expired", ""
        call = replace(call, ends_at=min(call.ends_at, now + LONGEST))
        if call.session_id in self._over:
            return "done", "over already"
        running = self._address
        if running is not None and running.call.session_id == call.session_id:
            return "done", ""
        if running is not None:
            if running.call.started_at > call.started_at and running.state != "over":
                return "refused", "a newer address runs"
            self._leave(running)
        self._address = Address(call, self._line, self._clock, self._ring)
        self._address.start()
        return "done", ""

    def leave(self, payload: Mapping[str, Any]) -> tuple[str, str]:
        """Do a ``live_stop`` command."""
        session_id = str(payload.get("session_id"))
        self._over = [*self._over[-20:], session_id]
        address = self._address
        if address is None or address.call.session_id != session_id:
            return "done", "not running here"
        if payload.get("hush") is False:
            address.finish()
        else:
            self._leave(address)
        return "done", ""

    def _leave(self, address: Address) -> None:
        address.hush()
        self._stop.set()

    def send_away(self) -> None:
        """Whatever address runs falls silent here, and is not come back to."""
        if self._address is not None:
            self._leave(self._address)

    def stop(self) -> None:
        """See edge.guest.Guest."""
        self.send_away()
        self.cut("stopped")

    def wants_air(self) -> bool:
        """See edge.guest.Guest."""
        address = self._address
        if self._failed_s is not None and self._clock.mono_s() - self._failed_s < _RETRY_S:
            return False
        return address is not None and address.wants_air

    def holds_air(self) -> bool:
        """See edge.guest.Guest."""
        return self._thread is not None and self._thread.is_alive()

    def hangs(self) -> bool:
        """See edge.guest.Guest."""
        cut_s = self._cut_s
        return self.holds_air() and cut_s is not None and self._clock.mono_s() > cut_s + _HANGS_S

    def begin(self, sink: Sink, loudness: Loudness) -> None:
        """See edge.guest.Guest."""
        address = self._address
        if address is None:
            return
        self._stop = threading.Event()
        self._failed_s = self._cut_s = None
        voice = functools.partial(self._first_voice, address)
        source = LiveSource(address.buffer, loudness.cap, loudness.share, voice)
        self._thread = threading.Thread(
            target=self._sound, args=(address, source, sink, self._stop), name="live-sound"
        )
        self._thread.daemon = True
        self._thread.start()
        log.info("live address %s begins to sound", address.call.session_id)

    def cut(self, reason: str) -> None:
        """See edge.guest.Guest."""
        self._stop.set()
        self._cut_s = self._clock.mono_s()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            log.info("the live address fell silent: %s", reason)

    def _first_voice(self, address: Address, mono_s: float) -> None:
        address.first_voice(mono_s)
        self._problems.settle("sink")

    def _sound(
        self, address: Address, source: LiveSource, sink: Sink, stop: threading.Event
    ) -> None:
        watch = threading.Thread(target=_stop_with, args=(address, stop), daemon=True)
        watch.start()
        try:
            sink.sound(PLAY_ID, source, Timeline(self._clock), stop)
            if source.done:
                address.said()
        except SinkFailed as error:
            self._failed()
            log.error("the live address: %s", error)
        except Exception:
            self._failed()
            log.exception("the live address failed")
        finally:
            self._ring()

    def _failed(self) -> None:
        self._failed_s = self._clock.mono_s()
        self._problems.raise_("sink", "the sound card takes no live sound")


def _stop_with(address: Address, stop: threading.Event) -> None:
    """A hush must not wait for the box's next look."""
    address.wait_for_hush()
    stop.set()
