"""Small files are there whole, or as they were before."""

from __future__ import annotations

import hashlib
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import files
from core.files import write_durably


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond 64 KB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, full_disk: None
) -> None:
    path = tmp_path / "directory.json"
    write_durably(path, b"the first")
    with pytest.raises(OSError, match="File too large"):
        write_durably(path, bytes(200_000))
    assert path.read_bytes() == b"the first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_somebody_holds_is_not_had_now_and_is_free_when_they_let_go(tmp_path: Path) -> None:
    path = tmp_path / "one.lock"
    with files.lock_now(path), pytest.raises(BlockingIOError):
        files.lock_now(path)
    with files.lock_now(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_who_waits_for_a_file_gets_it_next(tmp_path: Path) -> None:
    path, order = tmp_path / "one.lock", []

    def second() -> None:
        with files.locked(path):
            order.append("second")

    waiting = threading.Thread(target=second)
    with files.locked(path):
        waiting.start()
        waiting.join(0.3)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_the_hash_is_that_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
