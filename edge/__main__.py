"""Commands of the village player: ``python -m edge --help``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from edge import logs
from edge.box import Box
from edge.client import Client, identity_from
from edge.config import Home
from edge.errors import BadSettings, EdgeError, NotEnrolled
from edge.manifest import verify
from edge.receipts import check_chain
from edge.store import Store


def main() -> int:
    """0 done, 1 the box could not, 2 wrongly called."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.command(arguments))
    except EdgeError as error:
        print(f"edge: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("edge", description="The village player.")
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
    box = Box(Home(arguments.home))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: box.stop())
    try:
        box.start()
        print("READY", flush=True)
        box.run_forever()
    finally:
        box.close()
    return 0


def _enrol(arguments: argparse.Namespace) -> int:
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
            raise BadSettings(f"the CA file cannot be read: {error}") from error
    home.make_folders()
    key = home.new_key()
    client = Client(arguments.server, arguments.ca)
    answer = client.enrol(arguments.code, arguments.name, key)
    identity = identity_from(answer, arguments.server, own_ca=ca is not None, name=arguments.name)
    home.save_enrolment(identity, ca)
    print(f"This is player {identity.player_id} of area {identity.area_code}.")
    return 0


def _receipts(arguments: argparse.Namespace) -> int:
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
            what = body["outcome"] if body["reason"] is None else f"missed: {body['reason']}"
            print(f"{receipt.seq:>6}  {when}  play {receipt.play_id}  {what}{sent}")
    broken = check_chain(receipts, key)
    if broken is not None:
        print(f"edge: the chain is broken at receipt {broken}", file=sys.stderr)
        return 1
    return 0


def _status(arguments: argparse.Namespace) -> int:
    home = Home(arguments.home)
    identity = home.identity()
    print(f"player   {identity.player_id} {identity.name}, area {identity.area_code}")
    print(f"server   {identity.server_url}")
    store = _open(home)
    envelope = store.fact("manifest") or ""
    entries = store.open_entries()
    unsent = len(store.receipts(unsent_only=True))
    store.close()
    try:
        manifest = verify(
            envelope.encode(),
            server_key=identity.server_key_bytes,
            area_code=identity.area_code,
        )
        until = manifest.valid_until.isoformat()
        print(f"manifest version {manifest.version}, valid until {until}")
    except EdgeError as error:
        print(f"manifest none ({error})")
    print(f"receipts {unsent} not acknowledged yet")
    for entry in entries:
        note = f"  [{entry.blocked}]" if entry.blocked else ""
        print(f"play     {entry.play.starts_at.isoformat()}  {entry.play.title}{note}")
    return 0


def _open(home: Home) -> Store:
    if not home.database_file.exists():
        raise NotEnrolled(f"{home.folder} has never run")
    return Store(home.database_file)


if __name__ == "__main__":
    sys.exit(main())
