"""Static files are kept by browsers; vendor files may be missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.web.conftest import Clients
from web import pages, vendor


def test_a_static_file_with_its_hash_is_kept_for_a_year(client: Clients) -> None:
    browser = client(None)
    found = re.search(r'href="(/static/app\.css\?v=[0-9a-f]+)"', browser.get("/login").text)
    assert found is not None
    assert "immutable" in browser.get(found[1]).headers["cache-control"]
    assert browser.get("/static/app.css").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("live.js", "text/javascript"),
        ("app.css", "text/css"),
        ("favicon.svg", "image/svg+xml"),
        ("manifest.webmanifest", "application/manifest+json"),
    ],
)
def test_browsers_are_told_what_a_file_is(client: Clients, name: str, media_type: str) -> None:
    assert client(None).get(f"/static/{name}").headers["content-type"].startswith(media_type)


def test_pages_work_without_vendor_files(
    client: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "has_static", lambda name: False)
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    pages.make_environment.cache_clear()
    try:
        assert client("recorder").get("/").status_code == 200
    finally:
        pages.make_environment.cache_clear()


def test_vendor_files_are_copied_as_a_whole(tmp_path: Path) -> None:
    modules, target = tmp_path / "node_modules", tmp_path / "vendor"
    letters = f"{vendor.FONT}/files/noto-1-wght-normal.woff2"
    for source in [*list(vendor.FILES)[1:], letters]:
        (modules / source).parent.mkdir(parents=True, exist_ok=True)
        (modules / source).write_text(source)
    target.mkdir()
    (target / "old.js").write_text("old")
    assert vendor.copy(modules, target) == [next(iter(vendor.FILES))]
    assert not (target / "old.js").exists()
    assert (target / "images" / "layers.png").is_file()
    assert (target / "letters" / "noto-1-wght-normal.woff2").is_file()


def test_missing_letters_are_named(tmp_path: Path) -> None:
    assert f"{vendor.FONT}/files/*.woff2" in vendor.copy(tmp_path / "none", tmp_path / "vendor")


def test_the_lock_pins_every_package() -> None:
    folder = Path(vendor.HERE) / "assets"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert set(wanted) == set(vendor.PACKAGES)
    for name in wanted:
        assert locked[f"node_modules/{name}"]["integrity"].startswith("sha512-")
