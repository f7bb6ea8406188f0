"""喊话: somebody speaks to villages now. Who may, to whom, and how it ends."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import live_calls
from broadcast.live_hub import Facts
from broadcast.models import LiveListener, LiveSession, Player
from core import areas, audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict, Forbidden, InvalidInput, NotFound
from core.models import Area, User

SPEAK, READ = "live.speak", "live.read"
OPEN = ("opening", "on_air")
LONGEST = timedelta(minutes=30)
SILENCE_S = 20.0
LOST_S = 5.0
CHIME = timedelta(seconds=2.5)
WAIT_AT_MOST = timedelta(seconds=8)
TOLD_LATE = timedelta(minutes=10)
"""So long after the end a player may still tell what it heard."""
HUSHED = ("hard_stop", "left", "stopped")
"""Causes after which not even what is on its way is said."""
MAX_TITLE = 120
EMERGENCY_ROLES = frozenset({"township", "county", "city", "leader"})
CHANGED = "live.changed"


class SomebodySpeaks(Conflict):
    """One voice at a time in a village. ``speaker`` and ``village`` are names."""

    code = "somebody_speaks"

    def __init__(self, speaker: str, village: str, village_code: str) -> None:
        self.speaker, self.village_code = speaker, village_code
        super().__init__(
            N_("%(speaker)s is speaking to %(village)s at this moment. Wait, or leave it out."),
            field="villages",
            params={"speaker": speaker, "village": village},
        )


@dataclass(frozen=True)
class Opened:
    """A session that may begin, and the ids of the players that were called."""

    session: LiveSession
    players: tuple[str, ...]


def open_session(
    session: Session,
    actor: Actor,
    villages: Collection[str],
    *,
    source: str,
    title: str = "",
    emergency: bool = False,
) -> Opened:
    """Call the players of the villages. One session a village: SomebodySpeaks names the speaker.

    Raises Forbidden without the right, NotFound outside the own area, InvalidInput for no village.
    """
    actor.require(SPEAK)
    if emergency and not actor.roles & EMERGENCY_ROLES:
        raise Forbidden(N_("Your role does not allow this. Ask your administrator."))
    codes = sorted(set(villages))
    _check_villages(session, actor, codes)
    title = title.strip()
    if len(title) > MAX_TITLE:
        raise InvalidInput(N_("The title may have up to 120 characters."), field="title")
    _refuse_second_speaker(session, codes)
    now = utc_now()
    row = LiveSession(
        id=str(uuid.uuid4()),
        source=source,
        title=title,
        state="opening",
        villages=codes,
        started_by_id=actor.id,
        created_at=now,
        emergency=emergency,
    )
    session.add(row)
    session.flush()
    players = tuple(players_in(session, codes))
    for player_id in players:
        session.add(LiveListener(session_id=row.id, player_id=player_id))
        live_calls.call(session, actor, row, player_id, now + LONGEST)
    audit.record(
        session, actor.login, "live.opened", f"live:{row.id}", villages=codes, source=source,
        emergency=emergency,
    )  # fmt: skip
    outbox.emit(session, CHANGED, session_id=row.id)
    return Opened(row, players)


def _check_villages(session: Session, actor: Actor, codes: list[str]) -> None:
    actor.require_villages(session, codes)
    # Locked so that two speakers cannot both find a village free.
    session.execute(
        sa.select(Area.code).where(Area.code.in_(codes)).order_by(Area.code).with_for_update()
    )


def _refuse_second_speaker(session: Session, codes: list[str]) -> None:
    for other in running(session):
        taken = sorted(set(other.villages) & set(codes))
        if taken:
            speaker = session.get_one(User, other.started_by_id).display_name
            village = areas.get(session, str(taken[0]))
            raise SomebodySpeaks(speaker, village.name, village.code)


def running(session: Session) -> list[LiveSession]:
    """All sessions that are not over."""
    return list(session.scalars(sa.select(LiveSession).where(LiveSession.state.in_(OPEN))))


def players_in(session: Session, codes: Collection[str]) -> dict[str, str]:
    """Id of each player of these villages that would be called -> its village."""
    query = (
        sa.select(Player.id, Player.area_code)
        .where(
            Player.area_code.in_(codes),
            Player.revoked_at.is_(None),
            Player.approved_at.is_not(None),
        )
        .order_by(Player.id)
    )
    return {player_id: village for player_id, village in session.execute(query)}


def may_begin(joined_at: datetime | None, created_at: datetime) -> bool:
    """Whether to speak now: the first horns (``joined_at``) have chimed, or waiting is no use."""
    now = utc_now()
    chimed = joined_at is not None and now - joined_at >= CHIME
    return chimed or now - created_at >= WAIT_AT_MOST


def call_again(session: Session, player: Player) -> None:
    """The player's program has just started: it remembers no address it was called to."""
    live_calls.call_again(session, player, running(session), LONGEST)


