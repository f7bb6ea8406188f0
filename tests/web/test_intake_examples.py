"""The examples for vendors do what their page says, against a server with an own authority."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases.models import Report
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer
from core.standard_webhooks import fresh_secret
from hotline.models import IntakeSource
from tests.conftest import ROOT
from tests.web.conftest import TOWN
from web import serve
from web.deps import Services

FETCHING, SIGNING_SH, SIGNING_PYTHON = (
    r"```\n(curl -fo .*?)```",
    r"```sh\n(.*?)```",
    r"```python\n(.*?)```",
)


@pytest.fixture
def ports(services: Services) -> Iterator[tuple[int, int]]:
    """Pages and guide over TLS with the own authority, on ports the system chooses."""
    own = services.settings.model_copy(
        update={"web_host": "127.0.0.1", "web_port": 0, "guide_port": 0}
    )
    found: list[int | None] = []
    is_ready, stop = threading.Event(), threading.Event()

    def ready(web_port: int, guide_port: int | None) -> None:
        found.extend((web_port, guide_port))
        is_ready.set()

    arguments = (replace(services, settings=own), stop)
    thread = threading.Thread(target=serve.serve, args=arguments, kwargs={"ready": ready})
    thread.start()
    assert is_ready.wait(60)
    web_port, guide_port = found
    assert web_port is not None
    assert guide_port is not None
    yield web_port, guide_port
    stop.set()
    thread.join(30)


@pytest.fixture
def example(
    ports: tuple[int, int],
    database: Database,
    sealer: Sealer,
    cast: dict[str, int],
) -> Callable[[str], str]:
    """A code block of the page, for this server and a source of its own."""
    secret = fresh_secret()
    with database.write() as session:
        source = IntakeSource(
            name="12345", area_code=TOWN, secret_sealed=sealer.seal(secret), created_at=utc_now()
        )
        session.add(source)
        session.flush()
        door = f"intake/{source.id}"

    def block(pattern: str) -> str:
        found = re.search(pattern, (ROOT / "docs" / "other-doors.md").read_text("utf-8"), re.DOTALL)
        assert found is not None
        text = found[1]
        for there, here in (
            ("SERVER:8443", f"127.0.0.1:{ports[0]}"),
            ("SERVER:8080", f"127.0.0.1:{ports[1]}"),
            ("whsec_PUT_YOURS_HERE", secret),
            ("intake/1", door),
        ):
            text = text.replace(there, here)
        return text

    return block


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "no_proxy": "127.0.0.1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize(
    ("command", "pattern"),
    [(("sh", "-c"), SIGNING_SH), ((sys.executable, "-c"), SIGNING_PYTHON)],
    ids=["sh", "python"],
)
@pytest.mark.real("curl", "openssl")
def test_a_vendor_who_follows_the_page_sends_a_report(
    example: Callable[[str], str],
    database: Database,
    tmp_path: Path,
    command: tuple[str, str],
    pattern: str,
) -> None:
    run(tmp_path, "sh", "-c", example(FETCHING))
    run(tmp_path, *command, example(pattern))
    with database.read() as session:
        (report,) = session.scalars(sa.select(Report))
    assert report.channel == "webhook"


@pytest.mark.real("curl", "openssl")
def test_the_fingerprint_of_what_was_fetched_is_the_one_read_on_the_server(
    example: Callable[[str], str], data_dir: Path, tmp_path: Path
) -> None:
    there = run(tmp_path, "sh", "-c", example(FETCHING))
    shown = example(r"`(openssl x509 -in var/tls/ca.pem .*?)`").split()
    on_server = run(data_dir.parent, *shown)
    assert "Fingerprint=" in there
    assert there == on_server
