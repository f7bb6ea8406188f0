"""The servers a village player speaks with, for benchmarks: the web process and our own broker."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from benchmarks.fanout_town import County
from benchmarks.village_web import answers_file
from broadcast.keys import ServerKey
from broadcast.models import Player
from core import blobs
from core import settings as core_settings
from core.blobs import BlobStore
from core.clock import utc_now
from edge.clock import instant
from edge.config import Broker, Identity
from recordings.models import Clip, Episode, Programme
from schedule import horizon
from schedule.models import Play, Slot, SlotVillage

WEB = ("-m", "benchmarks.village_web")
_ZONE = ZoneInfo("Asia/Shanghai")
_POLL, _REPORT = "GET /edge/v1/manifest", "POST /edge/v1/health"


@dataclass(frozen=True)
class Answers:
    """How often the player was answered well: asked for its list, told its health."""

    polls: int
    reports: int


class VillageServer:
    """One village with one player, approved; everything it says goes by TLS."""

    def __init__(self, county: County) -> None:
        self._county = county
        (self._account,) = county.accounts

    @property
    def ca(self) -> bytes:
        """The authority of its certificate in PEM."""
        return (self._county.folder / "tls" / "ca.pem").read_bytes()

    def welcome(self, public_key: bytes) -> Identity:
        """Let a box in; what enrolment would have given it."""
        account, county = self._account, self._county
        with county.database.write() as session:
            session.get_one(Player, account.player_id).public_key = base64.b64encode(
                public_key
            ).decode()
        return Identity(
            server_url=f"https://127.0.0.1:{county.web_port}",
            own_ca=True,
            player_id=account.player_id,
            area_code=account.area_code,
            token=account.token,
            server_key=ServerKey.from_settings(county.settings).public,
            zone=_ZONE.key,
            name="",
            mqtt=Broker(
                "127.0.0.1",
                county.mqtt_port,
                True,
                account.player_id,
                account.mqtt_password,
                account.prefix,
            ),
        )

    def plan(self, starts_at_s: float, flac: bytes, duration_ms: int) -> None:
        """A play of an approved episode, at a whole wall second."""
        starts_at = instant(round(starts_at_s))
        local = starts_at.astimezone(_ZONE)
        area, now = self._account.area_code, utc_now()
        with self._county.database.write() as session:
            programme = Programme(name="村里的广播", area_code=area, created_at=now)
            session.add(programme)
            store = BlobStore.from_settings(self._county.settings)
            sha256 = store.put_bytes(flac)
            blobs.register(session, store, sha256, "audio/flac")
            session.add(
                Clip(
                    sha256=sha256, rendition="delivery", codec="flac", duration_ms=duration_ms,
                    sample_rate_hz=48_000, channels=1, created_at=now,
                )
            )  # fmt: skip
            session.flush()
            slot = Slot(
                programme_id=programme.id, name="广播", local_time=local.time(), zone=_ZONE.key,
                weekdays=[1, 2, 3, 4, 5, 6, 7], first_date=local.date(), last_date=local.date(),
                created_at=now,
            )  # fmt: skip
            episode = Episode(
                programme_id=programme.id, number=1, title="第1期", source="upload",
                state="approved", delivery_sha256=sha256, created_at=now, decided_at=now,
            )  # fmt: skip
            session.add_all([slot, episode])
            session.flush()
            session.add(SlotVillage(slot_id=slot.id, area_code=area))
            session.flush()
            horizon.plan_slot(session, slot.id, starts_at + timedelta(minutes=1))

    def answers(self) -> Answers:
        """How often it answered so far."""
        file = answers_file(self._county.folder)
        lines = file.read_text().splitlines() if file.exists() else []
        return Answers(
            sum(line in (f"{_POLL} 200", f"{_POLL} 304") for line in lines),
            lines.count(f"{_REPORT} 200"),
        )

    def is_connected(self) -> bool:
        """Whether the broker says that the player is there."""
        with self._county.database.read() as session:
            return session.get_one(Player, self._account.player_id).online

    def proved_plays(self) -> int:
        """Plays whose receipt says that they sounded."""
        with self._county.database.read() as session:
            played = sa.select(sa.func.count()).where(Play.state == "played")
            return session.scalar(played) or 0


@contextmanager
def running(folder: Path) -> Iterator[VillageServer]:
    """Serve until the block ends. The environment is as before within it."""
    before = dict(os.environ)
    folder.mkdir()
    try:
        county = County(folder, "own", 1, WEB)
        try:
            county.start()
            _restore(before)
            yield VillageServer(county)
        finally:
            county.stop()
    finally:
        _restore(before)


def _restore(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    core_settings.load.cache_clear()
