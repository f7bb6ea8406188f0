"""Pictures of a report: made anew, without their hidden facts, seen by those who may hear it."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from PIL import Image
from starlette.testclient import TestClient

from cases.models import Report, ReportPhoto
from core.blobs import BlobStore
from core.database import Database
from core.models import AuditEntry
from core.settings import Settings
from tests.web.conftest import Clients
from tests.web.test_report import URL, fill, numbers, reports, villager  # noqa: F401
from web import picture

ORIENTATION, MAKER, GPS = 0x0112, 0x010F, 0x8825


def photo(
    width: int = 640, height: int = 480, form: str = "JPEG", *, turned: int = 1, mode: str = "RGB"
) -> bytes:
    """A red picture that tells where and with what it was taken."""
    image = Image.new(mode, (width, height), "red")
    image.paste("blue", (0, 0, width // 4, height // 4))
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = turned, "SecretPhone"
    exif.get_ifd(GPS).update({1: "N", 2: (28.0, 46.0, 12.0)})
    out = BytesIO()
    image.save(out, form, exif=exif)
    return out.getvalue()


def send(browser: TestClient, *pictures: bytes, **fields: str) -> httpx.Response:
    files: Any = [("photo", (f"p{n}.jpg", data, "image/jpeg")) for n, data in enumerate(pictures)]
    return browser.post(URL, data=fill(browser, **fields), files=files)


def rows(database: Database) -> list[ReportPhoto]:
    with database.read() as session:
        return list(session.scalars(sa.select(ReportPhoto)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_kept_without_place_and_device(
    villager: TestClient, database: Database, store: BlobStore, form: str
) -> None:
    assert b"SecretPhone" in photo(form=form)
    assert send(villager, photo(form=form)).status_code == 200
    (row,) = rows(database)
    kept = store.existing_path(row.sha256).read_bytes()
    assert b"SecretPhone" not in kept
    with Image.open(BytesIO(kept)) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (640, 480), {})
        red, _green, blue = image.getpixel((600, 400))  # type: ignore[misc]
        assert red > 200 > blue


def test_a_picture_is_turned_upright_and_made_small(
    villager: TestClient, database: Database, store: BlobStore
) -> None:
    send(villager, photo(4000, 3000, turned=6))
    (row,) = rows(database)
    assert (row.width_px, row.height_px) == (1200, 1600)
    with Image.open(store.existing_path(row.sha256)) as image:
        red, _green, blue = image.getpixel((1150, 50))  # type: ignore[misc]
        assert blue > 200 > red


def test_three_pictures_go_and_a_fourth_is_refused(
    villager: TestClient, database: Database
) -> None:
    four = [photo(100 + number, 100) for number in range(4)]
    assert send(villager, *four[:3]).status_code == 200
    assert len(rows(database)) == 3
    answer = send(villager, *four)
    assert answer.status_code == 422
    assert 'id="e-photo"' in answer.text
    assert len(reports(database)) == 1


def test_the_same_picture_twice_is_one(villager: TestClient, database: Database) -> None:
    assert send(villager, photo(), photo()).status_code == 200
    assert len(rows(database)) == 1


def bomb() -> bytes:
    """A PNG of a few kB that claims 20,000 x 20,000 pixels."""
    out = BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xd8\xff\xe0 no picture" * 50, "no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture that can be read"),
        (photo()[:2000], "no picture that can be read"),
        (bomb(), "too large"),
        (b"\xff\xd8" + bytes(15_500_000), "too large"),
    ],
    ids=["noise", "svg", "half", "bomb", "heavy"],
)
def test_what_is_no_picture_is_refused_beside_its_field(
    villager: TestClient, database: Database, store: BlobStore, data: bytes, words: str
) -> None:
    answer = send(villager, data)
    assert answer.status_code == 422
    assert words in answer.text.split('id="e-photo"')[1][:200]
    assert "村口路灯坏了" in answer.text
    assert reports(database) == []
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_what_cannot_go_is_named_by_its_number(villager: TestClient) -> None:
    answer = send(villager, b"no picture", photo(), b"none either")
    assert "Number 1, 3 is no picture that can be read" in answer.text


def test_a_form_whose_last_picture_is_refused_leaves_no_file(
    villager: TestClient, store: BlobStore
) -> None:
    answer = send(villager, photo(), photo(320, 240), b"no picture")
    assert "Number 3 is no picture that can be read" in answer.text
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def sent_in_pieces(browser: TestClient, filled: dict[str, str], take: str, data: bytes) -> str:
    """A picture as a script sends it; the name under which the form tells of it."""
    headers = {"x-csrf-token": filled["csrf_token"]}
    about = {"consent": "1", "kind": "photo", "form_token": filled["form_token"]}
    browser.post(f"{URL}/takes/{take}", data=about, headers=headers)
    browser.post(
        f"{URL}/takes/{take}/0",
        content=data,
        headers={**headers, "content-type": "application/octet-stream"},
    )
    return f"{take}:{len(data)}:{zlib.crc32(data):08x}"


def test_a_script_is_told_which_pictures_cannot_go_and_the_others_do(
    villager: TestClient, database: Database
) -> None:
    filled = fill(villager)
    brought = {f"take-{n}-0123456789abcdef": data for n, data in enumerate([b"none", photo()])}
    names = [sent_in_pieces(villager, filled, take, data) for take, data in brought.items()]
    json = {"accept": "application/json"}
    refused = villager.post(URL, data={**filled, "photo_take": names}, headers=json)
    assert (refused.status_code, refused.json()["field"]) == (422, "photo")
    assert refused.json()["takes"] == ["take-0-0123456789abcdef"]
    assert "Number 1 is no picture" in refused.json()["detail"]
    assert reports(database) == []
    answer = villager.post(URL, data={**filled, "photo_take": names[1:]}, headers=json)
    assert answer.status_code == 200
    assert len(rows(database)) == 1


def test_a_script_is_told_which_pictures_are_beyond_the_third(villager: TestClient) -> None:
    filled = fill(villager)
    names = [f"take-{n}-0123456789abcdef:1:00000000" for n in range(5)]
    data = {**filled, "photo_take": names}
    answer = villager.post(URL, data=data, headers={"accept": "application/json"})
    assert answer.json()["takes"] == ["take-3-0123456789abcdef", "take-4-0123456789abcdef"]


def test_a_picture_in_pieces_is_refused_as_soon_as_it_is_too_large(
    villager: TestClient, config: Settings
) -> None:
    filled, take = fill(villager), "take-0123456789abcdef"
    sent_in_pieces(villager, filled, take, b"")
    data = config.folder("incoming", "takes") / take / "data"
    with data.open("wb") as sparse:
        sparse.truncate(15_000_000)
    answer = villager.post(
        f"{URL}/takes/{take}/15000000",
        content=b"x",
        headers={
            "x-csrf-token": filled["csrf_token"],
            "content-type": "application/octet-stream",
        },
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "photo")
    assert "at most 15 MB" in answer.json()["detail"]


def test_a_transparent_picture_gets_a_white_ground(tmp_path: Path) -> None:
    source = tmp_path / "clear.png"
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(source)
    picture.remake(str(source), str(tmp_path / "out.jpg"))
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getpixel((25, 25)) == (255, 255, 255)


def test_a_picture_sent_in_pieces_is_the_same(villager: TestClient, database: Database) -> None:
    filled = fill(villager)
    name = sent_in_pieces(villager, filled, "take-0123456789abcdef", photo())
    first = villager.post(URL, data={**filled, "photo_take": name})
    second = villager.post(URL, data={**filled, "photo_take": name})
    assert numbers(first.text) == numbers(second.text)
    assert len(rows(database)) == 1


def test_two_pictures_in_pieces_are_two(villager: TestClient, database: Database) -> None:
    filled = fill(villager)
    sizes = {"take-1-0123456789abcdef": (100, 80), "take-2-0123456789abcdef": (60, 90)}
    names = [sent_in_pieces(villager, filled, take, photo(*size)) for take, size in sizes.items()]
    assert villager.post(URL, data={**filled, "photo_take": names}).status_code == 200
    assert {(row.width_px, row.height_px) for row in rows(database)} == set(sizes.values())


@pytest.fixture
def pictured(villager: TestClient, database: Database) -> str:
    """The address of a report's picture."""
    send(villager, photo())
    return f"/reports/{reports(database)[0].id}/photos/{rows(database)[0].sha256}"


