"""The scheduler: APScheduler wakes, the database decides.

One keeper works at a time (a lease row); its memory holds no plan, so nothing is lost when it
dies. It sweeps once at the start and then each minute, and says so when a minute was missed.
"""

from __future__ import annotations

import threading
from datetime import UTC, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from apscheduler.events import EVENT_JOB_MISSED
from apscheduler.schedulers.background import BackgroundScheduler

from core import leases, settings
from core.clock import utc_now
from core.database import Database
from schedule import horizon

LEASE = "scheduler"
EVERY_S = 60
LOOK_S = leases.TTL_S / leases.RENEWALS
log = structlog.get_logger("schedule.keeper")


class Keeper:
    """Background service that keeps the plays of the days to come made."""

    name = "scheduler"

    def __init__(
        self, database: Database, duty: leases.Duty | None = None, *, every_s: float = EVERY_S
    ) -> None:
        self._database = database
        self._duty = duty or leases.Duty(database, LEASE)
        self._every_s = every_s
        self._stopped = threading.Event()
        self.on_duty = False
        self.missed_wakes = 0

    def run_forever(self) -> None:
        """Work until ``stop``; then it gives the duty back."""
        scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1}
        )
        scheduler.add_listener(self._heard_missed, EVENT_JOB_MISSED)
        self.sweep()
        scheduler.add_job(
            self.sweep, "interval", seconds=self._every_s, misfire_grace_time=EVERY_S // 2
        )
        scheduler.start()
        try:
            while not self._stopped.wait(LOOK_S):
                self._look()
        finally:
            scheduler.shutdown(wait=True)
            if self._stopped.is_set():  # after an error it begins again, and others share the duty
                self._give_back()

    def stop(self) -> None:
        self._stopped.set()

    def sweep(self) -> int:
        """Make what is missing, if the duty is ours; returns how many plays changed."""
        try:
            self.on_duty = self._duty.is_ours()
            return self._make() if self.on_duty else 0
        except sa.exc.SQLAlchemyError as error:
            log.warning("the scheduler waits for the database", error=str(error)[:200])
            return 0

    def _look(self) -> None:
        """Keep the duty alive between two sweeps; sweep at once when it has just become ours."""
        try:
            came = self._duty.is_ours() and not self.on_duty
        except sa.exc.SQLAlchemyError as error:
            log.warning("the scheduler waits for the database", error=str(error)[:200])
            return
        if came:
            self.sweep()

    def _make(self) -> int:
        until = utc_now() + timedelta(days=settings.load().play_horizon_days)
        with self._database.read() as session:
            unsettled = [
                slot_id
                for slot_id in horizon.slot_ids(session)
                if not horizon.is_settled(session, slot_id, until)
            ]
        changed = 0
        for slot_id in unsettled:
            with self._database.write() as session:
                changed += horizon.plan_slot(session, slot_id, until)
        if changed:
            log.info("plays made", count=changed, slots=len(unsettled))
        return changed

    def _heard_missed(self, event: Any) -> None:
        self.missed_wakes += 1
        log.warning("the scheduler woke late", planned_at=str(event.scheduled_run_time))
        self.sweep()

    def _give_back(self) -> None:
        try:
            self._duty.give_back()
        except sa.exc.SQLAlchemyError as error:
            log.warning("the scheduler's duty could not be given back", error=str(error)[:200])
