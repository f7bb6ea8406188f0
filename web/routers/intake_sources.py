"""Other systems that hand in reports, and how the voicemail sources are (administrators)."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, XiangyinError
from core.models import Area
from hotline import sources
from hotline.mailbox import condition
from hotline.models import MailboxMessage
from web.addresses import base_url
from web.deps import ReadSession, Services, ServicesDep, WriteSession, attempt, require
from web.pages import Nav, render, see_other
from web.routers.people import area_options
from web.routing import Router

router = Router()
NAV = [Nav(84, "/intake-sources", N_("Other doors"), sources.RIGHT)]
Administrator = Annotated[Actor, Depends(require(sources.RIGHT))]
LATEST = 20

MAILBOX_STATES = {
    condition.OK: N_("works"),
    condition.STARTING: N_("not looked at yet"),
    "folder": N_("The folder is not there or may not be read. Check its name and rights."),
    "unreadable": N_("A message cannot be read or stored. Check rights and disk space."),
    "address": N_("The address is wrong. Write it as imaps://user@host/INBOX."),
    "tls": N_("The server's certificate is not trusted, so no password was sent."),
    "unreachable": N_("The server does not answer. Check the address and the network."),
    "login": N_("Name or password is wrong. Set the right one and start again."),
    "no_folder": N_("The folder named in the mailbox address is not there. Check the name."),
    "mail": N_("A mail cannot be taken in. Look into the log."),
    "protocol": N_("The server gave an answer we do not understand. Look into the log."),
}
MAILBOX_NAMES = {"spool": N_("Voicemail folder"), "imap": N_("Mailbox (IMAP)")}


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    *,
    made: tuple[str, int, str] | None = None,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    """``made``: name, number and secret of a source whose secret is shown this once."""
    silent = sa.select(MailboxMessage).where(MailboxMessage.report_id.is_(None))
    return render(
        request,
        "intake/sources.html",
        sources=sources.of_actor(session, actor),
        area_names={area.code: area.name for area in session.query(Area)},
        area_options=area_options(session, actor),
        base_url=base_url(services.settings),
        made=made,
        now=utc_now(),
        mailbox=condition.look(services.settings),
        mailbox_names=MAILBOX_NAMES,
        mailbox_states=MAILBOX_STATES,
        silent=list(session.scalars(silent.order_by(MailboxMessage.id.desc()).limit(LATEST))),
        error=error,
        values=values or {},
    )


@router.get("/intake-sources")
def sources_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Administrator
) -> Response:
    """The systems that may hand in reports, and how mailbox and folder are."""
    return _page(request, session, services, actor)


@router.post("/intake-sources")
def add(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Administrator,
    name: Annotated[str, Form(max_length=1000)] = "",
    area_code: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Let another system in; its secret is shown this once."""
    made = None
    with attempt(session) as tried:
        source, secret = sources.add(session, services.sealer, actor, name, area_code or None)
        made = (source.name, source.id, secret)
    typed = {"name": name, "area_code": area_code} if tried.error else None
    return _page(request, session, services, actor, made=made, error=tried.error, values=typed)


@router.post("/intake-sources/{source_id}/rotate")
def rotate(
    request: Request,
    source_id: int,
    session: WriteSession,
    services: ServicesDep,
    actor: Administrator,
) -> Response:
    """A new secret, shown this once; the one before is good for another day."""
    source = sources.one(session, actor, source_id)
    secret = sources.rotate(session, services.sealer, actor, source)
    return _page(request, session, services, actor, made=(source.name, source.id, secret))


@router.post("/intake-sources/{source_id}/active")
def set_active(
    source_id: int,
    session: WriteSession,
    actor: Administrator,
    active: Annotated[bool, Form()] = False,
) -> Response:
    """Stop a system at once, or let it send again."""
    sources.set_active(session, actor, sources.one(session, actor, source_id), active)
    return see_other("/intake-sources", N_("Stored."))
