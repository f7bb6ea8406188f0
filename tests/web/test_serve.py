"""The pages over TLS, the guide beside them, and a stop that waits for nobody."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from core.settings import Settings
from tests.web.conftest import _session
from web import serve
from web.deps import Services
from web.security import Security


@dataclass
class Running:
    """A server on free ports."""

    web_port: int
    guide_port: int
    stop: threading.Event
    thread: threading.Thread

    def browser(self, data_dir: Path) -> httpx.Client:
        trust = ssl.create_default_context(cafile=str(data_dir / "tls" / "ca.pem"))
        return httpx.Client(
            base_url=f"https://localhost:{self.web_port}", verify=trust, trust_env=False
        )

    def guide(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.guide_port}",
            trust_env=False,
            headers={"accept-language": "en"},
        )


@pytest.fixture
def free(services: Services) -> Services:
    """Services that listen on the loopback, on ports the system chooses."""
    own = services.settings.model_copy(
        update={"web_host": "127.0.0.1", "web_port": 0, "guide_port": 0}
    )
    return replace(services, settings=own)


@pytest.fixture
def running(free: Services) -> Iterator[Running]:
    ports: list[int | None] = []
    is_ready, stop = threading.Event(), threading.Event()

    def ready(web_port: int, guide_port: int | None) -> None:
        ports.extend((web_port, guide_port))
        is_ready.set()

    thread = threading.Thread(target=serve.serve, args=(free, stop), kwargs={"ready": ready})
    thread.start()
    assert is_ready.wait(30)
    web_port, guide_port = ports
    assert web_port is not None
    assert guide_port is not None
    yield Running(web_port, guide_port, stop, thread)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_pages_are_served_with_the_own_certificate(running: Running, data_dir: Path) -> None:
    with running.browser(data_dir) as browser:
        assert browser.get("/login").status_code == 200


def test_the_guide_explains_and_hands_out_the_certificate(running: Running) -> None:
    with running.guide() as guide:
        page = guide.get("/").text
        assert "iPhone" in page
        assert f"https://127.0.0.1:{running.web_port}" in page
        answer = guide.get("/ca.crt")
        assert answer.headers["content-type"] == "application/x-x509-ca-cert"
        certificate = x509.load_der_x509_certificate(answer.content)
        assert x509.load_pem_x509_certificate(guide.get("/ca.pem").content) == certificate
        assert guide.get("/qr.svg").headers["content-type"] == "image/svg+xml"
        assert "default-src 'none'" in guide.get("/").headers["content-security-policy"]


def test_everything_else_on_the_guide_leads_to_the_pages(running: Running) -> None:
    with running.guide() as guide:
        answer = guide.get("/report/abc?x=1")
        assert answer.status_code == 307
        wanted = f"https://127.0.0.1:{running.web_port}/report/abc?x=1"
        assert answer.headers["location"] == wanted


def test_an_open_stream_hears_news_and_does_not_hold_up_the_stop(
    running: Running, free: Services, cast: dict[str, int], data_dir: Path
) -> None:
    cookie = Security(free.settings).session_cookie
    token = _session(free.database, cast["operator"])
    with running.browser(data_dir) as browser:
        browser.cookies.set(cookie, token, domain="localhost.local")
        with browser.stream(
            "GET", "/live?kinds=play.changed", headers={"cookie": f"{cookie}={token}"}, timeout=20
        ) as answer:
            assert answer.status_code == 200
            lines = answer.iter_lines()
            while next(lines) != "event: hello":
                pass
            free.hub.publish("play.changed")
            while next(lines) != "data: play.changed":
                pass
            running.stop.set()
            began = time.monotonic()
            assert not [line for line in lines if line]  # ends cleanly, is not cut off
            running.thread.join(10)
            assert not running.thread.is_alive()
            assert time.monotonic() - began < 10, "the kept connection was waited for"


def test_a_taken_port_names_its_setting_and_exits_78(free: Services) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        for name, setting in (
            ("web_port", "XIANGYIN_WEB_PORT"),
            ("guide_port", "XIANGYIN_GUIDE_PORT"),
        ):
            settings = free.settings.model_copy(update={name: taken})
            with pytest.raises(serve.CannotServe) as raised:
                serve.serve(replace(free, settings=settings), threading.Event())
            assert raised.value.code == 78
            assert setting in raised.value.reason


def test_without_tls_there_is_no_guide(free: Services, config: Settings) -> None:
    ports: list[int | None] = []
    stop = threading.Event()

    def ready(web_port: int, guide_port: int | None) -> None:
        ports.extend((web_port, guide_port))
        stop.set()

    plain = free.settings.model_copy(update={"web_tls": "off"})
    serve.serve(replace(free, settings=plain), stop, ready=ready)
    assert ports[1] is None
