"""Where a mailbox is, and how IMAP writes its folder's name."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


class CannotRead(Exception):
    """``code``: address, tls, unreachable, login, no_folder or protocol."""

    def __init__(self, code: str, why: str) -> None:
        self.code, self.why = code, why
        super().__init__(f"{code}: {why}")


@dataclass(frozen=True)
class Address:
    """A mailbox of imaps://user@host:993/folder, percent-encoded."""

    host: str
    port: int
    user: str
    folder: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises CannotRead("address") that says what is wrong."""
        try:
            parts = urlsplit(url)
            port = parts.port or 993
        except ValueError as error:
            raise CannotRead("address", f"XIANGYIN_IMAP_URL: {error}") from None
        if parts.scheme != "imaps" or not parts.hostname or not parts.username:
            raise CannotRead("address", "XIANGYIN_IMAP_URL must be imaps://user@host/INBOX")
        folder = unquote(parts.path.lstrip("/")) or "INBOX"
        return cls(parts.hostname, port, unquote(parts.username), folder)


def quoted(folder: str) -> str:
    """A folder's name as IMAP writes it: modified UTF-7 (RFC 3501, 5.1.3), quoted."""

    def coded(found: re.Match[str]) -> str:
        if found[0] == "&":
            return "&-"
        coded64 = base64.b64encode(found[0].encode("utf-16-be")).decode()
        return "&" + coded64.rstrip("=").replace("/", ",") + "-"

    name = re.sub(r"&|[^ -~]+", coded, folder)
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
