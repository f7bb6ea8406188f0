"""A small town for tests of plays: one township with three villages, another town, a programme."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, time

from sqlalchemy.orm import Session

from core import areas, auth
from core.auth import Actor
from core.blobs import BlobStore, register
from core.clock import utc_now
from core.database import Database
from core.models import User
from recordings.models import Clip, Episode, Programme
from schedule.slots import SlotPlan

COUNTY, TOWNSHIP, ELSEWHERE = "510100000000", "510101000000", "510102000000"
VILLAGES = ["510101001000", "510101002000", "510101003000"]
FOREIGN_VILLAGE = "510102001000"


@dataclass(frozen=True)
class Town:
    """Ids of the cast: a recorder of the township, an outsider of the next one."""

    recorder: Actor
    outsider: Actor
    administrator: Actor
    leader: Actor
    programme_id: int


def build(database: Database) -> Town:
    """Fill an empty database with the town."""
    with database.write() as session:
        areas.add(session, COUNTY, "示例县", "county")
        areas.add(session, TOWNSHIP, "示例镇", "township", COUNTY)
        areas.add(session, ELSEWHERE, "邻镇", "township", COUNTY)
        for number, code in enumerate(VILLAGES, 1):
            areas.add(session, code, f"示例村{number}", "village", TOWNSHIP)
        areas.add(session, FOREIGN_VILLAGE, "邻村", "village", ELSEWHERE)
        cast = [
            _person(session, "recorder", ["recorder"], TOWNSHIP),
            _person(session, "outsider", ["recorder", "administrator"], ELSEWHERE),
            _person(session, "administrator", ["administrator"], TOWNSHIP),
            _person(session, "leader", ["leader"], COUNTY),
        ]
        programme = Programme(name="所长说法", area_code=TOWNSHIP, created_at=utc_now())
        session.add(programme)
        session.flush()
        return Town(*cast, programme.id)


def _person(session: Session, login: str, roles: list[str], area_code: str) -> Actor:
    user = User(
        login=login,
        display_name=login,
        password_hash="nobody logs in here",  # hashing a real one takes most of a test's time
        roles=roles,
        area_code=area_code,
        created_at=utc_now(),
    )
    session.add(user)
    session.flush()
    return auth.actor_of(user)


def approve_episode(
    session: Session,
    store: BlobStore,
    programme_id: int,
    number: int,
    *,
    duration_ms: int = 120_000,
    sound: bytes | None = None,
) -> Episode:
    """An approved episode with a delivery rendition of ``duration_ms``."""
    digest = store.put_bytes(sound or b"OggS" + hashlib.sha256(str(number).encode()).digest() * 64)
    register(session, store, digest, "audio/ogg")
    now = utc_now()
    if session.get(Clip, digest) is None:
        session.add(
            Clip(
                sha256=digest,
                rendition="delivery",
                codec="opus",
                duration_ms=duration_ms,
                sample_rate_hz=48_000,
                channels=1,
                created_at=now,
            )
        )
    episode = Episode(
        programme_id=programme_id,
        number=number,
        title=f"第{number}期",
        source="upload",
        state="approved",
        delivery_sha256=digest,
        created_at=now,
        decided_at=now,
    )
    session.add(episode)
    session.flush()
    return episode


def noon_plan(town: Town, **changes: object) -> SlotPlan:
    """Daily at 12:00 in the first half of June 2026 in all three villages."""
    plan: dict[str, object] = {
        "programme_id": town.programme_id,
        "local_time": time(12, 0),
        "zone": "Asia/Shanghai",
        "weekdays": [1, 2, 3, 4, 5, 6, 7],
        "first_date": date(2026, 6, 1),
        "last_date": date(2026, 6, 14),
        "villages": VILLAGES,
    }
    return SlotPlan(**{**plan, **changes})  # type: ignore[arg-type]
