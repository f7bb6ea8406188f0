"""Structured logs: one JSON object a line on standard error; numbers never in full."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

CHATTY = ("httpx", "httpcore", "websockets", "urllib3")
"""They log addresses as they ask for them, and an address may hold a number or a password."""

_LONG_NUMBER = re.compile(
    r"(?:(?<![\da-f])|(?<=%[\da-f]{2})|(?<=%25[\da-f]{2}))(?<!\d\.)"
    r"(\d{3})\d{4,12}(\d{4})(?![\da-f])"
)
"""Eleven digits or more, wherever they stand: in an address they follow ``%2F`` or ``%252f``. Only
beside small letters from a to f they are part of a hash, after a digit and a point of a fraction.
"""

_READ_OUT = re.compile(r"[零〇一二两三四五六七八九幺洞拐勾]{7,}")
"""A number as speech recognition writes it; no log is to hold one, whatever else goes wrong."""


def masked(text: str) -> str:
    """``text`` without any number of a person in full."""
    return _READ_OUT.sub("****", _LONG_NUMBER.sub(r"\1****\2", text))


def _mask(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _all_masked(value)
    return event


def _all_masked(value: Any) -> Any:
    match value:
        case str():
            return masked(value)
        case Mapping():
            return {_all_masked(key): _all_masked(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_all_masked(each) for each in value]
        case None | bool() | int() | float():
            return value
    return masked(repr(value))


def configure(process: str, level: str = "INFO") -> None:
    """Set up logging for a process called ``process``."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            lambda _logger, _name, event: {"process": process, **event},
            structlog.processors.format_exc_info,
            _mask,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
