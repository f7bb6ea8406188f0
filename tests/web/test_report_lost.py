"""A telephone that does not give back what was said costs no voice that the server has."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from cases.models import Report
from core.database import Database
from tests.web.test_browser import Site, site  # noqa: F401
from tests.web.test_report import reports
from tests.web.test_report_browser import age, takes
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
from tests.web.test_report_taken_back import arrived, delete, emptied
from tests.web.test_review_browser import no_sideways, picture
from web.report_keeper import Keeper

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
SPEECH_BYTES = 14_000
"""More than three seconds at the 32 kbit/s of the recorder."""
WAITS = """
const later = window.setTimeout;
window.setTimeout = (work, ms) => ms === 3000 ? 0 : later(work, ms);
"""
NEVER_OPENS = "indexedDB.open = () => ({});"
OPENS_LATE = """
const open = indexedDB.open.bind(indexedDB);
indexedDB.open = (...what) => {
  const asked = {};
  window.openNow = () => {
    const made = open(...what);
    made.onsuccess = () => { asked.result = made.result; asked.onsuccess(); };
  };
  return asked;
};
"""
FULL = """
IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };
"""
FULL_AFTER_TWO = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value, key) {
  if (key.endsWith("000002")) { throw new DOMException("full", "QuotaExceededError"); }
  return put.call(this, value, key);
};
"""


