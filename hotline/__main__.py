"""The phone processes: ``python -m hotline telephony | signalling``; ``prompts`` speaks ahead."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TextIO

from core import logs, settings, spare
from core.errors import XiangyinError
from core.settings import Settings
from core.supervisor import EXIT_CONFIGURATION, READY
from hotline.sip import access

USAGE = "usage: python -m hotline (telephony | signalling | prompts [all | list])"
POLITE = 15
"""Niceness of what must not disturb calls in progress."""


def main(arguments: list[str]) -> int:
    """Run one process; 78 when its settings cannot work."""
    process = " ".join(arguments)
    if process not in RUN:
        print(USAGE, file=sys.stderr)
        return 2
    if process != "signalling":
        return _run(process)
    from hotline.sip import signalling  # noqa: F401 - loaded once, for every child

    logs.configure(process)
    return spare.serve(lambda: _run(process))


def _run(process: str) -> int:
    try:
        config = settings.load()
        logs.configure(process.split()[0], config.log_level)
        access.check(config)
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
    from hotline.call import Driver
    from hotline.outgoing.desk import OutgoingDesk

    conversations = conversation.build(config)

    def callers_out(driver: Driver) -> OutgoingDesk:
        desk = OutgoingDesk(config, conversations.sealer, driver, conversations.prompts)
        conversations.outgoing = desk
        return desk

    ready = partial(_ready, sys.stdout)
    if config.telephony == "asterisk":
        from hotline.asterisk import telephony as over_asterisk

        asyncio.run(over_asterisk.serve(config, conversations, ready, callers_out))
        return
    asyncio.run(telephony.serve(config, conversations, ready, callers_out))


def _signalling(config: Settings) -> None:
    """SIP by our own endpoint; an Asterisk does that itself."""
    from hotline.sip import quiet_sippy, signalling

    process = signalling.Signalling(config)
    _ready(sys.stdout)
    quiet_sippy.swallow_prints()
    process.run()


def _speak(config: Settings, *, every: bool) -> None:
    from hotline import prompts

    def show(done: int, of: int, _prompt_id: str) -> None:
        if done % 10 == 0:
            print(f"> speaking the telephone prompts: {done} of {of}", flush=True)

    prompts.prepare(config, show, every=every)


def _prompts(config: Settings) -> None:
    _speak(config, every=False)


def _all_prompts(config: Settings) -> None:
    os.nice(POLITE)
    _speak(config, every=True)


def _list_prompts(config: Settings) -> None:
    from hotline import prompt_texts, prompts

    for language in prompts.languages_of(config):
        texts = prompt_texts.LANGUAGES.get(language, prompt_texts.TEXTS)
        for prompt_id in prompt_texts.ALL_IDS:
            print(f"{language}\t{prompt_id}\t{texts.get(prompt_id, '')}")


RUN: dict[str, Callable[[Settings], None]] = {
    "telephony": _telephony,
    "signalling": _signalling,
    "prompts": _prompts,
    "prompts all": _all_prompts,
    "prompts list": _list_prompts,
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
