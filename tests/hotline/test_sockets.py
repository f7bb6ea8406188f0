"""Each process has a door of its own."""

from __future__ import annotations

from core.settings import Settings
from hotline import ask, live_line
from hotline.outgoing import door
from hotline.sip import wire
from transcribe import stream


def test_no_two_listen_at_the_same_socket(config: Settings) -> None:
    """Speech of a live address and news of growing takes once went to the same name."""
    doors = [each.socket_path(config) for each in (ask, live_line, door, wire, stream)]
    assert len(set(doors)) == len(doors)
