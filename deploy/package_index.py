"""Takes uv from the package index that pip and uv are set to; standard library only."""

from __future__ import annotations

import base64
import configparser
import hashlib
import html
import io
import os
import platform
import re
import ssl
import sys
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

DEFAULT_INDEX = "https://pypi.org/simple"
UV_VERSION = "0.13.9"
UV_WHEELS = {  # file name part -> SHA-256
    "manylinux_2_17_x86_64.manylinux2014_x86_64": (
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19"
    ),
    "musllinux_1_1_x86_64": "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
    "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64": (
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe"
    ),
}


class SetupFailed(Exception):
    """A set-up step cannot be done; the text says what to do."""


def index_url() -> str:
    """The package index the person configured for uv or pip, else PyPI."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := os.environ.get(name):
            return value.rstrip("/")
    return (_uv_config() or _pip_config() or DEFAULT_INDEX).rstrip("/")


def _uv_config() -> str | None:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for path in (home / "uv" / "uv.toml", Path("/etc/uv/uv.toml")):
        if path.is_file():
            config = tomllib.loads(path.read_text(encoding="utf-8"))
            for index in config.get("index", []):
                if index.get("default"):
                    return str(index["url"])
            if "index-url" in config:
                return str(config["index-url"])
    return None


def _pip_config() -> str | None:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    candidates = [Path("/etc/pip.conf"), Path.home() / ".pip" / "pip.conf", home / "pip/pip.conf"]
    if named := os.environ.get("PIP_CONFIG_FILE"):
        candidates.append(Path(named))
    found = None
    for path in candidates:
        if path.is_file():
            parser = configparser.RawConfigParser()
            parser.read(path, encoding="utf-8")
            found = parser.get("global", "index-url", fallback=found)
    return found


def fetch(url: str) -> bytes:
    """Download ``url``; user:password in it become a header; a progress line for large files."""
    parts = urllib.parse.urlsplit(url)
    headers = {"Accept": "text/html", "User-Agent": "xiangyin-bootstrap"}
    if parts.username:
        secret = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    authority = next(
        (
            os.environ[n]
            for n in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
            if os.environ.get(n)
        ),
        None,
    )
    context = ssl.create_default_context(cafile=authority) if parts.scheme == "https" else None
    request = urllib.request.Request(urllib.parse.urlunsplit(parts), headers=headers)
    out = io.BytesIO()
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        while data := answer.read(1 << 18):
            out.write(data)
            if total > 5_000_000 and sys.stdout.isatty():
                print(f"\r  {out.tell() * 100 // total:3d} %", end="", flush=True)
    if total > 5_000_000 and sys.stdout.isatty():
        print("\r       \r", end="")
    return out.getvalue()


def uv(folder: Path) -> str:
    """Path of uv: from XIANGYIN_UV, else its wheel taken from the index and checked."""
    if given := os.environ.get("XIANGYIN_UV"):
        return given
    target = folder / f"uv-{UV_VERSION}" / "uv"
    if target.is_file():
        return str(target)
    machine, libc = platform.machine(), platform.libc_ver()[0]
    fitting = [
        (name, digest)
        for name, digest in UV_WHEELS.items()
        if machine in name and (libc == "glibc") == ("manylinux" in name)
    ]
    if not fitting:
        raise SetupFailed(
            f"no uv wheel is known for {machine}; install uv and set XIANGYIN_UV to its path."
        )
    name, digest = fitting[0]
    print(
        f"> taking uv {UV_VERSION} from {urllib.parse.urlsplit(index_url()).hostname}", flush=True
    )
    try:
        wheel = _download_wheel(f"uv-{UV_VERSION}-py3-none-{name}.whl")
    except (urllib.error.URLError, TimeoutError) as error:
        raise SetupFailed(
            f"the package index cannot be reached ({error}). Check the network, the clock and "
            "the ca-certificates package, or set PIP_INDEX_URL to a mirror."
        ) from error
    if hashlib.sha256(wheel).hexdigest() != digest:
        raise SetupFailed(
            "the uv wheel of this index is not the one we know; nothing was installed."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        member = next(entry for entry in archive.namelist() if entry.endswith("/scripts/uv"))
        part = target.with_suffix(".part")
        part.write_bytes(archive.read(member))
    part.chmod(0o755)
    part.replace(target)
    return str(target)


def _download_wheel(filename: str) -> bytes:
    page_url = f"{index_url()}/uv/"
    page = fetch(page_url).decode("utf-8", "replace")
    for link in re.findall(r'href="([^"]+)"', page):
        absolute = urllib.parse.urljoin(page_url, html.unescape(link))
        if urllib.parse.urlsplit(absolute).path.endswith("/" + filename):
            own = urllib.parse.urlsplit(index_url())
            there = urllib.parse.urlsplit(absolute)
            if own.username and there.hostname == own.hostname:
                absolute = urllib.parse.urlunsplit(there._replace(netloc=own.netloc))
            return fetch(absolute)
    raise SetupFailed(f"the index {page_url} has no {filename}.")
