"""方言: a report in a dialect goes to those who understand it; others see where it went.

Nothing is locked: whoever opens such a report may still decide it. Where nobody understands a
dialect the report stays with all, and the list says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access
from cases.models import Report
from core import areas, audit
from core.auth import RIGHTS, Actor
from core.errors import N_, InvalidInput, NotFound
from core.models import User

PLAIN = "普通话"
"""Everybody understands it: it routes nowhere."""

DIALECTS = (
    PLAIN, "东北话", "河北话", "天津话", "山东话", "河南话", "陕西话", "甘肃话", "晋语", "四川话",
    "重庆话", "贵州话", "云南话", "湖北话", "江淮话", "安徽话", "上海话", "苏州话", "杭州话",
    "宁波话", "温州话", "湘语", "赣语", "客家话", "福州话", "闽南话", "莆田话", "潮汕话", "粤语",
    "桂柳话", "平话", "海南话", "壮语", "苗语", "彝语", "藏语", "羌语", "蒙古语",
    "维吾尔语", "朝鲜语",
)  # fmt: skip
"""Offered on pages, nearest kin together; any other name may be typed."""

MAX_NAME = 40
MAX_KNOWN = 20
NOWHERE, MINE, OTHERS, NOBODYS = "", "mine", "others", "nobodys"


def tidy(name: str, field: str = "dialect") -> str:
    """The name without needless blanks, "" for none; InvalidInput when it is too long."""
    plain = " ".join(name.split())
    if len(plain) > MAX_NAME:
        raise InvalidInput(
            N_("A dialect's name has at most %(limit)d characters."),
            field=field,
            params={"limit": MAX_NAME},
        )
    return plain


def known_to(session: Session, user_id: int) -> list[str]:
    """The dialects a person understands."""
    return list(session.scalar(sa.select(User.dialects).where(User.id == user_id)) or [])


def set_known(session: Session, actor: Actor, user_id: int, names: Iterable[str]) -> None:
    """Store what a person understands; one's own, or, for administrators, of the own area's."""
    user = session.get(User, user_id)
    if user is None or (user.id != actor.id and not _administers(session, actor, user)):
        raise NotFound(N_("There is no such thing here."))
    known = list(dict.fromkeys(plain for name in names if (plain := tidy(name, "dialects"))))
    if len(known) > MAX_KNOWN:
        raise InvalidInput(
            N_("Choose at most %(limit)d dialects."), field="dialects", params={"limit": MAX_KNOWN}
        )
    user.dialects = known
    audit.record(session, actor.login, "user.dialects", f"user:{user.id}", dialects=known)


def _administers(session: Session, actor: Actor, user: User) -> bool:
    if not actor.may("people.edit"):
        return False
    return actor.area_code is None or user.area_code in areas.below(session, actor.area_code)


@dataclass
class Routing:
    """Where reports in a dialect go, as one person sees it; read once for a page."""

    session: Session
    actor: Actor
    _chains: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def mine(self) -> frozenset[str]:
        """What the person understands."""
        return frozenset(known_to(self.session, self.actor.id))

    @cached_property
    def _people(self) -> list[User]:
        query = sa.select(User).where(User.active, User.dialects.is_not(None))
        return [user for user in self.session.scalars(query) if user.dialects]

    def of(self, report: Report) -> str:
        """NOWHERE (no dialect), MINE, OTHERS (somebody else reviews it) or NOBODYS."""
        return self.place(report.dialect, report.village_code, report.confidential)

    def place(self, dialect: str | None, village_code: str | None, confidential: bool) -> str:
        """``of`` a report with these facts."""
        if not dialect or dialect == PLAIN:
            return NOWHERE
        if dialect in self.mine:
            return MINE
        understood = any(
            dialect in (user.dialects or ()) and self._reviews(user, village_code, confidential)
            for user in self._people
        )
        return OTHERS if understood else NOBODYS

    def _reviews(self, user: User, village_code: str | None, confidential: bool) -> bool:
        needed = access.CONFIDENTIAL_ROLES if confidential else RIGHTS["report.review"]
        if not needed & set(user.roles):
            return False
        return village_code is None or user.area_code in self._chain(village_code)

    def _chain(self, village_code: str) -> Sequence[str]:
        if village_code not in self._chains:
            self._chains[village_code] = areas.upward(self.session, village_code)
        return self._chains[village_code]

    def elsewhere(self, waiting: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        """SQL condition: a report of those ``waiting`` is for somebody else."""
        village = sa.func.coalesce(Report.village_code, "")
        facts = self.session.execute(
            sa.select(Report.dialect, Report.village_code, Report.confidential)
            .where(waiting, Report.dialect.is_not(None))
            .distinct()
        )
        theirs = [
            (dialect, code or "", confidential)
            for dialect, code, confidential in facts
            if self.place(dialect, code, confidential) == OTHERS
        ]
        if not theirs:
            return sa.false()
        return sa.tuple_(sa.func.coalesce(Report.dialect, ""), village, Report.confidential).in_(
            theirs
        )
