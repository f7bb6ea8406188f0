"""Words of a place: its villages, what people call them, their officials and shops.

Villages come from the areas by themselves; the rest is taught by people. A word holds for its
area and everything below it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound
from core.models import Area
from transcribe import word_list
from transcribe.models import LocalTerm
from transcribe.word_list import LineError, ListRefused

KINDS = {
    "village": N_("Village or hamlet"),
    "nickname": N_("What people call it"),
    "official": N_("Official"),
    "shop": N_("Shop or place"),
    "other": N_("Other word"),
}
PLACES = ("village", "nickname", "shop")
MAX_CHARACTERS = 40
MAX_MEANING = 80
RIGHT = "words.teach"
KIND_NAMES = {
    "": "other", "村": "village", "自然村": "village", "俗称": "nickname", "小名": "nickname",
    "外号": "nickname", "干部": "official", "人名": "official", "店": "shop", "店铺": "shop",
    "地点": "shop", "其他": "other",
}  # fmt: skip
"""What a list may call a kind, beside the kinds themselves."""


class AlreadyThere(InvalidInput):
    """The area has this word."""


def names(session: Session, area_code: str | None) -> list[str]:
    """Names of places that callers of the area speak of; no doubles, nearest first.

    The area's own and those above and below it, the villages beside it (people report what they
    see on the way), and the taught words for places. Empty for an unknown area.
    """
    if area_code is None:
        return []
    upward = areas.upward(session, area_code)
    found = [area.name for code in upward if (area := session.get(Area, code)) is not None]
    around = neighbourhood(session, area_code)
    found += session.scalars(
        sa.select(Area.name)
        .where(Area.code.in_(around), Area.level != "grid", Area.code.not_in(upward))
        .order_by(Area.code)
    )
    found += (term.text for term in taught(session, area_code) if term.kind in PLACES)
    return list(dict.fromkeys(found))


def neighbourhood(session: Session, area_code: str) -> set[str]:
    """Codes of the area, of all below it, and of those that belong to the same area above."""
    area = session.get(Area, area_code)
    if area is None:
        return set()
    found = areas.below(session, area_code)
    if area.level in ("village", "grid") and area.parent_code is not None:
        found |= areas.below(session, area.parent_code)
    return found


def taught(session: Session, area_code: str) -> list[LocalTerm]:
    """Words in force around an area: its own, of the areas above, below and beside it."""
    codes = {*areas.upward(session, area_code), *neighbourhood(session, area_code)}
    query = sa.select(LocalTerm).where(LocalTerm.area_code.in_(codes))
    return list(session.scalars(query.order_by(LocalTerm.area_code, LocalTerm.text)))


def add(
    session: Session,
    actor: Actor,
    area_code: str,
    text: str,
    kind: str = "other",
    meaning: str = "",
) -> LocalTerm:
    """Teach a word; raises InvalidInput that names the field ("text", "kind", "meaning")."""
    _require(session, actor, area_code)
    term = _term(actor, area_code, _checked(session, area_code, text, kind, meaning))
    session.add(term)
    session.flush()
    audit.record(session, actor.login, "word.added", f"word:{term.id}", text=term.text)
    return term


def add_many(session: Session, actor: Actor, area_code: str, listed: bytes) -> tuple[int, int]:
    """Teach a list of words; returns how many are new and how many were there before.

    Raises word_list.ListRefused with every wrong line; the caller's savepoint undoes the rest.
    """
    _require(session, actor, area_code)
    added = known = 0
    wrong: list[LineError] = []
    for line in word_list.read(listed):
        try:
            kind = KIND_NAMES.get(line.kind.lower(), line.kind)
            fields = _checked(session, area_code, line.text, kind, line.meaning)
        except AlreadyThere:
            known += 1
        except InvalidInput as error:
            wrong.append(LineError(line.number, error))
        else:
            added += 1
            session.add(_term(actor, area_code, fields))
            session.flush()
    if wrong:
        raise ListRefused(wrong)
    audit.record(session, actor.login, "word.imported", f"area:{area_code}", count=added)
    return added, known


def change(
    session: Session, actor: Actor, term_id: int, text: str, kind: str, meaning: str = ""
) -> LocalTerm:
    """Correct a taught word; whether the model knows it is found out anew."""
    term = taught_one(session, actor, term_id)
    fields = _checked(session, term.area_code, text, kind, meaning, but=term)
    if fields["text"] != term.text:
        term.known_to = term.unknown_to = term.pieces = None
    for name, value in fields.items():
        setattr(term, name, value)
    session.flush()
    audit.record(session, actor.login, "word.changed", f"word:{term.id}", text=term.text)
    return term


def remove(session: Session, actor: Actor, term_id: int) -> None:
    """Forget a taught word."""
    term = taught_one(session, actor, term_id)
    session.delete(term)
    audit.record(session, actor.login, "word.removed", f"word:{term.id}", text=term.text)


def taught_one(session: Session, actor: Actor, term_id: int) -> LocalTerm:
    """A word that this person may change, else NotFound; villages of the areas are not taught."""
    actor.require(RIGHT)
    term = session.get(LocalTerm, term_id)
    if term is None or term.added_by_id is None or not actor.sees(session, term.area_code):
        raise NotFound(N_("There is no such word here."))
    return term


def clean(text: str) -> str:
    """The word without blanks around and between Chinese characters; InvalidInput when unfit."""
    words = text.split()
    joined = "".join(words) if not text.isascii() else " ".join(words)
    if not joined:
        raise InvalidInput(N_("Write the word."), field="text")
    if len(joined) > MAX_CHARACTERS:
        raise InvalidInput(
            N_("The word is longer than %(limit)d characters."),
            field="text",
            params={"limit": MAX_CHARACTERS},
        )
    if not all(char.isalpha() or char in " ·" for char in joined):
        raise InvalidInput(
            N_("Write the word as it is spoken, in characters: no digits, no signs."), field="text"
        )
    return joined


def _term(actor: Actor, area_code: str, fields: dict[str, Any]) -> LocalTerm:
    return LocalTerm(area_code=area_code, added_by_id=actor.id, created_at=utc_now(), **fields)


def _checked(
    session: Session,
    area_code: str,
    text: str,
    kind: str,
    meaning: str,
    *,
    but: LocalTerm | None = None,
) -> dict[str, Any]:
    if kind not in KINDS:
        raise InvalidInput(N_("Choose a kind of the list."), field="kind")
    meaning = " ".join(meaning.split())
    if len(meaning) > MAX_MEANING:
        raise InvalidInput(
            N_("The meaning is longer than %(limit)d characters."),
            field="meaning",
            params={"limit": MAX_MEANING},
        )
    word = clean(text)
    same = sa.select(LocalTerm.id).where(LocalTerm.area_code == area_code, LocalTerm.text == word)
    if session.scalar(same.where(LocalTerm.id != (but.id if but else 0))) is not None:
        raise AlreadyThere(N_("This word is there already."), field="text")
    return {"text": word, "kind": kind, "meaning": meaning or None}


def _require(session: Session, actor: Actor, area_code: str) -> None:
    actor.require(RIGHT)
    if session.get(Area, area_code) is None or not actor.sees(session, area_code):
        raise InvalidInput(N_("Choose an area that belongs to yours."), field="area_code")
