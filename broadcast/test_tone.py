"""A test tone on the road of every other play: list, wake-up, cache, plan, sink, receipt.

It begins some seconds after the order and interrupts nothing. What is seen of it, step by step,
says where a dumb horn is stuck.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import health_view, override, override_plays
from broadcast.models import ManifestVersion, Override, OverridePlay, Player, Receipt
from broadcast.override_rounds import Round
from broadcast.tone_steps import Seen, Step, steps
from core import areas, audit, blobs
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound
from core.models import Area
from schedule import quiet

KIND = "test"
TITLE = "测试音"
STARTS_IN = timedelta(seconds=10)
VALID_FOR = timedelta(minutes=3)
"""Players that hear no wake-up ask once a minute."""
NEWEST = 20
RATE_HZ = 16_000
_NOTES_HZ = (523.3, 659.3, 784.0, 659.3, 523.3)
_NOTE_S, _REST_S, _EDGE_S, _PEAK = 0.8, 0.2, 0.03, 0.4


@dataclass(frozen=True)
class Road:
    """How far the tone came with one player of a village; ``player`` None: there is none."""

    village: Area
    player: Player | None
    steps: tuple[Step, ...]


def sound() -> bytes:
    """Five notes in five seconds as WAV; always the same bytes, so players fetch them once."""
    time_s = np.arange(round(_NOTE_S * RATE_HZ)) / RATE_HZ
    edge = np.clip(np.minimum(time_s, _NOTE_S - time_s) / _EDGE_S, 0, 1)
    rest = np.zeros(round(_REST_S * RATE_HZ))
    parts = [part for hz in _NOTES_HZ for part in (np.sin(2 * np.pi * hz * time_s) * edge, rest)]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((np.concatenate(parts) * _PEAK * 32_767).astype("<i2").tobytes())
    return out.getvalue()


def order(
    session: Session, store: BlobStore, actor: Actor, villages: Collection[str], form_token: str
) -> Override:
    """Send a tone to villages; the same form sent twice sends one. ``form_token``: up to 64.

    Raises InvalidInput(field="villages"), also where quiet is ordered, and NotFound outside the
    own area.
    """
    actor.require("speaker.test")
    known = session.scalar(sa.select(Override).where(Override.form_token == form_token))
    if known is not None and known.created_by_id == actor.id and known.kind == KIND:
        return known
    if not form_token or len(form_token) > 64:
        raise InvalidInput(N_("Load the page again and fill it in anew."))
    _check(session, actor, villages)
    sha256 = store.put_bytes(sound())
    blobs.register(session, store, sha256, "audio/wav")
    now = utc_now()
    found = Override(
        kind=KIND,
        title=TITLE,
        clip_sha256=sha256,
        duration_ms=round(len(_NOTES_HZ) * (_NOTE_S + _REST_S) * 1000),
        villages=sorted(set(villages)),
        state="on_air",
        valid_until=now + VALID_FOR,
        created_by_id=actor.id,
        created_at=now,
        confirmed_by_id=actor.id,
        confirmed_at=now,
        form_token=form_token,
    )
    session.add(found)
    session.flush()
    override_plays.make(session, found, [Round(1, now + STARTS_IN, found.valid_until)])
    audit.record(session, actor.login, "speaker.test", f"override:{found.id}",
                 villages=found.villages)  # fmt: skip
    override.tell(session, found)
    return found


def _check(session: Session, actor: Actor, villages: Collection[str]) -> None:
    actor.require_villages(session, villages)
    for code in sorted(quiet.running_in(session, villages)):
        raise InvalidInput(
            N_("Quiet is ordered in %(name)s; leave it out or wait."),
            field="villages",
            params={"name": areas.get(session, code).name},
        )


def newest(session: Session, actor: Actor) -> list[Override]:
    """The last tests that concern the actor's area, the newest first."""
    actor.require("speaker.test")
    own = actor.reach(session)
    tests = session.scalars(
        sa.select(Override).where(Override.kind == KIND).order_by(Override.id.desc()).limit(200)
    )
    return [test for test in tests if own.intersection(test.villages)][:NEWEST]


def get(session: Session, actor: Actor, test_id: int) -> Override:
    """A test that concerns the actor's area, else NotFound."""
    actor.require("speaker.test")
    found = session.get(Override, test_id) if 0 < test_id < 2**31 else None
    own = actor.reach(session)
    if found is None or found.kind != KIND or not own.intersection(found.villages):
        raise NotFound(N_("There is no such test."))
    return found


def roads(session: Session, actor: Actor, test: Override) -> list[Road]:
    """How far the tone came, for each player of the actor's villages."""
    own = actor.reach(session)
    rows = session.execute(
        sa.select(Area, OverridePlay, Player, ManifestVersion, Receipt)
        .join(OverridePlay, OverridePlay.area_code == Area.code)
        .outerjoin(
            Player,
            sa.and_(
                Player.area_code == Area.code,
                Player.enrolled_at <= test.valid_until,
                sa.or_(Player.revoked_at.is_(None), Player.revoked_at > test.created_at),
            ),
        )
        .outerjoin(ManifestVersion, ManifestVersion.area_code == Area.code)
        .outerjoin(
            Receipt,
            sa.and_(Receipt.play_id == OverridePlay.id, Receipt.player_id == Player.id),
        )
        .where(OverridePlay.override_id == test.id, Area.code.in_(own))
        .order_by(Area.code, Player.enrolled_at)
    )
    over = override_plays.is_over(test)
    return [
        Road(area, player, tuple(steps(_seen(test, each, player, manifest, receipt), over)))
        for area, each, player, manifest, receipt in rows
    ]


def _seen(
    test: Override,
    each: OverridePlay,
    player: Player | None,
    manifest: ManifestVersion | None,
    receipt: Receipt | None,
) -> Seen:
    def since_order(moment: datetime | None) -> datetime | None:
        """News of other lists, before or long after, says nothing about this tone."""
        recent = moment is not None and test.created_at <= moment <= test.valid_until
        return moment if recent else None

    sounding_at = each.started_at if each.state == "sounding" else None
    return Seen(
        ordered_at=test.created_at,
        has_player=player is not None,
        is_approved=player is not None and player.approved_at is not None,
        is_switched_quiet=player is not None and health_view.switch_is_on(player.health),
        listed_at=since_order(manifest.issued_at) if manifest else None,
        woken_at=since_order(manifest.woken_at) if manifest else None,
        fetched_at=since_order(player.manifest_at) if player else None,
        sounded_at=receipt.started_at if receipt else sounding_at,
        proved_at=receipt.received_at if receipt else None,
        reason=receipt.reason if receipt else each.reason,
        missed=receipt is not None and receipt.outcome == "missed",
    )