def handed_in_without_a_net(someone: Villager) -> None:
    """A voice, of which the server has the beginning, and words."""
    someone.open().agree().speak(3000)
    for _ in range(LONG_MS // 200):
        if any(len(data(take)) > SPEECH_BYTES for take in takes(someone.site)):
            break
        someone.page.wait_for_timeout(200)
    someone.is_net(GONE)
    someone.end().page.fill("textarea", "路灯坏了")
    someone.page.fill("#phone", "13800001234")
    someone.send()
    expect(someone.page.locator("#xy-state")).to_contain_text("也可以关掉网页", timeout=LONG_MS)
    someone.page.close()


def lost(someone: Villager) -> None:
    expect(someone.page.locator("#xy-lost")).to_be_visible(timeout=LONG_MS)
    expect(someone.page.locator("#xy-lost")).to_contain_text("这部手机现在打不开", timeout=LONG_MS)


def after_a_night(site: Site, database: Database) -> Report:
    """What the keeper makes of the one take that is left."""
    (take,) = takes(site)
    age(take)
    assert Keeper(site.services).look() == 1
    assert takes(site) == []
    return reports(database)[-1]


def sound_of(site: Site, report: Report) -> bytes:
    return site.services.store.existing_path(report.audio_sha256 or "").read_bytes()


def data(take: Path) -> bytes:
    path = take / "data"
    return path.read_bytes() if path.exists() else b""


def test_words_do_not_go_by_themselves_without_the_voice_they_belong_to(
    someone: Villager, site: Site, database: Database
) -> None:
    handed_in_without_a_net(someone)
    someone.open(NEVER_OPENS)
    lost(someone)
    picture(someone.page, "report-lost-390")
    no_sideways(someone.page)
    expect(someone.page.locator("#xy-send")).to_be_enabled()
    expect(someone.page.locator("textarea")).to_have_value("路灯坏了")
    expect(someone.page.locator("#phone")).to_have_value("13800001234")
    assert reports(database) == []
    someone.page.close()
    someone.open().numbers()
    report = one_report(database)
    assert (report.typed_text, report.cut_off) == ("路灯坏了", False)
    assert (report.duration_ms or 0) > 3000


def test_words_sent_alone_leave_the_voice_to_the_server_and_to_the_telephone(
    someone: Villager, site: Site, database: Database
) -> None:
    handed_in_without_a_net(someone)
    someone.open(NEVER_OPENS)
    lost(someone)
    someone.send().numbers()
    assert one_report(database).typed_text == "路灯坏了"
    beginning = data(takes(site)[0])
    voice = after_a_night(site, database)
    assert (voice.cut_off, sound_of(site, voice)) == (True, beginning)
    someone.page.close()
    someone.open()
    expect(someone.page.locator("#xy-old")).to_be_visible(timeout=LONG_MS)
    expect(someone.page.locator("textarea")).to_have_value("")


def test_a_store_that_opens_late_lets_everything_go_on_by_itself(
    someone: Villager, database: Database
) -> None:
    handed_in_without_a_net(someone)
    someone.open(OPENS_LATE)
    lost(someone)
    someone.page.evaluate("window.openNow()")
    someone.numbers()
    assert (one_report(database).duration_ms or 0) > 3000


def test_a_lost_voice_can_be_deleted_on_the_server(someone: Villager, site: Site) -> None:
    handed_in_without_a_net(someone)
    assert len(takes(site)) == 1
    someone.open(NEVER_OPENS)
    lost(someone)
    someone.page.click("#xy-lost-drop")
    expect(someone.page.locator("#xy-lost")).to_be_hidden()
    emptied(someone, site)


@pytest.mark.parametrize("script", [NEVER_OPENS, FULL], ids=["no-store", "full"])
def test_only_what_the_telephone_holds_may_be_closed(someone: Villager, script: str) -> None:
    someone.open(script).agree()
    expect(someone.page.locator("#xy-rec")).to_have_text("按一下 开始说", timeout=LONG_MS)
    someone.speak(2500)
    someone.is_net(GONE)
    someone.end().send()
    expect(someone.page.locator("#xy-state")).to_contain_text("请不要关掉网页", timeout=LONG_MS)


def test_what_the_server_has_more_than_the_telephone_is_kept(
    someone: Villager, site: Site, database: Database
) -> None:
    arrived(someone.open(FULL_AFTER_TWO).agree().speak(5500).end())
    someone.page.close()
    longer = data(takes(site)[0])
    arrived(someone.open().agree()).send().numbers()
    shorter = sound_of(site, one_report(database))
    assert longer.startswith(shorter)
    assert len(shorter) < len(longer)
    assert [data(take) for take in takes(site)] == [longer]
    voice = after_a_night(site, database)
    assert (voice.cut_off, sound_of(site, voice)) == (True, longer)


def test_what_the_server_has_more_is_deleted_with_the_rest(someone: Villager, site: Site) -> None:
    arrived(someone.open(FULL_AFTER_TWO).agree().speak(5500).end())
    someone.page.close()
    arrived(someone.open().agree())
    assert len(takes(site)) == 2
    someone.page.reload()
    expect(someone.page.locator("#xy-old")).to_be_visible(timeout=LONG_MS)
    delete(someone)
    emptied(someone, site)


def test_a_page_that_died_before_a_word_was_said_has_lost_nothing(
    someone: Villager, site: Site
) -> None:
    someone.open("MediaRecorder.prototype.start = () => undefined;").agree()
    someone.page.fill("textarea", "路灯坏了")
    someone.page.click("#xy-rec")
    expect(someone.page.locator("#xy-meter")).to_be_visible(timeout=LONG_MS)
    someone.page.close()
    someone.open()
    expect(someone.page.locator("#xy-rec")).to_be_visible(timeout=LONG_MS)
    expect(someone.page.locator("#xy-rec")).not_to_be_empty()
    expect(someone.page.locator("#xy-lost")).to_be_hidden()


def test_nothing_is_sent_before_the_telephone_has_said_what_it_holds(
    someone: Villager, database: Database
) -> None:
    handed_in_without_a_net(someone)
    someone.open(OPENS_LATE, WAITS)
    expect(someone.page.locator("#xy-send")).to_be_disabled(timeout=LONG_MS)
    someone.page.evaluate("window.openNow()")
    someone.numbers()
    assert (one_report(database).duration_ms or 0) > 3000
