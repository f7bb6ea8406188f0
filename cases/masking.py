"""Keeps numbers of people out of search results and the audit trail, whose places must not move."""

from __future__ import annotations

import re

from transcribe import redact


def hide_numbers(text: str) -> str:
    """``text`` with numbers of people (transcribe.redact) starred; its length does not change."""
    hidden, done = "", 0
    for start, end, _kind in redact.spans(text):
        hidden += text[done:start] + re.sub(r"\S", "*", text[start:end])
        done = end
    return hidden + text[done:]
