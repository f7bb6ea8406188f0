"""PINs that staff key in on a telephone: stored as Argon2id hashes.

Of OWASP's recommended costs the one with least memory: an answer is due within a second on a
machine that records calls meanwhile. What protects six digits is the lock, not the hash.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from core.errors import N_, InvalidInput

_FORM = re.compile(r"[0-9]{6}")
_hasher = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))


def hashed(pin: str) -> str:
    """What StaffPhone.pin_hash stores; InvalidInput(field="pin") for a PIN that is too easy."""
    digits = pin.strip()
    if not _FORM.fullmatch(digits):
        raise InvalidInput(N_("A PIN has 6 digits."), field="pin")
    if len(set(digits)) < 3 or digits in "0123456789" or digits in "9876543210":
        raise InvalidInput(N_("This PIN is guessed at once. Choose other digits."), field="pin")
    return _hasher.hash(digits)


def fits(pin: str, stored: str | None) -> bool:
    """Whether it is the PIN; takes as long when there is none stored."""
    right = _hasher.verify(pin, stored or _decoy())
    return right and stored is not None


@lru_cache(maxsize=1)
def _decoy() -> str:
    return _hasher.hash("no digits")
