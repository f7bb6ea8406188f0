"""SIPp as what we call and register with: a carrier that nobody of us wrote."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sipp
from tests.counterparts import find
from tests.hotline_sip.conftest import free_udp_port

USER, PASSWORD = "05716660000", "long enough"

_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
"""
_NOTHING = "Content-Length: 0\n"


def _answer(status: str, rest: str = _NOTHING, extra: str = "") -> str:
    return f"""  <send><![CDATA[

SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[pid]far[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:far@[local_ip]:[local_port]>
{extra}{rest}
]]></send>
"""


_CHALLENGE = 'WWW-Authenticate: Digest realm="carrier", nonce="abc123", algorithm=MD5, qop="auth"\n'
_ACK = '  <recv request="ACK"/>\n'


def _proven(method: str) -> str:
    """A request that must hold the right password, else the call fails."""
    return f"""  <recv request="{method}"><action>
    <ereg regexp=".*{USER}@.*" search_in="hdr" header="From:" check_it="true" assign_to="who"/>
    <verifyauth assign_to="proven" username="{USER}" password="{PASSWORD}"/>
  </action></recv>
  <nop hide="true" condexec="proven" condexec_inverse="true"><action>
    <exec int_cmd="stop_now"/>
  </action></nop>
  <Reference variables="who"/>
"""


_ASKED_FOR_PROOF = '  <recv request="INVITE"/>\n' + _answer("401 Who?", extra=_CHALLENGE) + _ACK

CALL_AND_HANG_UP = (
    _ASKED_FOR_PROOF
    + _proven("INVITE")
    + _answer("180 Ringing")
    + '  <pause milliseconds="200"/>\n'
    + _answer("200 OK", _SDP)
    + _ACK
    + """  <send retrans="500"><![CDATA[

BYE sip:xiangyin@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:far@[local_ip]:[local_port]>;tag=[pid]far[call_number]
To:[$who]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
"""
)
BUSY = _ASKED_FOR_PROOF + _proven("INVITE") + _answer("486 Busy") + _ACK
UNKNOWN = _ASKED_FOR_PROOF + _proven("INVITE") + _answer("404 Not Found") + _ACK
CANCELLED = (
    _ASKED_FOR_PROOF
    + _proven("INVITE")
    + _answer("180 Ringing")
    + '  <recv request="CANCEL"/>\n'
    + _answer("200 OK").replace(";tag=[pid]far[call_number]", "")
)
REGISTERED = (
    '  <recv request="REGISTER"/>\n'
    + _answer("401 Who?", extra=_CHALLENGE)
    + _proven("REGISTER")
    + _answer("200 OK", extra="Expires: 60\n")
)


@dataclass(frozen=True)
class Server:
    """A running SIPp that waits for one call."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def finish(self, timeout_s: float = 20) -> sipp.Outcome:
        """Wait for its end and read what it counted."""
        return sipp.finish(self.process, self.folder, "carrier", timeout_s)


def serve(folder: Path, body: str) -> Server:
    """Start SIPp with a scenario that begins with a request of ours."""
    scenario = folder / "carrier.xml"
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    scenario.write_text(f'{head}<scenario name="carrier">\n{body}</scenario>\n', encoding="utf-8")
    port = free_udp_port()
    arguments = ["-sf", str(scenario), "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port)]
    arguments += ["-m", "1", "-nostdin", "-timeout", "25", "-timeout_error"]
    arguments += ["-trace_err", "-error_file", str(folder / "carrier.err")]
    with (folder / "carrier.out").open("wb") as out:
        process = subprocess.Popen(
            [find("sipp") or "sipp", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    return Server(port, process, folder)
