"""The demonstration telephone on a machine that stalls, as the hotline hears it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from demo.phone_sound import EVENT_TYPE, FRAME_S, Sound
from hotline.sip import rtp

STALL_S = 0.5
"""Longer than a key and its pause."""


async def press_while_stalling(keys: str, listener: socket.socket) -> None:
    """Press ``keys``, everything standing still just after each press began."""
    phone = Sound("PCMA", 8)
    await phone.open("127.0.0.1")
    running = asyncio.create_task(phone.run(listener.getsockname()))
    try:
        for key in keys:
            phone.press(key)
            sent = asyncio.create_task(phone.all_sent())
            await asyncio.sleep(FRAME_S)
            time.sleep(STALL_S)  # the whole program
            await sent
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        phone.close()


def heard_keys(listener: socket.socket) -> str:
    keys, heard = rtp.KeyFilter(), ""
    with contextlib.suppress(BlockingIOError):
        while True:
            packet = rtp.parse(listener.recv(2048))
            assert packet is not None
            if packet.payload_type == EVENT_TYPE:
                heard += keys.key(packet) or ""
    return heard


def test_each_key_is_pressed_to_its_end_when_the_machine_stalls() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        asyncio.run(press_while_stalling("1120", listener))
        assert heard_keys(listener) == "1120"
