"""The servers of the fan-out benchmark: a broker, the web process, and a county full of players."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks import machine
from benchmarks.fanout_clients import Account, Servers
from benchmarks.machine import free_port
from benchmarks.town import ROOT
from broadcast import accounts, override
from broadcast.models import Override, Player
from core import auth, blobs, migrate
from core import settings as core_settings
from core.auth import Actor, token_hash
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.models import Area, User
from core.supervisor import READY, die_with_parent
from web import tls

START_S = 120.0
SERVER_LOGIN = "station"
SETTLE_S, QUIET_S, QUIET_SHARE = 120.0, 2.0, 0.15
VILLAGE_NAME = "竹溪村"
"""One for all: a thousand would be spoken for the telephone beside the measuring."""
WEB = (str(ROOT / "server.py"), "web")


class County:
    """``players`` villages with one player each. ``broker``: own or mosquitto."""

    def __init__(self, folder: Path, broker: str, players: int, web: tuple[str, ...] = WEB) -> None:
        self.folder = folder
        self.broker = broker
        self.mqtt_port = free_port(socket.SOCK_STREAM)
        self.web_port = free_port(socket.SOCK_STREAM)
        self._web = web
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._set_environment()
        core_settings.load.cache_clear()
        self.settings = core_settings.load()
        files = tls.ensure(self.settings)
        assert files is not None
        self._ca = files.ca
        self.database = Database.from_settings(self.settings)
        migrate.upgrade(self.database)
        self.accounts = self._populate(players)
        with self.database.read() as session:
            accounts.write_files(session, self.settings)

    def _set_environment(self) -> None:
        for name in [each for each in os.environ if each.startswith("XIANGYIN_")]:
            del os.environ[name]
        os.environ |= {
            "XIANGYIN_DATA_DIR": str(self.folder),
            "XIANGYIN_WEB_HOST": "127.0.0.1",
            "XIANGYIN_WEB_PORT": str(self.web_port),
            "XIANGYIN_GUIDE_PORT": str(free_port(socket.SOCK_STREAM)),
            "XIANGYIN_MQTT_HOST": "127.0.0.1",
            "XIANGYIN_MQTT_PORT": str(self.mqtt_port),
            "SSL_CERT_FILE": str(self.folder / "tls" / "ca.pem"),
        }
        if self.broker == "mosquitto":
            password = secrets.token_urlsafe(12)
            os.environ["XIANGYIN_MQTT_URL"] = (
                f"mqtts://{SERVER_LOGIN}:{password}@127.0.0.1:{self.mqtt_port}"
            )

    @property
    def servers(self) -> Servers:
        trust = ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.pem"))
        return Servers(self.web_port, self.mqtt_port, trust)

    def start(self) -> None:
        """Broker first, as server.py does."""
        self.start_broker()
        self._start("web", [sys.executable, *self._web])
        self._settle(self._children["web"].pid)

    def _settle(self, pid: int) -> None:
        """What a fresh server does once (it learns to sort reports) is not what is measured."""
        until = time.monotonic() + SETTLE_S
        used_s = machine.cpu_s(pid)
        while time.monotonic() < until:
            time.sleep(QUIET_S)
            before_s, used_s = used_s, machine.cpu_s(pid)
            if used_s - before_s < QUIET_S * QUIET_SHARE:
                return

    def start_broker(self) -> None:
        if self.broker == "own":
            self._start("broker", [sys.executable, "-m", "broadcast", "broker"])
            return
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None, "mosquitto is not installed"
        folder, certificates = self.settings.folder("broker"), self.folder / "tls"
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.mqtt_port} 127.0.0.1\nallow_anonymous false\nuser root\n"
            f"password_file {folder}/mosquitto.passwd\nacl_file {folder}/mosquitto.acl\n"
            f"certfile {certificates}/server.pem\nkeyfile {certificates}/server.key\n"
        )
        self._children["broker"] = self._launch("broker", [program, "-c", str(configuration)])
        deadline = time.monotonic() + START_S
        while socket.socket().connect_ex(("127.0.0.1", self.mqtt_port)):
            if time.monotonic() > deadline:
                raise RuntimeError("mosquitto does not listen")
            time.sleep(0.05)

    def kill_broker(self) -> None:
        """As a power cut would."""
        broker = self._children.pop("broker")
        broker.kill()
        broker.wait()

    def stop(self) -> None:
        """End what was started, the newest first."""
        for child in reversed(self._children.values()):
            child.terminate()
        for child in self._children.values():
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.database.close()

    def memory_mb(self, name: str) -> int:
        """Resident memory of a child."""
        status = Path(f"/proc/{self._children[name].pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) // 1024

    def order(self) -> tuple[int, int]:
        """(id, version) of an override for all villages whose sound is ready."""
        store = BlobStore.from_settings(self.settings)
        now = utc_now()
        with self.database.write() as session:
            sha256 = store.put_bytes(b"OggS" + bytes(8_000))
            blobs.register(session, store, sha256, "audio/ogg")
            found = Override(
                kind="emergency",
                title="汛情",
                clip_sha256=sha256,
                duration_ms=5_000,
                volume_percent=100,
                villages=[account.area_code for account in self.accounts],
                state="ready",
                repeat_every_s=None,
                valid_until=now + timedelta(hours=2),
                created_by_id=self.official.id,
                created_at=now,
                form_token=secrets.token_hex(8),
                version=1,
            )
            session.add(found)
            session.flush()
            return found.id, found.version

    def publish(self, override_id: int, version: int) -> tuple[float, float]:
        """The official's second yes; (asked, committed) by ``time.monotonic``."""
        asked = time.monotonic()
        with self.database.write() as session:
            count = str(len(self.accounts))
            override.confirm(session, self.official, override_id, version, count)
        return asked, time.monotonic()

    def told_versions(self) -> dict[str, int | None]:
        """What the server knows each player to have."""
        with self.database.read() as session:
            rows = session.execute(sa.select(Player.id, Player.manifest_version))
            return {player_id: version for player_id, version in rows}

    def _start(self, name: str, command: list[str]) -> None:
        child = self._children[name] = self._launch(name, command)
        assert child.stdout is not None
        if child.stdout.readline().strip() != READY:
            raise RuntimeError(f"{name} did not start, see {self.folder / name}.err")

    def _launch(self, name: str, command: list[str]) -> subprocess.Popen[str]:
        with (self.folder / f"{name}.err").open("ab") as errors:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=die_with_parent,
            )

    def _populate(self, players: int) -> list[Account]:
        now = utc_now()
        found = []
        with self.database.write() as session:
            for code, name, level, parent in (
                ("510000000000", "省", "province", None),
                ("510100000000", "市", "city", "510000000000"),
                ("510101000000", "县", "county", "510100000000"),
            ):
                session.add(Area(code=code, name=name, level=level, parent_code=parent))
                session.flush()
            auth.create_user(
                session, "official", "值班员", secrets.token_hex(8), ["county"], "510101000000"
            )
            for number in range(players):
                if number % 100 == 0:
                    township = f"510101{number // 100 + 1:03d}000"
                    session.add(
                        Area(
                            code=township,
                            name=f"乡{number // 100}",
                            level="township",
                            parent_code="510101000000",
                        )
                    )
                    session.flush()
                code = f"{township[:9]}{number % 100 + 100}"
                session.add(
                    Area(code=code, name=VILLAGE_NAME, level="village", parent_code=township)
                )
                account = Account(
                    f"p-{number:012x}", code, f"pt_{secrets.token_hex(16)}", secrets.token_hex(12)
                )
                found.append(account)
            session.flush()
            session.add_all(
                Player(
                    id=each.player_id,
                    area_code=each.area_code,
                    name=each.player_id,
                    public_key=secrets.token_hex(20),
                    token_hash=token_hash(each.token),
                    mqtt_password_hash=accounts.hash_password(each.mqtt_password),
                    enrolled_at=now,
                    approved_at=now,
                )
                for each in found
            )
        with self.database.read() as session:
            user = session.scalar(sa.select(User).where(User.login == "official"))
            assert user is not None
            self.official: Actor = auth.actor_of(user)
        return found
