"""One live address as the box hears it: the line to the server, and what is told afterwards.

Whatever breaks: after three seconds without a frame we connect anew and go on at the present;
after fifteen the air is given back, and taken again should the line return in time.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from edge import live_sound
from edge.clock import Clock, instant, iso, parse
from edge.errors import EdgeError, ServerRefused, ServerUnreachable
from edge.live_sound import JitterBuffer

log = logging.getLogger(__name__)
CODEC = "mulaw"
LINK_LOST_S = 15.0
_RETRY_S, _LONGEST_RETRY_S = 0.5, 4.0
_TELL_EVERY_S = 10.0
_LAST_WORDS_S = 4.0
_HEADER = struct.Struct(">HI")
_HUSH_MS = 1
State = Literal["on", "finishing", "over"]


class Line(Protocol):
    """What the server offers to live listeners (edge.client.Client)."""

    def live_stream(self, session_id: str) -> BaseHTTPResponse: ...
    def post_heard(self, session_id: str, told: Mapping[str, object]) -> None: ...


@dataclass(frozen=True)
class Call:
    """What a ``live`` command says."""

    session_id: str
    started_at: datetime
    ends_at: datetime
    emergency: bool

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Call:
        """ValueError for what this box does not understand."""
        if payload.get("codec", CODEC) != CODEC:
            raise ValueError(f"codec {payload['codec']!r} is not known here")
        if payload["rate_hz"] != live_sound.IN_RATE_HZ:
            raise ValueError(f"{payload['rate_hz']!r} Hz is not known here")
        return cls(
            session_id=str(payload["session_id"]),
            started_at=parse(payload["started_at"]),
            ends_at=parse(payload["ends_at"]),
            emergency=payload.get("emergency") is True,
        )


class Address:
    """One live address, from the call to its end."""

    def __init__(self, call: Call, line: Line, clock: Clock, ring: Callable[[], None]) -> None:
        self.call = call
        self.buffer = JitterBuffer()
        self.first_sound_at: datetime | None = None
        self.state: State = "on"
        self._line = line
        self._clock = clock
        self._ring = ring
        self._contact_s: float | None = None
        self._told: tuple[object, ...] = ()
        self._stopped = threading.Event()
        self._news = threading.Event()
        self._answer: BaseHTTPResponse | None = None
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._teller = threading.Thread(target=self._keep_telling, name="live-told", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._teller.start()
        self._thread.start()

    def hush(self) -> None:
        """Fall silent and listen no more."""
        self.state = "over"
        self._stopped.set()
        self._news.set()
        self._ring()

    def finish(self) -> None:
        """Nothing more will come; what is held is still said."""
        if self.state == "on":
            self.state = "finishing"
            self.buffer.finish()
            self._ring()

    def wait_for_hush(self) -> None:
        """Return once it is to be silent."""
        self._stopped.wait()

    def said(self) -> None:
        """The last word has left the horn."""
        if self.state == "finishing":
            self.hush()

    @property
    def wants_air(self) -> bool:
        """Whether there is speech, or a line on which it may come any moment."""
        if self.state != "on":
            return self.state == "finishing"
        contact_s = self._contact_s
        return contact_s is not None and self._clock.mono_s() - contact_s < LINK_LOST_S

    def first_voice(self, mono_s: float) -> None:
        """Called from the sink when the first word is on its way."""
        if self.first_sound_at is None:
            self.first_sound_at = instant(self._clock.wall_s() + mono_s - self._clock.mono_s())
            self._news.set()

    def _run(self) -> None:
        retry_s = _RETRY_S
        while not self._stopped.is_set() and instant(self._clock.wall_s()) < self.call.ends_at:
            asked_s = self._clock.mono_s()
            try:
                if self._listen():
                    break
            except ServerRefused as error:
                if not error.again:
                    log.info("the live address is over: %s", error)
                    break
            except (ServerUnreachable, HTTPError, OSError) as error:
                log.warning("the live line broke: %s", error)
            # A server that does not answer at all is asked less and less often.
            answered = self._contact_s is not None and self._contact_s > asked_s
            retry_s = _RETRY_S if answered else min(retry_s * 2, _LONGEST_RETRY_S)
            self._stopped.wait(retry_s)
        self.finish()
        # What is still held sounds meanwhile; then the last word goes to the server.
        self._stopped.wait(_LAST_WORDS_S)
        self.hush()
        self._teller.join(_LAST_WORDS_S)
        self._tell(last=True)

    def _listen(self) -> bool:
        """True when the server said that it is over."""
        answer = self._line.live_stream(self.call.session_id)
        self._has_contact()
        try:
            while self.state == "on":
                length, at_ms = _HEADER.unpack(_exactly(answer, _HEADER.size))
                if length == 0:
                    if at_ms == _HUSH_MS:
                        self.hush()
                    return True
                sound = _exactly(answer, length)
                self._has_contact()
                if length > 1:
                    self.buffer.push(at_ms, live_sound.decode(sound))
        finally:
            answer.close()
        return True

    def _has_contact(self) -> None:
        is_new = not self.wants_air
        self._contact_s = self._clock.mono_s()
        if is_new:
            self._ring()

    def _keep_telling(self) -> None:
        """Beside the line: a server that is slow to note it must not keep speech waiting."""
        while not self._stopped.is_set():
            self._tell()
            self._news.wait(_TELL_EVERY_S)
            self._news.clear()

    def _tell(self, *, last: bool = False) -> None:
        facts = (self.first_sound_at, self.buffer.lost_ms)
        if not last and (self.first_sound_at is None or facts == self._told):
            return
        told: dict[str, object] = {
            "first_sound_at": iso(self.first_sound_at) if self.first_sound_at else None,
            "lost_ms": self.buffer.lost_ms,
            "cause": None,
        }
        if last:
            told["cause"] = "end" if self.first_sound_at else "no_air"
        try:
            self._line.post_heard(self.call.session_id, told)
            self._told = facts
        except EdgeError as error:
            log.info("the server did not hear what was heard: %s", error)


def _exactly(answer: BaseHTTPResponse, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = answer.read(count - len(got), decode_content=False)
        if not piece:
            raise ServerUnreachable("the live line ended")
        got += piece
    return got
