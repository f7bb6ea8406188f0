"""uv comes from the index that pip or uv is set to, and only when it is the uv we know."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import package_index
from deploy.package_index import DEFAULT_INDEX, SetupFailed, index_url, uv

SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "XIANGYIN_UV")
SECRET = "Basic " + base64.b64encode(b"user:pass word").decode()


@pytest.fixture(autouse=True)
def _plain_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


class Index(http.server.BaseHTTPRequestHandler):
    """A mirror that wants a password and has one wheel."""

    wheel = b""
    filename = ""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != SECRET:
            self.send_error(401)
            return
        page = f'<a href="../../files/{self.filename}#sha256=x">{self.filename}</a>'.encode()
        body = self.wheel if self.path.endswith(".whl") else page
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = next(iter(package_index.UV_WHEELS))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("uv.data/scripts/uv", "#!/bin/sh\necho uv\n")
    Index.wheel, Index.filename = (
        packed.getvalue(),
        f"uv-{package_index.UV_VERSION}-py3-none-{name}.whl",
    )
    monkeypatch.setattr(package_index.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(package_index.platform, "libc_ver", lambda: ("glibc", "2.36"))
    digest = hashlib.sha256(Index.wheel).hexdigest()
    monkeypatch.setattr(package_index, "UV_WHEELS", {name: digest})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:pass%20word@127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()


def test_without_settings_it_is_pypi() -> None:
    assert index_url() == DEFAULT_INDEX


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_the_environment_names_the_index(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "https://mirror.example/simple/")
    assert index_url() == "https://mirror.example/simple"


def test_pip_conf_names_the_index(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/a%20b\n")
    assert index_url() == "https://mirror.example/a%20b"


def test_uv_toml_names_the_index(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "uv"
    folder.mkdir(parents=True)
    (folder / "uv.toml").write_text('[[index]]\nurl = "https://mirror.example/u"\ndefault = true\n')
    assert index_url() == "https://mirror.example/u"


def test_uv_comes_from_a_mirror_with_a_password(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", mirror)
    program = Path(uv(tmp_path / "setup"))
    assert program.read_text() == "#!/bin/sh\necho uv\n"
    assert program.stat().st_mode & 0o111


def test_a_wheel_that_is_not_the_one_we_know_is_refused_and_not_kept(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", mirror)
    Index.wheel += b"tampered"
    with pytest.raises(SetupFailed, match="not the one we know"):
        uv(tmp_path / "setup")
    assert not list((tmp_path / "setup").rglob("uv"))


def test_an_index_out_of_reach_says_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(SetupFailed, match="PIP_INDEX_URL"):
        uv(tmp_path / "setup")
