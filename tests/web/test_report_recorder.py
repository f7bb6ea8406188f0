"""The recorder in a real browser: a microphone that speaks, a net that comes and goes."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Page,
    Route,
    expect,
)

from cases.models import Report
from core.database import Database
from core.models import Area
from recordings import sound
from tests.web.conftest import VILLAGE
from tests.web.microphone import with_microphone
from tests.web.test_browser import OFFICE, PHONE, Site, site  # noqa: F401
from tests.web.test_report import CODE, reports
from tests.web.test_review_browser import no_sideways, picture
from tests.web.voices import voice

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
URL = f"/report/{CODE}"
SPOKEN_S = 12.0
RATE_HZ = 16_000
LONG_MS = 30_000
SLOW = {"offline": False, "latency": 300, "downloadThroughput": 40_000, "uploadThroughput": 6_000}
GONE = {**SLOW, "offline": True}
COUNT_MICROPHONES = """
window.opened = 0;
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wish) => { window.opened += 1; return real(wish); };
"""
NO_RECORDER = "delete window.MediaRecorder; window.MediaRecorder = undefined;"
REFUSED = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no'));"
KEPT_SHA256 = """async () => {
  const db = await new Promise((done) => {
    const asked = indexedDB.open("xiangyin-report", 1);
    asked.onsuccess = () => done(asked.result);
  });
  const pieces = await new Promise((done) => {
    const asked = db.transaction("pieces").objectStore("pieces").getAll();
    asked.onsuccess = () => done(asked.result);
  });
  db.close();
  const hash = await crypto.subtle.digest("SHA-256", await new Blob(pieces).arrayBuffer());
  return Array.from(new Uint8Array(hash), (one) => one.toString(16).padStart(2, "0")).join("");
}"""


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears."""
    path = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    path.write_bytes(voice("wav", SPOKEN_S))
    return path


@pytest.fixture(scope="module")
def telephone(spoken: Path) -> Iterator[Browser]:
    """A browser whose microphone speaks ``spoken`` again and again."""
    with with_microphone(spoken) as browser:
        yield browser


class Villager:
    """Somebody with a telephone on the page of the village."""

    def __init__(self, telephone: Browser, site: Site, size: dict[str, int] = PHONE) -> None:
        self.site = site
        self.context: BrowserContext = telephone.new_context(
            viewport=size,  # type: ignore[arg-type]
            locale="zh-CN",
            permissions=["microphone"],
        )
        self.complaints: list[str] = []
        self.page: Page
        self.net: CDPSession

    def open(self, *before: str) -> Villager:
        self.page = self.context.new_page()
        for script in before:
            self.page.add_init_script(script)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.net = self.context.new_cdp_session(self.page)
        self.net.send("Network.enable")
        self.page.goto(self.site.url + URL)
        return self

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def agree(self) -> Villager:
        self.page.check("input[name=consent]")
        expect(self.page.locator("#xy-rec")).to_be_attached(timeout=LONG_MS)
        return self

    def is_net(self, how: dict[str, Any]) -> None:
        self.net.send("Network.emulateNetworkConditions", how)

    def speak(self, ms: int) -> Villager:
        self.page.click("#xy-rec")
        expect(self.page.locator("#xy-meter")).to_be_visible(timeout=LONG_MS)
        self.page.wait_for_timeout(ms)
        return self

    def end(self) -> Villager:
        self.page.click("#xy-rec")
        expect(self.page.locator("#xy-taken")).to_be_visible(timeout=LONG_MS)
        return self

    def send(self) -> Villager:
        self.page.click("#xy-send")
        return self

    def numbers(self) -> tuple[str, str]:
        expect(self.page.locator("h1")).to_contain_text("已收到", timeout=LONG_MS)
        number, pin = self.page.locator("p.n").all_inner_texts()
        assert not self.complaints
        return number, pin


@pytest.fixture
def someone(telephone: Browser, site: Site, database: Database) -> Iterator[Villager]:
    with database.write() as session:
        session.get_one(Area, VILLAGE).report_code = CODE
    made = Villager(telephone, site)
    yield made
    made.context.close()


def one_report(database: Database) -> Report:
    found = reports(database)
    assert len(found) == 1
    return found[0]


def samples(path: Path, folder: Path) -> Any:
    wav = folder / "samples.wav"
    sound.to_wav(path, wav, rate_hz=RATE_HZ)
    return np.frombuffer(wav.read_bytes()[44:], "<i2").astype(np.float64)


