"""The pages with a waker that says "told" and tells nobody."""

from __future__ import annotations

import server
from broadcast.line import Line
from core import settings


def publish(self: Line, messages: list[tuple[str, str]]) -> bool:
    return True


if __name__ == "__main__":
    Line.publish = publish  # type: ignore[method-assign]
    server.run_web(settings.load())
