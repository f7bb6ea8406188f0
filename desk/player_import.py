"""Many new players by CSV: a one-time code for each line, or for none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import players
from broadcast.models import EnrolmentCode, Player
from core import audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, XiangyinError
from core.models import Area
from desk import csv_file
from desk.csv_file import ImportRefused, LineError

MAX_PLAYERS = 1_000
CODES_LIVE = timedelta(days=7)
"""Printed lists travel to villages; what comes in waits for a person's yes all the same."""
COLUMNS = {
    "code": ("code", "village_code", "区划代码", "代码", "村代码"),
    "village": ("village", "村", "村名"),
    "name": ("name", "名称", "终端名称"),
}
"""Field -> headings a file may use for it. Villages by code, or by a name that is unique."""


@dataclass(frozen=True)
class Ticket:
    """What goes to one village: its code is shown once."""

    village: Area
    name: str
    made: players.NewCode
    replaces: int
    """How many older codes for the same player ended with it."""


def import_csv(session: Session, actor: Actor, data: bytes) -> list[Ticket]:
    """A code for each line, in the file's order; unused older ones for the same players end.

    Raises ImportRefused with every wrong line; the caller's savepoint then undoes the rest.
    """
    actor.require("speaker.edit")
    rows = csv_file.rows(data, COLUMNS, ())
    if not any("code" in fields or "village" in fields for _, fields in rows):
        raise InvalidInput(
            N_("The first line must name the columns; missing: %(columns)s."),
            field="file",
            params={"columns": "code"},
        )
    if len(rows) > MAX_PLAYERS:
        raise InvalidInput(N_("At most 1,000 players go into one file."), field="file")
    own = _own_areas(session, actor)
    by_name = _by_name(own.values())
    tickets: list[Ticket] = []
    wrong: list[LineError] = []
    seen: set[tuple[str, str]] = set()
    for line, fields in rows:
        try:
            tickets.append(_ticket(session, actor, fields, own, by_name, seen))
        except XiangyinError as error:
            wrong.append(LineError(line, error))
    if wrong:
        raise ImportRefused(wrong)
    audit.record(session, actor.login, "player.codes_imported", "area:*", count=len(tickets))
    return tickets


def _ticket(
    session: Session,
    actor: Actor,
    fields: dict[str, str],
    own: dict[str, Area],
    by_name: dict[str, list[str]],
    seen: set[tuple[str, str]],
) -> Ticket:
    code = fields.get("code") or _code_of(fields.get("village", ""), by_name)
    village = own.get(code)
    if village is None:
        raise InvalidInput(
            N_("There is no village %(code)s in your area. Compare its digits with “Areas”."),
            field="code",
            params={"code": code},
        )
    name = fields.get("name") or village.name
    if (code, name) in seen:
        raise InvalidInput(
            N_("%(name)s stands in the file twice. Give each player of a village its own name."),
            field="name",
            params={"name": name},
        )
    seen.add((code, name))
    _refuse_known(session, code, name)
    replaces = _end_unused(session, code, name)
    made = players.code_for(session, actor, village, name, CODES_LIVE)
    return Ticket(village, name, made, replaces)


def _refuse_known(session: Session, code: str, name: str) -> None:
    """A file that comes once more makes no second player beside the one that has come in."""
    by_code = sa.select(EnrolmentCode.player_id).where(  # a box may have told a name of its own
        EnrolmentCode.area_code == code, EnrolmentCode.name == name
    )
    same = sa.select(Player.id).where(
        Player.area_code == code,
        Player.revoked_at.is_(None),
        sa.or_(Player.name == name, Player.id.in_(by_code)),
    )
    if session.scalar(same.limit(1)) is not None:
        raise InvalidInput(
            N_("The village has a player %(name)s already. Take the line out, or change the name."),
            field="name",
            params={"name": name},
        )


def _end_unused(session: Session, code: str, name: str) -> int:
    """How many codes for the same player were still waiting; they work no longer."""
    ended = session.execute(
        sa.update(EnrolmentCode)
        .where(
            EnrolmentCode.area_code == code,
            EnrolmentCode.name == name,
            EnrolmentCode.used_at.is_(None),
            EnrolmentCode.expires_at > utc_now(),
        )
        .values(expires_at=utc_now())
    )
    return getattr(ended, "rowcount", 0)


def _code_of(village: str, by_name: dict[str, list[str]]) -> str:
    if not village:
        raise InvalidInput(N_("Give the code of the village, or its name."), field="code")
    found = by_name.get(village, [])
    if len(found) != 1:
        raise InvalidInput(
            N_("There are %(count)d villages called %(name)s here. Give the 12-digit code."),
            field="code",
            params={"count": len(found), "name": village},
        )
    return found[0]


def _own_areas(session: Session, actor: Actor) -> dict[str, Area]:
    """By code, read once: a file has up to a thousand lines."""
    own = sa.select(Area).where(Area.code.in_(actor.reach(session)))
    return {area.code: area for area in session.scalars(own)}


def _by_name(own: Iterable[Area]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for area in own:
        if area.level == "village":
            found.setdefault(area.name, []).append(area.code)
    return found
