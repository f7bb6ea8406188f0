"""Other vendors' systems that hand in reports over a signed webhook: who they are, their secrets.

A secret is shown once. While it rotates the one before stays good for a day, so that the other
side can change over without losing a message.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound
from core.sealed import Sealer
from core.standard_webhooks import fresh_secret
from hotline.models import IntakeSource

BOTH_GOOD_FOR = timedelta(days=1)
LONGEST_NAME = 80
RIGHT = "intake.edit"


def own_codes(session: Session, actor: Actor) -> set[str] | None:
    """Codes the administrator answers for; None: the whole installation."""
    return areas.below(session, actor.area_code) if actor.area_code else None


def of_actor(session: Session, actor: Actor) -> list[IntakeSource]:
    """The sources of the actor's area, by name."""
    actor.require(RIGHT)
    query = sa.select(IntakeSource).order_by(IntakeSource.name)
    own = own_codes(session, actor)
    if own is not None:
        query = query.where(IntakeSource.area_code.in_(own))
    return list(session.scalars(query))


def one(session: Session, actor: Actor, source_id: int) -> IntakeSource:
    """One of them, else NotFound."""
    found = next((each for each in of_actor(session, actor) if each.id == source_id), None)
    if found is None:
        raise NotFound(N_("There is no such thing here."))
    return found


def add(
    session: Session, sealer: Sealer, actor: Actor, name: str, area_code: str | None
) -> tuple[IntakeSource, str]:
    """A new source and its secret; raises InvalidInput that names the wrong field."""
    actor.require(RIGHT)
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise InvalidInput(
            N_("Name the system that will send, in up to %(count)d characters."),
            field="name",
            params={"count": LONGEST_NAME},
        )
    if session.scalar(sa.select(IntakeSource.id).where(IntakeSource.name == name)) is not None:
        raise InvalidInput(N_("There is a source of this name already."), field="name")
    own = own_codes(session, actor)
    if area_code is None or (own is not None and area_code not in own):
        raise InvalidInput(N_("Choose an area that belongs to yours."), field="area_code")
    areas.get(session, area_code)
    secret = fresh_secret()
    source = IntakeSource(
        name=name, area_code=area_code, secret_sealed=sealer.seal(secret), created_at=utc_now()
    )
    session.add(source)
    session.flush()
    audit.record(session, actor.login, "intake.added", f"intake:{source.id}", name=name)
    return source, secret


def rotate(session: Session, sealer: Sealer, actor: Actor, source: IntakeSource) -> str:
    """A new secret; the one before is good for another day, an older one no longer."""
    secret = fresh_secret()
    source.secret_before_sealed = source.secret_sealed
    source.secret_before_until = utc_now() + BOTH_GOOD_FOR
    source.secret_sealed = sealer.seal(secret)
    audit.record(session, actor.login, "intake.rotated", f"intake:{source.id}", name=source.name)
    return secret


def set_active(session: Session, actor: Actor, source: IntakeSource, active: bool) -> None:
    """Stop a source at once, or let it send again."""
    source.active = active
    action = "intake.started" if active else "intake.stopped"
    audit.record(session, actor.login, action, f"intake:{source.id}", name=source.name)


def secrets_of(sealer: Sealer, source: IntakeSource, now: datetime) -> list[str]:
    """The secrets that are good at ``now``."""
    found = [sealer.unseal(source.secret_sealed)]
    until = source.secret_before_until
    if source.secret_before_sealed is not None and until is not None and now < until:
        found.append(sealer.unseal(source.secret_before_sealed))
    return found
