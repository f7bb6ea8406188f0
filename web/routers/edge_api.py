"""What village players ask of the server; see docs for the form of each message.

Everything that must not be lost goes this way: an answer of 200 to receipts and sound leaves
after the commit. Errors are problem+json.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, JSONResponse, Response

from broadcast import (
    accounts,
    after_restore,
    commands,
    health_view,
    held_lists,
    live,
    manifest,
    override_plays,
    players,
    receipts,
    releases,
    sounded,
)
from broadcast.models import Player
from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound, XiangyinError
from core.models import Blob
from web.body import TooLarge, read_body
from web.brake import Brake
from web.deps import ReadSession, Services, ServicesDep, WriteSession
from web.routing import Router

router = Router(prefix="/edge/v1")
enrolment_brake = Brake(failures=10, within_s=600)


class Unauthorised(XiangyinError):
    """The token is missing or unknown."""

    code = "unauthorised"
    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            N_("This player is not known here or was revoked. Enrol it with a new code.")
        )


class Revoked(Unauthorised):
    """The token belongs to a player that was shut out: it is to forget what it holds."""

    code = "revoked"


class EnrolmentRequest(BaseModel):
    """What a new player sends."""

    code: str = Field(max_length=100)
    name: str = Field("", max_length=200)
    public_key: str = Field(max_length=100)
    version: str = Field("", max_length=100)


class ReceiptBatch(BaseModel):
    """Receipts in order of their numbers."""

    receipts: list[Any]


class CommandAnswer(BaseModel):
    """What came of a command; ``detail`` is kept up to 200 characters."""

    result: str = Field(max_length=20)
    detail: str = Field("", max_length=2_000)


def player_of(request: Request, services: ServicesDep) -> Player:
    """The player whose token the request carries; raises Unauthorised or Revoked.

    Its session ends here: all players of a town may ask in the same second, and requests that held
    a connection while they wait for a second one would starve each other.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    with services.database.read() as session:
        player = players.known(session, token) if scheme.lower() == "bearer" else None
    if player is None:
        raise Unauthorised
    if player.revoked_at is not None:
        raise Revoked
    return player


CurrentPlayer = Annotated[Player, Depends(player_of)]