def test_who_hears_the_report_sees_its_picture_and_it_is_written_down(
    client: Clients, database: Database, pictured: str
) -> None:
    operator = client("operator")
    assert f'src="{pictured}"' in operator.get(pictured.rpartition("/photos/")[0]).text
    answer = operator.get(pictured)
    assert (answer.headers["content-type"], answer.content[:2]) == ("image/jpeg", b"\xff\xd8")
    with database.read() as session:
        looked = sa.select(AuditEntry).where(AuditEntry.action == "report.photo")
        assert [entry.actor for entry in session.scalars(looked)] == ["operator"]


@pytest.mark.parametrize(
    ("name", "status"), [("outsider", 404), ("recorder", 403), ("dispatcher", 403), (None, 303)]
)
def test_others_see_no_picture(
    client: Clients, pictured: str, name: str | None, status: int
) -> None:
    browser = client(name)
    answer = browser.get(pictured)
    assert answer.status_code == status
    assert pictured not in browser.get(pictured.rpartition("/photos/")[0]).text


def test_a_confidential_picture_is_the_custodians(
    client: Clients, database: Database, pictured: str
) -> None:
    with database.write() as session:
        session.scalars(sa.select(Report)).one().confidential = True
    assert client("operator").get(pictured).status_code == 404
    assert client("custodian").get(pictured).status_code == 200


def test_a_blob_that_is_no_picture_of_the_report_is_not_given(
    client: Clients, store: BlobStore, pictured: str
) -> None:
    other = store.put_bytes(b"somebody's voice")
    address = f"{pictured.rpartition('/')[0]}/{other}"
    assert client("operator").get(address).status_code == 404
