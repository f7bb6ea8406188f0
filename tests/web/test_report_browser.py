"""Pictures of a report, and a voice that broke off for a night, in a real browser."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from cases.models import Report
from core.database import Database
from tests.web.test_browser import OFFICE, Site, context, site  # noqa: F401
from tests.web.test_report import reports
from tests.web.test_report_photos import photo, rows
from tests.web.test_report_recorder import (  # noqa: F401
    GONE,
    LONG_MS,
    SLOW,
    Villager,
    one_report,
    someone,
    spoken,
    telephone,
)
from tests.web.test_review_browser import no_sideways, picture
from transcribe.models import TranscriptionJob
from web.report_keeper import UNFINISHED_AFTER, Keeper

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
NIGHT_S = UNFINISHED_AFTER.total_seconds() + 3600


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def choose(someone: Villager, *files: FilePayload) -> None:
    someone.page.set_input_files("#photo", list(files))


def listed(someone: Villager, number: int) -> None:
    expect(someone.page.locator("#xy-photos li")).to_have_count(number)


def takes(site: Site) -> list[Path]:
    return list(site.services.settings.folder("incoming", "takes").iterdir())


def test_each_chosen_picture_is_seen_and_the_keyboard_takes_it_off_again(
    someone: Villager, database: Database
) -> None:
    someone.open().agree()
    choose(someone, file("a.jpg", photo(640, 480)), file("b.jpg", photo(480, 640)))
    choose(someone, file("c.jpg", photo(300, 300)))
    listed(someone, 3)
    picture(someone.page, "report-pictures-390")
    no_sideways(someone.page)
    button = someone.page.get_by_role("button", name="去掉第 2 张")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 48
    button.press("Enter")
    listed(someone, 2)
    expect(someone.page.get_by_role("button", name="去掉第 2 张")).to_be_focused()
    someone.page.fill("textarea", "桥坏了")
    someone.send().numbers()
    assert sorted(row.width_px for row in rows(database)) == [300, 640]


def test_a_picture_that_is_refused_does_not_lock_the_voice_in(
    someone: Villager, database: Database
) -> None:
    someone.open().agree().speak(2500).end()
    choose(someone, file("good.jpg", photo()), file("bad.jpg", b"no picture at all"))
    listed(someone, 2)
    someone.send()
    said = someone.page.locator("#xy-photos-said")
    expect(said).to_contain_text("第 2 张不是能打开的照片", timeout=LONG_MS)
    expect(said).to_contain_text("其他内容都还在")
    listed(someone, 1)
    picture(someone.page, "report-picture-refused-390")
    no_sideways(someone.page)
    someone.page.reload()
    expect(someone.page.locator("#xy-old")).to_be_visible(timeout=LONG_MS)
    listed(someone, 1)
    someone.agree().send().numbers()
    assert one_report(database).audio_sha256 is not None
    assert len(rows(database)) == 1


def test_a_refusal_that_names_no_picture_takes_all_of_them_off(
    someone: Villager, database: Database
) -> None:
    someone.open().agree().speak(2500).end()
    choose(someone, file("good.jpg", photo()))
    problem = '{"field": "photo", "detail": "照片不行。", "code": "invalid_input"}'
    address = someone.page.url
    someone.page.route(address, lambda route: route.fulfill(status=422, body=problem), times=1)
    someone.send()
    expect(someone.page.locator("#xy-photos-said")).to_contain_text("照片不行。", timeout=LONG_MS)
    listed(someone, 0)
    someone.send().numbers()
    assert one_report(database).audio_sha256 is not None
    assert rows(database) == []


def test_too_large_a_picture_and_a_fourth_are_refused_before_anything_is_sent(
    someone: Villager, site: Site
) -> None:
    someone.open().agree()
    choose(someone, file("huge.jpg", bytes(15_000_001)), file("a.jpg", photo()))
    said = someone.page.locator("#xy-photos-said")
    expect(said).to_contain_text("huge.jpg: 照片太大。请换小一点的，最大 15 MB。")
    listed(someone, 1)
    choose(someone, *[file(f"{n}.jpg", photo(100 + n)) for n in range(3)])
    expect(said).to_contain_text("一次最多发 3 张照片。 多出来的没有加上。")
    listed(someone, 3)
    picture(someone.page, "report-picture-fourth-390")
    someone.page.get_by_role("button", name="去掉第 1 张").click()
    expect(said).to_be_hidden()
    assert takes(site) == []


def test_a_picture_that_the_telephone_lost_does_not_lock_the_voice_in(
    someone: Villager, database: Database, tmp_path: Path
) -> None:
    lost = tmp_path / "lost.jpg"
    lost.write_bytes(photo())
    someone.open().agree().speak(2500).end()
    someone.page.set_input_files("#photo", lost)
    listed(someone, 1)
    lost.unlink()
    someone.send()
    said = someone.page.locator("#xy-photos-said")
    expect(said).to_contain_text("第 1 张照片: 这个文件不是能打开的照片", timeout=LONG_MS)
    someone.send().numbers()
    assert one_report(database).audio_sha256 is not None


def test_a_picture_leaves_the_telephone_only_when_send_is_pressed(
    someone: Villager, site: Site
) -> None:
    someone.open()
    choose(someone, file("a.jpg", photo()))
    someone.agree()
    listed(someone, 1)
    someone.speak(2500).end()
    expect(someone.page.locator("#xy-near")).to_contain_text("录音已传到", timeout=LONG_MS)
    assert len(takes(site)) == 1


def test_a_voice_that_broke_off_for_a_night_arrives_and_is_known_as_the_whole(
    someone: Villager, telephone: Browser, site: Site, database: Database, cast: dict[str, int]
) -> None:
    someone.open().agree().speak(6000)
    someone.is_net(GONE)
    someone.page.wait_for_timeout(1500)
    someone.end()
    age(takes(site)[0])
    assert Keeper(site.services).look() == 1
    half = one_report(database)
    assert half.cut_off
    with database.write() as session:
        session.query(TranscriptionJob).update({"state": "done"})
    someone.send()
    someone.is_net(SLOW)
    number, _pin = someone.numbers()
    before, whole = reports(database)
    assert (before.state, whole.reference_no) == ("duplicate", number.replace(" ", ""))
    assert (whole.duration_ms or 0) > (half.duration_ms or 0)
    for size in (OFFICE, {"width": 390, "height": 800}):
        operators_page(telephone, site, cast, size, whole, half)


def operators_page(
    telephone: Browser,
    site: Site,
    cast: dict[str, int],
    size: dict[str, int],
    whole: Report,
    half: Report,
) -> None:
    """What an operator sees of the whole leads to the half."""
    desk = context(telephone, site, cast, "operator", size)
    page = desk.new_page()
    page.goto(f"{site.url}/reports/{whole.id}")
    tied = page.locator(".banner", has_text="holds all of it and more")
    expect(tied).to_be_visible()
    no_sideways(page)
    picture(page, f"review-whole-{size['width']}")
    tied.get_by_role("link").click()
    expect(page).to_have_url(f"{site.url}/reports/{half.id}")
    expect(page.locator(".banner", has_text="go by that one")).to_be_visible()
    desk.close()


def age(take: Path) -> None:
    """The night passes."""
    then = time.time() - NIGHT_S
    for path in (take / "data", take):
        os.utime(path, (then, then))
