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
    ],
)
def test_a_number_is_starred_before_it_is_written(said: str, line: str) -> None:
    assert logged(said) == line
