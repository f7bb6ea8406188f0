"""How the mailbox and the folder are: one small file that the health page reads."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import structlog

from core.clock import utc_now
from core.files import write_durably
from core.settings import Settings

FILE = "mailbox.json"
OK = "ok"
STARTING = "starting"
log = structlog.get_logger("hotline.mailbox")


def configured(settings: Settings) -> list[str]:
    """Which of "spool" and "imap" the settings name."""
    named = {"spool": settings.voicemail_folder is not None, "imap": bool(settings.imap_url)}
    return [source for source, is_named in named.items() if is_named]


def look(settings: Settings) -> dict[str, str]:
    """Source -> OK, STARTING or the code of what is wrong; only what is configured."""
    known = _known(settings)
    return {
        source: str(known.get(source, {}).get("state", STARTING)) for source in configured(settings)
    }


class Condition:
    """Remembers how one source is; writes and logs only when that changes."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._settings = settings
        self._source = source
        self._last: str | None = None

    def is_well(self) -> None:
        self._tell(OK, "")

    def has_problem(self, code: str, why: str) -> None:
        """``why`` goes to the log: no password, no number."""
        self._tell(code, why)

    def _tell(self, state: str, why: str) -> None:
        if state == self._last:
            return
        if state == OK:
            log.info("voicemail source is well", source=self._source)
        else:
            log.error("voicemail source cannot be read", source=self._source, code=state, why=why)
        said = {"state": state, "since": utc_now().isoformat()}
        everything = _known(self._settings) | {self._source: said}
        with suppress(OSError):  # a full disk is another problem's news
            write_durably(self._settings.folder("hotline") / FILE, json.dumps(everything).encode())
            self._last = state


def _known(settings: Settings) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads((settings.folder("hotline") / FILE).read_bytes())
        if isinstance(found, dict):
            return {name: said for name, said in found.items() if isinstance(said, dict)}
    return {}
