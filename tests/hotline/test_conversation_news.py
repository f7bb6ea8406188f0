"""The news of a village over a (fake) telephone."""

from __future__ import annotations

from pathlib import Path

from hotline.call import CallEvent
from hotline.conversation import ConversationFactory
from hotline.talk import CALL_LIMIT_S
from tests.hotline.fake_call import FakeCall, Press
from tests.hotline.holding import hold
from tests.hotline.test_conversation_menus import lijia

__all__ = ["lijia"]


class LongNews(FakeCall):
    """The news lasts longer than any other call may."""

    async def next_event(self, timeout_s: float | None) -> CallEvent | None:
        if self._playing and "news-1" in self.played[-1]:
            self.now_s += CALL_LIMIT_S + 60
        return await super().next_event(timeout_s)


def test_nobody_is_cut_off_in_the_middle_of_the_news(
    factory: ConversationFactory, lijia: Path
) -> None:
    call = LongNews([Press("3")])
    entry = hold(factory, call)
    assert entry.end_cause == "completed"
    assert call.played[-2][-2:] == ("news_over", "news_choice")
    assert call.played[-1] == ("farewell",)
