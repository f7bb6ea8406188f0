"""News reaches open pages, tells no ids, and stops with the server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from tests.web.conftest import Clients
from web import live
from web.live import Hub


async def _first(messages: AsyncIterator[str], count: int) -> list[str]:
    return [await asyncio.wait_for(anext(messages), 5) for _ in range(count)]


def test_a_burst_becomes_one_message_a_kind() -> None:
    async def scene() -> list[str]:
        hub = Hub()
        async with hub.listen(frozenset({"report.changed", "play.changed"})) as listener:
            messages = listener.messages()
            await _first(messages, 1)
            for _ in range(50):
                threading.Thread(target=hub.publish, args=("report.changed",)).start()
            hub.publish("play.changed")
            hub.publish("case.changed")
            return await _first(messages, 2)

    assert asyncio.run(scene()) == [
        "event: news\ndata: play.changed\n\n",
        "event: news\ndata: report.changed\n\n",
    ]


def test_silence_is_filled_so_that_proxies_keep_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEEP_ALIVE_S", 0.05)

    async def scene() -> str:
        async with Hub().listen(frozenset()) as listener:
            return (await _first(listener.messages(), 2))[1]

    assert asyncio.run(scene()).startswith(":")


@pytest.mark.parametrize("news_before", [False, True])
def test_closing_the_hub_ends_open_and_later_streams(news_before: bool) -> None:
    async def scene() -> None:
        hub = Hub()
        async with hub.listen(frozenset()) as listener:
            messages = listener.messages()
            await _first(messages, 1)
            if news_before:
                hub.publish("play.changed")
            hub.close()
            rest = [message async for message in messages]
            assert len(rest) <= 1
        async with hub.listen(frozenset()) as late:
            assert len([message async for message in late.messages()]) == 1

    began = time.monotonic()
    asyncio.run(scene())
    assert time.monotonic() - began < live.KEEP_ALIVE_S / 2


def test_a_page_that_went_away_is_forgotten() -> None:
    async def scene() -> int:
        hub = Hub()
        async with hub.listen(frozenset()):
            assert hub.listening == 1
        return hub.listening

    assert asyncio.run(scene()) == 0


def test_the_public_hears_nothing(client: Clients) -> None:
    assert client(None).get("/live?kinds=report.changed").status_code == 401
    assert client(None).get("/live/check").status_code == 401
    assert client("recorder").get("/live/check").status_code == 200
