"""Starts everything in order, watches it, stops it in reverse.

python server.py                start with an empty town
python server.py --demo         start the demo town (what ``make run`` does)
python server.py token LOGIN    print a new API token for a person
python server.py restored       say that the database came back from a backup
python server.py web            the web process alone (started by the above)
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
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import sqlalchemy as sa

from core import auth, logs, migrate, settings
from core.database import Database
from core.errors import InvalidInput
from core.files import lock_now
from core.models import User
from core.sealed import secret_key
from core.settings import Settings
from core.supervisor import EXIT_CONFIGURATION, READY, Child, ChildSpec, Supervisor

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


def children(config: Settings) -> list[ChildSpec]:
    """The processes of one machine, in the order of their start."""
    python = [sys.executable]
    decoders = config.decoders or max(1, (os.cpu_count() or 2) - 1)
    broker = (
        [] if config.mqtt_url else [ChildSpec("broker", [*python, "-m", "broadcast", "broker"])]
    )
    signalling = (
        [ChildSpec("signalling", [*python, "-m", "hotline", "signalling"])]
        if config.telephony == "sip"
        else []
    )
    live = [ChildSpec("live", [*python, "-m", "transcribe", "live"])] if config.live_streams else []
    return [
        *broker,
        ChildSpec("web", [*python, str(ROOT / "server.py"), "web"]),
        *(
            ChildSpec(name, [*python, "-m", "transcribe", "worker", "--name", name])
            for name in (f"decoder-{number}" for number in range(1, decoders + 1))
        ),
        *live,
        ChildSpec("telephony", [*python, "-m", "hotline", "telephony"]),
        *signalling,
    ]


def run_all(config: Settings, *, demo: bool) -> int:
    """Supervise until Ctrl-C or SIGTERM."""
    _check_broker(config)
    lock = _only_one(config)
    database = Database.from_settings(config)
    secret_key(config)
    say("bringing the database to its newest form")
    migrate.upgrade(database)
    _make_certificates(config)
    first = None if demo else _first_administrator(database)
    supervisor = Supervisor(config.folder("logs"), say)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop_watching())
    started = time.monotonic()
    try:
        _start_all(supervisor, config, demo=demo)
        print_summary(config, supervisor, first, seconds=time.monotonic() - started)
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


def _start_all(supervisor: Supervisor, config: Settings, *, demo: bool) -> None:
    """Start in order; what need not wait for another loads beside it, on all cores."""
    first_time = not any(config.folder("prompts").glob("*.wav"))
    prompts = subprocess.Popen([sys.executable, "-m", "hotline", "prompts"]) if first_time else None
    launched: dict[str, Child] = {}
    for spec in children(config):
        if spec.name == "telephony" and prompts is not None:
            prompts.wait()
        say(f"starting {spec.name}")
        launched[spec.name] = supervisor.launch(spec)
    supervisor.wait_ready(launched["web"])
    if demo:
        from demo.director import prepare

        for player in prepare(config, say):
            launched[player.name] = supervisor.launch(player)
    for child in launched.values():
        if not child.given_up and child.spec.name != "director":  # it waits for sound itself
            supervisor.wait_ready(child)


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
    parser = argparse.ArgumentParser(description=__doc__)
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
