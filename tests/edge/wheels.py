"""Wheels of the player as people would build them, with small changes inside."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import edge
from tests.edge.conftest import ROOT
from tests.edge.fake_server import FakeServer

REQUIRES = ("cryptography>=46", "numpy>=2.1", "paho-mqtt>=2.1", "urllib3>=2.5")


def wheel(
    version: str,
    *,
    requires: tuple[str, ...] = REQUIRES,
    name: str = "xiangyin-edge",
    changes: dict[str, tuple[str, str]] | None = None,
) -> bytes:
    """``changes``: by module, a text and what stands in its place."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted((ROOT / "edge").glob("*.py")):
            text = file.read_text("utf-8")
            if file.name == "__init__.py":
                text = text.replace(f'"{edge.__version__}"', f'"{version}"')
            old, new = (changes or {}).get(file.name, ("", ""))
            assert old in text
            out.writestr(f"edge/{file.name}", text.replace(old, new) if old else text)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {each}" for each in requires]
        lines.append('Requires-Dist: sounddevice>=0.5.3; extra == "device"')
        out.writestr(f"xiangyin_edge-{version}.dist-info/METADATA", "\n".join(lines) + "\n")
    return packed.getvalue()


def offer(
    server: FakeServer, version: str, content: bytes, *, downgrade: bool = False
) -> dict[str, Any]:
    """The signed part of an ``update`` command for a wheel the server now has."""
    server.releases[version] = content
    sha256 = hashlib.sha256(content).hexdigest()
    kind = "downgrade" if downgrade else "release"
    text = f"xiangyin-edge {kind}\n{version}\n{sha256}\n{len(content)}"
    return {
        "version": version,
        "sha256": sha256,
        "size_bytes": len(content),
        "signature": b64encode(server.signing_key.sign(text.encode())).decode(),
        **({"downgrade": True} if downgrade else {}),
    }


def written(folder: Path, content: bytes) -> Path:
    """A wheel as a file."""
    file = folder / "some.whl"
    file.write_bytes(content)
    return file
