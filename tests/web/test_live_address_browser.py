"""Speaking live in a real browser: what its microphone hears comes out of a real player."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from broadcast import live
from broadcast.live_keeper import LiveKeeper
from broadcast.models import LiveListener, LiveSession, Player
from tests.edge.sounds import speechlike
from tests.web.conftest import VILLAGE
from tests.web.live_box import VillageBox
from tests.web.microphone import with_microphone
from tests.web.test_browser import OFFICE, PHONE, Site, context, site  # noqa: F401

pytestmark = [pytest.mark.real("chromium"), pytest.mark.slow]
SPOKEN_S = 30
LONG_MS = 30_000


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears: nowhere like itself."""
    path = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    sf.write(path, speechlike(SPOKEN_S, seed=5), 48_000, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def office(spoken: Path) -> Iterator[Browser]:
    with with_microphone(spoken) as browser:
        yield browser


@pytest.fixture
def keeper(site: Site) -> Iterator[LiveKeeper]:
    services = site.services
    made = LiveKeeper(services.database, services.store, services.live, services.settings)
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.stop()
    thread.join(10)


@pytest.fixture
def village(site: Site, keeper: LiveKeeper, tmp_path: Path) -> Iterator[VillageBox]:
    made = VillageBox(site.services, site.url, tmp_path / "box", VILLAGE, "administrator").start()
    yield made
    made.stop()


def armed(office: Browser, site: Site, cast: dict[str, int], size: dict[str, int] = OFFICE) -> Page:
    page = context(office, site, cast, "township", size).new_page()
    page.goto(f"{site.url}/speak")
    page.check(f"input[value='{VILLAGE}']")
    page.click("#arm")
    expect(page.locator("#air")).to_be_visible(timeout=LONG_MS)
    return page


def on_air(page: Page) -> Page:
    page.click("#air")
    expect(page.locator("#air-bar")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#heard li.hears")).to_have_count(1, timeout=LONG_MS)
    return page


def session_of(site: Site) -> LiveSession:
    with site.services.database.read() as session:
        return session.scalars(sa.select(LiveSession)).one()


def patience(page: Page, condition: Callable[[], object]) -> None:
    """Wait until it holds, at most 30 s."""
    for _ in range(300):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came")


def wait_for(site: Site, page: Page, ready: str) -> LiveSession:
    patience(page, lambda: getattr(session_of(site), ready) is not None)
    return session_of(site)


def likeness(heard: np.ndarray, wanted: np.ndarray) -> tuple[float, int]:
    """How like a piece is to its best place in what was heard (0-1), and that place."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(wanted))))
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    places = len(heard) - len(wanted)
    sums = np.concatenate(([0.0], np.cumsum(heard.astype(np.float64) ** 2)))
    power = sums[len(wanted) :][:places] - sums[:places]
    found = cross[:places] / np.sqrt(np.maximum(power, 1e-9)) / np.linalg.norm(wanted)
    return float(found.max()), int(found.argmax())


def test_what_is_spoken_comes_out_of_the_horn_and_is_kept(
    office: Browser, site: Site, cast: dict[str, int], village: VillageBox
) -> None:
    page = on_air(armed(office, site, cast))
    page.wait_for_timeout(8_000)
    page.click("#end")
    row = wait_for(site, page, "recording_sha256")
    assert (row.state, row.end_cause, row.recording_lost_ms) == ("ended", "speaker", 0)
    file = village.home.sounded / "play-0.wav"
    patience(page, file.exists)
    horn, rate_hz = sf.read(file, dtype="float32")
    kept, kept_hz = sf.read(site.services.store.existing_path(row.recording_sha256 or ""))
    assert (rate_hz, kept_hz) == (48_000, 16_000)
    horn = horn[::3]
    piece = kept[3 * 16_000 : 6 * 16_000].astype(np.float32)
    assert likeness(horn, piece)[0] > 0.9
    with site.services.database.read() as session:
        listener = session.scalars(sa.select(LiveListener)).one()
    assert listener.first_sound_at is not None
    page.context.close()


def test_escape_silences_at_once(
    office: Browser, site: Site, cast: dict[str, int], village: VillageBox
) -> None:
    page = on_air(armed(office, site, cast, PHONE))
    page.keyboard.press("Escape")
    expect(page.locator("#air-bar")).to_be_hidden()
    patience(page, lambda: session_of(site).end_cause == "hard_stop")
    patience(page, lambda: village.box.host.sounding is None)
    page.context.close()


def test_a_box_that_starts_anew_comes_back_to_the_address(
    office: Browser, site: Site, cast: dict[str, int], village: VillageBox
) -> None:
    page = on_air(armed(office, site, cast))
    patience(page, lambda: boots(site, village))
    village.stop()
    patience(page, lambda: listener_of(site).left_at is not None)
    village.start()
    patience(page, lambda: village.box.host.sounding is not None)
    patience(page, lambda: listener_of(site).left_at is None)
    page.click("#end")
    patience(page, lambda: village.box.host.sounding is None)
    page.context.close()


def boots(site: Site, village: VillageBox) -> list[str]:
    with site.services.database.read() as session:
        return list(session.get_one(Player, village.player_id).boot_ids or [])


def listener_of(site: Site) -> LiveListener:
    with site.services.database.read() as session:
        return session.scalars(sa.select(LiveListener)).one()


def test_leaving_the_page_ends_the_address(
    office: Browser,
    site: Site,
    cast: dict[str, int],
    village: VillageBox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "LOST_S", 3600)  # the keeper would end it too, later
    page = on_air(armed(office, site, cast))
    page.goto(f"{site.url}/speak/history")
    patience(page, lambda: session_of(site).end_cause is not None)
    assert session_of(site).end_cause == "left"
    page.reload()
    expect(page.get_by_text("the speaker left the page")).to_be_visible()
    page.context.close()


def test_a_lost_connection_ends_the_address_on_both_sides(
    office: Browser, site: Site, cast: dict[str, int], village: VillageBox
) -> None:
    page = on_air(armed(office, site, cast))
    page.context.set_offline(True)
    expect(page.locator("#trouble")).to_contain_text("broke", timeout=LONG_MS)
    patience(page, lambda: session_of(site).end_cause == "connection")
    page.context.close()


def test_a_refused_microphone_is_explained(
    office: Browser, site: Site, cast: dict[str, int], village: VillageBox
) -> None:
    page = context(office, site, cast, "township", PHONE).new_page()
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () =>"
        " Promise.reject(new DOMException('no', 'NotAllowedError'));"
    )
    page.goto(f"{site.url}/speak")
    page.check(f"input[value='{VILLAGE}']")
    page.click("#arm")
    expect(page.locator("#trouble")).to_contain_text("may not use the microphone")
    expect(page.locator("#air")).to_be_hidden()
    page.context.close()
