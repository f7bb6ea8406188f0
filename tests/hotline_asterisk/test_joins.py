"""Two whom Asterisk does not join have not spoken, however long it took to say so."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core.clock import utc_now
from core.sealed import Sealer
from core.settings import Settings
from hotline.outgoing import legs
from hotline.outgoing.contract import Outcome
from hotline.outgoing.desk import OutgoingDesk
from hotline.outgoing.outcomes import Ledger, parse
from tests.hotline.outgoing_town import RESIDENT, STAFF, Spoken
from tests.hotline_asterisk.conftest import Telephony
from tests.hotline_asterisk.fake_asterisk import Channel, FakeAsterisk, until


class Bridge:
    """An order that both answer, and the one who works here presses 1."""

    def __init__(self, telephony: Telephony, asterisk: FakeAsterisk, settings: Settings) -> None:
        self._asterisk, self._ledger = asterisk, Ledger(settings)
        spoken = Spoken(settings.data_dir / "spoken")
        sealer = Sealer.from_settings(settings)
        desk = OutgoingDesk(settings, sealer, telephony.subject, spoken)
        order = {
            "order_id": str(uuid.uuid4()),
            "expires_at": (utc_now() + timedelta(minutes=2)).isoformat(),
            "legs": [{"who": "user:1", "number": STAFF}, {"who": "resident", "number": RESIDENT}],
        }
        assert telephony.ask(desk.take_order(order)) == {"ok": True}
        until(lambda: any(one.playing for one in self._channels()))
        self.staff = self._channels()[0]
        asterisk.press(self.staff, "1")

    def _channels(self) -> list[Channel]:
        return list(self._asterisk.channels.values())

    def outcome(self) -> Outcome:
        [path] = self._ledger.files()
        return parse(path.read_text(encoding="utf-8"))

    def hear_out(self) -> None:
        for channel in self._channels():
            self._asterisk.hear_out(channel)

    def comes_to(self, *, joined: bool = False) -> Outcome:
        """How it stands when they are joined, or when it is over."""

        def is_so_far() -> bool:
            self.hear_out()
            now = self.outcome()
            return now.joined_at is not None if joined else now.result is not None

        until(is_so_far)
        return self.outcome()


@pytest.fixture
def telephony(ari_config: Settings, asterisk: FakeAsterisk) -> Iterator[Telephony]:
    made = Telephony(ari_config, [])
    asterisk.answers_to |= {STAFF: "answers", RESIDENT: "answers"}
    made.start(asterisk)
    yield made
    made.stop()


def is_no_contact(outcome: Outcome) -> bool:
    causes = [one.cause for one in outcome.attempts]
    said = (outcome.result, outcome.joined_at, outcome.talked_ms)
    return said == ("nobody", None, 0) and causes == ["answered", "unjoined"]


def test_both_are_joined_once_asterisk_has_said_so(
    telephony: Telephony, asterisk: FakeAsterisk, ari_config: Settings
) -> None:
    bridge = Bridge(telephony, asterisk, ari_config)
    assert bridge.comes_to(joined=True).result is None
    assert [len(members) for members in asterisk.bridges.values()] == [2]
    asterisk.hang_up(bridge.staff)
    outcome = bridge.comes_to()
    assert (outcome.result, outcome.talked_ms > 0) == ("joined", True)
    assert [one.cause for one in outcome.attempts] == ["answered", "answered"]


@pytest.mark.parametrize("answer", [400, 404, 409, 500])
def test_a_join_that_asterisk_refuses_is_no_contact(
    telephony: Telephony, asterisk: FakeAsterisk, ari_config: Settings, answer: int
) -> None:
    asterisk.refuse_joins_with = answer
    assert is_no_contact(Bridge(telephony, asterisk, ari_config).comes_to())
    until(lambda: not asterisk.channels and not asterisk.bridges)


def test_who_hangs_up_before_asterisk_has_joined_them_ends_the_waiting(
    telephony: Telephony,
    asterisk: FakeAsterisk,
    ari_config: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(legs, "JOIN_WITHIN_S", 600.0)
    with asterisk.silent_joins():
        bridge = Bridge(telephony, asterisk, ari_config)
        until(lambda: bridge.hear_out() or any("addChannel" in one for one in asterisk.orders))
        asterisk.hang_up(bridge.staff)
        assert is_no_contact(bridge.comes_to())
