"""People, passwords, browser sessions, API tokens, and what each role may do."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from pwdlib import PasswordHash
from sqlalchemy.orm import Session

from core import areas, audit
from core.clock import utc_now
from core.errors import N_, Forbidden, InvalidInput, NotFound
from core.models import ApiToken, Area, LoginSession, User

ROLES = (
    "operator", "dispatcher", "handler", "township", "county", "city", "leader", "custodian",
    "auditor", "recorder", "approver", "grid_worker", "village_head", "administrator",
    "decoder",
)  # fmt: skip

RIGHTS: dict[str, frozenset[str]] = {
    "report.hear": frozenset({"operator", "county"}),
    "report.review": frozenset({"operator"}),
    "report.enter": frozenset({"operator", "grid_worker"}),
    "report.read": frozenset({"operator", "dispatcher", "township", "county", "city"}),
    "case.read": frozenset(
        {
            "operator",
            "dispatcher",
            "handler",
            "grid_worker",
            "township",
            "county",
            "city",
            "leader",
        }
    ),
    "case.dispatch": frozenset({"dispatcher", "township", "county"}),
    "case.resolve": frozenset({"handler", "grid_worker", "township", "county"}),
    "case.call": frozenset({"handler", "grid_worker", "township", "county"}),
    "case.verify": frozenset({"county", "city"}),
    "case.keep": frozenset({"township", "county"}),
    "audit.read": frozenset({"county", "city", "auditor"}),
    "episode.record": frozenset({"recorder", "approver"}),
    "episode.approve": frozenset({"township", "county", "approver"}),
    "schedule.edit": frozenset({"recorder", "approver", "township", "county"}),
    "schedule.read": frozenset(
        {"recorder", "approver", "township", "county", "city", "leader", "village_head"}
    ),
    "quiet.order": frozenset({"village_head", "township", "county"}),
    "live.speak": frozenset({"township", "county", "city", "leader", "village_head"}),
    "live.read": frozenset(
        {"recorder", "approver", "township", "county", "city", "leader", "village_head", "auditor"}
    ),
    "speaker.read": frozenset({"recorder", "approver", "township", "county", "administrator"}),
    "speaker.edit": frozenset({"administrator"}),
    "speaker.test": frozenset({"approver", "township", "county", "administrator"}),
    "speaker.volume": frozenset({"township", "county", "administrator"}),
    "override.order": frozenset({"township", "county", "city", "leader"}),
    "people.edit": frozenset({"administrator"}),
    "sound.fetch": frozenset({"decoder"}),
    "quality.read": frozenset({"operator", "township", "county", "city"}),
    "quality.floor": frozenset({"county", "administrator"}),
    "words.teach": frozenset({"operator", "township", "county"}),
    "callback.work": frozenset({"operator", "township", "county"}),
    "number.reveal": frozenset({"township", "county"}),
    "number.reveal_own": frozenset({"handler", "grid_worker"}),
    "intake.edit": frozenset({"administrator"}),
    "hotline.edit": frozenset({"county", "administrator"}),
    "sheet.print": frozenset(
        {"operator", "township", "county", "grid_worker", "village_head", "administrator"}
    ),
    "sheet.edit": frozenset({"township", "county", "administrator"}),
}
"""Right -> roles that have it (the rights table of the domain, as far as rooms ask for it)."""

SESSION_LENGTH = timedelta(hours=12)
LOCK_AFTER = 5
LOCK_FOR = timedelta(minutes=10)
MIN_PASSWORD = 10
_passwords = PasswordHash.recommended()
_DECOY = _passwords.hash("a password nobody has")


@dataclass(frozen=True)
class Actor:
    """Who acts: what the rooms need to know of a logged-in person or a program."""

    id: int
    login: str
    display_name: str
    roles: frozenset[str]
    area_code: str | None

    def may(self, right: str) -> bool:
        """Whether one of the roles carries ``right``."""
        return bool(self.roles & RIGHTS[right])

    def require(self, right: str) -> None:
        """Raise Forbidden unless the actor has ``right``."""
        if not self.may(right):
            raise Forbidden(N_("Your role does not allow this. Ask your administrator."))

    def sees(self, session: Session, area_code: str | None) -> bool:
        """Whether the area lies in the actor's own (a report without a village: operators')."""
        if area_code is None:
            return self.may("report.read")
        return area_code in self.reach(session)

    def reach(self, session: Session) -> set[str]:
        """Codes of the own area and of everything under it; none for who has no area."""
        return areas.below(session, self.area_code) if self.area_code else set()

    def require_villages(self, session: Session, codes: Collection[str]) -> None:
        """Raise InvalidInput(field="villages") for none, NotFound unless all are in reach."""
        if not codes:
            raise InvalidInput(N_("Choose at least one village."), field="villages")
        known = set(
            session.scalars(
                sa.select(Area.code).where(Area.level == "village", Area.code.in_(codes))
            )
        )
        if not set(codes) <= known & self.reach(session):
            raise NotFound(N_("There is no such village in your area."))

    def require_area(self, session: Session, area_code: str | None) -> None:
        """Raise NotFound (never Forbidden: existence is a secret too) outside the own area."""
        if not self.sees(session, area_code):
            raise NotFound(N_("There is no such thing here."))


def token_hash(token: str) -> str:
    """How random tokens of 128 bits and more are stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def actor_of(user: User) -> Actor:
    return Actor(user.id, user.login, user.display_name, frozenset(user.roles), user.area_code)


