"""More scenarios for SIPp: a late offer, an offer that changes everything, proof by password."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.sipp import EMPTY, EVENT_TYPE, PROVISIONAL, description, request


def late_offer(types: Sequence[int] = (8, EVENT_TYPE)) -> str:
    """Call without an offer; answer the hotline's own in the ACK."""
    return (
        request("INVITE", 1, EMPTY, in_dialog=False)
        + PROVISIONAL
        + '  <recv response="200"/>\n'
        + request("ACK", 1, description(types), in_dialog=True)
    )


def move(types: Sequence[int], sequence: int) -> str:
    """Change codec and port within the call."""
    offer = description(types, version=sequence).replace("media_port]", "media_port+2]")
    return (
        request("INVITE", sequence, offer, in_dialog=True)
        + PROVISIONAL
        + '  <recv response="200"/>\n'
        + request("ACK", sequence, EMPTY, in_dialog=True)
    )


def invite_with_password(user: str, password: str, *, expect: int = 200) -> str:
    """Call, be asked who it is (401), prove it, and expect the final answer ``expect``."""
    proof = f"[authentication username={user} password={password}]\n"
    offer = description((8, EVENT_TYPE))
    return (
        request("INVITE", 1, offer, in_dialog=False)
        + PROVISIONAL
        + '  <recv response="401" auth="true"/>\n'
        + request("ACK", 1, EMPTY, in_dialog=True)
        + request("INVITE", 2, proof + offer, in_dialog=False)
        + PROVISIONAL
        + f'  <recv response="{expect}"/>\n'
        + request("ACK", 2, EMPTY, in_dialog=True)
    )
