"""The dialogue's verbs over Asterisk: what is ordered, what is told, what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import InvalidInput
from core.settings import Settings
from hotline.asterisk.client import checked
from hotline.call import Call, CallEvent, HungUp, Key, PlayEnded, RecordingStopped, SpeechHeard
from hotline.prompt_sound import wav_bytes
from tests.hotline.fake_call import quiet, voice
from tests.hotline_asterisk.conftest import Telephony
from tests.hotline_asterisk.fake_asterisk import Channel, FakeAsterisk, until


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    path = tmp_path / "hello.wav"
    path.write_bytes(wav_bytes(quiet(200)))
    return path


@pytest.fixture
def telephony(ari_config: Settings, asterisk: FakeAsterisk, prompt: Path) -> Iterator[Telephony]:
    made = Telephony(ari_config, [prompt])
    yield made
    made.stop()


class Script:
    """A conversation that does what the test says and notes what it hears."""

    def __init__(self, telephony: Telephony) -> None:
        self.events: list[CallEvent] = []
        self.call: Call | None = None
        self._telephony = telephony
        telephony.talk = self._talk

    async def _talk(self, call: Call) -> None:
        await call.answer()
        self.call = call
        while True:
            event = await call.next_event(30)
            if event is not None:
                self.events.append(event)
            if event is None or isinstance(event, HungUp):
                return

    def do(self, verb: str, *arguments: object, **named: object) -> object:
        call = self.call
        assert call is not None

        async def work() -> object:
            return getattr(call, verb)(*arguments, **named)

        return self._telephony.ask(work())

    def wait_for(self, kind: type[CallEvent]) -> CallEvent:
        until(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))


@pytest.fixture
def script(telephony: Telephony, asterisk: FakeAsterisk) -> Script:
    made = Script(telephony)
    telephony.start(asterisk)
    return made


@pytest.fixture
def caller(script: Script, asterisk: FakeAsterisk) -> Channel:
    """Somebody called and was answered."""
    channel = asterisk.ring()
    until(lambda: channel.state == "Up" and script.call is not None)
    return channel


def recording(script: Script, asterisk: FakeAsterisk, channel: Channel, take: Path) -> None:
    script.do("record", take, limit_s=180.0, silence_s=8.0)
    until(lambda: channel.recording)


def test_a_call_is_answered_and_knows_who_calls(script: Script, caller: Channel) -> None:
    assert script.call is not None
    assert (script.call.caller, script.call.called) == ("13812345678", "96110")


def test_a_withheld_number_is_none(script: Script, asterisk: FakeAsterisk) -> None:
    asterisk.ring(caller="anonymous")
    until(lambda: script.call is not None)
    assert script.call is not None
    assert script.call.caller == ""


def test_prompts_are_copied_and_played_by_asterisks_own_path(
    script: Script, asterisk: FakeAsterisk, caller: Channel, prompt: Path, ari_config: Settings
) -> None:
    token = script.do("play", [prompt])
    until(lambda: caller.playing)
    [uri] = asterisk.media[caller.playing[0]]
    assert uri.startswith("sound:/sounds/prompt-")
    assert ari_config.ari_sounds is not None
    copied = ari_config.ari_sounds / (uri.removeprefix("sound:/sounds/") + ".wav")
    assert copied.read_bytes() == prompt.read_bytes()
    asterisk.hear_out(caller)
    assert script.wait_for(PlayEnded) == PlayEnded(token)  # type: ignore[arg-type]


def test_a_long_announcement_fits_asterisks_limit_and_ends_once(
    script: Script, asterisk: FakeAsterisk, caller: Channel, prompt: Path
) -> None:
    token = script.do("play", [prompt] * 70)
    until(lambda: len(caller.playing) == 5)
    asterisk.hear_out(caller)
    assert script.wait_for(PlayEnded) == PlayEnded(token)  # type: ignore[arg-type]
    script.do("play", [prompt])
    until(lambda: caller.playing)
    assert sum(isinstance(event, PlayEnded) for event in script.events) == 1


def test_what_was_silenced_is_stopped_from_the_end_and_not_told(
    script: Script, asterisk: FakeAsterisk, caller: Channel, prompt: Path
) -> None:
    script.do("play", [prompt] * 20)
    until(lambda: len(caller.playing) == 2)
    first, second = caller.playing
    script.do("stop_playing")
    until(lambda: not caller.playing)
    stops = [order for order in asterisk.orders if order.startswith("DELETE playbacks/")]
    assert stops == [f"DELETE playbacks/{second}", f"DELETE playbacks/{first}"]
    asterisk.press(caller, "1")
    script.wait_for(Key)
    assert not any(isinstance(event, PlayEnded) for event in script.events)


def test_keys_arrive(script: Script, asterisk: FakeAsterisk, caller: Channel) -> None:
    for digit in "5*#0":
        asterisk.press(caller, digit)
    until(lambda: len(script.events) == 4)
    assert script.events == [Key("5"), Key("*"), Key("#"), Key("0")]


def test_a_take_is_asterisks_sound_to_the_byte_and_leaves_asterisk(
    script: Script, asterisk: FakeAsterisk, caller: Channel, tmp_path: Path
) -> None:
    take = tmp_path / "take-1.pcm"
    recording(script, asterisk, caller, take)
    asterisk.speak(caller, voice(3000))
    script.do("stop_recording")
    stopped = script.wait_for(RecordingStopped)
    assert isinstance(stopped, RecordingStopped)
    assert (stopped.reason, stopped.duration_ms) == ("stopped", 3000)
    assert stopped.speech_ms > 2000
    assert take.read_bytes() == voice(3000)
    assert not take.with_name("take-1.pcm.part").exists()
    assert asterisk.stored == {}


def test_a_live_recording_is_stopped_and_never_discarded(
    script: Script, asterisk: FakeAsterisk, caller: Channel, tmp_path: Path
) -> None:
    recording(script, asterisk, caller, tmp_path / "take-1.pcm")
    asterisk.speak(caller, voice(1000))
    script.do("stop_recording")
    script.wait_for(RecordingStopped)
    assert any(
        o.startswith("POST recordings/live/") and o.endswith("/stop") for o in asterisk.orders
    )
    assert not any(order.startswith("DELETE recordings/live") for order in asterisk.orders)


def test_nobody_is_snooped_on(
    script: Script, asterisk: FakeAsterisk, caller: Channel, tmp_path: Path
) -> None:
    script.do("listen")
    recording(script, asterisk, caller, tmp_path / "take-1.pcm")
    assert not any("snoop" in order for order in asterisk.orders)


def test_silence_ends_a_take(
    script: Script, asterisk: FakeAsterisk, caller: Channel, tmp_path: Path
) -> None:
    recording(script, asterisk, caller, tmp_path / "take-1.pcm")
    asterisk.speak(caller, voice(2500))
    asterisk.fall_silent(caller)
    stopped = script.wait_for(RecordingStopped)
    assert isinstance(stopped, RecordingStopped)
    assert stopped.reason == "silence"


def test_a_caller_who_hangs_up_leaves_the_take_before_the_end_is_told(
    script: Script, asterisk: FakeAsterisk, caller: Channel, tmp_path: Path
) -> None:
    take = tmp_path / "take-1.pcm"
    recording(script, asterisk, caller, take)
    asterisk.speak(caller, voice(2500))
    asterisk.hang_up(caller)
    script.wait_for(HungUp)
    kinds = [type(event) for event in script.events if not isinstance(event, SpeechHeard)]
    assert kinds == [RecordingStopped, HungUp]
    assert take.read_bytes() == voice(2500)


def test_a_recording_that_asterisk_refuses_is_a_disk_trouble(
    script: Script, asterisk: FakeAsterisk, caller: Channel, tmp_path: Path
) -> None:
    asterisk.refuse_recording = True
    script.do("record", tmp_path / "take-1.pcm", limit_s=180.0, silence_s=8.0)
    stopped = script.wait_for(RecordingStopped)
    assert isinstance(stopped, RecordingStopped)
    assert stopped.reason == "disk"


def test_listening_tells_speech_once_and_records_nothing(
    script: Script, asterisk: FakeAsterisk, caller: Channel
) -> None:
    script.do("listen")
    until(lambda: caller.talk_detect)
    asterisk.speak(caller, voice(500))
    asterisk.speak(caller, voice(500))
    asterisk.press(caller, "1")
    script.wait_for(Key)
    assert script.events == [SpeechHeard(), Key("1")]
    assert asterisk.live == {}


def test_no_sound_is_handed_out_while_it_is_spoken(script: Script, caller: Channel) -> None:
    """The dialogue asks ``streams`` first and says that this line carries no live address."""
    assert script.call is not None
    assert not script.call.streams
    script.do("hand_out", None)
    with pytest.raises(RuntimeError, match="no live address"):
        script.do("hand_out", lambda _at_ms, _pcm: None)


def test_a_call_that_breaks_is_told_apart_from_one_that_is_ended(
    script: Script, asterisk: FakeAsterisk, caller: Channel
) -> None:
    asterisk.hang_up(caller, cause=41)  # temporary failure
    assert script.wait_for(HungUp) == HungUp("network")


def test_a_broken_line_loses_no_call_and_notices_who_left_meanwhile(
    script: Script, asterisk: FakeAsterisk, caller: Channel
) -> None:
    del asterisk.channels[caller.id]
    asterisk.cut_lines()
    assert script.wait_for(HungUp) == HungUp("hangup")


def test_two_calls_hear_each_other_by_a_bridge_and_part(
    script: Script, telephony: Telephony, asterisk: FakeAsterisk, caller: Channel
) -> None:
    asterisk.answers_to["057812345"] = "answers"
    other = telephony.ask(telephony.subject.dial("057812345", ring_s=5))
    script.do("join", other)
    until(lambda: caller.bridge is not None)
    assert asterisk.bridges[caller.bridge or ""] == {caller.id, other.channel}
    script.do("part")
    until(lambda: caller.bridge is None)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (17, "busy"),
        (19, "no_answer"),
        (21, "refused"),
        (1, "unreachable"),
        ("silence", "no_answer"),
    ],
)
def test_why_a_number_was_not_reached(
    script: Script, telephony: Telephony, asterisk: FakeAsterisk, answer: int | str, why: str
) -> None:
    asterisk.answers_to["057812345"] = answer
    ring_s = 0.2 if answer == "silence" else 20
    assert telephony.ask(telephony.subject.dial("057812345", ring_s=ring_s)) == why
    until(lambda: not asterisk.channels)


def test_nothing_but_a_number_is_dialled(
    script: Script, telephony: Telephony, asterisk: FakeAsterisk
) -> None:
    assert telephony.ask(telephony.subject.dial("1@evil/n", ring_s=1)) == "refused"
    assert "POST channels" not in asterisk.orders


def test_above_the_cap_callers_are_told_busy(
    script: Script,
    telephony: Telephony,
    asterisk: FakeAsterisk,
    caller: Channel,
    ari_config: Settings,
) -> None:
    ari_config.call_cap = 1
    second = asterisk.ring("1764300000.8")
    until(lambda: second.id not in asterisk.channels)
    assert caller.id in asterisk.channels
    assert len(telephony.refused) == 1


def test_a_stop_finishes_the_recording_and_hangs_up(
    script: Script, telephony: Telephony, asterisk: FakeAsterisk, caller: Channel, tmp_path: Path
) -> None:
    take = tmp_path / "take-1.pcm"
    recording(script, asterisk, caller, take)
    asterisk.speak(caller, voice(2500))
    telephony.stop()
    assert take.read_bytes() == voice(2500)
    assert caller.id not in asterisk.channels


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ari_url": "ftp://x"}, "XIANGYIN_ARI_URL"),
        ({"ari_url": ""}, "XIANGYIN_ARI_URL"),
        ({"ari_password": ""}, "XIANGYIN_ARI_USER"),
        ({"ari_dial": "PJSIP/trunk"}, "XIANGYIN_ARI_DIAL"),
    ],
)
def test_settings_that_cannot_work_are_named(
    config: Settings, changes: dict[str, str], field: str
) -> None:
    good = {"ari_url": "http://x:8088", "ari_user": "u", "ari_password": "p"}
    with pytest.raises(InvalidInput) as refused:
        checked(config.model_copy(update=good | changes))
    assert refused.value.field == field
