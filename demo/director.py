"""Gives the demo town its programme, its players and a play that sounds soon after the start."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from datetime import time as wall_time
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import players, village_map
from broadcast.models import Player
from core import auth
from core.auth import Actor
from core.clock import utc_now
from core.database import Database
from core.errors import XiangyinError
from core.models import User
from core.settings import Settings
from core.supervisor import ChildSpec
from demo import people, phones, town
from recordings import approval, ingest, programmes
from recordings.models import Episode, Programme
from schedule import slots
from schedule.models import Slot

PROGRAMME = "所长说法"
TITLE = "不听、不信、不转账"
SCRIPT = (
    "各位乡亲，大家好，我是竹溪派出所的陈所长。今天说一说电信诈骗。"
    "凡是电话里叫您转账的，凡是问您要验证码的，都是骗子。"
    "记住三句话：不听，不信，不转账。拿不准，就打派出所的电话。谢谢大家。"
)
LOUD_VILLAGES = 3
DEMO_PLAY_IN_S = 25
WEEKLY = ((wall_time(7, 0), "早间"), (wall_time(12, 0), "午间"), (wall_time(18, 30), "傍晚"))
PATIENCE_S = 120
PLAYER_SETTINGS = 'sink = "wav"  # this machine may have no sound card\n'


def prepare(config: Settings, say: Callable[[str], None]) -> list[ChildSpec]:
    """Seed town and people, enrol the players that are not yet; returns what to start."""
    database = Database.from_settings(config)
    with database.write() as session:
        town.seed_areas(session)
    with database.write() as session:
        people.seed(session, config)
        phones.seed(session, config)
        if not village_map.file_of(config).is_file():
            village_map.keep(session, _actor(session, "admin"), config, town.MAP.read_bytes())
    specs = []
    for village in town.villages()[:LOUD_VILLAGES]:
        home = config.folder("demo", "players") / village.report_code
        if not (home / "identity.json").is_file():
            say(f"enrolling the player of {village.name}")
            try:
                _enrol(database, config, village, home)
            except (subprocess.CalledProcessError, XiangyinError) as problem:
                say(f"the player of {village.name} could not be enrolled: {problem}")
                continue
        specs.append(
            ChildSpec(
                f"player-{village.report_code}",
                [sys.executable, "-m", "edge", "run", "--home", str(home)],
            )
        )
    database.close()
    return [*specs, ChildSpec("director", [sys.executable, "-m", "demo", "director"])]


def _enrol(database: Database, config: Settings, village: town.Village, home: Path) -> None:
    with database.write() as session:
        admin = _actor(session, "admin")
        code = players.new_code(session, admin, village.code, f"{village.name}喇叭").code
    scheme = "http" if config.web_tls == "off" else "https"
    authority = config.data_dir / "tls" / "ca.pem"
    trust = ["--ca", str(authority)] if config.web_tls == "own-ca" else []
    address = f"{scheme}://localhost:{config.web_port}"
    command = [sys.executable, "-m", "edge", "enrol", code, "--server", address, *trust]
    subprocess.run([*command, "--home", str(home)], check=True, stdout=subprocess.DEVNULL)
    with database.write() as session:
        admin = _actor(session, "admin")
        for waiting in players.waiting_for_approval(session, admin):
            if waiting.area_code == village.code:
                players.approve(session, admin, waiting.id)
    (home / "settings.toml").write_text(PLAYER_SETTINGS, encoding="utf-8")


def _actor(session: Session, login: str) -> Actor:
    return auth.actor_of(session.scalars(sa.select(User).where(User.login == login)).one())


def direct(config: Settings) -> None:
    """Make the programme ready, plan the week, and let one play sound in a few seconds."""
    database = Database.from_settings(config)
    episode_id = _episode(database)
    deadline = time.monotonic() + PATIENCE_S
    while not _approved(database, episode_id):
        if time.monotonic() > deadline:
            raise SystemExit("the demo episode did not become ready in time")
        time.sleep(0.2)
    with database.write() as session:
        _plan(session, config)
    database.close()


def _episode(database: Database) -> int:
    with database.write() as session:
        found = session.scalar(
            sa.select(Episode.id)
            .join(Programme, Programme.id == Episode.programme_id)
            .where(Programme.name == PROGRAMME)
        )
        if found is not None:
            return found
        chief = _actor(session, "demo")
        series = programmes.create(
            session, chief, PROGRAMME, "派出所所长每周说一件身边的事", town.TOWN
        )
        return ingest.receive_script(session, chief, series.id, TITLE, SCRIPT).id


def _approved(database: Database, episode_id: int) -> bool:
    """Whether the villages may hear it; carries it through submission and approval when ready."""
    with database.write() as session:
        chief, episode = _actor(session, "demo"), session.get_one(Episode, episode_id)
        if episode.state == "failed":
            raise SystemExit(f"the demo episode failed: {episode.failure}")
        if episode.state == "ready":
            approval.submit(session, chief, episode_id)
        if episode.state == "submitted":
            approval.approve(session, chief, episode_id)
        return episode.state in ("approved", "rejected")


def _plan(session: Session, config: Settings) -> None:
    chief, zone = _actor(session, "demo"), ZoneInfo(config.zone)
    series = session.scalars(sa.select(Programme).where(Programme.name == PROGRAMME)).one()
    loud = list(session.scalars(sa.select(Player.area_code).where(Player.revoked_at.is_(None))))
    soon = (utc_now() + timedelta(seconds=DEMO_PLAY_IN_S)).astimezone(zone)
    once = [soon.isoweekday()]
    at = soon.time().replace(microsecond=0)
    today: date = soon.date()
    plans = [
        slots.SlotPlan(series.id, at, config.zone, once, today, today, loud, "演示：马上播放", 5)
    ]
    if session.scalar(sa.select(Slot.id).where(Slot.name == WEEKLY[0][1])) is None:
        year = today + timedelta(days=365)
        plans += [
            slots.SlotPlan(series.id, when, config.zone, range(1, 8), today, year, loud, name)
            for when, name in WEEKLY
        ]
    for plan in plans:
        slots.create(session, chief, plan)
