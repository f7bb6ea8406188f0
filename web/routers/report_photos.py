"""Pictures of a report, for those who hear it; who looked is written down."""

from __future__ import annotations

from starlette.responses import FileResponse, Response

from cases import access
from cases.models import ReportPhoto
from core import audit
from core.errors import N_, NotFound
from web import report_photos
from web.deps import CurrentActor, ServicesDep, WriteSession
from web.routing import Router

router = Router()


@router.get("/reports/{report_id}/photos/{sha256}")
def photo(
    session: WriteSession,
    services: ServicesDep,
    actor: CurrentActor,
    report_id: int,
    sha256: str,
) -> Response:
    """One picture of a report. Like its sound it may show what a text would mask."""
    report = access.report(session, actor, report_id)
    access.require_hear(actor, report)
    if session.get(ReportPhoto, (report.id, sha256)) is None:
        raise NotFound(N_("There is no such picture."))
    audit.record(session, actor.login, "report.photo", f"report:{report.id}", sha256=sha256[:12])
    return FileResponse(
        services.store.existing_path(sha256),
        media_type=report_photos.MEDIA_TYPE,
        headers={"cache-control": "private, no-store"},
    )
