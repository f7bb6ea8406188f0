"""A small county, the people in it, somebody from elsewhere, and reports that arrive."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cases import intake
from cases.intake import Arrival, Received
from core import areas, auth
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer

COUNTY, TOWNSHIP, VILLAGE, NEIGHBOUR = (
    "130000000000",
    "130001000000",
    "130001001000",
    "130001002000",
)
ELSEWHERE, FAR_VILLAGE = "140000000000", "140001001000"
NUMBER = "13812345678"


@dataclass(frozen=True)
class Cast:
    """Everybody the tests need, as actors."""

    operator: Actor
    colleague: Actor
    dispatcher: Actor
    handler: Actor
    other_handler: Actor
    township: Actor
    county: Actor
    city: Actor
    custodian: Actor
    recorder: Actor
    administrator: Actor
    outsider: Actor


PEOPLE = {
    "operator": (["operator"], COUNTY),
    "colleague": (["operator"], COUNTY),
    "dispatcher": (["dispatcher"], COUNTY),
    "handler": (["handler"], VILLAGE),
    "other_handler": (["handler"], VILLAGE),
    "township": (["township"], TOWNSHIP),
    "county": (["county"], COUNTY),
    "city": (["city"], COUNTY),
    "custodian": (["custodian"], COUNTY),
    "recorder": (["recorder"], COUNTY),
    "administrator": (["administrator"], COUNTY),
    "outsider": (["operator", "dispatcher", "county"], ELSEWHERE),
}


@pytest.fixture
def cast(database: Database, monkeypatch: pytest.MonkeyPatch) -> Cast:
    monkeypatch.setattr(auth._passwords, "hash", lambda _password: "not used here")
    with database.write() as session:
        areas.add(session, COUNTY, "安平县", "county")
        areas.add(session, TOWNSHIP, "柳林镇", "township", COUNTY)
        areas.add(session, VILLAGE, "石桥村", "village", TOWNSHIP, report_code="shiqiao")
        areas.add(session, NEIGHBOUR, "柳河村", "village", TOWNSHIP)
        areas.add(session, ELSEWHERE, "远山县", "county")
        areas.add(session, FAR_VILLAGE, "远村", "village", ELSEWHERE)
        made = {
            name: auth.actor_of(
                auth.create_user(session, name, name.title(), "password 1", roles, area)
            )
            for name, (roles, area) in PEOPLE.items()
        }
    return Cast(**made)


def tone(path: Path, *, duration_s: float = 1.0, rate_hz: int = 8000) -> Path:
    """A mono PCM16 WAV with a 440 Hz tone."""
    samples = [
        int(9000 * math.sin(2 * math.pi * 440 * n / rate_hz))
        for n in range(int(duration_s * rate_hz))
    ]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return path


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return tone(tmp_path / "call.wav")


Arrive = Callable[..., Received]


@pytest.fixture
def arrive(database: Database, store: BlobStore, sealer: Sealer) -> Arrive:
    """Let a report in; every argument of Arrival can be given."""
    count = 0

    def let_in(**fields: object) -> Received:
        nonlocal count
        count += 1
        plain = Arrival(
            channel="typed",
            source_key=f"test:{count}",
            received_at=utc_now(),
            typed_text="村口路灯坏了",
            village_code=VILLAGE,
        )
        with database.write() as session:
            return intake.receive(session, store, sealer, replace(plain, **fields))  # type: ignore[arg-type]

    return let_in
