"""The demo town from the command line.

python -m demo call --text "…"   phone the hotline, speak the text, print the reference number
python -m demo say TEXT FILE     speak a text into a WAV file
python -m demo status --json     the last hour: plays, start errors, reports
python -m demo pairs --count 60  reports with their words written down, to look at "How good is it?"
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from core import logs, settings
from core.database import Database
from core.errors import XiangyinError


def _call(asked: argparse.Namespace) -> int:
    from demo.call import call

    config = settings.load()
    target = (asked.host or config.sip_host, asked.port or config.sip_port)
    answer = call(asked.text, target, consent=asked.consent)
    print(json.dumps(answer, ensure_ascii=False))
    return 0 if answer.get("reference_no") else 1


def _say(asked: argparse.Namespace) -> int:
    from demo.say import say

    say(asked.text, Path(asked.file))
    return 0


def _status(asked: argparse.Namespace) -> int:
    from demo.status import status

    found = status(Database.from_settings(settings.load()))
    if asked.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for name, value in found.items():
            print(f"{name.replace('_', ' ')}: {value}")
    return 0


def _pairs(asked: argparse.Namespace) -> int:
    from demo.pairs import make

    for said, heard in make(settings.load(), asked.count):
        print(f"{said}\n  {heard}", flush=True)
    return 0


def _director(_asked: argparse.Namespace) -> int:
    import threading

    from demo.director import direct

    direct(settings.load())
    print("READY", flush=True)
    threading.Event().wait()  # stays, so that the supervisor sees it alive
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    call = verbs.add_parser("call", help="phone the hotline and speak a text")
    call.add_argument("--text", required=True)
    call.add_argument("--host", help="the hotline's address (default: the settings')")
    call.add_argument("--port", type=int)
    call.add_argument("--consent", choices=("key", "speech"), default="key")
    call.set_defaults(run=_call)
    say = verbs.add_parser("say", help="speak a text into a WAV file")
    say.add_argument("text")
    say.add_argument("file")
    say.set_defaults(run=_say)
    status = verbs.add_parser("status", help="plays and reports of the last hour")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)
    pairs = verbs.add_parser("pairs", help="reports with their words written down")
    pairs.add_argument("--count", type=int, default=60)
    pairs.set_defaults(run=_pairs)
    director = verbs.add_parser("director", help="used by server.py --demo")
    director.set_defaults(run=_director)
    asked = parser.parse_args()
    logs.configure("demo", "WARNING")
    try:
        return int(asked.run(asked))
    except XiangyinError as problem:
        print(problem.text, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
