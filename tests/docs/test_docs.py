"""What the product offers is documented: settings, commands, routes, links between pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.settings import PREFIX, Settings
from tests.conftest import ROOT
from web.app import routes

DOCS = ROOT / "docs"
UNIT = ROOT / "deploy" / "xiangyin.service"
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


def _name(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "decisions.md"], ids=_name)
def test_commands_that_people_copy_name_the_python_of_the_project(page: Path) -> None:
    of_the_server = r"server\.py|-m (?:transcribe|cases|core|broadcast|hotline|demo|pytest)\b"
    bare = re.findall(rf"(?<!/)\bpython3? (?:{of_the_server})[^`\n]*", page.read_text("utf-8"))
    assert bare == []


def test_the_servers_own_help_names_the_python_of_the_project() -> None:
    help_text = (ROOT / "server.py").read_text("utf-8").split('"""')[1]
    assert help_text.count("python server.py") == help_text.count(".venv/bin/python server.py") > 1


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_comment_stands_behind_the_value_of_a_setting(page: Path) -> None:
    """systemd would take it for a part of the value."""
    lines = re.findall(rf"^{PREFIX}\w+=.*$", page.read_text("utf-8"), re.MULTILINE)
    assert [line for line in lines if re.search(r"\s#", line)] == []


def test_the_file_with_the_settings_is_the_one_the_unit_reads() -> None:
    found = re.search(r"^EnvironmentFile=-(\S+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    for page in ("settings.md", "install.md", "backup.md"):
        assert found[1] in (DOCS / page).read_text("utf-8")


@pytest.mark.parametrize("page", ["settings.md", "telephone-line.md"])
def test_the_ports_of_call_audio_are_the_default_ones(page: str) -> None:
    first, last = (Settings.model_fields[f"rtp_port_{end}"].default for end in ("first", "last"))
    told = re.findall(r"(\d+)-(\d+)/udp", (DOCS / page).read_text("utf-8"))
    assert told == [(str(first), str(last))]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_to_a_part_of_a_page_lead_to_its_heading(page: Path) -> None:
    for target, part in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")):
        there = page.parent / target if target else page
        assert part in _anchors(there), f"{page.name} links to {target}#{part}"


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
