"""A telephone at one end, the horns of villages at the other: live, through the running town."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np
import pytest
import soundfile as sf
import sqlalchemy as sa

from broadcast.models import LiveListener, LiveSession, Player
from core import auth
from core.clock import utc_now
from core.models import AuditEntry, User
from demo.phone import Press, Say, Step, Wait, WaitFor, WaitVoice, place_call
from demo.town import Village, villages
from hotline import phone_book
from hotline.ask import ask
from hotline.models import CallRecord
from tests.hotline_sip.conftest import voice as noise
from tests.road.hotline_town import Heard, HotlineTown, Pages, keys, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.real("baresip"), pytest.mark.timeout(400)]
HORN_HZ, PHONE_HZ = 48_000, 8_000
SPOKEN_S = 6
BRIDGE, PLUM, STREAM = villages()[:3]
"""The villages of the demo town that have a player."""
SPOKEN = noise(SPOKEN_S, seed=11)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HotlineTown]:
    made = HotlineTown(tmp_path_factory.mktemp("phones"))
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def chief(place: HotlineTown) -> tuple[str, str]:
    """Staff number and PIN of somebody of the county."""
    return pin_of(place, "demo")


@pytest.fixture(scope="module")
def head(place: HotlineTown) -> tuple[str, str]:
    """Of the head of one village."""
    with place.database.write() as session:
        password = place.town.credentials["password"]
        auth.create_user(session, "head", "石村长", password, ["village_head"], BRIDGE.code)
    return pin_of(place, "head")


@pytest.fixture(autouse=True)
def _free_air(place: HotlineTown) -> Iterator[None]:
    """Every test begins with a hotline that answers, and leaves with nobody on air."""
    wait_for(lambda: answers(place), "the hotline does not answer")
    yield
    wait_for(lambda: not running(place), "somebody is still on air")


def answers(place: HotlineTown) -> bool:
    """Whether telephony and the web process are both there (one may have been killed before)."""
    target = ("127.0.0.1", place.town.sip_port)
    called = asyncio.run(place_call(target, b"", [Wait(0.5)], caller="13800000900"))
    asked = asyncio.run(ask(place.settings, "ping"))
    return called.status == 200 and asked is not None


def pin_of(place: HotlineTown, login: str) -> tuple[str, str]:
    with place.database.write() as session:
        user = session.scalars(sa.select(User).where(User.login == login)).one()
        return phone_book.new_pin(session, place.actor(session, "admin"), user)


def sign_in(who: tuple[str, str]) -> list[Step]:
    staff_no, pin = who
    return [
        WaitVoice(), Press("9"), WaitVoice(), *keys(staff_no), WaitVoice(), *keys(pin),
        WaitVoice(),
    ]  # fmt: skip


def to_villages(*chosen: Village) -> list[Step]:
    """Choose by village code, then go on air."""
    codes: list[Step] = [Press("2"), WaitVoice()]
    for village in chosen:
        codes += [*keys(village.poster_code), WaitVoice()]
    return [*codes, Press("#"), WaitVoice(), Press("1")]


def running(place: HotlineTown) -> list[LiveSession]:
    return place.ask(sa.select(LiveSession).where(LiveSession.ended_at.is_(None)))


def newest(place: HotlineTown) -> LiveSession:
    query = sa.select(LiveSession).order_by(LiveSession.created_at.desc()).limit(1)
    [row] = place.ask(query)
    assert isinstance(row, LiveSession)
    return row


def on_air(place: HotlineTown) -> LiveSession | None:
    return next((row for row in running(place) if row.state == "on_air"), None)


def over(place: HotlineTown, session_id: str) -> LiveSession:
    query = sa.select(LiveSession).where(
        LiveSession.id == session_id, LiveSession.ended_at.is_not(None)
    )
    [row] = wait_for(lambda: place.ask(query), "the address does not end")
    assert isinstance(row, LiveSession)
    return row


def last_steps(place: HotlineTown) -> str:
    """What the dialogue of the newest call came to."""
    query = sa.select(CallRecord).order_by(CallRecord.started_at.desc()).limit(1)
    [record] = wait_for(lambda: place.ask(query), "no call was entered")
    assert isinstance(record, CallRecord)
    return "; ".join(f"{step['state']} after {step['event']}" for step in record.steps)


class Horn:
    """What a village's player sounded, a file that is written when it falls silent."""

    def __init__(self, place: HotlineTown, village: Village) -> None:
        home = place.settings.folder("demo", "players") / village.report_code
        self._file = home / "sounded" / "play-0.wav"
        self.before = self._stamp()

    def _stamp(self) -> int:
        return self._file.stat().st_mtime_ns if self._file.exists() else 0

    def has_sounded(self) -> bool:
        return self._stamp() > self.before

    def sounded(self) -> tuple[np.ndarray, datetime]:
        """Samples at 8 kHz, and when the first of them was heard."""
        wait_for(self.has_sounded, "the horn does not fall silent")
        facts = json.loads(self._file.with_suffix(".json").read_text())
        samples, rate_hz = sf.read(self._file, dtype="float64")
        assert rate_hz == HORN_HZ
        return samples[:: HORN_HZ // PHONE_HZ], datetime.fromisoformat(facts["first_sample_at"])


def found_in(heard: np.ndarray, wanted: np.ndarray) -> tuple[float, int]:
    """How like the best place in ``heard`` is to ``wanted`` (0-1), and that place."""
    wanted = wanted.astype(float)
    if len(heard) < len(wanted):
        return 0.0, 0
    size = 1 << (len(heard) + len(wanted)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    places = len(heard) - len(wanted) + 1
    sums = np.concatenate(([0.0], np.cumsum(heard**2)))
    power = sums[len(wanted) :][:places] - sums[:places]
    like = cross[:places] / np.sqrt(np.maximum(power, 1e-9)) / np.linalg.norm(wanted)
    return float(like.max()), int(like.argmax())


class Scene:
    """A call whose caller speaks once the villages hear; ``said_at``: when the first word left."""

    def __init__(self, place: HotlineTown, who: tuple[str, str], *chosen: Village) -> None:
        self.place = place
        self.before = {row.id for row in place.ask(sa.select(LiveSession))}
        self.go = asyncio.Event()
        self.said_at = utc_now()
        self.session_id = ""
        self.script = [*sign_in(who), *to_villages(*chosen), WaitFor(self.go)]

    async def until_on_air(self, call: asyncio.Task[Heard]) -> None:
        """The caller is heard in villages now; a call that ends before shows how it went."""
        while (row := await asyncio.to_thread(self._mine_on_air)) is None:
            if call.done():
                call.result()
                pytest.fail(await asyncio.to_thread(last_steps, self.place))
            await asyncio.sleep(0.1)
        self.session_id = row.id

    def _mine_on_air(self) -> LiveSession | None:
        row = on_air(self.place)
        return row if row is not None and row.id not in self.before else None

    def speak(self) -> None:
        self.said_at = utc_now()
        self.go.set()

    def run(
        self,
        caller: str,
        *rest: Step,
        hang_up: bool = False,
        meanwhile: Callable[[], None] | None = None,
    ) -> Heard:
        """The whole call; ``meanwhile`` happens a second after the first word."""

        async def scene() -> Heard:
            call = asyncio.create_task(
                self.place.call_soon(
                    caller, [*self.script, *rest], SPOKEN.tobytes(), hang_up=hang_up
                )
            )
            await self.until_on_air(call)
            self.speak()
            if meanwhile is not None:
                await asyncio.sleep(1)
                await asyncio.to_thread(meanwhile)
            return await call

        return asyncio.run(scene())


def test_what_is_said_into_a_telephone_comes_out_of_the_horn(
    place: HotlineTown, chief: tuple[str, str], record_property: Callable[[str, object], None]
) -> None:
    caller, horn, dumb = "13800000901", Horn(place, BRIDGE), Horn(place, PLUM)
    scene = Scene(place, chief, BRIDGE)
    heard = scene.run(caller, Say(), Wait(1.0), Press("#"))
    assert heard.prompt("live_now")
    assert heard.prompt("live_over")
    row = over(place, scene.session_id)
    assert (row.state, row.end_cause, row.source) == ("ended", "keyed", "phone")
    assert row.villages == [BRIDGE.code]
    samples, began_at = horn.sounded()
    # What leaves the horn went through two codecs of telephones: the whole is heard, in one piece.
    like, at = found_in(samples, SPOKEN)
    assert like > 0.9
    delay_s = (began_at - scene.said_at).total_seconds() + at / PHONE_HZ
    record_property("voice_to_horn_s", round(delay_s, 3))
    assert not dumb.has_sounded()
    [listener] = place.ask(sa.select(LiveListener).where(LiveListener.session_id == row.id))
    assert listener.first_sound_at is not None
    assert row.recording_sha256 is not None or wait_for(
        lambda: newest(place).recording_sha256, "the recording is not kept"
    )
    assert nowhere(place, row, caller)
    [record] = wait_for(
        lambda: place.ask(sa.select(CallRecord).where(CallRecord.kind == "live")),
        "the call is not entered",
    )
    assert record.needs_call_back is False
    assert "陈所长 · 通过电话" in Pages(place.town, "demo").read("/speak/history")


def nowhere(place: HotlineTown, row: LiveSession, caller: str) -> bool:
    """Whether the caller's number stands neither with the address nor in what was audited."""
    audited = place.ask(sa.select(AuditEntry).where(AuditEntry.subject == f"live:{row.id}"))
    assert audited
    columns = [getattr(row, column.key) for column in sa.inspect(LiveSession).columns]
    texts = [*map(str, columns), *(f"{entry.actor} {entry.detail}" for entry in audited)]
    return not any(caller in text for text in texts)


def test_a_foreign_telephone_speaks_and_hangs_up(place: HotlineTown, head: tuple[str, str]) -> None:
    """baresip with the clip as its microphone; a village head needs no choice of villages."""
    horn, spoken = Horn(place, BRIDGE), noise(120, seed=12)
    before = {row.id for row in place.ask(sa.select(LiveSession))}
    phone = place.phone("wang", spoken)
    try:
        phone.do("dial", f"sip:hotline@127.0.0.1:{place.town.sip_port}")
        time.sleep(3)
        for key in ("9", *head[0], *head[1]):
            phone.do("sndcode", key)
            time.sleep(0.4)
        time.sleep(2.5)
        phone.do("sndcode", "1")
        row = wait_for(lambda: on_air(place), "nobody is on air")
        assert row.id not in before
        time.sleep(5)
        phone.do("hangup")
        row = over(place, row.id)
    finally:
        phone.quit()
    assert (row.state, row.end_cause) == ("ended", "hung_up")
    samples, _ = horn.sounded()
    middle = len(samples) // 2
    piece = samples[middle : middle + 2 * PHONE_HZ]
    assert found_in(spoken.astype(float), piece)[0] > 0.9


def test_a_person_at_the_page_stops_a_caller(place: HotlineTown, chief: tuple[str, str]) -> None:
    scene = Scene(place, chief, BRIDGE)

    def stop() -> None:
        pages = Pages(place.town, "demo")
        assert "陈所长 · 通过电话" in pages.read("/speak")
        pages.send(f"/speak/{scene.session_id}/stop-form")

    heard = scene.run("13800000902", Say(), Wait(60), meanwhile=stop)
    assert heard.prompt("live_over") or heard.prompt("live_stopped")
    assert over(place, scene.session_id).state == "ended"


def test_two_callers_at_once_the_second_hears_who_speaks(
    place: HotlineTown, chief: tuple[str, str], head: tuple[str, str]
) -> None:
    scene = Scene(place, chief, BRIDGE, PLUM)
    second: list[Heard] = []

    def also() -> None:
        script = [*sign_in(head), Press("1")]
        second.append(place.call("13800000904", script, hang_up=False))

    scene.run("13800000903", *[Say()] * 6, Press("#"), meanwhile=also)
    assert second[0].prompt("live_busy")
    assert second[0].prompt("live_busy_in")
    assert over(place, scene.session_id).end_cause == "keyed"


def test_when_telephony_is_killed_the_horns_fall_silent(
    place: HotlineTown, chief: tuple[str, str]
) -> None:
    horn, scene = Horn(place, STREAM), Scene(place, chief, STREAM)

    async def run() -> None:
        call = asyncio.create_task(
            place.call_soon("13800000905", [*scene.script, Say()], SPOKEN.tobytes())
        )
        await scene.until_on_air(call)
        scene.speak()
        await asyncio.sleep(2)
        place.town.kill("hotline", "telephony")
        await asyncio.to_thread(over, place, scene.session_id)
        await call

    asyncio.run(run())
    assert over(place, scene.session_id).end_cause == "connection"
    horn.sounded()


def test_when_the_web_process_is_killed_the_caller_hears_it(
    place: HotlineTown, chief: tuple[str, str]
) -> None:
    horn, scene = Horn(place, STREAM), Scene(place, chief, STREAM)
    heard = scene.run(
        "13800000906", Say(), Wait(60), meanwhile=lambda: place.town.kill("server.py", "web")
    )
    assert heard.prompt("live_broken")
    row = over(place, scene.session_id)
    assert row.end_cause == "server"
    assert wait_for(lambda: newest(place).recording_sha256, "what was said is lost")
    horn.sounded()


def test_without_the_web_process_nobody_goes_on_air(
    place: HotlineTown, chief: tuple[str, str]
) -> None:
    before = len(place.ask(sa.select(LiveSession)))
    web = place.town.child("server.py", "web")
    web.suspend()
    try:
        heard = place.call("13800000907", [*sign_in(chief), Wait(8)], hang_up=False)
    finally:
        web.resume()
    assert heard.prompt("office_away")
    assert len(place.ask(sa.select(LiveSession))) == before


def test_every_player_of_the_town_is_still_there(place: HotlineTown) -> None:
    assert len(place.ask(sa.select(Player).where(Player.revoked_at.is_(None)))) == 3
