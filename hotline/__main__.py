"""The phone processes: ``python -m hotline telephony | signalling``; ``prompts`` speaks ahead."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable
from typing import TextIO

from core import logs, settings
from core.errors import XiangyinError
from core.settings import Settings
from core.supervisor import EXIT_CONFIGURATION, READY
from hotline.sip import access

USAGE = "usage: python -m hotline (telephony | signalling | prompts)"


def main(arguments: list[str]) -> int:
    """Run one process; 78 when its settings cannot work."""
    if len(arguments) != 1 or arguments[0] not in RUN:
        print(USAGE, file=sys.stderr)
        return 2
    [process] = arguments
    try:
        config = settings.load()
        logs.configure(process, config.log_level)
        access.callers(config)
        access.media(config)
        RUN[process](config)
    except XiangyinError as error:
        return _explain(error.text)
    except OSError as error:
        explained = _port_trouble(config, error)
        if explained is None:
            raise
        return _explain(explained)
    return 0


def _telephony(config: Settings) -> None:
    from hotline import conversation, telephony

    asyncio.run(telephony.serve(config, conversation.build(config), lambda: _ready(sys.stdout)))


def _signalling(config: Settings) -> None:
    from hotline.sip import quiet_sippy, signalling

    process = signalling.Signalling(config)
    _ready(sys.stdout)
    quiet_sippy.swallow_prints()
    process.run()


def _prompts(config: Settings) -> None:
    from hotline import prompts

    def show(done: int, of: int, _prompt_id: str) -> None:
        if done % 10 == 0:
            print(f"> speaking the telephone prompts: {done} of {of}", flush=True)

    prompts.prepare(config, show)


RUN: dict[str, Callable[[Settings], None]] = {
    "telephony": _telephony,
    "signalling": _signalling,
    "prompts": _prompts,
}


def _ready(out: TextIO) -> None:
    print(READY, file=out, flush=True)


def _explain(message: str) -> int:
    print(message, file=sys.stderr)
    return EXIT_CONFIGURATION


def _port_trouble(config: Settings, error: OSError) -> str | None:
    port, host = config.sip_port, config.sip_host
    if error.errno == errno.EADDRINUSE:
        return (
            f"UDP port {port} is taken by another program. Stop it, or choose another port with "
            "XIANGYIN_SIP_PORT."
        )
    if error.errno == errno.EACCES:
        return f"UDP port {port} is reserved. Choose one above 1023 with XIANGYIN_SIP_PORT."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host}. Set XIANGYIN_SIP_HOST to one it has."
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
