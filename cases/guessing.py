"""Guesses are counted and lock out: what is guessed at, hard; the place they come from, softly.

A try is counted before it is checked, so that parallel guesses cannot share one. Keys are keyed
hashes: who guessed and what was guessed cannot be read from the table.

What is guessed at (a reference number, a staff number) is locked after a few tries, each lock twice
as long as the last, and forgiven after a day without any. That keeps a PIN from being guessed, from
however many places. With 5 tries before each lock nobody gets further than by 25 tries around the
first four locks (7.5 h) and a day of waiting, again and again: 19 a day. Half of the 10,000 PINs of
a reference take 262 days, half of the 1,000,000 of a staff number 72 years.

A place (an address, a caller's number) may be a whole village behind one address, and a caller's
number can be forged. It gets a try back each few minutes and is never locked for longer, so honest
mistakes of weeks do not add up and nobody can shut others out for a day. With 30 an hour it tries
750 pairs a day. Who knows no reference number hits one of 10,000 reports among 10^8 numbers, and
its PIN too, once in 365 years; who got hold of a thousand reference numbers opens one of them in
13 days. Callers who withhold their number share no place: a call ends after 3 wrong tries, and the
locks above hold.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import StatusGuess
from core.clock import utc_now
from core.database import claimed

FIRST_LOCK = timedelta(minutes=30)
LONGEST_LOCK = timedelta(hours=24)
FORGIVE_AFTER = timedelta(days=1)
PLACE_TRIES = 30
"""Tries of a place at once; so many more come back within each hour."""
PLACE_WINDOW = timedelta(hours=1)


def take_try(session: Session, key: str, limit: int) -> datetime | None:
    """Count one try; the end of the lock when there is none left. Needs a committing session."""
    now = utc_now()
    guess = _counter(session, key, now)
    counted = session.execute(
        sa.update(StatusGuess)
        .where(
            StatusGuess.key == key,
            StatusGuess.tries < limit,
            sa.or_(StatusGuess.locked_until.is_(None), StatusGuess.locked_until <= now),
        )
        .values(tries=StatusGuess.tries + 1, last_at=now, locked_until=None)
        .execution_options(synchronize_session=False)
    )
    if claimed(counted):
        return None
    session.refresh(guess)
    if guess.locked_until is not None and guess.locked_until > now:
        return guess.locked_until
    length = min(FIRST_LOCK * 2**guess.locks, LONGEST_LOCK)
    guess.locked_until, guess.tries, guess.locks = now + length, 0, min(guess.locks + 1, 10)
    session.flush()
    return guess.locked_until


def forget(session: Session, key: str) -> None:
    """The try was right: those before it do not count either."""
    session.execute(
        sa.update(StatusGuess)
        .where(StatusGuess.key == key, StatusGuess.tries > 0)
        .values(tries=0, last_at=utc_now())
        .execution_options(synchronize_session=False)
    )


def take_from_place(session: Session, key: str) -> datetime | None:
    """Count one try of a place; when the next one comes back if none is left, else None."""
    now = utc_now()
    _counter(session, key, now)
    place = session.get_one(StatusGuess, key, populate_existing=True, with_for_update=True)
    each = PLACE_WINDOW / PLACE_TRIES
    # no more than none left: a clock that was put back, or a longer lock of before, holds nobody
    whole_at = min(max(place.locked_until or now, now), now + PLACE_WINDOW)
    is_left = whole_at + each <= now + PLACE_WINDOW
    place.locked_until, place.last_at = whole_at + each if is_left else whole_at, now
    session.flush()
    return None if is_left else whole_at + each - PLACE_WINDOW


def give_back_to_place(session: Session, key: str) -> None:
    """The try was right: it does not count."""
    place = session.get(StatusGuess, key, populate_existing=True, with_for_update=True)
    if place is not None and place.locked_until is not None:
        place.locked_until -= PLACE_WINDOW / PLACE_TRIES
        session.flush()


def _counter(session: Session, key: str, now: datetime) -> StatusGuess:
    guess = session.get(StatusGuess, key)
    if guess is None:
        try:
            with session.begin_nested():
                session.add(StatusGuess(key=key, tries=0, locks=0, last_at=now))
        except sa.exc.IntegrityError:
            pass  # another try made the row this moment
        return session.get_one(StatusGuess, key)
    lock_over = guess.locked_until is None or guess.locked_until <= now
    if lock_over and now - guess.last_at > FORGIVE_AFTER:
        guess.tries, guess.locks, guess.locked_until = 0, 0, None
        session.flush()
    return guess
