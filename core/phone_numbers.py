"""One form for each telephone number, so that a person is known however the network writes it.

+86 138 1234 5678, 0086…, 86…, 0138… and 138… are one number. Only what China's numbering plan
decides is changed; what could be something else stays as it came. The normal form is for
comparing: dialled and sealed is what was told, for a trunk may want it in that very form.
"""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s()·.-]")
_NUMBER = re.compile(r"\+?[0-9]+")
_HOME = re.compile(r"(?:\+86|0086)([0-9]+)")
_HOME_UNMARKED = re.compile(r"86([0-9]{10,12})")
_SHORT = re.compile(r"[1-9][0-9]{2,7}")
_ABROAD = re.compile(r"00([1-9][0-9]{4,14})")
_WITHOUT_ZERO = re.compile(
    r"1[3-9][0-9]{9}"  # mobile
    r"|[48]00[0-9]{7}"  # national service
)
_AFTER_ZERO = re.compile(r"10[0-9]{8}|2[0-9]{9}|[3-9][0-9]{9,10}")
"""Area code without its 0, then the local number: 2 digits and 8, or 3 digits and 7 or 8."""


def normal(number: str) -> str:
    """The form to compare: 13812345678, 05391234567, 96110, +85212345678; names stay themselves.

    Idempotent. What holds anything but digits, a leading + and separators is taken for a name.
    """
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", number))
    if not _NUMBER.fullmatch(plain):
        return number.strip()
    home = _HOME.fullmatch(plain)
    if home is not None:
        short = home[1] if _SHORT.fullmatch(home[1]) else f"+86{home[1]}"
        return _by_plan(home[1]) or short
    unmarked = _HOME_UNMARKED.fullmatch(plain)
    if unmarked is not None:
        return _by_plan(unmarked[1]) or plain
    abroad = _ABROAD.fullmatch(plain)
    if abroad is not None:
        return f"+{abroad[1]}"
    return _by_plan(plain) or plain if plain.startswith("0") else plain


def _by_plan(number: str) -> str | None:
    """A complete number of the national plan, with or without its 0; None for anything else."""
    significant = number.removeprefix("0")
    if _WITHOUT_ZERO.fullmatch(significant):
        return significant
    return f"0{significant}" if _AFTER_ZERO.fullmatch(significant) else None
