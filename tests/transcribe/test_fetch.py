"""Downloads: whatever the link and the server do, the file comes whole or not at all."""

from __future__ import annotations

import http.server
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from core.errors import InvalidInput, Unavailable
from core.settings import Settings
from tests.transcribe.archive_server import Archive, serving
from transcribe import fetch
from transcribe.fetch import Progress
from web import tls

CONTENT = random.Random(3).randbytes(1_000_000)
HALF = len(CONTENT) // 2


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.zip"


def fetch_from(archive: Archive, target: Path, *, hash_is_known: bool = True) -> None:
    with serving(archive) as address:
        fetch.fetch(f"{address}/m.zip", target, hash_is_known=hash_is_known, pause_s=0)


def test_a_file_comes_whole_and_progress_ends_at_all_of_it(target: Path) -> None:
    seen: list[Progress] = []
    with serving(Archive(CONTENT)) as address:
        fetch.fetch(f"{address}/m.zip", target, hash_is_known=True, on_progress=seen.append)
    assert target.read_bytes() == CONTENT
    assert (seen[-1].done_bytes, seen[-1].total_bytes) == (len(CONTENT), len(CONTENT))
    assert [path.name for path in target.parent.glob("model*")] == ["model.zip"]


def test_a_link_that_breaks_goes_on_where_it_broke(target: Path) -> None:
    archive = Archive(CONTENT, break_after=[300_000, 200_000])
    fetch_from(archive, target)
    assert target.read_bytes() == CONTENT
    assert archive.asked == [None, "bytes=300000-", "bytes=500000-"]
    assert archive.versions == [None, '"one"', '"one"']
    assert archive.sent == len(CONTENT)


def test_parts_smaller_than_asked_for_are_put_together(target: Path) -> None:
    archive = Archive(CONTENT, break_after=[100_000], most_a_part=300_000)
    fetch_from(archive, target)
    assert archive.asked == [None, *(f"bytes={start}00000-" for start in (1, 4, 7))]
    assert target.read_bytes() == CONTENT


def test_a_later_call_goes_on_too_when_this_one_gave_up(target: Path) -> None:
    archive = Archive(CONTENT, break_after=[HALF, *[0] * fetch.TRIES])
    with pytest.raises(Unavailable, match="same command again") as caught:
        fetch_from(archive, target)
    assert caught.value.params["done_mb"] == 0
    assert not target.exists()
    archive.break_after.clear()
    archive.asked.clear()
    fetch_from(archive, target)
    assert archive.asked == [f"bytes={HALF}-"]
    assert target.read_bytes() == CONTENT


def test_a_server_that_cannot_give_parts_gives_it_all_again(target: Path) -> None:
    archive = Archive(CONTENT, ranges=False, break_after=[HALF])
    fetch_from(archive, target)
    assert target.read_bytes() == CONTENT
    assert archive.sent == HALF + len(CONTENT)


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_another_version_meanwhile_is_never_mixed_with_the_first(
    heeds_if_range: bool, target: Path
) -> None:
    archive = Archive(CONTENT, break_after=[HALF, *[0] * fetch.TRIES])
    with pytest.raises(Unavailable):
        fetch_from(archive, target)
    archive.break_after.clear()
    archive.content, archive.etag = CONTENT[::-1], '"two"'
    archive.heeds_if_range = heeds_if_range
    fetch_from(archive, target)
    assert target.read_bytes() == CONTENT[::-1]


def test_a_shorter_version_meanwhile_begins_anew(target: Path) -> None:
    archive = Archive(CONTENT, break_after=[HALF, *[0] * fetch.TRIES], etag=None)
    with pytest.raises(Unavailable):
        fetch_from(archive, target)
    archive.break_after.clear()
    archive.content = CONTENT[:100_000]
    fetch_from(archive, target)
    assert target.read_bytes() == CONTENT[:100_000]