def go_on_air(session: Session, session_id: str) -> bool:
    """The first word; False when the session is on air already or over."""
    started = session.execute(
        sa.update(LiveSession)
        .where(LiveSession.id == session_id, LiveSession.state == "opening")
        .values(state="on_air", on_air_at=utc_now())
    )
    if claimed(started):
        outbox.emit(session, CHANGED, session_id=session_id)
        return True
    return False


def end(session: Session, session_id: str, cause: str, *, by: str = "server") -> bool:
    """End a session: the first cause counts, False when it is over already.

    ``cause``: speaker, hard_stop, left, stopped, connection, silence, limit, server, hung_up,
    keyed. A session in which nobody ever spoke is ``failed``.
    """
    row = session.get(LiveSession, session_id)
    if row is None:
        return False
    state = "ended" if row.on_air_at is not None else "failed"
    ended = session.execute(
        sa.update(LiveSession)
        .where(LiveSession.id == session_id, LiveSession.state.in_(OPEN))
        .values(state=state, ended_at=utc_now(), end_cause=cause)
    )
    if not claimed(ended):
        return False
    for listener in _listeners(session, session_id):
        live_calls.recall(session, session_id, listener.player_id, hush=cause in HUSHED)
    audit.record(session, by, "live.ended", f"live:{session_id}", cause=cause)
    outbox.emit(session, CHANGED, session_id=session_id)
    return True


def stop_cause(session: Session, actor: Actor, session_id: str, cause: str) -> str:
    """What to ``end`` it with for a person: the speaker's ``cause``, or that of somebody else.

    Raises NotFound, or Forbidden for somebody whose area does not hold all of its villages.
    """
    row = visible(session, actor, session_id)
    if row.started_by_id == actor.id:
        return cause
    actor.require(SPEAK)
    if not set(row.villages) <= actor.reach(session):
        raise Forbidden(N_("Your role does not allow this. Ask your administrator."))
    return "stopped"


def visible(session: Session, actor: Actor, session_id: str) -> LiveSession:
    """A session that reaches into the actor's area, or that is the own; else NotFound."""
    row = session.get(LiveSession, session_id)
    if row is None or not (row.started_by_id == actor.id or _reaches(session, actor, row)):
        raise NotFound(N_("There is no such live address."))
    return row


def _reaches(session: Session, actor: Actor, row: LiveSession) -> bool:
    own = actor.reach(session)
    return actor.may(READ) and bool(own & set(row.villages))


def joins(session: Session, player: Player, session_id: str) -> LiveSession:
    """The running session a player was called to; NotFound when it is over or not for it."""
    row = session.get(LiveSession, session_id)
    called = session.get(LiveListener, (session_id, player.id))
    if row is None or called is None or row.state not in OPEN or player.approved_at is None:
        raise NotFound(N_("There is no such live address."))
    return row


def heard(
    session: Session,
    player: Player,
    session_id: str,
    first_sound_at: datetime | None,
    lost_ms: int,
    cause: str | None,
) -> None:
    """What a player tells of its horn, up to some minutes after the end."""
    row = session.get(LiveSession, session_id)
    listener = session.get(LiveListener, (session_id, player.id))
    if row is None or listener is None:
        raise NotFound(N_("There is no such live address."))
    if row.ended_at is not None and row.ended_at + TOLD_LATE < utc_now():
        raise NotFound(N_("There is no such live address."))
    listener.first_sound_at = listener.first_sound_at or first_sound_at
    listener.lost_ms = max(listener.lost_ms, lost_ms)
    if cause:
        listener.cause = cause[:20]
    outbox.emit(session, CHANGED, session_id=session_id)


def note(session: Session, session_id: str, facts: dict[str, Facts]) -> None:
    """Keep what the streams tell of the players."""
    for player_id, fact in facts.items():
        row = session.get(LiveListener, (session_id, player_id))
        if row is None:
            continue
        row.joined_at = row.joined_at or fact.joined_at
        row.first_sound_at = row.first_sound_at or fact.first_sound_at
        row.left_at, row.cause = fact.left_at, fact.cause or row.cause
        row.lost_ms = max(row.lost_ms, fact.lost_ms)


def _listeners(session: Session, session_id: str) -> list[LiveListener]:
    query = sa.select(LiveListener).where(LiveListener.session_id == session_id)
    return list(session.scalars(query.order_by(LiveListener.player_id)))
