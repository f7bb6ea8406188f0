"""Reference numbers: eight random digits and a check digit, given out once and never again.

The check digit is Damm's (H. M. Damm, 2004): it finds every single wrong digit and every swap of
two neighbours, which is what happens when a number is heard through a telephone and written down.
Numbers are handed out in blocks, so that a call can promise one while the database is away.
"""

from __future__ import annotations

import re
import secrets
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import ReferenceNumber
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, InvalidInput

LENGTH = 9
MAX_BLOCK = 1000
_ROUNDS = 50

# Damm's totally anti-symmetric quasigroup of order 10: row = interim digit, column = next digit.
_TABLE = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)
_NINE_DIGITS = re.compile(r"[0-9]{9}")
_SEPARATORS = re.compile(r"[\s\-－·.]+")


def check_digit(digits: str) -> str:
    """The digit that makes ``digits`` + it come out as 0 in Damm's table."""
    interim = 0
    for digit in digits:
        interim = int(_TABLE[interim][int(digit)])
    return str(interim)


def valid(number: str) -> bool:
    """Whether ``number`` has nine digits and the right check digit (not: whether it is known)."""
    return _NINE_DIGITS.fullmatch(number) is not None and check_digit(number) == "0"


def normalise(typed: str) -> str:
    """What a person typed, without blanks, dashes and full-width digits; not checked."""
    plain = typed.translate(str.maketrans("０１２３４５６７８９", "0123456789"))
    return _SEPARATORS.sub("", plain)


def spoken(number: str) -> str:
    """In groups of three: "123 456 789", for eyes and for the voice that reads it out."""
    return " ".join(number[start : start + 3] for start in range(0, len(number), 3))


def reserve(session: Session, count: int) -> list[str]:
    """Give out ``count`` (1-1000) numbers nobody had before, in the caller's transaction."""
    if not 1 <= count <= MAX_BLOCK:
        raise InvalidInput(
            N_("A block holds 1 to %(limit)d numbers."), field="count", params={"limit": MAX_BLOCK}
        )
    block, now = str(uuid.uuid4()), utc_now()
    fresh: list[str] = []
    for _ in range(_ROUNDS):
        wanted = {_random() for _ in range(count - len(fresh))} - set(fresh)
        known = sa.select(ReferenceNumber.number).where(ReferenceNumber.number.in_(wanted))
        new = sorted(wanted - set(session.scalars(known)), key=lambda _: secrets.randbits(32))
        session.add_all(ReferenceNumber(number=n, block=block, reserved_at=now) for n in new)
        fresh += new
        if len(fresh) == count:
            session.flush()
            return fresh
    raise RuntimeError("reference numbers are nearly used up")


def bind(session: Session, number: str) -> bool:
    """Take a number for one report; False when a report has it already.

    A valid number that the table does not know (the database came back from an old backup) is
    taken too: the caller was promised it.
    """
    now = utc_now()
    taken = session.execute(
        sa.update(ReferenceNumber)
        .where(ReferenceNumber.number == number, ReferenceNumber.bound_at.is_(None))
        .values(bound_at=now)
    )
    if claimed(taken):
        return True
    if not valid(number) or session.get(ReferenceNumber, number) is not None:
        return False
    try:
        with session.begin_nested():
            session.add(
                ReferenceNumber(number=number, block="recovered", reserved_at=now, bound_at=now)
            )
    except sa.exc.IntegrityError:
        return False
    return True


def _random() -> str:
    digits = f"{secrets.randbelow(10**8):08d}"
    return digits + check_digit(digits)
