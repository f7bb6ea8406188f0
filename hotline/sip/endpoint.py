"""A SIP call as the dialogue sees it: the verbs and events of ``hotline.call.Call``."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hotline.call import (
    Call,
    CallEvent,
    HungUp,
    Key,
    OnSound,
    PlayEnded,
    RecordingStopped,
    SpeechHeard,
)
from hotline.sip import ports, rtp, sdp
from hotline.sip.media import MediaLimits, MediaSession
from hotline.sip.prompts import Player, SoundBank
from hotline.sip.recorder import Recorder
from hotline.sip.sdp import Offer
from hotline.sip.wire import Message

ANSWER_WAIT_S = 5.0

Phase = Literal["ringing", "answering", "up", "over"]


@dataclass(frozen=True)
class Surroundings:
    """What all calls of a process share; ``send`` reaches signalling."""

    host: str
    rtp_ports: ports.RtpPorts
    media_networks: Sequence[rtp.Network]
    bank: SoundBank
    disk: Executor
    limits: MediaLimits
    send: Callable[[Message], None]


class SipCall:
    """One call over SIP and RTP. Belongs to the event loop.

    ``remote_ip`` is the address that signals; for a call we make it is not known yet. Raises
    Unavailable when no port is free.
    """

    streams = True

    def __init__(
        self, around: Surroundings, *, call_id: str, caller: str, called: str, remote_ip: str
    ) -> None:
        self.call_id = call_id
        self.caller = caller
        self.called = called
        self._send = around.send
        self._media_networks = around.media_networks
        self._events: asyncio.Queue[CallEvent] = asyncio.Queue()
        self._phase: Phase = "ringing"
        self._signalled = asyncio.Event()
        self._over = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._address = ports.local_address(around.host, remote_ip)
        self._session, self._version = secrets.randbits(31), 0
        self._offer: Offer | None = None
        self._dialog: Message = {}
        self.tags: list[str] = []
        self._loop = asyncio.get_running_loop()
        self.media = MediaSession(
            around.rtp_ports.open(),
            rtp.Peer(remote_ip, around.media_networks),
            Player(around.bank, lambda token: self._events.put_nowait(PlayEnded(token))),
            Recorder(around.disk, on_speech=self._speech_heard, on_stopped=self._recording_stopped),
            around.limits,
            on_key=self._key_pressed,
            on_lost=self.network_lost,
        )
        self._loop.add_reader(self.media.socket, self.media.readable)

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self._phase == "over"

    # What signalling tells

    def offered(self, offer: Offer | None) -> None:
        """The caller's first or changed description; a changed one is answered at once.

        None: it is on us to propose, and ``acknowledged`` brings what they made of it.
        """
        if offer is not None:
            self.acknowledged(offer)
        if self._phase in ("answering", "up"):
            self._send_answer(propose=offer is None)

    def acknowledged(self, offer: Offer) -> None:
        """Their description, as the answer to ours."""
        if self._phase != "over":
            self._offer = offer
            self.media.agree(offer)

    def answered(self, dialog: Message, tags: list[str]) -> None:
        """Signalling has lifted the receiver.

        ``dialog`` lets a later signalling process end the call, ``tags`` tell its requests.
        """
        if self._phase == "answering":
            self._phase, self._dialog, self.tags = "up", dialog, tags
            self.media.sending = True
            self._signalled.set()

    def info_key(self, digit: str) -> None:
        """A key that came as SIP INFO."""
        if digit in rtp.KEYS:
            self.media.pressed(digit, "info")

    def ended(self, cause: str) -> None:
        """The other side, the network or signalling ended the call."""
        if self._phase == "over":
            return
        self._phase = "over"
        self.media.sending = False
        self.media.part()
        self.media.hand_out(None)
        self._loop.remove_reader(self.media.socket)
        self.media.player.stop()
        self.media.recorder.stop("network" if cause in ("network", "hold") else "hangup")
        self._closing = self._loop.create_task(self._close(cause))
        self._signalled.set()

    async def _close(self, cause: str) -> None:
        self.media.socket.close()
        await self.media.recorder.finished()
        self._events.put_nowait(HungUp(cause))
        self._over.set()

    def network_lost(self, cause: str) -> None:
        """No packets, or held for too long: end the call from our side."""
        if self._phase != "over":
            self._send_goodbye()
            self.ended(cause)

    def _send_goodbye(self) -> None:
        self._send({"type": "hang_up", "id": self.call_id, "dialog": self._dialog})

    def _speech_heard(self) -> None:
        self._events.put_nowait(SpeechHeard())

    def _recording_stopped(self, stopped: RecordingStopped) -> None:
        self._events.put_nowait(stopped)

    def _key_pressed(self, digit: str) -> None:
        self._events.put_nowait(Key(digit))

    def _send_answer(self, *, propose: bool = False) -> None:
        self._send({"type": "answer", "id": self.call_id, "sdp": self._description(propose)})

    def _description(self, propose: bool) -> str:
        self._version += 1
        ours: sdp.Ours = {
            "address": self._address,
            "port": self.media.socket.getsockname()[1],
            "session": self._session,
            "version": self._version,
        }
        if self._offer is None:
            return sdp.offer(**ours)
        known = replace(self._offer, direction="sendrecv") if propose else self._offer
        return sdp.answer(known, **ours)

    # What the dialogue asks for

    async def answer(self) -> None:
        if self._phase != "ringing":
            return
        self._phase = "answering"
        self._send_answer()
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                await self._signalled.wait()
        except TimeoutError:
            self.network_lost("signalling")

    async def next_event(self, timeout_s: float | None) -> CallEvent | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._events.get()
        except TimeoutError:
            return None

    def play(self, sounds: Sequence[Path]) -> int:
        return self.media.player.play(sounds)

    def stop_playing(self) -> None:
        self.media.player.stop()

    def listen(self) -> None:
        self.media.recorder.listen()

    def forget(self) -> None:
        self.media.recorder.forget()

    def record(
        self, take: Path, *, limit_s: float, silence_s: float, keep_heard: bool = False
    ) -> None:
        if self.media.joined:
            raise RuntimeError("two people are talking: that is never recorded; part first")
        recorder = self.media.recorder
        recorder.record(take, limit_s=limit_s, silence_s=silence_s, keep_heard=keep_heard)
        if self._phase == "over":
            recorder.stop("hangup")

    def stop_recording(self) -> None:
        self.media.recorder.stop("stopped")

    def hand_out(self, on_sound: OnSound | None) -> None:
        if self.media.joined and on_sound is not None:
            raise RuntimeError("two people are talking: nobody else hears that; part first")
        self.media.hand_out(None if self._phase == "over" else on_sound)

    def join(self, other: Call) -> None:
        if not isinstance(other, SipCall) or other is self:
            raise TypeError("only two different calls of this driver can be joined")
        if not (self.over or other.over):
            self.media.join(other.media)

    def part(self) -> None:
        self.media.part()

    async def gone(self) -> None:
        """Wait until the call is over and its last recording is safe."""
        await self._over.wait()

    async def hang_up(self, cause: str) -> None:
        if self._phase != "over":
            self._send_goodbye()
            self.media.recorder.stop("stopped")
            self.ended(cause)
        await self.gone()
