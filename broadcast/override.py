"""应急插播: an official breaks into all programmes of chosen villages.

Two steps: ``create`` (the sound is made and can be heard), then ``confirm`` by typing the number
of villages. From then on it is repeated until ``valid_until`` or until somebody cancels it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import listed, manifest, override_plays, override_rounds
from broadcast.models import Override
from core import audit, bell, blobs, outbox
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict, Forbidden, InvalidInput, NotFound
from recordings import speech

RIGHT = "override.order"
KINDS = {
    "emergency": N_("Emergency: nothing holds it back"),
    "drill": N_("Drill: says before and after that it is a drill"),
    "notice": N_("Notice: breaks into programmes"),
}
UNTITLED = {"emergency": "紧急", "drill": "演练", "notice": "通知"}
"""What stands in lists, also of players, for a sound that nobody gave a title."""
OPEN = ("preparing", "ready", "on_air")
CHANGED = "override.changed"
"""News: {override_id, area_codes}; the lists of these villages are to be made anew."""
BELL = "override"
LONGEST = timedelta(minutes=15)
MAX_TITLE = 120
MAX_TEXT = 1_000
REPEAT_MINUTES = range(1, 24 * 60 + 1)
VALID_MINUTES = range(1, 72 * 60 + 1)
VILLAGES_A_TIME = 40
"""One piece of news names so many, so that the first villages need not wait for the last."""
ENTRIES_A_TIME = 5_000
"""And so many that their lists together have no more entries."""


@dataclass(frozen=True)
class Order:
    """What is to be said. Either ``text`` or ``source_sha256`` (a sound in the store) is given.

    ``repeat_minutes`` None: once. ``form_token``: the same form sent twice makes one override.
    """

    kind: str
    villages: Collection[str]
    form_token: str
    text: str = ""
    source_sha256: str | None = None
    title: str = ""
    repeat_minutes: int | None = None
    valid_minutes: int = 60
    volume_percent: int = 100


def create(session: Session, store: BlobStore, actor: Actor, order: Order) -> Override:
    """Write it down and have its sound made; nothing is heard yet.

    Raises InvalidInput with the wrong field, NotFound for a village outside the own area.
    """
    actor.require(RIGHT)
    known = session.scalar(sa.select(Override).where(Override.form_token == order.form_token))
    if known is not None and known.created_by_id == actor.id:
        return known
    text = _check(session, actor, order)
    if order.source_sha256 is not None:
        blobs.register(session, store, order.source_sha256, "application/octet-stream")
    now = utc_now()
    found = Override(
        kind=order.kind,
        title=order.title.strip() or (text or "").replace("\n", " ")[:40] or UNTITLED[order.kind],
        text=text,
        source_sha256=order.source_sha256,
        volume_percent=order.volume_percent,
        villages=sorted(set(order.villages)),
        repeat_every_s=order.repeat_minutes * 60 if order.repeat_minutes else None,
        valid_until=now + timedelta(minutes=order.valid_minutes),
        created_by_id=actor.id,
        created_at=now,
        form_token=order.form_token,
    )
    session.add(found)
    session.flush()
    _note(session, actor, found, "created", kind=found.kind, villages=len(found.villages))
    bell.ring_after_commit(session, BELL)
    return found


def confirm(
    session: Session, actor: Actor, override_id: int, version: int, typed_count: str
) -> Override:
    """The second yes: on air, first heard in a few seconds. ``typed_count``: how many villages.

    The same yes twice changes nothing. Raises InvalidInput(field="count") for another number,
    Conflict when it is not ready, or was changed after ``version`` was read.
    """
    found = get(session, actor, override_id, all_villages=True)
    if found.state == "on_air":
        return found
    if _whole(typed_count) != len(found.villages):
        raise InvalidInput(
            N_("That is not the number. It goes to %(count)d villages: type %(count)d."),
            field="count",
            params={"count": len(found.villages)},
        )
    now = utc_now()
    lasts = found.valid_until - found.created_at
    taken = session.execute(
        sa.update(Override)
        .where(Override.id == found.id, Override.version == version, Override.state == "ready")
        .values(
            state="on_air",
            confirmed_by_id=actor.id,
            confirmed_at=now,
            valid_until=now + lasts,
            version=version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    session.refresh(found)
    if not claimed(taken):
        if found.state == "on_air":  # a colleague's yes came a moment sooner
            return found
        raise Conflict(N_("Meanwhile it was changed or called off. Load the page again and look."))
    rhythm = override_plays.rhythm(found)
    override_plays.make(session, found, override_rounds.rounds(rhythm, rhythm.first_at))
    _note(session, actor, found, "confirmed", villages=found.villages)
    tell(session, found)
    return found


def cancel(session: Session, actor: Actor, override_id: int) -> bool:
    """Silence, at once; False when it was over already (two may press at the same time)."""
    found = get(session, actor, override_id, all_villages=True)
    now = utc_now()
    states = (*OPEN, "ended") if override_plays.may_sound(session, found) else OPEN
    taken = session.execute(
        sa.update(Override)
        .where(Override.id == found.id, Override.state.in_(states))
        .values(
            state="cancelled",
            cancelled_by_id=actor.id,
            cancelled_at=now,
            version=Override.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    if not claimed(taken):
        return False
    session.refresh(found)
    override_plays.cancel_now(session, found)
    _note(session, actor, found, "cancelled")
    tell(session, found)
    return True


def take_back(session: Session, actor: Actor, override_id: int) -> bool:
    """Never send what was not started yet, because another is written in its place."""
    found = get(session, actor, override_id)
    taken = session.execute(
        sa.update(Override)
        .where(Override.id == found.id, Override.confirmed_at.is_(None))
        .where(Override.state.in_((*OPEN, "failed")), Override.created_by_id == actor.id)
        .values(
            state="cancelled",
            cancelled_by_id=actor.id,
            cancelled_at=utc_now(),
            version=Override.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    if not claimed(taken):
        return False
    _note(session, actor, found, "replaced")
    outbox.emit(session, CHANGED, override_id=found.id, area_codes=[])
    return True


def try_again(session: Session, actor: Actor, override_id: int) -> bool:
    """Make the sound once more after a failure; False when there is nothing to try."""
    found = get(session, actor, override_id, all_villages=True)
    taken = session.execute(
        sa.update(Override)
        .where(Override.id == found.id, Override.state == "failed")
        .values(state="preparing", failure=None, version=Override.version + 1)
        .execution_options(synchronize_session=False)
    )
    bell.ring_after_commit(session, BELL)
    return claimed(taken)


def get(
    session: Session, actor: Actor, override_id: int, *, all_villages: bool = False
) -> Override:
    """One that concerns a village of the own area; NotFound otherwise.

    ``all_villages``: Forbidden unless all of its villages lie there.
    """
    actor.require(RIGHT)
    found = session.get(Override, override_id) if 0 < override_id < 2**31 else None
    own = actor.reach(session)
    if found is None or found.kind not in KINDS or not own.intersection(found.villages):
        raise NotFound(N_("There is no such broadcast."))
    if all_villages and not own.issuperset(found.villages):
        raise Forbidden(
            N_("It also goes to villages of another area. Ask the level above to change it.")
        )
    return found


def running(session: Session, actor: Actor) -> list[Override]:
    """What players may sound in the actor's area, emergencies first."""
    found = newest(session, actor, states=("on_air",)) + newest(session, actor, states=("ended",))
    return [each for each in found if override_plays.may_sound(session, each)]


