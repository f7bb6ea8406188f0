"""Duties that only one process may have at a time, such as the scheduler's.

A lease says until when by the clock of its holder, and clocks of two machines differ. So nobody
takes a lease away because its time seems over: a challenger watches with its own clock whether
the holder renews it. Only a lease that is over for much longer than clocks differ, or whose
holder was a process of this machine that is gone, is taken at once.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog

from core.clock import utc_now
from core.database import Database, claimed
from core.models import Lease

TTL_S = 20
RENEWALS = 4
"""How often a lease is renewed in its time."""
CLOCKS_DIFFER = timedelta(minutes=2)
log = structlog.get_logger("core.leases")


def hold(database: Database, name: str, holder: str, ttl_s: int) -> bool:
    """Take or prolong the duty ``name``; False while somebody else holds it."""
    now = utc_now()
    until = now + timedelta(seconds=ttl_s)
    with database.write() as session:
        taken = session.execute(
            sa.update(Lease)
            .where(Lease.name == name, sa.or_(Lease.holder == holder, Lease.expires_at < now))
            .values(holder=holder, expires_at=until)
        )
        if claimed(taken):
            return True
        if session.get(Lease, name) is not None:
            return False
        session.add(Lease(name=name, holder=holder, expires_at=until))
        try:
            session.flush()
        except sa.exc.IntegrityError:
            session.rollback()
            return False
        return True


def release(database: Database, name: str, holder: str) -> None:
    """Give the duty back so that another takes it at once."""
    with database.write() as session:
        session.execute(sa.delete(Lease).where(Lease.name == name, Lease.holder == holder))


class Duty:
    """One process' hold on a duty; shared by all threads that work under it.

    Ask ``is_ours`` before each piece of work, at least every ``ttl_s``.
    """

    def __init__(self, database: Database, name: str, ttl_s: float = TTL_S) -> None:
        self._database = database
        self._name = name
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._holder = f"{_this_process()}/{uuid.uuid4().hex[:6]}"
        self._renewed_s: float | None = None
        self._seen: tuple[str, datetime] | None = None
        self._seen_since_s = 0.0
        self._given_back = False

    def is_ours(self) -> bool:
        """Whether to work: renews the lease when it is time, takes it when nobody holds it.

        Raises SQLAlchemyError while the database is away.
        """
        with self._lock:
            if self._given_back:
                return False
            now_s = _elapsed_s()
            if self._renewed_s is not None and now_s - self._renewed_s < self._ttl_s / RENEWALS:
                return True
            held = self._renewed_s is not None
            ours = (held and self._renew()) or self._take(now_s)
            if ours != held:
                log.info("duty taken" if ours else "duty lost", duty=self._name)
            self._renewed_s = now_s if ours else None
            return ours

    def give_back(self) -> None:
        """Let another take over at once; this one takes it no more."""
        with self._lock:
            self._given_back = True
            if self._renewed_s is not None:
                self._renewed_s = None
                release(self._database, self._name, self._holder)

    def _until(self) -> datetime:
        return utc_now() + timedelta(seconds=self._ttl_s)

    def _renew(self) -> bool:
        with self._database.write() as session:
            return claimed(
                session.execute(
                    sa.update(Lease)
                    .where(Lease.name == self._name, Lease.holder == self._holder)
                    .values(expires_at=self._until())
                )
            )

    def _take(self, now_s: float) -> bool:
        with self._database.read() as session:
            lease = session.get(Lease, self._name)
        if lease is None:
            return self._begin()
        if not self._is_abandoned(lease, now_s):
            return False
        with self._database.write() as session:
            return claimed(
                session.execute(
                    sa.update(Lease)
                    .where(
                        Lease.name == self._name,
                        Lease.holder == lease.holder,
                        Lease.expires_at == lease.expires_at,
                    )
                    .values(holder=self._holder, expires_at=self._until())
                )
            )

    def _begin(self) -> bool:
        try:
            with self._database.write() as session:
                session.add(Lease(name=self._name, holder=self._holder, expires_at=self._until()))
        except sa.exc.IntegrityError:
            return False
        return True

    def _is_abandoned(self, lease: Lease, now_s: float) -> bool:
        if lease.expires_at < utc_now() - CLOCKS_DIFFER or _is_gone(lease.holder):
            return True
        seen = (lease.holder, lease.expires_at)
        if seen != self._seen:
            self._seen, self._seen_since_s = seen, now_s
            return False
        return now_s - self._seen_since_s > self._ttl_s


def _elapsed_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the machine sleeps


def _this_process() -> str:
    return f"{_machine()}:{os.getpid()}:{_started_at(os.getpid())}"


def _machine() -> str:
    """This machine since its start, and which process numbers count in it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return f"{socket.gethostname()[:24]}.{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"


def _started_at(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def _is_gone(holder: str) -> bool:
    """Whether the holder was a process of this machine that runs no more."""
    process = holder.partition("/")[0].split(":")
    if len(process) != 3 or process[0] != _machine() or not process[1].isdigit():
        return False
    return _started_at(int(process[1])) != process[2]
