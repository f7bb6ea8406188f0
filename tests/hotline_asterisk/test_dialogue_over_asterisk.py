"""The same dialogue over Asterisk: from the greeting to a call the importer can enter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from core.settings import Settings
from hotline.conversation import ConversationFactory
from hotline.journal import spool_of
from tests.hotline.conftest import factory, numbers, prompts  # noqa: F401
from tests.hotline.fake_call import voice
from tests.hotline_asterisk.conftest import Telephony
from tests.hotline_asterisk.fake_asterisk import Channel, FakeAsterisk, until


@pytest.fixture
def telephony(
    ari_config: Settings,
    asterisk: FakeAsterisk,
    factory: ConversationFactory,  # noqa: F811
) -> Iterator[Telephony]:
    made = Telephony(ari_config, factory.prompt_paths())
    made.talk = factory.converse
    made.start(asterisk)
    yield made
    made.stop()


def hear_out_until(asterisk: FakeAsterisk, channel: Channel, true: object) -> None:
    """Prompts are played to their end until something happens."""

    def step() -> bool:
        asterisk.hear_out(channel)
        return bool(true())  # type: ignore[operator]

    until(step)


def reported(asterisk: FakeAsterisk) -> Channel:
    """Somebody consents with key 1 and speaks for three seconds."""
    caller = asterisk.ring()
    until(lambda: caller.playing)
    asterisk.press(caller, "1")
    until(lambda: "POST channels/1764300000.7/play" in " ".join(asterisk.orders))
    asterisk.press(caller, "1")
    hear_out_until(asterisk, caller, lambda: caller.recording)
    asterisk.speak(caller, voice(3000))
    return caller


def entry(settings: Settings) -> dict[str, object]:
    [folder] = spool_of(settings).iterdir()
    found: dict[str, object] = json.loads((folder / "call.json").read_text("utf-8"))
    found["sound"] = b"".join(path.read_bytes() for path in sorted(folder.glob("take-*.pcm")))
    return found


def test_a_report_is_recorded_bound_and_read_out(
    telephony: Telephony, asterisk: FakeAsterisk, ari_config: Settings
) -> None:
    caller = reported(asterisk)
    asterisk.press(caller, "#")
    until(lambda: not caller.recording and caller.playing)
    asterisk.press(caller, "1")
    hear_out_until(asterisk, caller, lambda: caller.id not in asterisk.channels)
    until(lambda: entry(ari_config)["finished"])
    left = entry(ari_config)
    assert left["end_cause"] == "completed"
    assert left["reference_no"]
    assert left["consent_channel"] == "key"
    assert left["sound"] == voice(3000)


def test_a_hang_up_while_speaking_keeps_what_was_said(
    telephony: Telephony, asterisk: FakeAsterisk, ari_config: Settings
) -> None:
    caller = reported(asterisk)
    asterisk.hang_up(caller)
    until(lambda: entry(ari_config)["finished"])
    assert entry(ari_config)["end_cause"] == "hangup"
    assert entry(ari_config)["sound"] == voice(3000)


def test_nothing_is_recorded_before_the_consent(
    telephony: Telephony, asterisk: FakeAsterisk, ari_config: Settings
) -> None:
    caller = asterisk.ring()
    until(lambda: caller.playing)
    asterisk.press(caller, "1")
    hear_out_until(asterisk, caller, lambda: caller.talk_detect)
    assert not any(order.endswith("/record") for order in asterisk.orders)
    asterisk.hang_up(caller)
    until(lambda: entry(ari_config)["finished"])
    assert entry(ari_config)["sound"] == b""
