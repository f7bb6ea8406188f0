"""Numbers are sealed, findable by hash, masked for eyes; secrets may come from files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from core import settings
from core.blobs import BlobStore
from core.errors import InvalidInput, NotFound
from core.sealed import Sealer, mask_number
from core.settings import Settings

one = Sealer(b"first installation")
other = Sealer(b"second installation")


@given(st.text(max_size=40))
def test_sealing_gives_back_what_went_in(text: str) -> None:
    assert one.unseal(one.seal(text)) == text


def test_another_installations_key_opens_nothing() -> None:
    with pytest.raises(InvalidTag):
        other.unseal(one.seal("13812345678"))


def test_the_same_number_is_sealed_differently_each_time() -> None:
    assert one.seal("13812345678") != one.seal("13812345678")


def test_the_keyed_hash_finds_equals_and_differs_between_installations() -> None:
    assert one.keyed_hash("caller", "138") == one.keyed_hash("caller", "138")
    assert one.keyed_hash("caller", "138") != other.keyed_hash("caller", "138")
    assert one.keyed_hash("a", "bc") != one.keyed_hash("ab", "c")


@given(st.text("0123456789", min_size=1, max_size=15))
def test_a_masked_number_never_shows_more_than_seven_digits(number: str) -> None:
    masked = mask_number(number)
    assert "****" in masked
    assert sum(c.isdigit() for c in masked) <= min(7, len(number))


def test_a_setting_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    monkeypatch.setenv("XIANGYIN_SECRET_KEY_FILE", str(secret))
    assert Settings().secret_key == "from a file"


def test_the_installations_secret_is_made_once_and_private(config: Settings) -> None:
    sealed = Sealer.from_settings(config).seal("138")
    assert Sealer.from_settings(settings.load()).unseal(sealed) == "138"
    assert (config.data_dir / "keys" / "secret").stat().st_mode & 0o077 == 0


def test_a_blob_larger_than_allowed_leaves_nothing_behind(store: BlobStore) -> None:
    with pytest.raises(InvalidInput):
        store.put_stream(io.BytesIO(b"x" * 2_000_000), max_bytes=1_000_000)
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_a_path_that_is_no_hash_is_not_found(store: BlobStore) -> None:
    with pytest.raises(NotFound):
        store.path("../../etc/passwd")
