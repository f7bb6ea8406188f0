"""Two telephones nobody of us wrote are rung, joined and hear each other; nothing is kept."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import settings
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.models import StaffPhone
from hotline.outgoing import door
from hotline.outgoing.clerk import OutgoingClerk
from hotline.outgoing.contract import CONTACT_AT_LEAST_MS, Outcome
from hotline.outgoing.outcomes import Ledger, parse
from tests.hotline.test_outgoing_orders import Office
from tests.hotline_sip.conftest import ROOT, Hotline, voice, wait_until
from tests.hotline_sip.test_baresip import Baresip, likeness, loudest_hertz
from tests.hotline_sip.tiny_desk import RESIDENT_HZ, STAFF_HZ

pytestmark = [pytest.mark.real("baresip"), pytest.mark.slow]

PASSWORD = "a-long-password"
VOICES = {"wang": voice(40, seed=1), "aunt": voice(40, seed=2)}
ACCOUNT = (
    "<sip:{name}@127.0.0.1:{port}>;auth_pass={password};regint=60;answermode=auto;"
    "audio_codecs={{codec}}/8000/1;dtmfmode=rtp\n"
)


ACCOUNTS = ", ".join(f"{name}:{PASSWORD}" for name in VOICES)


@pytest.fixture
def config(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The office knows the same telephones as the hotline: it calls no other name."""
    monkeypatch.setenv("XIANGYIN_SIP_ACCOUNTS", ACCOUNTS)
    settings.load.cache_clear()
    return settings.load()


