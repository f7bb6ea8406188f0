"""Starts everything in order, watches it, stops it in reverse.

.venv/bin/python server.py                start with an empty town
.venv/bin/python server.py --demo         start the demo town (what ``make run`` does)
.venv/bin/python server.py token LOGIN    print a new API token for a person
.venv/bin/python server.py restored       say that the database came back from a backup
.venv/bin/python server.py web            the web process alone (started by the above)
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import sqlalchemy as sa

from core import auth, logs, migrate, settings
from core.database import Database
from core.database_wait import Refused, when_there
from core.errors import InvalidInput
from core.files import lock_now
from core.models import User
from core.processes import children
from core.sealed import secret_key
from core.settings import Settings
from core.supervisor import EXIT_CONFIGURATION, READY, Child, ChildSpec, Supervisor, die_with_parent

ROOT = Path(__file__).resolve().parent


def say(text: str) -> None:
    print(f"> {text}", flush=True)


# --- the web process -----------------------------------------------------------------------------


def run_web(config: Settings) -> None:
    """Pages, API and all background duties that need the database."""
    from web.deps import Services
    from web.duties import background
    from web.serve import CannotServe, serve

    logs.configure("web", config.log_level)
    services = Services.from_settings(config)
    stopping = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stopping.set())
    services.duties.start(background(services))
    try:
        serve(services, stopping, ready=lambda *_ports: print(READY, flush=True))
    except CannotServe as problem:
        print(problem.reason, file=sys.stderr)
        raise
    finally:
        services.duties.stop()
        services.database.close()


# --- the supervisor ------------------------------------------------------------------------------


def run_all(config: Settings, *, demo: bool) -> int:
    """Supervise until Ctrl-C or SIGTERM."""
    _check_broker(config)
    lock = _only_one(config)
    secret_key(config)
    _make_certificates(config)
    supervisor = Supervisor(config.folder("logs"), say, [spec.name for spec in children(config)])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop_watching())
    started = time.monotonic()
    start = Start(supervisor, config, demo=demo)
    try:
        start.begin()
        prepared = start.prepare_database()
        if prepared is not None:
            start.finish()
            print_summary(config, supervisor, prepared.first, seconds=time.monotonic() - started)
            supervisor.watch()
    finally:
        say("stopping in reverse order")
        supervisor.stop_all()
        lock.close()
    return 0


def _check_broker(config: Settings) -> None:
    from broadcast import accounts

    try:
        accounts.check(config)
    except InvalidInput as problem:
        print(problem.text, file=sys.stderr)
        raise SystemExit(EXIT_CONFIGURATION) from problem


def _make_certificates(config: Settings) -> None:
    """Before the first child: pages and broker show the same certificate."""
    from web import tls

    try:
        tls.ensure(config)
    except tls.TlsMisconfigured as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(EXIT_CONFIGURATION) from problem


@dataclass(frozen=True)
class Prepared:
    """A database in its newest form; ``first``: who was made when there was nobody yet."""

    first: tuple[str, str] | None


class Start:
    """The start, in order; what need not wait for another loads beside it, on all cores.

    Calls are answered before the database is asked for. Only the first start of all waits with
    them: there are neither prompts nor reference numbers yet.
    """

    def __init__(self, supervisor: Supervisor, config: Settings, *, demo: bool) -> None:
        self._supervisor = supervisor
        self._config = config
        self._demo = demo
        self._database = Database.from_settings(config)
        self._launched: dict[str, Child] = {}
        self._prompts: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Launch what needs no database."""
        if not any(self._config.folder("prompts").glob("*.wav")):
            command = [sys.executable, "-m", "hotline", "prompts"]
            self._prompts = subprocess.Popen(command, preexec_fn=die_with_parent)
            return
        self._launch(spec for spec in children(self._config) if not spec.needs_database)

    def prepare_database(self) -> Prepared | None:
        """Wait for the database and migrate it; None when the server is to stop before that."""
        say("bringing the database to its newest form")
        watch = self._supervisor.watch
        try:
            return when_there(self._database, self._prepare, watch=watch, say=say)
        except Refused as problem:
            print(f"{problem}. See XIANGYIN_DATABASE_URL.", file=sys.stderr)
            raise SystemExit(1) from problem

    def _prepare(self) -> Prepared:
        migrate.upgrade(self._database)
        return Prepared(None if self._demo else _first_administrator(self._database))

    def finish(self) -> None:
        """Launch the rest and wait until all are ready."""
        self._launch(spec for spec in children(self._config) if spec.name not in self._launched)
        self._supervisor.wait_ready(self._launched["web"])
        if self._demo:
            from demo.director import prepare

            for player in prepare(self._config, say):
                self._launched[player.name] = self._supervisor.launch(player)
        for child in self._launched.values():
            if not child.given_up and child.spec.name != "director":  # it waits for sound itself
                self._supervisor.wait_ready(child)

    def _launch(self, specs: Iterable[ChildSpec]) -> None:
        for spec in specs:
            if spec.name == "telephony" and self._prompts is not None:
                self._prompts.wait()
            say(f"starting {spec.name}")
            self._launched[spec.name] = self._supervisor.launch(spec)


