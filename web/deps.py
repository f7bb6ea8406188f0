"""What every endpoint asks for: the services, a session, and who is asking.

The scope "function" closes a dependency when the endpoint has returned and before the answer is
sent. A dependency that only looks something up is a coroutine: a plain function would be sent to a
thread, and wait there behind all others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from broadcast.keys import ServerKey
from broadcast.live_hub import LiveHub
from core import auth
from core.auth import Actor
from core.blobs import BlobStore
from core.database import Database
from core.duties import Roster
from core.errors import XiangyinError
from core.models import User
from core.sealed import Sealer
from core.settings import Settings
from web.live import Hub
from web.security import PasswordMustChange, Security, SignInNeeded


@dataclass(frozen=True)
class Services:
    """What the pages work with; made once per process. ``signer`` signs manifests, ``hub`` tells
    open pages the news, ``live`` carries speech to players, ``duties`` work in the background.
    """

    settings: Settings
    database: Database
    store: BlobStore
    sealer: Sealer
    signer: ServerKey
    hub: Hub = field(default_factory=Hub)
    live: LiveHub = field(default_factory=LiveHub)
    duties: Roster = field(default_factory=Roster)

    @classmethod
    def from_settings(cls, settings: Settings) -> Services:
        """Open everything the settings name."""
        return cls(
            settings=settings,
            database=Database.from_settings(settings),
            store=BlobStore.from_settings(settings),
            sealer=Sealer.from_settings(settings),
            signer=ServerKey.from_settings(settings),
        )


def services_of(request: Request) -> Services:
    """The services of the application that answers ``request``."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


def security_of(request: Request) -> Security:
    """Cookies and form tokens of the application that answers ``request``."""
    found = request.app.state.security
    assert isinstance(found, Security)
    return found


async def _services(request: Request) -> Services:
    return services_of(request)


async def _security(request: Request) -> Security:
    return security_of(request)


ServicesDep = Annotated[Services, Depends(_services)]
SecurityDep = Annotated[Security, Depends(_security)]


def _read(services: ServicesDep) -> Iterator[Session]:
    with services.database.read() as session:
        yield session


async def _write(services: ServicesDep) -> AsyncIterator[Session]:
    with services.database.unfinished() as session:
        yield session
        if session.in_transaction():
            raise RuntimeError("an endpoint that writes belongs to a web.routing.Router")


ReadSession = Annotated[Session, Depends(_read, scope="function")]
"""A session that only reads; open until the endpoint returns."""

WriteSession = Annotated[Session, Depends(_write, scope="function")]
"""A session that web.routing commits when the endpoint returns, or rolls back when it raises."""


def maybe_actor(request: Request, services: ServicesDep, security: SecurityDep) -> Actor | None:
    """The person or program that asks, None for the public. A bearer token silences the cookie.

    Its session ends here: a request that held a connection while it waits for a second one could
    starve all others.
    """
    with services.database.read() as session:
        user = _user_of(request, session, security)
    if user is None:
        return None
    actor = auth.actor_of(user)
    request.state.actor = actor
    request.state.password_must_change = user.must_change_password
    return actor


def _user_of(request: Request, session: Session, security: Security) -> User | None:
    bearer = request.headers.get("authorization", "")
    if bearer:
        scheme, _, token = bearer.partition(" ")
        is_api = request.url.path.startswith("/api/") and scheme.lower() == "bearer"
        return auth.token_user(session, token.strip()) if is_api else None
    cookie = security.session_token(request)
    return auth.session_user(session, cookie) if cookie else None


MaybeActor = Annotated[Actor | None, Depends(maybe_actor)]
"""Who asks, or None: for pages that the public sees too."""


async def signed_in(request: Request, actor: MaybeActor) -> Actor:
    """Who asks; raises SignInNeeded for the public, PasswordMustChange after a reset."""
    if actor is None:
        raise SignInNeeded
    if request.state.password_must_change and request.url.path not in ("/password", "/logout"):
        raise PasswordMustChange
    return actor


CurrentActor = Annotated[Actor, Depends(signed_in)]
"""Who asks; the public is sent to the login page."""


def require(right: str) -> Callable[[Actor], Awaitable[Actor]]:
    """Dependency that lets only actors with ``right`` pass: ``Depends(require("report.read"))``."""
    if right not in auth.RIGHTS:
        raise ValueError(f"unknown right {right!r}")

    async def check(actor: CurrentActor) -> Actor:
        actor.require(right)
        return actor

    return check


@dataclass
class Attempt:
    """What came of a try: ``error`` is None when it went well."""

    error: XiangyinError | None = None


@contextmanager
def attempt(session: Session) -> Iterator[Attempt]:
    """Do the block in a savepoint; a domain error undoes the block alone and is kept.

    So a form can be shown again with the error beside its field, in the same session.
    """
    tried = Attempt()
    try:
        with session.begin_nested():
            yield tried
    except XiangyinError as error:
        tried.error = error
