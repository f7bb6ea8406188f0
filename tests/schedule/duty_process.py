"""A process that keeps the plays of a database made: ``URL TTL_S``; says READY, then each change.

Started by tests, several at a time on one database, under the same duty.
"""

from __future__ import annotations

import sys
import time

from core import leases
from core.database import Database
from schedule.keeper import LEASE, Keeper


def main() -> None:
    database = Database(sys.argv[1])
    duty = leases.Duty(database, LEASE, float(sys.argv[2]))
    keeper = Keeper(database, duty)
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    before = None
    while True:
        keeper.sweep()
        if keeper.on_duty != before:
            before = keeper.on_duty
            sys.stdout.write("on duty\n" if before else "off duty\n")
            sys.stdout.flush()
        time.sleep(0.2)


if __name__ == "__main__":
    main()
