"""What the product offers is documented: settings, commands, routes, links between pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.settings import PREFIX, Settings
from tests.conftest import ROOT
from web.app import routes

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
COMMANDS = (
    "python server.py",
    "python server.py --demo",
    "python server.py token",
    "python server.py restored",
    "python -m transcribe",
    "python -m transcribe models install",
    "python -m transcribe models list",
    "python -m transcribe rehear",
    "python -m transcribe worker",
    "python -m transcribe models use",
    "python -m transcribe models unuse",
    "python -m transcribe models remove",
    "python -m transcribe check-model",
    "python -m transcribe evaluate",
    "python -m transcribe grammar",
    "python -m transcribe reindex",
    "python -m broadcast release",
    "python -m edge enrol",
    "python -m edge run",
    "python -m edge receipts",
    "python -m edge status",
    "python -m cases retention --dry-run",
    "python -m hotline prompts",
    "python -m hotline prompts list",
    "python -m hotline prompts all",
    "python -m demo call",
    "python -m demo say",
    "python -m demo status",
    "python -m demo pairs",
    "python -m benchmarks",
    "python -m core.migrate",
)


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{PREFIX}{name.upper()}`" in (DOCS / "settings.md").read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert any(command in page.read_text("utf-8") for page in PAGES)


def test_every_route_is_documented() -> None:
    text = (DOCS / "routes.md").read_text("utf-8")
    missing = [
        f"{method} {route.path}"
        for route in routes()
        for method in sorted(route.methods - {"HEAD"})
        if f"| {method} | `{route.path}` |" not in text
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
