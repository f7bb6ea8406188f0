"""Memory that was used for a moment goes back to the system: a small box has little of it."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

_ARENA_MAX = -8  # M_ARENA_MAX of mallopt(3)
_ARENAS = 2


def share() -> None:
    """Let the threads to come share what each would hoard for itself. Call it before they begin."""
    if (mallopt := _of_libc("mallopt")) is not None:
        mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """What is free inside the program is free for others: after the start, and after a play."""
    if (trim := _of_libc("malloc_trim")) is not None:
        trim(0)


@functools.cache
def _of_libc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None where the C library is another one."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return found
