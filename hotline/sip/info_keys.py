"""Keys as SIP INFO: a line "Signal=5" (application/dtmf-relay) or the key alone (application/dtmf).

No RFC describes either; gateways write * and # as such, or as the events 10 and 11 of RFC 4733.
"""

from __future__ import annotations

import re

from hotline.sip.rtp import KEYS

_VALUE = r"[ \t]*([0-9*#]|1[01])[ \t\r]*$"
_SIGNAL = re.compile(rf"^[ \t]*Signal[ \t]*={_VALUE}", re.IGNORECASE | re.MULTILINE)
_ALONE = re.compile(_VALUE)


def key_of(body: str) -> str | None:
    """The key that the body of an INFO tells; None for A-D, a hook flash and all else."""
    found = _SIGNAL.search(body) or _ALONE.match(body.strip())
    if found is None:
        return None
    value = found[1]
    return KEYS[int(value)] if value.isdecimal() else value
