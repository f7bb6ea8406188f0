"""The page on backups keeps all that may not be lost, and its commands bring it back."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from core import migrate
from core.database import Database
from core.models import Area
from core.settings import Settings
from tests import counterparts
from tests.conftest import ROOT
from tests.postgres import Postgres

PAGE = (ROOT / "docs" / "backup.md").read_text("utf-8")
MADE_ANEW = {
    "asterisk", "broker", "decoding", "evaluation", "grammars", "letters", "prompts", "run",
    "streams", "work",
}  # fmt: skip
"""Folders of data_dir that a start, a duty or the next question fills again."""
ROOMS = (
    "core", "recordings", "transcribe", "cases", "schedule", "hotline", "broadcast", "desk", "web",
)  # fmt: skip


def blocks() -> list[str]:
    """The commands of the page: copy, dump, put back, put the dump back, say so."""
    return re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)


def kept() -> list[str]:
    """What is copied beside the database."""
    found = re.search(r"for part in (.*?); do", PAGE)
    assert found is not None
    return found[1].split()


def test_each_folder_of_the_data_is_kept_or_made_anew() -> None:
    folders = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            folders |= set(re.findall(r"\.folder\(\"(\w+)\"", path.read_text("utf-8")))
    assert {"live", "hotline", "incoming", "blobs", "models"} <= folders
    assert folders - MADE_ANEW == {part.split("/")[0] for part in kept()} - {"prompts"}


class Machine:
    """The machine of the page: its folders lie below ``root``, and nothing is a service."""

    def __init__(self, root: Path) -> None:
        self.opt = root / "opt"
        self.backup = root / "backup"
        self.owner = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._settings_file = root / "xiangyin.env"
        self._bin = root / "bin"
        for folder in (self.opt, self.backup, self._bin):
            folder.mkdir()
        for name in (".venv", "server.py"):
            (self.opt / name).symlink_to(ROOT / name)
        self._settings_file.write_text(f"XIANGYIN_DATA_DIR={self.opt}/var\n")
        self._stand_in("sudo", 'shift 2; exec "$@"')
        self._stand_in("systemctl", f'echo "$@" >> {root}/services')

    def _stand_in(self, name: str, does: str) -> None:
        program = self._bin / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)

    def give(self, commands: str, **places: str) -> None:
        """Run a block of the page."""
        moved = {
            **places,
            "/backup/today": f"{self.backup}/today",
            "/opt/xiangyin": str(self.opt),
            "/etc/xiangyin/xiangyin.env": str(self._settings_file),
            "chown -R xiangyin:": f"chown -R {self.owner}:",
        }
        for there, here in moved.items():
            commands = commands.replace(there, here)
        path = f"{self._bin}:{counterparts.program_path()}"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("XIANGYIN_")
        }
        subprocess.run(
            ["sh", "-ec", commands], cwd=self.opt, env={**environment, "PATH": path}, check=True,
            timeout=120,
        )  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root = tmp_path / "machine"
    root.mkdir()
    return Machine(root)


@pytest.fixture
def var(machine: Machine) -> Path:
    """Data as a server has it: a database, and a file wherever something is kept."""
    folder = machine.opt / "var"
    database = Database.from_settings(Settings(data_dir=folder))
    migrate.upgrade(database)
    database.close()
    for part in kept():
        path = folder / part if "." in part else folder / part / "held"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(part)
    (folder / "hotline" / "references.json").write_text("{}")
    return folder


def audited(var: Path) -> list[str]:
    connection = sqlite3.connect(var / "xiangyin.db")
    try:
        return [row[0] for row in connection.execute("SELECT action FROM audit_entry")]
    finally:
        connection.close()


def test_what_was_backed_up_comes_back_in_the_hands_of_the_servers_user(
    machine: Machine, var: Path
) -> None:
    copy, _dump, put_back, _dump_back, say_so = blocks()
    machine.give(copy)
    shutil.rmtree(var)
    machine.give(put_back)
    for part in kept():
        path = var / part if "." in part else var / part / "held"
        assert path.read_text() == part
    assert not (var / "hotline" / "references.json").exists()
    owners = {path.owner() for path in (var, *var.rglob("*"))}
    assert owners == {machine.owner}
    assert var.stat().st_mode & 0o777 == 0o755  # others have their folder below it
    machine.give(say_so)
    assert audited(var) == ["database.restored"]


def test_the_server_stands_still_while_its_data_is_put_back(machine: Machine, var: Path) -> None:
    copy, _dump, put_back, _dump_back, say_so = blocks()
    for commands in (copy, put_back, say_so):
        machine.give(commands)
    services = (machine.opt.parent / "services").read_text().splitlines()
    assert services == ["stop xiangyin", "start xiangyin"]
    assert put_back.startswith("systemctl stop")
    assert say_so.rstrip().endswith("systemctl start xiangyin")


@pytest.mark.real("postgresql")
def test_a_dump_of_postgresql_replaces_what_was_there(machine: Machine, postgres: Postgres) -> None:
    _copy, dump, _put_back, dump_back, _say_so = blocks()
    address = postgres.new_database()
    place = {"postgresql://xiangyin:PASSWORD@HOST/xiangyin": address.replace("+psycopg", "")}
    database = Database(address)
    migrate.upgrade(database)
    with database.write() as session:
        session.add(Area(code="330000000000", name="before", level="province"))
    machine.give(dump, **place)
    with database.write() as session:
        session.get_one(Area, "330000000000").name = "after"
    machine.give(dump_back, **place)
    with database.read() as session:
        assert session.scalars(sa.select(Area.name)).all() == ["before"]
    database.close()
