"""``python -m cases evaluate``: how good the proposed kinds are; ``… learn``: train now;
``… retention --dry-run``: what is due to be deleted, which the server does once a day."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import sqlalchemy as sa

from cases import learning, measuring, retention_preview, seeds
from cases.measuring import Measured
from cases.retention import Periods
from core import settings
from core.clock import utc_now
from core.database import Database


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m cases", description=__doc__)
    parser.add_argument("command", choices=("evaluate", "learn", "retention"))
    parser.add_argument("--json", action="store_true", help="figures as one JSON object")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, delete nothing")
    chosen = parser.parse_args(arguments)
    if chosen.command == "retention" and not chosen.dry_run:
        parser.error("the server deletes by itself once a day; see what is due with --dry-run")
    database = Database.from_settings(settings.load())
    try:
        if chosen.command == "retention":
            return _preview(database)
        return _learn(database) if chosen.command == "learn" else _evaluate(database, chosen.json)
    finally:
        database.close()


def _preview(database: Database) -> int:
    periods = Periods.from_settings(settings.load())
    with database.read() as session:
        print("\n".join(retention_preview.report_of(session, periods, utc_now())))
    return 0


def _learn(database: Database) -> int:
    row = learning.learn(database, least_new=1)
    if row is None:
        print("No case was decided since the last training: nothing to learn from.")
        return 0
    verdict = "in use now" if row.in_use else "worse than the one before: NOT in use"
    print(
        f"Learnt from {row.decisions} decided cases ({row.kept_apart} kept apart): {verdict}.\n"
        f"Macro-F1 on held-out sentences {row.seed_f1:.3f} (before {row.seed_f1_before:.3f}), "
        f"on cases kept apart {row.decided_f1} (before {row.decided_f1_before})."
    )
    return 0


def _evaluate(database: Database, as_json: bool) -> int:
    try:
        with database.read() as session:
            classifier = learning.in_use(session)
    except (sa.exc.OperationalError, sa.exc.ProgrammingError):  # nothing is installed here yet
        classifier = learning.seeded()
    found = measuring.measure(classifier, seeds.held_out())
    baseline = measuring.majority(seeds.training(), seeds.held_out())
    if as_json:
        print(json.dumps({**found.to_json(), "majority_macro_f1": baseline}, ensure_ascii=False))
    else:
        print(table(found, baseline))
    return 0


def table(found: Measured, baseline: float) -> str:
    """The figures as lines for people."""
    lines = [f"{'kind':12} {'count':>5} {'precision':>9} {'recall':>7} {'F1':>6}"]
    lines += [
        f"{code:12} {kind.count:5} {kind.precision:9.2f} {kind.recall:7.2f} {kind.f1:6.2f}"
        for code, kind in found.kinds.items()
    ]
    return "\n".join(
        [
            *lines,
            f"macro-F1 {found.macro_f1:.3f} on {found.examples} sentences; "
            f"always the most frequent kind: {baseline:.3f}",
            f"no proposal for {found.abstained:.1%}; "
            f"right are {found.right_when_proposed:.1%} of the proposals",
            f"of {found.unclear} sentences of no kind {found.unclear_proposed} got a proposal",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