def test_without_a_name_of_the_version_only_a_known_hash_lets_it_go_on(
    config: Settings, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(CONTENT, etag=None, break_after=[HALF])
    fetch_from(archive, target)
    assert archive.asked == [None, f"bytes={HALF}-"]
    target.unlink()
    with https(config, archive, monkeypatch) as address:
        archive.break_after, archive.asked = [HALF], []
        fetch.fetch(f"{address}/m.zip", target, hash_is_known=False, pause_s=0)
    assert archive.asked == [None, None]
    assert target.read_bytes() == CONTENT


def test_a_size_that_is_not_told_is_found_out(target: Path) -> None:
    fetch_from(Archive(CONTENT, says_length=False), target)
    assert target.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(target: Path) -> None:
    archive = Archive(CONTENT, statuses=[503, 500, 429])
    fetch_from(archive, target)
    assert len(archive.asked) == 4
    archive = Archive(CONTENT, statuses=[404])
    with pytest.raises(InvalidInput, match="answers 404"):
        fetch_from(archive, target)
    assert len(archive.asked) == 1


def test_a_redirect_is_followed_but_not_in_circles(target: Path) -> None:
    fetch_from(Archive(CONTENT, statuses=[302, 307], moved_to="/other.zip"), target)
    assert target.read_bytes() == CONTENT
    with pytest.raises(InvalidInput, match="in circles"):
        fetch_from(Archive(CONTENT, statuses=[302] * 20, moved_to="/again"), target)


def test_plain_http_needs_a_known_hash_even_after_a_redirect(
    config: Settings, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="not HTTPS"):
        fetch_from(Archive(CONTENT), target, hash_is_known=False)
    with serving(Archive(CONTENT)) as plain:
        moved = Archive(CONTENT, statuses=[302], moved_to=f"{plain}/m.zip")
        with (
            https(config, moved, monkeypatch) as address,
            pytest.raises(InvalidInput, match="not HTTPS"),
        ):
            fetch.fetch(f"{address}/m.zip", target, hash_is_known=False)
    assert not target.exists()


def test_https_is_checked_against_the_authorities_one_trusts(
    config: Settings, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(CONTENT)
    with https(config, archive, monkeypatch) as address:
        fetch.fetch(f"{address}/m.zip", target, hash_is_known=False)
        assert target.read_bytes() == CONTENT
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(InvalidInput, match="not trusted"):
            fetch.fetch(f"{address}/m.zip", target, hash_is_known=False, pause_s=0)
    assert len(archive.asked) == 1


def test_a_file_larger_than_allowed_or_expected_stops(target: Path) -> None:
    with serving(Archive(CONTENT, says_length=False)) as address:
        for limits in ({"max_bytes": 500_000}, {"size_bytes": 500_000}):
            with pytest.raises(InvalidInput, match="larger than 0 MB"):
                fetch.fetch(f"{address}/m.zip", target, hash_is_known=True, **limits)
    assert not target.exists()


def test_a_full_disk_is_seen_before_the_download(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(CONTENT)
    usage = type("Usage", (), {"free": len(CONTENT) * 3 - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(InvalidInput, match="The disk has"):
        fetch_from(archive, target)
    usage.free += 1
    fetch_from(archive, target)


def test_a_server_that_is_away_is_tried_and_then_said_to_be(target: Path) -> None:
    with serving(Archive(CONTENT)) as address:
        pass
    with pytest.raises(Unavailable, match="cannot be reached"):
        fetch.fetch(f"{address}/m.zip", target, hash_is_known=True, pause_s=0)


def test_a_proxy_of_the_environment_is_used(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Archive(CONTENT)) as address, proxy() as (proxy_address, asked):
        monkeypatch.setenv("http_proxy", proxy_address.replace("//", "//office:secret@"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name)
        fetch.fetch(f"{address}/m.zip", target, hash_is_known=True)
    assert target.read_bytes() == CONTENT
    assert asked == [(f"{address}/m.zip", "Basic b2ZmaWNlOnNlY3JldA==")]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/vosk-model-cn-0.22.zip", "vosk-model-cn-0.22.zip"),
        ("https://h/a/%E6%A8%A1%E5%9E%8B%2F..%2Fx.zip?token=1", "x.zip"),
        ("https://h/", "model.zip"),
        ("https://h/..", "model.zip"),
    ],
)
def test_names_of_files_are_safe(url: str, name: str) -> None:
    assert fetch.file_name(url) == name


def test_what_is_written_down_of_an_address_holds_no_secret() -> None:
    address = "https://office:pw@h:8443/a/m.zip?token=1#x"
    assert fetch.without_secrets(address) == "https://h:8443/a/m.zip"


@pytest.mark.parametrize("url", ["", "model.zip", "ftp://h/m.zip", "https:///m.zip", "file:///etc"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="full address"):
        fetch.file_name(url)


def test_remaining_time_is_known_when_size_and_rate_are() -> None:
    assert Progress(25, 100, 15.0).left_s == 5.0
    assert Progress(25, None, 15.0).left_s is None
    assert Progress(0, 100, 0.0).left_s is None


@contextmanager
def https(config: Settings, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The archive over real HTTPS, its authority trusted for this test."""
    files = tls.ensure(config)
    assert files is not None
    monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
    with serving(archive, (files.certificate, files.key)) as address:
        yield address


@contextmanager
def proxy() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A forward proxy for plain HTTP, and what it was asked for with which login."""
    asked: list[tuple[str, str | None]] = []

    class Forward(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("proxy-authorization")))
            answer = urllib3.PoolManager().request("GET", self.path)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
