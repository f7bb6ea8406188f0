"""A machine with several networks tells whoever it calls the address at which they reach it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hotline.sip import sdp
from tests.hotline_sip.conftest import Hotline, wait_until
from tests.hotline_sip.fake_telephony import FakeTelephony
from tests.hotline_sip.raw import RawCaller, offer
from tests.hotline_sip.raw_peer import RawPeer
from tests.hotline_sip.test_registrar import register

pytestmark = pytest.mark.slow

ANOTHER_CARD = "192.0.2.1"


@pytest.fixture
def telephony(idle_hotline: Hotline) -> Iterator[FakeTelephony]:
    """Knows an address of ours, but not whether it is the right one for whom it rings."""
    idle_hotline.environment |= {
        "XIANGYIN_SIP_HOST": "0.0.0.0",
        "XIANGYIN_SIP_ACL": "192.0.2.0/24",
        "XIANGYIN_SIP_ACCOUNTS": "601:correct horse",
    }
    made = FakeTelephony(idle_hotline.data)
    yield made
    made.close()


def ring(telephony: FakeTelephony, number: str) -> None:
    telephony.say("dial", "out1", number=number, sdp=offer(address=ANOTHER_CARD, port=38880))


def start(hotline: Hotline, telephony: FakeTelephony) -> None:
    hotline.start("signalling")
    wait_until(lambda: telephony.connections, explain=hotline.logs)


def media_address(invite: str) -> tuple[str, int]:
    told = sdp.parse(invite.partition("\r\n\r\n")[2])
    return told.address, told.port


def test_a_phone_of_ours_in_another_network_than_the_gateway(
    idle_hotline: Hotline, telephony: FakeTelephony
) -> None:
    start(idle_hotline, telephony)
    phone = RawCaller(idle_hotline.address)
    assert register(phone) == 200
    ring(telephony, "601")
    assert media_address(phone.hear("INVITE")) == ("127.0.0.1", 38880)
    phone.close()


def test_a_carrier_known_by_name(idle_hotline: Hotline, telephony: FakeTelephony) -> None:
    carrier = RawPeer()
    idle_hotline.environment |= {
        "XIANGYIN_TRUNK_HOST": "localhost",
        "XIANGYIN_TRUNK_PORT": str(carrier.port),
    }
    start(idle_hotline, telephony)

    def rung() -> str:
        ring(telephony, "13812345678")
        return carrier.hear("INVITE", 0.5)

    assert media_address(wait_until(rung, explain=idle_hotline.logs)) == ("127.0.0.1", 38880)
    carrier.close()
