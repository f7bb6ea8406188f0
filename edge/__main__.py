"""Commands of the village player: ``python -m edge --help``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__, logs
from edge.errors import (
    BadSettings,
    EdgeError,
    MemoryDamaged,
    NotEnrolled,
    ServerUnreachable,
)
from edge.launch import EXIT_RESTART, SETTLED_S, Releases, launch

if TYPE_CHECKING:
    from edge.config import Home
    from edge.store import Store

# What a command needs is imported in it: the keeper of a program on trial stays small that way.


def main() -> int:
    """0 done, 1 the box could not, 2 wrongly called."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.command(arguments))
    except EdgeError as error:
        print(f"edge: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(
            f"edge: {error.filename} belongs to somebody else: run this as the player's own user"
            " (sudo -u xiangyin-player …)",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # `… | head` has read enough; there is nobody left to tell
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("edge", description="The village player.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="play what is approved until stopped")
    run.set_defaults(command=_run)

    enrol = commands.add_parser("enrol", help="join a server with a one-time code")
    enrol.add_argument("code")
    enrol.add_argument("--server", required=True, help="https://… address of the server")
    enrol.add_argument(
        "--ca", type=Path, help="certificate of the server's own authority; without it the"
        " authorities of this system are trusted"
    )  # fmt: skip
    enrol.add_argument("--name", default="", help="what people call this box")
    enrol.set_defaults(command=_enrol)

    receipts = commands.add_parser("receipts", help="show the receipts kept here")
    receipts.add_argument("--json", action="store_true", help="one JSON object a line")
    receipts.set_defaults(command=_receipts)

    status = commands.add_parser("status", help="show what this box knows")
    status.set_defaults(command=_status)
    for command in (run, enrol, receipts, status):
        command.add_argument("--home", type=Path, required=True, help="folder of this player")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    logs.configure()
    releases = Releases(arguments.home / "releases")
    code = launch(releases, sys.argv[1:])
    if code is not None:
        return code
    settled = threading.Timer(SETTLED_S, releases.settle)
    settled.daemon = True
    settled.start()
    from edge import memory

    memory.share()
    from edge.box import Box
    from edge.config import Home

    try:
        box = Box(Home(arguments.home))
    except (BadSettings, NotEnrolled):
        releases.settle()  # people have to mend this: the program is not at fault
        raise
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: box.stop())
    try:
        box.start()
        memory.give_back()
        print("READY", flush=True)
        box.run_forever()
    finally:
        box.close()
    if box.exit_code in (0, EXIT_RESTART):
        releases.settle()
    return box.exit_code


def _enrol(arguments: argparse.Namespace) -> int:
    from edge.client import Client, identity_from
    from edge.config import Home

    home = Home(arguments.home)
    try:
        known = home.identity()
        raise BadSettings(
            f"{home.folder} is already player {known.player_id}; use another folder, or remove it"
        )
    except NotEnrolled:
        pass
    ca: bytes | None = None
    if arguments.ca is not None:
        try:
            ca = arguments.ca.read_bytes()
        except OSError as error:
            raise BadSettings(
                f"the CA file cannot be read: {error}. Put it where everybody may read it, such as"
                " /opt/xiangyin-player"
            ) from error
    home.make_folders()
    key = home.new_key()
    client = Client(arguments.server, arguments.ca)
    try:
        answer = client.enrol(arguments.code, arguments.name, key)
    except ServerUnreachable as error:
        raise ServerUnreachable(f"{error}\n{_way_out(error, ca)}") from error
    identity = identity_from(answer, arguments.server, own_ca=ca is not None, name=arguments.name)
    home.save_enrolment(identity, ca)
    print(f"This is player {identity.player_id} of area {identity.area_code}.")
    print("It is silent until somebody approves it on the loudspeakers page.")
    return 0


def _way_out(error: ServerUnreachable, ca: bytes | None) -> str:
    """What to look at when nobody answers who can be trusted."""
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return "See that the server runs, its address and port, and the network of this box."
    if ca is None:
        return (
            "This box does not know who vouches for the server: fetch http://SERVER:8080/ca.pem"
            " and give it with --ca."
        )
    return (
        "The file of --ca does not vouch for this server or this name of it: fetch it anew, use"
        " the address that the loudspeakers page shows, and see that the clock is right (date)."
    )


def _receipts(arguments: argparse.Namespace) -> int:
    from edge.config import Home
    from edge.receipts import check_chain, told

    home = Home(arguments.home)
    key = home.key().public_key()
    store = _open(home)
    receipts = store.receipts()
    unsent = {receipt.seq for receipt in store.receipts(unsent_only=True)}
    store.close()
    for receipt in receipts:
        body = json.loads(receipt.body)
        if arguments.json:
            line = {**body, "hash": receipt.hash, "acknowledged": receipt.seq not in unsent}
            print(json.dumps(line, ensure_ascii=False))
        else:
            when = body["started_at"] or body["scheduled_at"]
            sent = "" if receipt.seq not in unsent else "  (not acknowledged yet)"
            print(f"{receipt.seq:>6}  {when}  play {receipt.play_id}  {told(body)}{sent}")
    broken = check_chain(receipts, key)
    if broken is not None:
        print(f"edge: the chain is broken at receipt {broken}", file=sys.stderr)
        return 1
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from edge.config import Home
    from edge.manifest import verify
    from edge.reporter import APPROVED, SHUT_OUT

    home = Home(arguments.home)
    identity = home.identity()
    print(f"player   {identity.player_id} {identity.name}, area {identity.area_code}")
    print(f"server   {identity.server_url}")
    print(f"program  {_program(home)}")
    store = _open(home)
    approved = store.fact(APPROVED)
    envelope = store.fact("manifest") or ""
    entries = store.open_entries()
    unsent = len(store.receipts(unsent_only=True))
    store.close()
    print(f"approved {_APPROVAL.get(approved or '', 'not known yet: the server was not reached')}")
    try:
        manifest = verify(
            envelope.encode(),
            server_key=identity.server_key_bytes,
            area_code=identity.area_code,
        )
        until = manifest.valid_until.isoformat()
        print(f"manifest version {manifest.version}, valid until {until}")
    except EdgeError as error:
        forgotten = "forgotten when it was shut out" if approved == SHUT_OUT else "none came yet"
        print(f"manifest none ({error if envelope else forgotten})")
    print(f"receipts {unsent} not acknowledged yet")
    print(f"clock    {_clock()}")
    for entry in entries:
        note = f"  [{entry.blocked}]" if entry.blocked else ""
        print(f"play     {entry.play.starts_at.isoformat()}  {entry.play.title}{note}")
    return 0


def _clock() -> str:
    from edge.clock import discipline

    kept = discipline()
    if kept is None:
        return "this system does not tell whether it is kept"
    if not kept.synchronised:
        return "kept by nothing: see that chrony runs and reaches a time server (chronyc tracking)"
    return f"kept, at most {kept.max_error_ms:.0f} ms off"


_APPROVAL = {
    "yes": "yes",
    "no": "no: it waits for approval on the loudspeakers page",
    "shut_out": "no: it was shut out; it needs a new code and an empty folder",
}


def _program(home: Home) -> str:
    state = Releases(home.releases).read()
    words = [state.active.version if state.active else __version__]
    if state.trial is not None:
        words.append(f"({state.trial.wheel.version} is on trial)")
    if state.failed is not None:
        words.append(f"({state.failed.version} was given up: {state.failed.reason})")
    return " ".join(words)


def _open(home: Home) -> Store:
    from edge.safefile import is_damaged
    from edge.store import Store

    if not home.database_file.exists():
        raise NotEnrolled(
            f"{home.folder} has never run: start it (systemctl start xiangyin-player)"
        )
    if is_damaged(home.database_file):
        # Set aside from here it would vanish under a player that runs.
        raise MemoryDamaged(
            f"{home.database_file} is damaged: the player puts its copy in its place when it is"
            " started again (systemctl restart xiangyin-player)"
        )
    return Store(home.database_file)


if __name__ == "__main__":
    sys.exit(main())