def print_summary(
    config: Settings, supervisor: Supervisor, first: tuple[str, str] | None, *, seconds: float
) -> None:
    """The short block a newcomer reads: where, who, what runs, what is missing."""
    from demo import people
    from transcribe import catalogue
    from web.addresses import base_url

    cast = people.known(config)
    model = catalogue.current(config)
    running = [child.spec.name for child in supervisor.children if child.running]
    absent = [child.spec.name for child in supervisor.children if not child.running]
    lines = [f"乡音 Xiangyin runs ({seconds:.1f} s)", f"pages      {base_url(config)}"]
    if config.web_tls == "own-ca":
        lines.append(
            f"           on phones first: http://{urlsplit(base_url(config)).hostname}"
            f":{config.guide_port} (installs our certificate)"
        )
    if cast:
        others = ", ".join(login for login, *_ in people.CAST if login != cast.login)
        lines += [
            f"log-in     {cast.login} / {cast.password}",
            f"           with the same password: {others}",
            f"API token  {cast.token}",
        ]
    elif first:
        lines.append(f"log-in     {first[0]} / {first[1]} (you choose another at first)")
    lines.append(f"hotline    sip:hotline@{config.sip_host}:{config.sip_port}")
    lines.append(f"runs       {', '.join(running)}")
    if absent:
        lines.append(f"NOT up     {', '.join(absent)}: see {config.folder('logs')}")
    if not model.hears_people:
        lines.append(f"missing    {catalogue.STARTER_WARNING}")
    lines.append("stop       Ctrl-C")
    print("\n" + "\n".join("  " + line for line in lines) + "\n", flush=True)


def _only_one(config: Settings) -> BinaryIO:
    """Refuse a second server on the same data folder."""
    try:
        return lock_now(config.folder("run") / "server.lock")
    except BlockingIOError:
        print(
            f"A server runs on {config.data_dir} already. Stop it, or set XIANGYIN_DATA_DIR.",
            file=sys.stderr,
        )
        raise SystemExit(EXIT_CONFIGURATION) from None


def _first_administrator(database: Database) -> tuple[str, str] | None:
    """Login and password of the first person when there is nobody yet."""
    with database.write() as session:
        if session.scalar(sa.select(User.id).limit(1)) is not None:
            return None
        password = "-".join(secrets.token_hex(2) for _ in range(3))
        auth.create_user(
            session, "admin", "管理员", password, ["administrator"], None, must_change_password=True
        )
        return "admin", password


def print_token(config: Settings, login: str) -> int:
    """Make an API token for ``login`` and print it once."""
    database = Database.from_settings(config)
    with database.write() as session:
        user = session.scalar(sa.select(User).where(User.login == login, User.active))
        if user is None:
            print(f"There is nobody with the login {login!r}.", file=sys.stderr)
            return 1
        print(auth.issue_token(session, user, "command line"))
    return 0


def note_restored(config: Settings) -> int:
    """Give no number again that players may know, and call off what is on air in the backup."""
    from broadcast import after_restore

    database = Database.from_settings(config)
    migrate.upgrade(database)
    with database.write() as session:
        called_off = [(each.kind, each.title) for each in after_restore.restored(session)]
    say("numbers of plays go on far above those of the backup")
    for kind, title in called_off:
        say(f"called off, for it was on air in the backup: {kind} {title}")
    database.close()
    return 0


def main() -> int:
    os.chdir(ROOT)
    # One small sum gains nothing from threads, and waiting threads take a core from the decoders.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("web", "token", "restored"))
    parser.add_argument("login", nargs="?")
    parser.add_argument("--demo", action="store_true", help="start the demo town")
    asked = parser.parse_args()
    if asked.demo:
        os.environ.setdefault("XIANGYIN_STATION_NAME", "竹溪派出所")
    config = settings.load()
    if asked.what == "web":
        run_web(config)
        return 0
    if asked.what == "token":
        return print_token(config, asked.login or "")
    if asked.what == "restored":
        return note_restored(config)
    logs.configure("server", "WARNING")
    return run_all(config, demo=asked.demo)


if __name__ == "__main__":
    sys.exit(main())
