"""Which reports are asked for word for word: chance decides, not whoever reviews them.

What people choose themselves is no sample: they choose what is easy, or what is bad.
"""

from __future__ import annotations

from core.sealed import Sealer


def in_sample(sealer: Sealer, reference_no: str, every: int) -> bool:
    """Whether this report is one of every ``every`` (0: none is).

    A keyed hash of its number decides: the same answer each time, and nobody can foresee it.
    """
    return every > 0 and int(sealer.keyed_hash("verbatim", reference_no)[:12], 16) % every == 0
