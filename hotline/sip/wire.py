"""The line between telephony and signalling: framed JSON over a Unix stream socket.

To telephony: invite, reinvite, answered, key, ended, stray_goodbye; ``offer`` is null where it
is on us to propose, acked {id, offer} follows then. turned_away {caller, called} is a call that did
not get through. For calls we make ringing
{id} and picked_up {id, offer, source, dialog, tags} (their description as an Offer).
To signalling: answer, refuse, hang_up; for calls we make dial {id, number, sdp}. ``ended`` tells
by ``cause`` why a dialled call came to nothing (hotline.call.Undialled); ``hang_up`` cancels it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import N_, Conflict
from core.files import lock_now
from core.settings import Settings

Message = dict[str, Any]
"""``{"type": …}``: a call's messages also carry its ``id``."""

MAX_BYTES = 1 << 20
SOCKET_NAME = "signalling.sock"
_LENGTH = struct.Struct("!I")


class BadFrame(ValueError):
    """The other process sent something that is no message; the line is useless now."""


def encode(message: Message) -> bytes:
    """A message as it goes over the line."""
    body = json.dumps(message, ensure_ascii=False).encode()
    return _LENGTH.pack(len(body)) + body


def _decode(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except ValueError as error:
        raise BadFrame("not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BadFrame("not a message")
    return message


def _length(header: bytes) -> int:
    length: int = _LENGTH.unpack(header)[0]
    if length > MAX_BYTES:
        raise BadFrame("message too long")
    return length


async def receive(reader: asyncio.StreamReader) -> Message:
    """The next message. Raises IncompleteReadError at the end, BadFrame on rubbish."""
    length = _length(await reader.readexactly(_LENGTH.size))
    return _decode(await reader.readexactly(length))


def receive_blocking(line: socket.socket) -> Message | None:
    """The next message, None when the other end is gone."""
    header = _read(line, _LENGTH.size)
    body = _read(line, _length(header)) if header else b""
    return _decode(body) if body else None


def _read(line: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        data = line.recv(count - len(parts))
        if not data:
            return b""
        parts += data
    return bytes(parts)


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits a Unix socket address, which holds 108 characters only."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def socket_path(settings: Settings) -> Path:
    """Where telephony listens for signalling."""
    return settings.socket_folder() / SOCKET_NAME


def claim(path: Path) -> BinaryIO:
    """Lock the line for this process until the file is closed. Raises Conflict when it is taken."""
    try:
        return lock_now(path.with_suffix(".lock"))
    except BlockingIOError as error:
        raise Conflict(
            N_("Another telephony process works in this data folder already. Stop it first.")
        ) from error


def listen(path: Path) -> socket.socket:
    """A listening socket for this user only; a dead process's socket is replaced."""
    path.unlink(missing_ok=True)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(path) as name:
        before = os.umask(0o177)
        try:
            line.bind(name)
        finally:
            os.umask(before)
    line.listen(4)
    line.setblocking(False)
    return line


def connect(path: Path) -> socket.socket | None:
    """A line to telephony, None when it is not there."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as name:
            line.connect(name)
    except OSError:
        line.close()
        return None
    return line
