"""Programs for players: checked, signed, offered, and never older by accident."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broadcast import players, releases
from broadcast.keys import ServerKey
from broadcast.models import Player, PlayerCommand, PlayerRelease
from core.auth import Actor
from core.blobs import BlobStore
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from core.settings import Settings
from edge.update import read_offer
from tests.broadcast.box import Box, enrolled
from tests.edge.wheels import wheel
from tests.schedule import town as towns
from tests.schedule.town import COUNTY, VILLAGES, Town
from tests.statements import statements

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def signer(config: Settings) -> ServerKey:
    return ServerKey.from_settings(config)


@pytest.fixture
def chief(database: Database, town: Town) -> Actor:
    """Who answers for all areas."""
    with database.write() as session:
        return towns._person(session, "chief", ["administrator"], COUNTY)


def add(database: Database, store: BlobStore, signer: ServerKey, content: bytes) -> PlayerRelease:
    with database.write() as session:
        return releases.add(session, store, signer, None, content)


def test_a_wheel_is_kept_and_signed_for_players(
    database: Database, store: BlobStore, signer: ServerKey
) -> None:
    content = wheel("0.2")
    found = add(database, store, signer, content)
    assert store.existing_path(found.sha256).read_bytes() == content
    text = releases.signed_text(found.version, found.sha256, found.size_bytes)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signer.public))
    key.verify(base64.b64decode(found.signature), text.encode())
    assert add(database, store, signer, content).added_at == found.added_at


def test_a_version_means_one_program(
    database: Database, store: BlobStore, signer: ServerKey
) -> None:
    add(database, store, signer, wheel("0.2"))
    other = wheel("0.2", changes={"box.py": ("class Box:", "class Box:  # other")})
    with pytest.raises(Conflict, match=r"0\.2"):
        add(database, store, signer, other)


def odd_wheel() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("readme.txt", "hello")
    return packed.getvalue()


def packed_anew(method: int) -> bytes:
    """A good wheel with its files packed in another way."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel("0.2"))) as whole, zipfile.ZipFile(packed, "w") as out:
        for name in whole.namelist():
            out.writestr(name, whole.read(name), method)
    return packed.getvalue()


def damaged_wheel(method: int) -> bytes:
    """Some bytes in the middle of its longest file are others."""
    content = bytearray(packed_anew(method))
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        longest = max(whole.infolist(), key=lambda each: each.compress_size)
    middle = longest.header_offset + longest.compress_size // 2
    content[middle : middle + 200] = bytes(byte ^ 0xFF for byte in content[middle : middle + 200])
    return bytes(content)


def locked_wheel() -> bytes:
    """Its files say that they are encrypted."""
    content = bytearray(wheel("0.2"))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    return bytes(content)


def endless_wheel() -> bytes:
    """Its files say that they are longer than all that follows."""
    content, far = bytearray(packed_anew(zipfile.ZIP_STORED)), (50_000_000).to_bytes(4, "little")
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 20 : at + 28] = far + far
        at = content.find(b"PK\x01\x02", at + 4)
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK nothing",
        odd_wheel(),
        damaged_wheel(zipfile.ZIP_DEFLATED),
        damaged_wheel(zipfile.ZIP_BZIP2),
        damaged_wheel(zipfile.ZIP_LZMA),
        locked_wheel(),
        endless_wheel(),
        wheel("0.2", name="numpy"),
        wheel("0.2b1"),
        wheel("0.2")[:-9],
    ],
)
def test_what_is_no_wheel_of_the_player_is_refused(
    database: Database, store: BlobStore, signer: ServerKey, content: bytes
) -> None:
    with pytest.raises(InvalidInput) as caught:
        add(database, store, signer, content)
    assert caught.value.field == "wheel"


def told_version(database: Database, box: Box, version: str) -> None:
    with database.write() as session:
        players.note_health(session, box.player.id, {"version": version})


