"""An Asterisk in this process: the ARI endpoints and events that are used, over real HTTP.

It answers as Asterisk's own description of the interface says (rest-api/api-docs of its source):
404 for what is not there, 409 for what is not ours, events for whoever subscribed to the
application. Time is the test's: sounds and recordings end when the test says so.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from hotline.prompt_sound import wav_bytes

USER, PASSWORD, APP = "hot", "a-secret-of-asterisk", "xiangyin"


@dataclass
class Channel:
    id: str
    caller: str
    exten: str
    state: str = "Ring"
    playing: list[str] = field(default_factory=list)
    recording: str | None = None
    spoken: bytes = b""
    talk_detect: bool = False
    bridge: str | None = None
    entered: bool = True

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "state": self.state,
            "caller": {"name": "", "number": self.caller},
            "dialplan": {"context": "default", "exten": self.exten, "priority": 1},
        }


class FakeAsterisk:
    """``channels``, ``stored`` (name -> WAV), ``orders`` ("POST channels/1/answer", …).

    ``broken_orders``: of such an order, so many are answered 500 and not carried out.
    """

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        spool.mkdir(parents=True, exist_ok=True)
        self.channels: dict[str, Channel] = {}
        self.stored: dict[str, bytes] = {}
        self.live: dict[str, Channel] = {}
        self.media: dict[str, list[str]] = {}
        self.orders: list[str] = []
        self.bridges: dict[str, set[str]] = {}
        self.answers_to: dict[str, str | int] = {}
        self.refuse_recording = False
        self.refuse_joins_with: int | None = None
        self.broken_fetches = 0
        self.broken_orders: dict[str, int] = {}
        self._lines: set[WebSocket] = set()
        self._ending = threading.Lock()
        self._answers_joins = threading.Event()
        self._answers_joins.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        routes = [
            WebSocketRoute("/ari/events", self._events),
            Route("/ari/{path:path}", self._order, methods=["GET", "POST", "DELETE"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            host="127.0.0.1",
            port=0,
            log_level="error",
            ws="websockets-sansio",
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    # Its life

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._server.serve())

    def start(self) -> str:
        """Its address."""
        self._thread.start()
        until(lambda: self._server.started)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=5)

    def cut_lines(self) -> None:
        """The WebSocket breaks; calls go on."""
        for line in list(self._lines):
            self._soon(line.close())

    def _soon(self, work: Any) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    @contextlib.contextmanager
    def silent_joins(self) -> Iterator[None]:
        """Whoever asks to join channels gets no answer until then."""
        self._answers_joins.clear()
        yield
        self._answers_joins.set()

    # What callers do

    def ring(self, channel: str = "1764300000.7", caller: str = "13812345678") -> Channel:
        """Somebody calls our application."""
        calling = self.channels[channel] = Channel(channel, caller, "96110")
        self._tell({"type": "StasisStart", "args": [], "channel": calling.told()})
        return calling

    def press(self, channel: Channel, digit: str) -> None:
        told = {"type": "ChannelDtmfReceived", "digit": digit, "duration_ms": 100}
        self._tell({**told, "channel": channel.told()})

    def speak(self, channel: Channel, pcm: bytes) -> None:
        """The caller speaks: a recording grows, talk detection tells."""
        if channel.talk_detect:
            self._tell({"type": "ChannelTalkingStarted", "channel": channel.told()})
        if channel.recording:
            channel.spoken += pcm
            path = self.spool / f"{channel.recording}.wav"
            path.write_bytes(wav_bytes(channel.spoken))

    def fall_silent(self, channel: Channel) -> None:
        """maxSilenceSeconds pass."""
        self._end_recording(channel, "RecordingFinished")

    def hear_out(self, channel: Channel) -> None:
        """What is queued is played to its end."""
        while playing := list(channel.playing):
            self._end_playback(channel, playing[0])

    def hang_up(self, channel: Channel, cause: int = 16) -> None:
        self._end_recording(channel, "RecordingFinished")
        self.channels.pop(channel.id, None)
        if channel.entered:
            asking = {"type": "ChannelHangupRequest", "cause": cause, "soft": False}
            self._tell({**asking, "channel": channel.told()})
            self._tell({"type": "StasisEnd", "channel": channel.told()})
        told = {"type": "ChannelDestroyed", "cause": cause, "cause_txt": "Normal Clearing"}
        self._tell({**told, "channel": channel.told()})

    # Its interface

    def _tell(self, event: dict[str, Any]) -> None:
        text = json.dumps(
            {"application": APP, "timestamp": "2026-06-01T08:00:00.000+0800", **event}
        )
        for line in list(self._lines):
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it just went
                self._soon(line.send_text(text))

    async def _events(self, line: WebSocket) -> None:
        key = f"{USER}:{PASSWORD}"
        if line.query_params.get("api_key") != key or line.query_params.get("app") != APP:
            await line.close(1008)
            return
        await line.accept()
        self._lines.add(line)
        try:
            while True:
                await line.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            self._lines.discard(line)

    async def _order(self, request: Request) -> Response:
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"message": "Authentication required"}, 401)
        path, asked = request.path_params["path"], dict(request.query_params)
        if request.headers.get("content-length", "0") != "0":
            body = await request.body()
            if len(body) > 4096:
                return JSONResponse({"message": "Request body too large"}, 413)
            asked |= json.loads(body)
        order = f"{request.method} {path}"
        self.orders.append(order)
        if self.broken_orders.get(order, 0):
            self.broken_orders[order] -= 1
            return JSONResponse({"message": "Internal Server Error"}, 500)
        found = await asyncio.to_thread(self._carry_out, request.method, path.split("/"), asked)
        if isinstance(found, bytes):
            return Response(found, media_type="audio/x-wav")
        if isinstance(found, int):
            return Response(status_code=204) if found == 204 else JSONResponse({}, found)
        return JSONResponse(found)

    def _carry_out(self, method: str, path: list[str], asked: dict[str, Any]) -> Any:
        match method, path:
            case "GET", ["applications", name]:
                return self._application(name)
            case "GET", ["channels"]:
                return [channel.told() for channel in self.channels.values()]
            case "POST", ["channels"]:
                return self._dial(asked)
            case _, ["channels", name, *what]:
                channel = self.channels.get(name)
                return 404 if channel is None else self._channel(method, channel, what, asked)
            case "DELETE", ["playbacks", playback]:
                for channel in self.channels.values():
                    if playback in channel.playing:
                        self._end_playback(channel, playback)
                        return 204
                return 404
            case _, ["recordings", *what]:
                return self._recording(method, what)
            case _, ["bridges", *what]:
                return self._bridge(method, what, asked)
        return 404

    def _application(self, name: str) -> Any:
        """It lives as long as somebody listens, and as the channels it holds: also after that."""
        if name != APP or not (self._lines or self.channels):
            return 404
        told = {"name": name, "channel_ids": list(self.channels)}
        return told | {"bridge_ids": list(self.bridges), "endpoint_ids": [], "device_names": []}

    def _channel(
        self, method: str, channel: Channel, what: list[str], asked: dict[str, Any]
    ) -> Any:
        match method, what:
            case "POST", ["answer"]:
                channel.state = "Up"
            case "POST", ["play", playback]:
                if channel.bridge:
                    return 409
                channel.playing.append(playback)
                self.media[playback] = asked["media"]
                return {"id": playback, "target_uri": f"channel:{channel.id}", "state": "queued"}
            case "POST", ["record"]:
                return self._record(channel, asked)
            case "POST", ["variable"]:
                channel.talk_detect = asked["variable"] == "TALK_DETECT(set)"
            case "DELETE", []:
                threading.Thread(target=self.hang_up, args=(channel,)).start()
            case _:
                return 404
        return 204

    def _record(self, channel: Channel, asked: dict[str, Any]) -> Any:
        name = asked["name"]
        if asked["format"] != "wav" or asked["ifExists"] != "fail":
            return 422
        if name in self.stored or name in self.live or channel.bridge:
            return 409
        if self.refuse_recording:
            told = {"name": name, "format": "wav", "state": "failed", "cause": "no space"}
            event = {"type": "RecordingFailed", "recording": told}
            threading.Thread(target=self._tell, args=(event,)).start()
            return told
        channel.recording, channel.spoken = name, b""
        self.live[name] = channel
        return {"name": name, "format": "wav", "state": "queued"}

    def _recording(self, method: str, what: list[str]) -> Any:
        match method, what:
            case "POST", ["live", name, "stop"]:
                if name not in self.live:
                    return 404
                self._end_recording(self.live[name], "RecordingFinished")
                return 204
            case "DELETE", ["live", name]:
                self.live.pop(name).recording = None  # discarded
                return 204
            case "GET", ["stored"]:
                return [{"name": name, "format": "wav"} for name in self.stored]
            case "GET", ["stored", _, "file"] if self.broken_fetches:
                self.broken_fetches -= 1
                return 500
            case "GET", ["stored", name, "file"]:
                return self.stored.get(name, 404)
            case "DELETE", ["stored", name]:
                return 204 if self.stored.pop(name, None) is not None else 404
        return 404

    def _bridge(self, method: str, what: list[str], asked: dict[str, Any]) -> Any:
        match method, what:
            case "POST", []:
                self.bridges[asked["bridgeId"]] = set()
                return {"id": asked["bridgeId"], "bridge_type": asked["type"]}
            case "POST", [_, "addChannel"] if not self._answers_joins.wait(30):
                return 500
            case "POST", [_, "addChannel"] if self.refuse_joins_with is not None:
                return self.refuse_joins_with
            case "POST", [bridge, "addChannel"]:
                for name in asked["channel"].split(","):
                    if name not in self.channels:
                        return 400
                    self.channels[name].bridge = bridge
                    self.bridges[bridge].add(name)
                return 204
            case "DELETE", [bridge]:
                for name in self.bridges.pop(bridge, set()):
                    if name in self.channels:
                        self.channels[name].bridge = None
                return 204
        return 404

    def _dial(self, asked: dict[str, Any]) -> Any:
        number = asked["endpoint"].removeprefix("PJSIP/").split("@")[0]
        channel = Channel(asked["channelId"], number, "s", entered=False)
        self.channels[channel.id] = channel
        answer = self.answers_to.get(number, "silence")
        if answer == "answers":
            channel.state, channel.entered = "Up", True
            event = {"type": "StasisStart", "args": [asked["appArgs"]], "channel": channel.told()}
            threading.Thread(target=self._tell, args=(event,)).start()
        elif isinstance(answer, int):
            threading.Thread(target=self.hang_up, args=(channel, answer)).start()
        return channel.told()

    def _end_playback(self, channel: Channel, playback: str) -> None:
        with self._ending:
            if playback not in channel.playing:
                return  # somebody else ended it at this moment
            channel.playing.remove(playback)
        told = {"id": playback, "target_uri": f"channel:{channel.id}", "state": "done"}
        event = {"type": "PlaybackFinished", "playback": told}
        threading.Thread(target=self._tell, args=(event,)).start()

    def _end_recording(self, channel: Channel, kind: str) -> None:
        name, channel.recording = channel.recording, None
        if name is None:
            return
        del self.live[name]
        self.stored[name] = wav_bytes(channel.spoken)
        told = {"name": name, "format": "wav", "state": "done", "target_uri": "channel"}
        threading.Thread(target=self._tell, args=({"type": kind, "recording": told},)).start()


def until(true: Callable[[], object], *, limit_s: float = 10.0) -> None:
    """Wait for something that happens beside the test."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