def create_user(
    session: Session,
    login: str,
    display_name: str,
    password: str,
    roles: list[str],
    area_code: str | None,
    *,
    must_change_password: bool = False,
) -> User:
    """Add a person; raises InvalidInput that names the wrong field."""
    if not login.strip() or len(login) > 64:
        raise InvalidInput(N_("Give a login name of up to 64 characters."), field="login")
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(
            N_("The password needs at least %(count)d characters."),
            field="password",
            params={"count": MIN_PASSWORD},
        )
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise InvalidInput(N_("Choose at least one role of the list."), field="roles")
    if session.scalar(sa.select(User.id).where(User.login == login.strip())) is not None:
        raise InvalidInput(N_("This login name is taken already."), field="login")
    if area_code:
        areas.get(session, area_code)
    user = User(
        login=login.strip(),
        display_name=display_name.strip() or login.strip(),
        password_hash=_passwords.hash(password),
        roles=sorted(roles),
        area_code=area_code or None,
        must_change_password=must_change_password,
        created_at=utc_now(),
    )
    session.add(user)
    session.flush()
    return user


def set_password(user: User, password: str) -> None:
    """Replace the password and lift a lock."""
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(
            N_("The password needs at least %(count)d characters."),
            field="password",
            params={"count": MIN_PASSWORD},
        )
    user.password_hash = _passwords.hash(password)
    user.must_change_password = False
    user.failed_logins, user.locked_until = 0, None


def password_fits(user: User, password: str) -> bool:
    """Whether ``password`` is the person's present one."""
    return _passwords.verify(password, user.password_hash)


def end_sessions(session: Session, user_id: int, *, except_token: str | None = None) -> None:
    """Log the person out everywhere, but for the browser that holds ``except_token``."""
    kept = token_hash(except_token) if except_token else ""
    session.execute(
        sa.delete(LoginSession).where(
            LoginSession.user_id == user_id, LoginSession.token_hash != kept
        )
    )


def log_in(session: Session, login: str, password: str) -> str | None:
    """Check the password; returns a new session token, or None (counted) when it is wrong.

    Unknown name, wrong password and locked account take the same time and look the same.
    The caller commits in both cases.
    """
    now = utc_now()
    user = session.scalar(
        sa.select(User).where(User.login == login.strip(), User.active).with_for_update()
    )
    right = _passwords.verify(password, user.password_hash if user else _DECOY)
    if user is None:
        return None
    if user.locked_until is not None and user.locked_until > now:
        return None
    if not right:
        user.failed_logins += 1
        if user.failed_logins >= LOCK_AFTER:
            user.failed_logins, user.locked_until = 0, now + LOCK_FOR
            audit.record(session, user.login, "login.locked", f"user:{user.id}")
        return None
    user.failed_logins, user.locked_until = 0, None
    token = secrets.token_urlsafe(32)
    session.add(
        LoginSession(
            token_hash=token_hash(token),
            user_id=user.id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + SESSION_LENGTH,
        )
    )
    audit.record(session, user.login, "login", f"user:{user.id}")
    return token


def session_user(session: Session, token: str) -> User | None:
    """The person behind a session cookie, or None when it is unknown or over."""
    found = session.get(LoginSession, token_hash(token))
    if found is None or found.expires_at <= utc_now():
        return None
    user = session.get_one(User, found.user_id)
    return user if user.active else None


def log_out(session: Session, token: str) -> None:
    session.execute(sa.delete(LoginSession).where(LoginSession.token_hash == token_hash(token)))


def issue_token(session: Session, user: User, name: str) -> str:
    """Make an API token; the text is returned once and stored as a hash."""
    token = "xy_" + secrets.token_urlsafe(32)
    session.add(
        ApiToken(name=name, token_hash=token_hash(token), user_id=user.id, created_at=utc_now())
    )
    return token


def token_user(session: Session, token: str) -> User | None:
    """The person behind an API token, or None when unknown or revoked."""
    found = session.scalar(
        sa.select(ApiToken).where(
            ApiToken.token_hash == token_hash(token), ApiToken.revoked_at.is_(None)
        )
    )
    if found is None:
        return None
    user = session.get_one(User, found.user_id)
    return user if user.active else None
