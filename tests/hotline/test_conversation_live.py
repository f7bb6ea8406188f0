"""A whole call that is heard in villages, over a (fake) telephone and the real line."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from hotline import directory, live_line, talk
from hotline.call import CallEvent
from hotline.conversation import ConversationFactory
from hotline.directory import Directory, Village
from hotline.journal import Entry
from hotline.prompt_sound import wav_bytes
from hotline.sip import wire
from tests.hotline.fake_call import FakeCall, GoAway, Move, Press, Silence, Speak, told, voice
from tests.hotline.fake_driver import Stay, Until

LIJIA = "371312101201"
STAFF = [Press(digit) for digit in "9100234654321"]
GO = {"type": "go", "hearing": 1}
Answer = Callable[[wire.Message], list[wire.Message]]


class LiveCall(FakeCall):
    """A FakeCall that may be asked for its next event and left, as real ones may, and waits."""

    def __init__(self, *moves: Move | Stay | Until) -> None:
        super().__init__()
        self._ahead = list(moves)

    async def next_event(self, timeout_s: float | None) -> CallEvent | None:
        await asyncio.sleep(0)
        while self._ahead and not self._queue:
            match self._ahead[0]:
                case Stay():
                    await asyncio.Event().wait()
                case Until(condition):
                    while not condition():
                        await asyncio.sleep(0.005)
                    self._ahead.pop(0)
                case _:
                    self._move(self._ahead.pop(0))
        return await super().next_event(timeout_s)

    def hears(self, prompt: str, factory: ConversationFactory) -> bool:
        """Whether this prompt was begun."""
        stem = factory.prompts.paths[prompt].stem
        return any(stem in sounds for sounds in self.played)


class WebProcess:
    """Takes one address in; ``answer`` says what it tells for each message."""

    def __init__(self, answer: Answer) -> None:
        self.heard: list[wire.Message] = []
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                message = await wire.receive(reader)
                self.heard.append(message)
                for answer in self._answer(message):
                    writer.write(wire.encode(answer))
                    if answer["type"] == "vanish":
                        return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.heard if message["type"] != "here"]

    def sound(self) -> bytes:
        return b"".join(
            base64.b64decode(message["pcm"]) for message in self.heard if message["type"] == "sound"
        )


def carries(message: wire.Message) -> list[wire.Message]:
    """A web process with which all goes well."""
    match message["type"]:
        case "open":
            return [{"type": "opened"}, GO]
        case "end":
            return [{"type": "over", "cause": message["cause"], "missing": []}]
    return []


@pytest.fixture(autouse=True)
def lijia(config: Settings) -> Path:
    """A directory with one village; returns the sound of its name."""
    folder = directory.folder(config)
    (folder / "lijia.wav").write_bytes(wav_bytes(bytes(320)))
    directory.store(config, Directory({LIJIA: Village(LIJIA, "李家庄村", "101", "lijia.wav")}))
    return folder / "lijia.wav"


@pytest.fixture(autouse=True)
def office(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Knows the caller; what it was asked."""
    asked: list[dict[str, Any]] = []

    async def ask(_settings: Settings, question: str, **details: Any) -> dict[str, Any]:
        asked.append({"question": question, **details})
        return {"ok": True, "found": True, "user_id": 4, "villages": [LIJIA], "quiet": []}

    monkeypatch.setattr(talk, "ask", ask)
    return asked


def hold(
    factory: ConversationFactory,
    config: Settings,
    call: LiveCall,
    web: WebProcess,
    meanwhile: Callable[[asyncio.Task[None]], Awaitable[None]] | None = None,
) -> Entry:
    """The whole call; returns what it left in the spool."""

    async def run() -> None:
        path = str(live_line.socket_path(config))
        server = await asyncio.start_unix_server(web.serve, path)
        conversation = asyncio.create_task(factory.converse(call))
        if meanwhile is not None:
            await meanwhile(conversation)
        async with asyncio.timeout(30):
            await asyncio.wait({conversation})
        server.close()

    factory.monotonic_s = call.monotonic_s
    asyncio.run(run())
    return Entry.parse((factory.spool / call.call_id / "call.json").read_text())


def names(call: LiveCall, factory: ConversationFactory) -> list[str]:
    """The prompts that were heard; names of villages are left out."""
    known = {path.stem for path in factory.prompts.paths.values()}
    call.played = [tuple(one for one in sounds if one in known) for sounds in call.played]
    return told(call, factory.prompts)


def on_air(factory: ConversationFactory, *rest: Move | Stay | Until) -> LiveCall:
    """Sign in, go on air and let the prompt with the beep end; then ``rest``."""
    call = LiveCall(*STAFF, Press("1"))
    call._ahead += [Until(lambda: call.hears("live_now", factory)), Silence(), *rest]
    return call


def ended(web: WebProcess) -> Until:
    return Until(lambda: "end" in web.kinds())


