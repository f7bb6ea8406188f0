"""``Idempotency-Key``: a POST that creates may be sent again without creating twice.

    @router.post("/api/v1/reports")
    def create(request: Request, actor: CurrentActor, once: OnceDep, …) -> Response:
        return once.run(actor, body_bytes, lambda session: (201, {"id": …}))

The key's row is claimed in a transaction of its own, so that a second request that arrives
meanwhile is told 409; the work and its recorded answer are committed together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from core.auth import Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict, InvalidInput, XiangyinError
from web.deps import Services, services_of
from web.models import IdempotencyRecord

HEADER = "idempotency-key"
MAX_LENGTH = 200
KEPT = timedelta(days=2)
GIVEN_UP = timedelta(minutes=2)
"""A claim this old belongs to a process that died; the next request may take it over."""

Work = Callable[[Session], tuple[int, dict[str, Any]]]


class KeyMissing(XiangyinError):
    """A creating POST came without a key."""

    code = "idempotency_key_missing"
    http_status = 400

    def __init__(self) -> None:
        super().__init__(
            N_("Send the header Idempotency-Key with 1 to %(count)d characters of your choice."),
            params={"count": MAX_LENGTH},
        )


class InProgress(Conflict):
    """The same request is being worked on at this moment."""

    code = "idempotency_in_progress"
    retriable = True

    def __init__(self) -> None:
        super().__init__(N_("The same request is still being worked on. Ask again in a moment."))


class KeyReused(InvalidInput):
    """The key was used for something else."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(N_("This Idempotency-Key was used with another body. Choose a new one."))


class Once:
    """Runs the work of one request at most once per person and key."""

    def __init__(self, services: Services, key: str, route: str) -> None:
        self._database = services.database
        self._key = key
        self._route = route

    def run(self, actor: Actor, body: bytes, work: Work) -> Response:
        """Do ``work`` in a write session, or repeat the answer it gave the first time.

        When it raises, nothing is kept: the request may be sent again with the same key.
        """
        digest = hashlib.sha256(self._route.encode() + b"\0" + body).hexdigest()
        earlier = self._claim(actor, digest)
        if earlier is not None:
            return earlier
        try:
            with self._database.write() as session:
                status, answer = work(session)
                record = session.get_one(IdempotencyRecord, (actor.id, self._key))
                record.status, record.body = status, answer
        except BaseException:
            self._forget(actor)
            raise
        return JSONResponse(answer, status)

    def _claim(self, actor: Actor, digest: str) -> Response | None:
        now = utc_now()
        table = IdempotencyRecord
        mine = sa.and_(table.actor_id == actor.id, table.key == self._key)
        with self._database.write() as session:
            session.execute(sa.delete(table).where(table.created_at < now - KEPT))
            found = session.get(table, (actor.id, self._key))
            if found is None:
                session.add(
                    table(actor_id=actor.id, key=self._key, request_hash=digest, created_at=now)
                )
                try:
                    session.flush()
                except sa.exc.IntegrityError:
                    session.rollback()
                    raise InProgress from None
                return None
            if found.request_hash != digest:
                raise KeyReused
            if found.status:
                return JSONResponse(found.body, found.status, {"idempotency-replayed": "true"})
            taken = session.execute(
                sa.update(table)
                .where(mine, table.status == 0, table.created_at < now - GIVEN_UP)
                .values(created_at=now)
            )
            if not claimed(taken):
                raise InProgress
            return None

    def _forget(self, actor: Actor) -> None:
        with self._database.write() as session:
            session.execute(
                sa.delete(IdempotencyRecord).where(
                    IdempotencyRecord.actor_id == actor.id,
                    IdempotencyRecord.key == self._key,
                    IdempotencyRecord.status == 0,
                )
            )


def _once(request: Request) -> Once:
    key = request.headers.get(HEADER, "").strip()
    if not key or len(key) > MAX_LENGTH:
        raise KeyMissing
    return Once(services_of(request), key, f"{request.method} {request.url.path}")


OnceDep = Annotated[Once, Depends(_once)]
"""For endpoints that create by API; refuses a request without a key."""
