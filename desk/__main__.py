"""``python -m desk rehear``: what a new model should hear again, and ask for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from core import settings
from core.database import Database
from core.errors import XiangyinError
from desk import rehearing
from desk.rehearing import Candidate
from transcribe.rehearing import expected_gain

EXIT_FAILED = 1


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe")
    commands = parser.add_subparsers(dest="command", required=True)
    rehear = commands.add_parser("rehear", help="hear again what another model heard")
    rehear.add_argument("--limit", type=int, default=rehearing.BATCH, help="at most so many")
    rehear.add_argument("--dry-run", action="store_true", help="show them, ask for nothing")
    chosen = parser.parse_args(arguments)
    config = settings.load()
    database = Database.from_settings(config)
    try:
        if chosen.dry_run:
            with database.read() as session:
                _print(rehearing.ranked(session, config, chosen.limit), "would be heard again")
        else:
            with database.write() as session:
                _print(rehearing.enqueue(session, config, chosen.limit), "are heard again")
    except XiangyinError as error:
        print(error.text, file=sys.stderr)
        return EXIT_FAILED
    finally:
        database.close()
    return 0


def _print(found: Sequence[Candidate], what: str) -> None:
    for one in found:
        subject = one.subject
        sure = "-" if subject.confidence is None else f"{subject.confidence:.2f}"
        print(
            f"{one.subject_kind}:{one.subject_id}  {'open' if subject.is_open else 'closed':6}  "
            f"confidence {sure}  {subject.duration_ms / 1000:6.1f} s  "
            f"gain {expected_gain(subject):6.1f}  {one.model.name}"
        )
    print(f"{len(found)} {what}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
