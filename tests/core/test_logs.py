"""No line of the log holds a number of a person, in figures or as speech recognition writes it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
import sys
import structlog
from core import logs
logs.configure("test")
structlog.get_logger().info("event", said=sys.argv[1])
"""


def logged(said: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, said], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return str(json.loads(done.stderr)["said"])


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("打 13800138000 找我", "打 138****8000 找我"),
        ("打幺三八零零幺三八零零零找我", "打****找我"),
        ("打一三八洞洞一三八洞洞洞找我", "打****找我"),
        ("三组十八号，二零二六年", "三组十八号，二零二六年"),
        ("请打13800138000吧。", "请打138****8000吧。"),
        ("/ari?endpoint=PJSIP%2F13812345678%40trunk", "/ari?endpoint=PJSIP%2F138****5678%40trunk"),
        ("to=%2f13812345678%3Buser", "to=%2f138****5678%3Buser"),
        ("next=%252f13812345678%2540", "next=%252f138****5678%2540"),
        ("from=%2B8613812345678&", "from=%2B861****5678&"),
        ("PJSIP/13812345678-0000001a", "PJSIP/138****5678-0000001a"),
        ("msg_13812345678.wav", "msg_138****5678.wav"),
        ("6222021234567890123", "622****0123"),
    ],
)
def test_a_number_is_starred_before_it_is_written(said: str, line: str) -> None:
    assert logged(said) == line


@pytest.mark.parametrize(
    "said",
    [
        "sha256 3f13812345678901234b",
        "channel 1764300000.7",
        "took 0.30000000000000004",
        "number 123456789 of 2026-06-01T08:00:00.366377Z",
    ],
)
def test_what_only_looks_like_one_is_left_whole(said: str) -> None:
    assert logged(said) == said


def run(program: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_number_inside_an_errors_traceback_or_a_list_is_starred_too() -> None:
    [line] = run(
        "import structlog\n"
        "from core import logs\n"
        "logs.configure('test')\n"
        "try:\n"
        "    raise ValueError('no way to 13812345678')\n"
        "except ValueError as error:\n"
        "    structlog.get_logger().exception('event', to=['13812345678'], who={'n': error})\n"
    )
    assert "13812345678" not in json.dumps(line)
    assert line["to"] == ["138****5678"]
    assert "no way to 138****5678" in str(line["exception"])


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_libraries_that_log_every_address_they_ask_for_are_silent(level: str) -> None:
    lines = run(
        "import logging\n"
        "from core import logs\n"
        f"logs.configure('test', '{level}')\n"
        "for name in logs.CHATTY:\n"
        "    logging.getLogger(name + '.part').info('GET /ari?api_key=secret')\n"
        "logging.getLogger('httpx').error('broken')\n"
    )
    assert [line["event"] for line in lines] == ["broken"]