async def sound_of(request: Request, _player: CurrentPlayer) -> bytes:
    """The raw body, at most ``sounded.MAX_BYTES``; read only for players that are known."""
    too_large = TooLarge(
        N_("The sound is larger than %(limit_mb)d MB."),
        params={"limit_mb": sounded.MAX_BYTES // 1_000_000},
    )
    return await read_body(request, sounded.MAX_BYTES, too_large)


@router.post("/enrol", status_code=201)
def enrol(
    request: Request, session: WriteSession, services: ServicesDep, asked: EnrolmentRequest
) -> JSONResponse:
    """Let a player in by its one-time code; tells its secrets once."""
    visitor = request.client.host if request.client else ""
    enrolment_brake.check(visitor)
    try:
        found = players.enrol(session, asked.code, asked.name, asked.public_key, asked.version)
    except InvalidInput:
        enrolment_brake.failed(visitor)
        raise
    settings = services.settings
    host = request.url.hostname or settings.mqtt_host
    answer = {
        "player_id": found.player.id,
        "area_code": found.player.area_code,
        "token": found.token,
        "server_key": services.signer.public,
        "zone": settings.zone,
        "mqtt": accounts.for_player(settings, found.player, found.mqtt_password, host),
    }
    return JSONResponse(answer, 201, {"cache-control": "no-store"})


@router.get("/manifest")
def get_manifest(request: Request, services: ServicesDep, player: CurrentPlayer) -> Response:
    """The signed list of the next days, without plays before somebody has approved the player;
    304 while it has the newest.
    """
    with services.database.read() as session:
        found = manifest.kept(session, player.area_code) or manifest.current(
            session, player.area_code
        )
    if found is None:
        with services.database.write() as writing:
            found = manifest.build(writing, player.area_code)
    if player.approved_at is None:
        found = found.without_plays()
    known = request.headers.get("if-none-match", "")
    _note_list(services, player, found, held_lists.version_of(known, services.signer.key_id))
    etag = held_lists.tag(found, services.signer.key_id)
    headers = {"etag": etag, "cache-control": "no-cache"}
    if known == etag:
        return Response(status_code=304, headers=headers)
    return JSONResponse(manifest.sign(services.signer, found), headers=headers)


def _note_list(
    services: Services, player: Player, given: manifest.Manifest, held: int | None
) -> None:
    """``held``: the version the player named; the answer has not arrived before it names this."""
    approved = player.approved_at is not None
    is_news = approved and held_lists.is_news(player, given.version, held)
    if not is_news and players.is_seen_fresh(player):
        return
    with services.database.write() as session:
        players.note_seen(session, player.id)
        if approved:
            held_lists.note(session, player.id, given.version, held)


@router.get("/clips/{sha256}")
def get_clip(
    sha256: str, session: ReadSession, services: ServicesDep, player: CurrentPlayer
) -> FileResponse:
    """A clip of the player's own plays, with ranges; anything else is not there."""
    blob = session.get(Blob, sha256) if player.approved_at is not None else None
    if blob is None or not manifest.has_clip(session, player.area_code, sha256):
        raise NotFound(N_("There is no such sound."))
    return FileResponse(
        services.store.existing_path(sha256),
        media_type=blob.media_type,
        headers={"etag": f'"{sha256}"', "cache-control": "private, max-age=604800, immutable"},
    )


@router.get("/releases/{version}")
def get_release(
    version: str, session: ReadSession, services: ServicesDep, player: CurrentPlayer
) -> FileResponse:
    """A signed program for players, with ranges."""
    if player.approved_at is None:
        raise NotFound(N_("There is no such release."))
    release = releases.find(session, version)
    return FileResponse(
        services.store.existing_path(release.sha256),
        media_type=releases.MEDIA_TYPE,
        headers={"etag": f'"{release.sha256}"', "cache-control": "private, max-age=86400"},
    )


@router.post("/receipts")
def post_receipts(
    session: WriteSession, player: CurrentPlayer, batch: ReceiptBatch
) -> dict[str, int]:
    """Take in receipts; answers up to which number all are stored for good."""
    acknowledged_seq = receipts.accept(session, player, batch.receipts)
    players.note_seen(session, player.id)
    return {"acknowledged_seq": acknowledged_seq}


@router.post("/plays/{play_id}/sounded")
def post_sounded(
    play_id: int,
    session: WriteSession,
    services: ServicesDep,
    player: CurrentPlayer,
    sound: Annotated[bytes, Depends(sound_of)],
) -> dict[str, str]:
    """Keep what the player's WAV sink sounded."""
    return {"sha256": sounded.keep(session, services.store, player, play_id, sound)}


@router.post("/health")
def post_health(
    session: WriteSession, services: ServicesDep, player: CurrentPlayer, health: dict[str, Any]
) -> dict[str, Any]:
    """Remember how the player is; answers with the time and the commands that wait for it."""
    noted = players.note_health(session, player.id, health)
    if noted.boot_ids != player.boot_ids:
        live.call_again(session, noted)
    if noted.approved_at is not None:
        if not health_view.has_no_card(health):
            override_plays.heard_of(session, noted.area_code, health)
        after_restore.notice_list(session, noted, health.get("manifest_version"))
    waiting = commands.pending(session, services.signer, player.id, utc_now())
    return {
        "ok": True,
        "approved": noted.approved_at is not None,
        "cloned": noted.cloned_at is not None,
        "now": utc_now().isoformat(),
        "commands": waiting,
    }


@router.post("/commands/{command_id}")
def post_command_answer(
    command_id: str, session: WriteSession, player: CurrentPlayer, answer: CommandAnswer
) -> dict[str, str]:
    """Take in what came of a command; said again it changes nothing."""
    found = commands.acknowledge(session, player, command_id, answer.result, answer.detail)
    return {"id": found.id, "state": found.state}