def newest(
    session: Session, actor: Actor, *, states: Sequence[str] | None = None, limit: int = 50
) -> list[Override]:
    """Those that concern the actor's area: the most urgent running one first, then by time."""
    own = actor.reach(session)
    query = sa.select(Override).where(Override.kind.in_(KINDS)).order_by(Override.id.desc())
    query = query.limit(500)
    if states is not None:
        query = query.where(Override.state.in_(states))
    mine = [each for each in session.scalars(query) if own.intersection(each.villages)]
    mine.sort(key=lambda each: (each.state != "on_air", -urgency(each)))
    return mine[:limit]


def urgency(override: Override) -> int:
    """Its place on the ladder while it is on air, 0 otherwise."""
    return listed.PRIORITIES[override.kind] if override.state == "on_air" else 0


def tell(session: Session, override: Override, rounds: int = 1) -> None:
    """Lists of the first villages are made anew at once, those of the others by the news.

    ``rounds``: how many each list holds; the more, the fewer villages go into one transaction.
    """
    codes = list(override.villages)
    at_once = max(1, min(VILLAGES_A_TIME, ENTRIES_A_TIME // rounds))
    for code in codes[:at_once]:
        manifest.build(session, code)
    for first in range(0, len(codes), at_once):
        some = codes[first : first + at_once]
        outbox.emit(session, CHANGED, override_id=override.id, area_codes=some)
    bell.ring_after_commit(session, BELL)


def _check(session: Session, actor: Actor, order: Order) -> str | None:
    """The text to speak, or None for a sound."""
    if order.kind not in KINDS:
        raise InvalidInput(N_("Choose what it is."), field="kind")
    if not order.form_token or len(order.form_token) > 64:
        raise InvalidInput(N_("Load the page again and fill it in anew."))
    if len(order.title) > MAX_TITLE:
        raise InvalidInput(N_("The title may have up to 120 characters."), field="title")
    if order.repeat_minutes is not None and order.repeat_minutes not in REPEAT_MINUTES:
        raise InvalidInput(N_("Repeat it every 1 to 1440 minutes."), field="repeat_minutes")
    if order.valid_minutes not in VALID_MINUTES:
        raise InvalidInput(N_("It lasts 1 minute to 72 hours."), field="valid_minutes")
    if not 10 <= order.volume_percent <= 100:
        raise InvalidInput(N_("The volume is a number from 10 to 100."), field="volume_percent")
    actor.require_villages(session, order.villages)
    if order.source_sha256 is not None:
        if order.text.strip():
            raise InvalidInput(
                N_("Send either the text or the sound: empty this field, or give no sound."),
                field="text",
            )
        return None
    if len(order.text) > MAX_TEXT:
        raise InvalidInput(
            N_("The text has %(count)d characters; at most %(limit)d can be spoken. Shorten it."),
            field="text",
            params={"count": len(order.text), "limit": MAX_TEXT},
        )
    return speech.clean(order.text)


def _whole(text: str) -> int:
    plain = text.strip()
    return int(plain) if plain.isdecimal() and len(plain) < 6 else -1


def _note(session: Session, actor: Actor, found: Override, what: str, **detail: object) -> None:
    audit.record(session, actor.login, f"override.{what}", f"override:{found.id}", **detail)