def likeness(heard: Any, said: Any) -> float:
    """Median over windows of 0.5 s of the normalised correlation at the one best place."""
    looped = np.concatenate([said, said, said])
    size = 1 << (len(looped) + len(heard)).bit_length()
    spectrum = np.fft.rfft(looped, size) * np.conj(np.fft.rfft(heard, size))
    lag = int(np.argmax(np.fft.irfft(spectrum, size)[: len(said) + RATE_HZ]))
    meant = looped[lag : lag + len(heard)]
    found = []
    for start in range(0, len(heard) - RATE_HZ // 2, RATE_HZ // 2):
        a, b = heard[start : start + RATE_HZ // 2], meant[start : start + RATE_HZ // 2]
        if np.abs(b).max() > 300:
            norm = np.linalg.norm(a) * np.linalg.norm(b)
            found.append(float(a @ b / norm) if norm else 0.0)
    return float(np.median(found))


def test_what_is_said_on_a_net_that_breaks_arrives_whole(
    someone: Villager, database: Database, spoken: Path, site: Site, tmp_path: Path
) -> None:
    someone.open().agree().is_net(SLOW)
    someone.speak(2500)
    picture(someone.page, "report-speaking-390")
    someone.is_net(GONE)
    someone.page.wait_for_timeout(3000)
    someone.end()
    no_sideways(someone.page)
    recorded = someone.page.evaluate(KEPT_SHA256)
    someone.send()
    expect(someone.page.locator("#xy-state")).to_contain_text("连上后自动发送", timeout=LONG_MS)
    picture(someone.page, "report-offline-390")
    assert reports(database) == []
    someone.is_net(SLOW)
    number, _pin = someone.numbers()
    picture(someone.page, "report-receipt-390")
    report = one_report(database)
    assert report.reference_no == number.replace(" ", "")
    assert report.audio_sha256 == recorded
    stored = site.services.store.existing_path(recorded)
    heard, said = samples(stored, tmp_path), samples(spoken, tmp_path)
    assert abs(len(heard) / RATE_HZ - 5.7) < 1.5
    assert likeness(heard, said) > 0.8
    assert not report.cut_off


def test_no_microphone_and_no_script_before_consent(someone: Villager) -> None:
    someone.open(COUNT_MICROPHONES)
    someone.page.wait_for_timeout(500)
    assert someone.page.locator("script[src]").count() == 0
    someone.agree()
    someone.page.wait_for_timeout(500)
    assert someone.page.evaluate("window.opened") == 0
    someone.speak(500)
    assert someone.page.evaluate("window.opened") == 1


def test_taking_consent_back_stops_the_microphone_and_empties_the_server(
    someone: Villager, site: Site
) -> None:
    takes = site.services.settings.folder("incoming", "takes")
    someone.open().agree().speak(5000)
    assert len(list(takes.iterdir())) == 1
    someone.page.uncheck("input[name=consent]")
    expect(someone.page.locator("#xy-meter")).to_be_hidden()
    someone.page.wait_for_timeout(1500)
    assert list(takes.iterdir()) == []


def test_a_page_that_died_while_somebody_spoke_offers_what_was_said(
    someone: Villager, database: Database
) -> None:
    someone.open().agree()
    someone.page.fill("textarea", "路灯坏了")
    someone.speak(4000)
    someone.page.close()
    someone.open()
    expect(someone.page.locator("#xy-old")).to_be_visible(timeout=LONG_MS)
    expect(someone.page.locator("#xy-old")).to_contain_text("您还有没发出的录音")
    picture(someone.page, "report-draft-390")
    assert not someone.page.is_checked("input[name=consent]")
    someone.agree().send().numbers()
    report = one_report(database)
    assert (report.duration_ms or 0) > 2500
    assert (report.typed_text, report.cut_off) == ("路灯坏了", False)


def test_what_was_handed_in_without_a_net_goes_when_the_page_is_opened_again(
    someone: Villager, database: Database
) -> None:
    someone.open().agree().speak(2500)
    someone.is_net(GONE)
    someone.end().page.fill("#phone", "13800001234")
    someone.send()
    expect(someone.page.locator("#xy-state")).to_contain_text("网络断了", timeout=LONG_MS)
    someone.page.close()
    someone.open().numbers()
    assert one_report(database).caller_sealed is not None


def test_a_page_that_lay_open_for_too_long_gets_itself_a_new_token(
    someone: Villager, database: Database
) -> None:
    someone.open().agree().speak(1500)
    someone.context.clear_cookies()
    someone.page.wait_for_timeout(1500)
    someone.end().send().numbers()
    assert one_report(database).audio_sha256 is not None


def test_a_server_that_fails_for_a_while_is_asked_again(
    someone: Villager, database: Database
) -> None:
    someone.open().agree()
    failures = iter([500, 503, 429])

    def stumble(route: Route) -> None:
        status = next(failures, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, body="<h1>broken</h1>")

    someone.page.route("**/takes/*/0", stumble)
    someone.speak(2000).end().send().numbers()
    assert next(failures, None) is None
    assert one_report(database).audio_sha256 is not None


def test_a_new_take_destroys_the_one_before_only_when_it_is_done(
    someone: Villager, database: Database
) -> None:
    someone.open().agree().speak(3500).end()
    first = someone.page.evaluate(KEPT_SHA256)
    someone.speak(300)
    someone.page.click("#xy-rec")
    expect(someone.page.locator("#xy-say")).to_contain_text("原来的录音还在")
    assert someone.page.evaluate(KEPT_SHA256) == first
    someone.speak(2500).end()
    second = someone.page.evaluate(KEPT_SHA256)
    assert second != first
    someone.send().numbers()
    assert one_report(database).audio_sha256 == second


def test_what_is_deleted_is_deleted_here_and_there(someone: Villager, site: Site) -> None:
    someone.open().agree().speak(4000).end()
    someone.page.wait_for_timeout(500)
    someone.page.click("#xy-drop")
    expect(someone.page.locator("#xy-taken")).to_be_hidden()
    someone.page.wait_for_timeout(500)
    assert list(site.services.settings.folder("incoming", "takes").iterdir()) == []
    someone.page.reload()
    assert someone.page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize("script", [NO_RECORDER, REFUSED], ids=["no-recorder", "refused"])
def test_without_a_microphone_the_telephones_own_recorder_serves(
    someone: Villager, database: Database, tmp_path: Path, script: str
) -> None:
    own = tmp_path / "voice.amr"
    own.write_bytes(voice("amr", 5.0))
    someone.open(script).agree()
    if script == REFUSED:
        someone.page.click("#xy-rec")
    expect(someone.page.locator("#recorded")).to_be_visible()
    someone.page.set_input_files("#recorded", own)
    someone.send().numbers()
    report = one_report(database)
    assert abs((report.duration_ms or 0) - 5000) < 100


def test_pictures_go_in_pieces_too_and_the_person_meant_is_named(
    someone: Villager, database: Database, tmp_path: Path
) -> None:
    from PIL import Image

    photo = tmp_path / "photo.jpg"
    Image.effect_noise((1200, 900), 80).convert("RGB").save(photo, quality=95)
    someone.open().agree()
    someone.page.set_input_files("#photo", photo)
    someone.page.fill("textarea", "桥坏了")
    expect(someone.page.locator("#rn")).to_be_hidden()
    someone.page.check("#o")
    someone.page.fill("#rn", "王大爷")
    someone.page.fill("#rp", "0831 2345678")
    picture(someone.page, "report-for-somebody-390")
    someone.send().numbers()
    report = one_report(database)
    assert (report.on_behalf, report.resident_name) == (True, "王大爷")
    with database.read() as session:
        from web import report_photos

        assert len(report_photos.of_report(session, report.id)) == 1


def test_the_number_is_remembered_only_on_request_and_shows_how_it_stands(
    someone: Villager,
) -> None:
    someone.open().agree()
    someone.page.fill("textarea", "路灯坏了")
    number, pin = someone.send().numbers()
    assert someone.page.evaluate("localStorage.getItem('xy-number')") is None
    someone.page.check("#keep")
    someone.page.goto(f"{someone.site.url}/report/status")
    expect(someone.page.locator("#reference_no")).to_have_value(number)
    assert pin not in str(someone.page.evaluate("JSON.stringify(localStorage)"))
    someone.page.fill("#pin", pin)
    someone.page.click("button")
    expect(someone.page.locator(".now")).to_contain_text("已收到")
    picture(someone.page, "report-status-390")
    no_sideways(someone.page)


@pytest.mark.parametrize("size", [PHONE, OFFICE], ids=["390", "1366"])
def test_the_page_fits_both_screens(
    telephone: Browser, site: Site, database: Database, size: dict[str, int]
) -> None:
    with database.write() as session:
        session.get_one(Area, VILLAGE).report_code = CODE
    reader = Villager(telephone, site, size).open().agree()
    expect(reader.page.locator("#xy-rec")).to_be_visible(timeout=LONG_MS)
    no_sideways(reader.page)
    box = reader.page.locator("#xy-rec").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 150
    assert re.search("按一下", reader.page.inner_text("#xy-rec"))
    picture(reader.page, f"report-{size['width']}")
    reader.context.close()
