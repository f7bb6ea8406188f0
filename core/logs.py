"""Structured logs: one JSON object a line on standard error; numbers never in full."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_LONG_NUMBER = re.compile(r"(?<![\w.-])(\d{3})\d{4,11}(\d{4})(?![\w.-])")

_READ_OUT = re.compile(r"[零〇一二两三四五六七八九幺洞拐勾]{7,}")
"""A number as speech recognition writes it; no log is to hold one, whatever else goes wrong."""


def _mask(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _READ_OUT.sub("****", _LONG_NUMBER.sub(r"\1****\2", value))
    return event


def configure(process: str, level: str = "INFO") -> None:
    """Set up logging for a process called ``process``."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
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
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
