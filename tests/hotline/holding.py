"""Whole calls over the fake telephone."""

from __future__ import annotations

import asyncio

from hotline import journal
from hotline.conversation import ConversationFactory
from tests.hotline.fake_call import FakeCall, Move, Press, Silence, Speak

REPORT: list[Move] = [Press("1"), Press("1"), Silence(), Speak(4000), Press("#"), Press("1")]


def hold(factory: ConversationFactory, call: FakeCall) -> journal.Entry:
    """The whole call; returns what it left in the spool."""
    factory.monotonic_s = call.monotonic_s
    asyncio.run(factory.converse(call))
    return journal.Entry.parse((factory.spool / call.call_id / "call.json").read_text())
