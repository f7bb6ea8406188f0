"""Asterisk is dialled by an address that holds the number: no file we keep may hold it too."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.clock import utc_now
from core.settings import Settings
from core.supervisor import ChildSpec, Supervisor
from hotline import prompts
from hotline.outgoing import door
from hotline.outgoing.outcomes import Ledger, parse
from hotline.prompt_sound import wav_bytes
from tests.hotline_asterisk.fake_asterisk import PASSWORD, Channel, FakeAsterisk, until

STAFF, RESIDENT = "13900000001", "13700000002"


@pytest.fixture
def process(ari_config: Settings) -> Iterator[Supervisor]:
    """The real telephony process over the fake Asterisk, its log where the server keeps it."""
    for plan in prompts._plans(ari_config, "zh_CN").values():
        plan.path.write_bytes(wav_bytes(bytes(320)))
    said = {
        "TELEPHONY": "asterisk",
        "ARI_URL": ari_config.ari_url,
        "ARI_USER": ari_config.ari_user,
        "ARI_PASSWORD": ari_config.ari_password,
        "ARI_SOUNDS": str(ari_config.ari_sounds),
        "ARI_SOUNDS_THERE": ari_config.ari_sounds_there,
        "HOTLINE_LANGUAGES": "zh_CN",
        "LOG_LEVEL": "DEBUG",
    }
    environment = {f"XIANGYIN_{name}": value for name, value in said.items()}
    command = [sys.executable, "-m", "hotline", "telephony"]
    running = Supervisor(ari_config.folder("logs"), lambda _: None)
    try:
        assert running.start(ChildSpec("telephony", command, environment)), "it does not start"
        yield running
    finally:
        running.stop_all()


def channel_of(asterisk: FakeAsterisk, number: str) -> Channel:
    def there() -> Channel | None:
        return next((each for each in asterisk.channels.values() if each.caller == number), None)

    until(there)
    found = there()
    assert found is not None
    return found


def bridge(asterisk: FakeAsterisk, config: Settings) -> None:
    """Join the two, as a handler asks for it, and let the resident hang up."""
    asterisk.answers_to.update({STAFF: "answers", RESIDENT: "answers"})
    order = {
        "order_id": str(uuid.uuid4()),
        "expires_at": (utc_now() + timedelta(minutes=2)).isoformat(),
        "legs": [{"who": "user:1", "number": STAFF}, {"who": "resident", "number": RESIDENT}],
    }
    until(lambda: asterisk._lines)
    assert door.send(config, order) == {"ok": True}
    staff = channel_of(asterisk, STAFF)
    until(lambda: staff.playing)
    asterisk.press(staff, "1")
    resident = channel_of(asterisk, RESIDENT)
    until(lambda: resident.playing)
    asterisk.hear_out(resident)
    until(lambda: resident.bridge is not None)
    asterisk.hang_up(resident)
    until(lambda: staff.id not in asterisk.channels or bool(staff.playing))


def holding(folder: Path, *secrets: str) -> list[str]:
    return [
        f"{secret} in {path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.is_file()
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ]


def test_after_a_bridge_no_file_holds_either_number_or_the_password_of_asterisk(
    process: Supervisor, asterisk: FakeAsterisk, ari_config: Settings
) -> None:
    bridge(asterisk, ari_config)
    process.stop_all()
    [outcome] = [parse(path.read_text("utf-8")) for path in Ledger(ari_config).files()]
    assert [attempt.cause for attempt in outcome.attempts] == ["answered", "answered"]
    assert (ari_config.data_dir / "logs" / "telephony.log").stat().st_size > 0
    assert holding(ari_config.data_dir, STAFF, RESIDENT, PASSWORD) == []
