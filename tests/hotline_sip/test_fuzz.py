"""Rubbish from the network beside a call: the call is exact, the log stays readable."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct

import numpy as np
import pytest

from benchmarks.calls_fuzz import mutilated
from demo.phone import Press, Say, Step, Wait, place_call
from hotline.sip import g711
from tests.hotline_sip.conftest import Hotline, event, position_of, voice
from tests.hotline_sip.raw import RawCaller, offer

pytestmark = pytest.mark.slow

VOICE = voice(6)
EXACT = np.frombuffer(g711.decode("PCMA", g711.encode("PCMA", VOICE.tobytes())), "<i2")
SCRIPT: list[Step] = [Wait(0.3), Press("1"), Wait(0.3), Say(), Press("#")]


def rtp_rubbish(rng: random.Random) -> bytes:
    header = struct.pack("!BBHII", 0x80, 8, rng.randrange(65536), rng.getrandbits(32), 99)
    return rng.choice([header + rng.randbytes(160), rng.randbytes(rng.randrange(80)), b""])


async def attack(hotline: Hotline, seconds: float, seed: int) -> None:
    """Send mutilated requests to signalling, and foreign sound to every media port."""
    rng, attacker = random.Random(seed), RawCaller(hotline.address)
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.2", 0))
    first = int(hotline.environment["XIANGYIN_RTP_PORT_FIRST"])
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        attacker.call_id = rng.randbytes(4).hex()
        method = rng.choice(["INVITE", "INVITE", "INVITE", "BYE", "OPTIONS", "ACK", "INFO"])
        body = offer() if method == "INVITE" else ""
        whole = attacker.message(method, 1, body)
        head, _, sdp = whole.partition(b"\r\n\r\n")
        only_sdp = head + b"\r\n\r\n" + mutilated(sdp or b"x", rng)
        attacker.send(rng.choice([mutilated(whole, rng), only_sdp]) or b"x")
        for port in range(first, first + 20, 2):
            stranger.sendto(rtp_rubbish(rng), ("127.0.0.1", port))
        await asyncio.sleep(0.005)
    attacker.close()
    stranger.close()


def test_a_call_is_exact_while_the_network_sends_rubbish(hotline: Hotline) -> None:
    async def main() -> None:
        rubbish = asyncio.create_task(attack(hotline, 9, seed=3))
        await asyncio.sleep(0.3)
        result = await place_call(
            hotline.address, VOICE.tobytes(), SCRIPT, hang_up=False, caller="13800000001"
        )
        assert result.ended_by == "them"
        await rubbish

    asyncio.run(main())
    ours = [notes for notes in hotline.finished(1, 30) if notes[0]["caller"] == "13800000001"]
    assert len(ours) == 1
    assert event(ours[0], "RecordingStopped")["reason"] == "stopped"
    assert any(position_of(take, EXACT) is not None for take in hotline.takes())
    for name in ("signalling", "telephony"):
        log = hotline.log(name)
        assert "Traceback" not in log
        for line in filter(None, log.splitlines()):
            json.loads(line)
    signalling = [json.loads(line) for line in filter(None, hotline.log("signalling").splitlines())]
    counted = [line for line in signalling if line["event"] == "packets of no use"]
    assert 1 <= len(counted) <= 5
    assert sum(line["malformed"] for line in counted) > 10
    assert hotline.stop() == {"signalling": 0, "telephony": 0}