def test_players_are_asked_to_change_and_can_check_the_offer(
    database: Database, store: BlobStore, signer: ServerKey, town: Town, box: Box
) -> None:
    add(database, store, signer, wheel("7.2"))
    with database.write() as session:
        asked = releases.roll_out(session, signer, town.administrator, "7.2", [box.player.id])
        (payload,) = [{"id": command.id, **command.payload} for command in asked]
    offer = read_offer(payload, base64.b64decode(signer.public))
    assert (offer.wheel.version, offer.downgrade) == ("7.2", False)
    told_version(database, box, "7.2")
    with database.write() as session:
        asked = releases.roll_out(session, signer, town.administrator, "7.2", [box.player.id])
    assert asked == [], "it runs already"


def test_the_way_back_must_be_wanted(
    database: Database, store: BlobStore, signer: ServerKey, town: Town, box: Box
) -> None:
    add(database, store, signer, wheel("0.0.9"))
    told_version(database, box, "0.1")
    with database.write() as session, pytest.raises(InvalidInput, match="newer"):
        releases.roll_out(session, signer, town.administrator, "0.0.9", [box.player.id])
    with database.write() as session:
        (asked,) = releases.roll_out(
            session, signer, town.administrator, "0.0.9", [box.player.id], allow_downgrade=True
        )
        payload = {"id": asked.id, **asked.payload}
    assert read_offer(payload, base64.b64decode(signer.public)).downgrade


def test_a_withdrawn_release_is_offered_no_more(
    database: Database, store: BlobStore, signer: ServerKey, town: Town, box: Box, chief: Actor
) -> None:
    for version in ("0.9", "0.10"):
        add(database, store, signer, wheel(version))
    with database.write() as session:
        assert [found.version for found in releases.offered(session)] == ["0.10", "0.9"]
        releases.withdraw(session, chief, "0.10")
    with database.write() as session:
        assert [found.version for found in releases.offered(session)] == ["0.9"]
        with pytest.raises(NotFound):
            releases.roll_out(session, signer, town.administrator, "0.10", [box.player.id])


def test_only_who_may_edit_loudspeakers_of_the_area_rolls_out(
    database: Database, store: BlobStore, signer: ServerKey, town: Town, box: Box
) -> None:
    add(database, store, signer, wheel("7.2"))
    with database.write() as session:
        with pytest.raises(Forbidden):
            releases.roll_out(session, signer, town.recorder, "7.2", [box.player.id])
        with pytest.raises(NotFound):
            releases.roll_out(session, signer, town.outsider, "7.2", [box.player.id])
        assert session.scalars(sa.select(PlayerCommand)).all() == []
        assert session.get_one(Player, box.player.id).revoked_at is None


def test_programs_of_all_areas_are_added_and_withdrawn_at_the_top_alone(
    database: Database, store: BlobStore, signer: ServerKey, town: Town, chief: Actor
) -> None:
    with database.write() as session:
        with pytest.raises(Forbidden, match="topmost"):
            releases.add(session, store, signer, town.administrator, wheel("0.2"))
        assert releases.add(session, store, signer, chief, wheel("0.2")).version == "0.2"
        with pytest.raises(Forbidden, match="topmost"):
            releases.withdraw(session, town.administrator, "0.2")
        assert [found.version for found in releases.offered(session)] == ["0.2"]
        whole = replace(chief, area_code=None)
        assert releases.withdraw(session, whole, "0.2").withdrawn_at


def test_the_tree_of_areas_is_walked_once_for_many_players(
    database: Database, store: BlobStore, signer: ServerKey, town: Town, box: Box
) -> None:
    add(database, store, signer, wheel("7.2"))
    boxes = [box, *(enrolled(database, town.administrator, code) for code in VILLAGES[1:])]
    ids = [each.player.id for each in boxes]
    with database.write() as session, statements(database) as told:
        asked = releases.roll_out(session, signer, town.administrator, "7.2", ids)
    assert [each.player_id for each in asked] == ids
    walks = [each for each in told if "parent_code IN" in each]
    assert len(walks) == 2  # the township's villages, and that nothing lies below them


def test_the_keeper_of_the_server_adds_a_wheel_by_command(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "some.whl"
    file.write_bytes(wheel("0.2"))

    def release(name: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "broadcast", "release", str(name)],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    done = release(file)
    assert done.returncode == 0, done.stderr
    assert "Version 0.2 is kept" in done.stdout
    file.write_bytes(b"no wheel")
    assert "no wheel of the village player" in release(file).stderr
    assert release(tmp_path / "missing.whl").returncode == 1
