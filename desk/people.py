"""Who may log in: what an administrator does for the people of the own area."""

from __future__ import annotations

import secrets
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import handing_over
from cases.handing_over import Standing
from core import areas, audit, auth
from core.auth import Actor
from core.errors import N_, Conflict, InvalidInput, NotFound
from core.models import User

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without 0 o 1 i l: somebody reads this password aloud over the telephone."""


def fresh_password() -> str:
    """A first password such as ``k7wm-pq3t-zz9a``: 59 bits, changed at the first login."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


def own_area_codes(session: Session, actor: Actor) -> set[str] | None:
    """Codes the administrator answers for; None: the whole installation."""
    return areas.below(session, actor.area_code) if actor.area_code else None


def everybody(session: Session, actor: Actor) -> list[User]:
    """All people of the own area, by login name."""
    actor.require("people.edit")
    query = sa.select(User).order_by(User.login)
    own = own_area_codes(session, actor)
    if own is not None:
        query = query.where(User.area_code.in_(own))
    return list(session.scalars(query))


def person(session: Session, actor: Actor, user_id: int) -> User:
    """One of them; NotFound for anybody else's people."""
    actor.require("people.edit")
    user = session.get(User, user_id)
    own = own_area_codes(session, actor)
    if user is None or (own is not None and user.area_code not in own):
        raise NotFound(N_("There is no such thing here."))
    return user


def names(session: Session, user_ids: Collection[int | None]) -> dict[int, str]:
    """The names by which these people are shown; None is nobody."""
    query = sa.select(User.id, User.display_name).where(User.id.in_(set(user_ids) - {None}))
    return {user_id: name for user_id, name in session.execute(query)}


def _require_own(session: Session, actor: Actor, area_code: str | None) -> None:
    own = own_area_codes(session, actor)
    if own is not None and area_code not in own:
        raise InvalidInput(N_("Choose an area that belongs to yours."), field="area_code")


def add(
    session: Session,
    actor: Actor,
    login: str,
    display_name: str,
    roles: list[str],
    area_code: str | None,
) -> tuple[User, str]:
    """Let a person in; returns the first password, which is shown once and stored as a hash."""
    actor.require("people.edit")
    _require_own(session, actor, area_code)
    password = fresh_password()
    user = auth.create_user(
        session, login, display_name, password, roles, area_code, must_change_password=True
    )
    audit.record(
        session, actor.login, "user.created", f"user:{user.id}", roles=user.roles, area=area_code
    )
    return user, password


def change(
    session: Session,
    actor: Actor,
    user: User,
    display_name: str,
    roles: list[str],
    area_code: str | None,
) -> None:
    """Give other roles or another area; counts from the next request on.

    Open cases that the person can no longer work on go to others, see cases.handing_over.
    """
    actor.require("people.edit")
    _require_own(session, actor, area_code)
    if not roles or set(roles) - set(auth.ROLES):
        raise InvalidInput(N_("Choose at least one role of the list."), field="roles")
    if user.id == actor.id and "administrator" not in roles:
        raise Conflict(N_("You cannot take the administrator's role from yourself."))
    if area_code:
        areas.get(session, area_code)
    before, stood = {"roles": list(user.roles), "area": user.area_code}, Standing.of(user)
    user.display_name = display_name.strip() or user.login
    user.roles = sorted(roles)
    user.area_code = area_code or None
    session.flush()
    went = handing_over.of(session, user, stood)
    audit.record(
        session,
        actor.login,
        "user.changed",
        f"user:{user.id}",
        before=before,
        roles=user.roles,
        area=user.area_code,
        cases_handed_over=went,
    )


def reset_password(session: Session, actor: Actor, user: User) -> str:
    """A new first password; lifts a lock and ends all the person's sessions."""
    actor.require("people.edit")
    password = fresh_password()
    auth.set_password(user, password)
    user.must_change_password = True
    auth.end_sessions(session, user.id)
    audit.record(session, actor.login, "password.reset", f"user:{user.id}")
    return password


def set_active(session: Session, actor: Actor, user: User, active: bool) -> None:
    """Shut a person out (all sessions end) or let them in again; nothing is deleted.

    Open cases of who is shut out go to others, see cases.handing_over.
    """
    actor.require("people.edit")
    if user.id == actor.id:
        raise Conflict(N_("You cannot shut yourself out."))
    stood = Standing.of(user)
    user.active = active
    session.flush()
    if not active:
        auth.end_sessions(session, user.id)
    went = handing_over.of(session, user, stood)
    action = "user.activated" if active else "user.deactivated"
    audit.record(session, actor.login, action, f"user:{user.id}", cases_handed_over=went)