def start_telephony(hotline: Hotline) -> None:
    hotline.environment["XIANGYIN_SIP_ACCOUNTS"] = ACCOUNTS
    with (hotline.folder / "telephony.log").open("a") as log:
        hotline.processes["telephony"] = subprocess.Popen(
            [sys.executable, "-m", "tests.hotline_sip.tiny_desk"],
            cwd=ROOT, env=hotline.environment, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    out = hotline.processes["telephony"].stdout
    assert out is not None
    assert out.readline() == "READY\n", hotline.logs()


def start_desk(hotline: Hotline) -> None:
    start_telephony(hotline)
    hotline.start("signalling")
    wait_until(lambda: "signalling is there" in hotline.log("telephony"), explain=hotline.logs)


def registered(hotline: Hotline) -> bool:
    text = hotline.log("signalling")
    return all(f"account={name}" in text or f'"account": "{name}"' in text for name in VOICES)


@pytest.fixture
def phones(idle_hotline: Hotline, tmp_path: Path) -> Iterator[dict[str, Baresip]]:
    """Both telephones, registered at the hotline; they pick up by themselves."""
    start_desk(idle_hotline)
    made = {}
    try:
        for name, spoken in VOICES.items():
            account = ACCOUNT.format(name=name, port=idle_hotline.port, password=PASSWORD)
            made[name] = Baresip(tmp_path / name, "PCMA", account=account, spoken=spoken)
        wait_until(lambda: registered(idle_hotline), explain=idle_hotline.logs)
        yield made
    finally:
        for phone in made.values():
            phone.process.kill()
            phone.process.wait()


@pytest.fixture
def office(database: Database, sealer: Sealer, config: Settings) -> Office:
    return Office(database, sealer, config)


def order(config: Settings) -> dict[str, Any]:
    made: dict[str, Any] = {
        "order_id": str(uuid.uuid4()),
        "expires_at": (utc_now() + timedelta(minutes=2)).isoformat(),
        "legs": [{"who": "user:1", "number": "wang"}, {"who": "resident", "number": "aunt"}],
    }
    assert door.send(config, made) == {"ok": True}
    return made


def now(config: Settings) -> Outcome:
    [path] = Ledger(config).files()
    return parse(path.read_text(encoding="utf-8"))


def hears(phone: Baresip, spoken: np.ndarray, *, before_end_s: float) -> float:
    """How like ``spoken`` a second of what the telephone heard is (0-1)."""
    heard = phone.heard()
    loud = np.flatnonzero(np.abs(heard) > 1000)
    end = int(loud[-1]) - int(before_end_s * 8000)
    return likeness(heard[end - 8000 : end], spoken)


def test_handler_and_resident_hear_each_other_and_no_more_is_kept(
    phones: dict[str, Baresip], idle_hotline: Hotline, config: Settings
) -> None:
    order(config)
    wait_until(lambda: now(config).attempts[-1:] and now(config).attempts[0].answered_at)
    time.sleep(1.5)
    assert len(now(config).attempts) == 1, "the resident is rung only after key 1"
    phones["wang"].do("sndcode", "1")
    wait_until(lambda: now(config).joined_at, explain=idle_hotline.logs)
    time.sleep(4)
    phones["aunt"].do("hangup")
    outcome = wait_until(
        lambda: now(config) if now(config).result else None, explain=idle_hotline.logs
    )
    for phone in phones.values():
        phone.quit()
    assert outcome.result == "joined"
    assert outcome.talked_ms >= 3000
    assert [attempt.cause for attempt in outcome.attempts] == ["answered", "answered"]
    assert hears(phones["aunt"], VOICES["wang"], before_end_s=0.3) > 0.99
    assert hears(phones["wang"], VOICES["aunt"], before_end_s=1.6) > 0.99, "before the goodbye"
    assert "aunt" not in (phones["wang"].folder / "out").read_text(errors="replace")
    assert "wang" not in (phones["aunt"].folder / "out").read_text(errors="replace")
    assert RESIDENT_HZ in loudest_hertz(phones["aunt"].heard())
    assert STAFF_HZ in loudest_hertz(phones["wang"].heard())
    kept = [path for path in config.data_dir.rglob("*") if path.suffix in (".pcm", ".part")]
    assert kept == []


def press_one(phones: dict[str, Baresip], idle_hotline: Hotline, config: Settings) -> None:
    """Wait until the handler's telephone answered, press 1 on it, wait until both are joined."""

    def is_asked() -> bool:
        files = Ledger(config).files()
        return bool(files and now(config).attempts and now(config).attempts[0].answered_at)

    wait_until(is_asked, explain=idle_hotline.logs)
    time.sleep(1)
    phones["wang"].do("sndcode", "1")
    wait_until(lambda: now(config).joined_at, explain=idle_hotline.logs)


def test_a_press_on_the_page_becomes_the_time_of_first_contact(
    phones: dict[str, Baresip], idle_hotline: Hotline, config: Settings, office: Office
) -> None:
    with office.database.write() as session:
        own = session.get_one(StaffPhone, office.people["handler"].id)
        own.number_sealed = office.sealer.seal("wang")
    case = office.case(caller_sealed=office.sealer.seal("aunt"))
    pressed = office.press(case)
    clerk = OutgoingClerk(office.database, office.sealer, config)
    clerk.run_once()
    press_one(phones, idle_hotline, config)
    clerk.run_once()
    assert office.row(pressed).joined_at is not None
    time.sleep(CONTACT_AT_LEAST_MS / 1000 + 0.5)
    phones["wang"].do("hangup")
    wait_until(lambda: now(config).result, explain=idle_hotline.logs)
    clerk.run_once()
    assert office.row(pressed).result == "joined"
    [event] = office.contacts()
    assert (event.case_id, event.at) == (case, office.row(pressed).joined_at)


def test_an_order_that_a_power_cut_ended_is_told_and_never_dialled_again(
    phones: dict[str, Baresip], idle_hotline: Hotline, config: Settings
) -> None:
    again = order(config)
    press_one(phones, idle_hotline, config)
    idle_hotline.kill("telephony")
    assert now(config).result is None
    start_telephony(idle_hotline)
    wait_until(lambda: now(config).result == "killed", explain=idle_hotline.logs)
    wait_until(lambda: door.send(config, again) == {"ok": False, "error": "known"})
    assert len(now(config).attempts) == 2


def test_a_machine_that_presses_nothing_is_not_joined(
    phones: dict[str, Baresip], idle_hotline: Hotline, config: Settings
) -> None:
    order(config)
    outcome = wait_until(
        lambda: now(config) if now(config).result else None, 60, explain=idle_hotline.logs
    )
    assert outcome.result == "nobody"
    assert [(a.who, a.cause) for a in outcome.attempts] == [("user:1", "declined")]
    assert list(phones["aunt"].folder.glob("dump-*")) == []
