"""A PostgreSQL server of the tests' own: started once, a fresh database for each asker."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import psycopg

from tests import counterparts


class Postgres:
    """A throw-away cluster that listens on a Unix socket and a loopback port."""

    def __init__(self) -> None:
        initdb = counterparts.find("postgresql")
        assert initdb is not None
        self._bin = Path(initdb).parent
        self.folder = Path(tempfile.mkdtemp(prefix="xy-pg-"))
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._as_owner("initdb", "-D", f"{self.folder}/data", "-U", "xy", "-A", "trust", "-N")
        self.start()

    def _as_owner(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={self._user}", "--clear-groups", *command]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, timeout=60)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c fsync=off -c listen_addresses=127.0.0.1"
        log = str(self.folder / "log")
        self._as_owner("pg_ctl", "-D", f"{self.folder}/data", "-o", options, "-l", log, "start")
        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self._dsn("postgres")).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop at once, as a power cut would."""
        self._as_owner("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")

    def _dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=xy dbname={database}"

    def new_database(self) -> str:
        """SQLAlchemy URL of an empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://xy@127.0.0.1:{self.port}/{name}"

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
