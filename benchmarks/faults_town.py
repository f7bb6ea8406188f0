"""The town of the week of faults: people, programmes, editions, and the players' enrolment."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import soundfile as sf
import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.faults_plan import PLAY_S, ZONE, Scenario
from broadcast import players
from broadcast.models import Player
from core import auth, blobs, outbox
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import User
from demo import town
from edge.client import Client, identity_from
from edge.config import Home
from recordings import approval
from recordings.models import Clip, Episode, Programme
from schedule import slots
from schedule.slots import SlotPlan

RATE_HZ = 48_000
LOWEST_HZ, STEP_HZ = 300, 40
THIN = 8  # 6 kHz suffice for these tones
PLAYER_SETTINGS = 'sink = "wav"\npoll_s = 3\nhealth_s = 20\n'
LOGIN = "faults"


def clip(number: int) -> bytes:
    """A tone that tells which clip it is."""
    seconds = np.arange(PLAY_S * RATE_HZ) / RATE_HZ
    tone = 0.4 * np.sin(2 * np.pi * (LOWEST_HZ + STEP_HZ * number) * seconds)
    out = io.BytesIO()
    sf.write(out, tone.astype(np.float32), RATE_HZ, format="OGG", subtype="OPUS")
    return out.getvalue()


def heard_number(file: Path) -> int | None:
    """Which clip a WAV holds; None: silence, or nothing known."""
    samples, rate_hz = sf.read(file, dtype="float32")
    if len(samples) == 0 or float(np.abs(samples).max()) < 0.05:
        return None
    coarse, rate_hz = samples[::THIN], rate_hz / THIN
    hertz = float(np.abs(np.fft.rfft(coarse)).argmax()) * rate_hz / len(coarse)
    number = round((hertz - LOWEST_HZ) / STEP_HZ)
    return number if abs(hertz - LOWEST_HZ - STEP_HZ * number) < 8 else None


@dataclass
class Editions:
    """What was approved so far. ``by_sha256``: number of the clip; number 0 is never approved."""

    by_sha256: dict[str, int]
    programme_of: dict[str, int]

    def sha256(self, number: int) -> str | None:
        """The clip with a number."""
        return next((name for name, found in self.by_sha256.items() if found == number), None)

    def of(self, programme_id: int) -> frozenset[str]:
        """Clips that were approved for a programme."""
        return frozenset(name for name, owner in self.programme_of.items() if owner == programme_id)


class Office:
    """What people do at the desk, straight on the database."""

    def __init__(self, database: Database, store: BlobStore, scenario: Scenario) -> None:
        self._database, self._store, self._scenario = database, store, scenario
        self.editions = Editions({}, {})
        self.programmes: list[int] = []
        self._next = 1

    def open(self, first: date) -> None:
        """Areas, one person, programmes with a first edition, and the slots of all days."""
        last = first + timedelta(days=self._scenario.days - 1)
        villages = [one.code for one in town.villages()[: self._scenario.villages]]
        with self._database.write() as session:
            town.seed_areas(session)
        with self._database.write() as session:
            roles = ["administrator", "recorder", "approver"]
            auth.create_user(session, LOGIN, "值班", "week-of-faults", roles, town.TOWN)
            for number in range(len(self._scenario.times)):
                programme = Programme(
                    name=f"节目{number + 1}", area_code=town.TOWN, created_at=utc_now()
                )
                session.add(programme)
                session.flush()
                self.programmes.append(programme.id)
        self._keep(0, self.programmes[0], "submitted")
        self.new_editions()
        with self._database.write() as session:
            for programme_id, at in zip(self.programmes, sorted(self._scenario.times), strict=True):
                slots.create(
                    session,
                    _actor(session),
                    SlotPlan(
                        programme_id, at, ZONE, range(1, 8), first, last, villages,
                        make_up_minutes=self._scenario.make_up_minutes,
                    ),
                )  # fmt: skip

    def new_editions(self) -> None:
        """Another edition of every programme is approved: what lies ahead changes."""
        for programme_id in self.programmes:
            episode_id = self._keep(self._next, programme_id, "submitted")
            self._next += 1
            with self._database.write() as session:
                found = approval.approve(session, _actor(session), episode_id)
                assert found.delivery_sha256 is not None
                self.editions.programme_of[found.delivery_sha256] = programme_id

    def _keep(self, number: int, programme_id: int, state: str) -> int:
        digest = self._store.put_bytes(clip(number))
        self.editions.by_sha256[digest] = number
        with self._database.write() as session:
            blobs.register(session, self._store, digest, "audio/ogg")
            now = utc_now()
            session.add(
                Clip(
                    sha256=digest, rendition="delivery", codec="opus", duration_ms=PLAY_S * 1000,
                    sample_rate_hz=RATE_HZ, channels=1, created_at=now,
                )
            )  # fmt: skip
            episode = Episode(
                programme_id=programme_id, number=number, title=f"第{number}期", source="upload",
                state=state, delivery_sha256=digest, created_at=now,
            )  # fmt: skip
            session.add(episode)
            session.flush()
            return episode.id

    def enrol(self, home: Home, village: int, url: str, ca: Path, ports: Mapping[int, int]) -> str:
        """A box joins through the cable and is approved; returns the player's id."""
        area = town.villages()[village].code
        with self._database.write() as session:
            code = players.new_code(session, _actor(session), area).code
        home.make_folders()
        client = Client(url, ca)
        answer = client.enrol(code, f"player-{village}", home.new_key())
        client.close()
        if answer.get("mqtt"):
            answer["mqtt"]["port"] = ports[answer["mqtt"]["port"]]
        identity = identity_from(answer, url, own_ca=True, name=f"player-{village}")
        home.save_enrolment(identity, ca.read_bytes())
        text = json.loads(home.identity_file.read_text())
        home.settings_file.write_text(PLAYER_SETTINGS)
        with self._database.write() as session:
            player = session.get_one(Player, identity.player_id)
            player.approved_at = utc_now()
            outbox.emit(session, "player.changed", player_id=player.id)
        return str(text["player_id"])


def _actor(session: Session) -> Actor:
    return auth.actor_of(session.scalars(sa.select(User).where(User.login == LOGIN)).one())