def test_what_is_said_after_the_beep_goes_out_and_nothing_before(
    factory: ConversationFactory, config: Settings, office: list[dict[str, Any]]
) -> None:
    web = WebProcess(carries)
    call = on_air(factory, Speak(2000), Press("#"), ended(web), Silence())
    call._ahead = [Speak(500), *call._ahead]
    call._ahead.insert(-6, Speak(500))  # while the villages are called
    entry = hold(factory, config, call, web)
    assert web.heard[0] == {"type": "open", "user_id": 4, "villages": [LIJIA]}
    assert web.sound() == voice(2000)
    ends = [message["cause"] for message in web.heard if message["type"] == "end"]
    assert ends[0] == "keyed"
    assert office[0]["purpose"] == "live"
    assert (entry.kind, entry.staff_user_id, entry.takes) == ("live", 4, [])
    assert names(call, factory)[-2:] == ["live_over", "farewell"]


def test_after_hash_nothing_goes_out_though_nobody_confirms_the_end(
    factory: ConversationFactory, config: Settings
) -> None:
    web = WebProcess(lambda message: [] if message["type"] == "end" else carries(message))
    call = on_air(factory, Speak(1000), Press("#"), Speak(500), ended(web), Silence())
    hold(factory, config, call, web)
    assert web.sound() == voice(1000)
    assert names(call, factory)[-2:] == ["live_over", "farewell"]


def test_hanging_up_tells_the_web_process(factory: ConversationFactory, config: Settings) -> None:
    web = WebProcess(carries)
    hold(factory, config, on_air(factory, Speak(1000), GoAway()), web)
    assert web.heard[-1] == {"type": "end", "cause": "hung_up"}
    assert web.sound() == voice(1000)


def test_a_web_process_that_dies_is_told_to_the_caller(
    factory: ConversationFactory, config: Settings
) -> None:
    def dies(message: wire.Message) -> list[wire.Message]:
        return [{"type": "vanish"}] if message["type"] == "sound" else carries(message)

    web = WebProcess(dies)
    call = on_air(factory, Speak(1000))
    call._ahead += [Until(lambda: call.hears("live_broken", factory)), Silence()]
    entry = hold(factory, config, call, web)
    assert names(call, factory)[-2:] == ["live_broken", "farewell"]
    assert entry.finished


def test_somebody_elses_stop_is_told_to_the_caller(
    factory: ConversationFactory, config: Settings
) -> None:
    def stops(message: wire.Message) -> list[wire.Message]:
        over = [{"type": "over", "cause": "stopped", "missing": [LIJIA]}]
        return over if message["type"] == "sound" else carries(message)

    web = WebProcess(stops)
    call = on_air(factory, Speak(1000))
    call._ahead += [Until(lambda: call.hears("live_stopped", factory)), Silence()]
    hold(factory, config, call, web)
    assert names(call, factory)[-3:] == ["live_stopped", "live_missing", "farewell"]
    assert call._on_sound is None


def test_stopping_telephony_ends_the_address(
    factory: ConversationFactory, config: Settings
) -> None:
    web = WebProcess(carries)

    async def stop(conversation: asyncio.Task[None]) -> None:
        while not web.sound():
            await asyncio.sleep(0.01)
        conversation.cancel()

    hold(factory, config, on_air(factory, Speak(1000), Stay()), web, stop)
    assert web.heard[-1] == {"type": "end", "cause": "server"}


def test_a_full_disk_does_not_keep_a_warning_from_the_villages(
    factory: ConversationFactory, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike a report, an address needs no journal: what is said is heard at once."""

    async def full(_talk: talk.Talk) -> bool:
        return False

    monkeypatch.setattr(talk.Talk, "_save", full)
    web = WebProcess(carries)
    hold(factory, config, on_air(factory, Speak(1000), Press("*"), ended(web), Silence()), web)
    assert web.sound() == voice(1000)


def test_an_occupied_village_is_told_with_the_speakers_name(
    factory: ConversationFactory, config: Settings, tmp_path: Path
) -> None:
    speaker = tmp_path / "chen.wav"
    speaker.write_bytes(wav_bytes(bytes(320)))
    answer = {"error": "somebody_speaks", "village_code": LIJIA, "speaker": str(speaker)}
    web = WebProcess(lambda message: [{"type": "refused", **answer}])
    call = LiveCall(*STAFF, Press("1"))
    hold(factory, config, call, web)
    [heard] = [sounds for sounds in call.played if "chen" in sounds]
    assert (heard[1], heard[3]) == ("chen", "lijia")
    assert web.sound() == b""


def test_a_line_without_streams_never_asks(factory: ConversationFactory, config: Settings) -> None:
    web = WebProcess(carries)
    call = LiveCall(Press("9"), Silence())
    call.streams = False
    hold(factory, config, call, web)
    assert names(call, factory)[-2:] == ["live_not_here", "farewell"]
    assert web.heard == []
