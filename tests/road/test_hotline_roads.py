"""The hotline's roads from telephone to page, in one running town."""

from __future__ import annotations

import asyncio
import contextlib
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa

from cases import casework, contacts, review
from cases.lifecycle import Action
from cases.models import Case, CaseEvent, CaseReport, Report
from cases.review import Decision
from core import auth
from core.clock import utc_now
from core.models import User
from demo.phone import Press, Say, Step, Wait, WaitFor, WaitQuiet
from demo.town import villages
from hotline import phone_book
from hotline.models import CallBack, CallRecord, OutgoingCall
from hotline.outgoing.contract import CONTACT_AT_LEAST_MS
from recordings import sound, speech
from recordings.models import Episode, Programme
from schedule import quiet, slots
from schedule.models import Play
from tests.hotline_sip.conftest import voice as noise
from tests.hotline_sip.test_baresip import Baresip, likeness
from tests.road.callers import TO_THE_BEEP
from tests.road.hotline_town import (
    TO_STATUS,
    Heard,
    HotlineTown,
    Pages,
    keys,
    number_and_pin,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.real("baresip"), pytest.mark.timeout(400)]
DUTY_VOICE, HANDLER_VOICE, RESIDENT_VOICE = (noise(90, seed=seed) for seed in (1, 2, 3))
ASKER, FORGETFUL, UNHAPPY = "13800000201", "13800000203", "13800000301"
REPORTERS = (ASKER, FORGETFUL, UNHAPPY, "aunt")
END_AND_SEND: list[Step] = [Wait(0.5), Press("#"), Wait(1.0), Press("1")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HotlineTown]:
    made = HotlineTown(tmp_path_factory.mktemp("phones"))
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("voice")
    speech.render("我家停水两天了请派人来看看", folder / "wide.wav")
    sound.to_wav(folder / "wide.wav", folder / "narrow.wav", rate_hz=8000)
    with wave.open(str(folder / "narrow.wav")) as opened:
        return opened.readframes(opened.getnframes())


@contextlib.contextmanager
def telephone(place: HotlineTown, name: str, spoken: np.ndarray) -> Iterator[Baresip]:
    """A registered telephone, unregistered and gone afterwards."""
    made = place.phone(name, spoken)
    try:
        yield made
    finally:
        made.quit()


@dataclass(frozen=True)
class Told:
    """A report and the PIN its caller was told."""

    report: Report
    pin: str


@pytest.fixture(scope="module")
def told(place: HotlineTown, voice: bytes) -> dict[str, Told]:
    """Reports that four callers phoned in at the same time, by caller."""
    script: list[Step] = [*TO_THE_BEEP, Say(), *END_AND_SEND]

    async def all_call() -> list[Heard]:
        return await asyncio.gather(
            *(place.call_soon(caller, script, voice, hang_up=False) for caller in REPORTERS)
        )

    found = {}
    for caller, heard in zip(REPORTERS, asyncio.run(all_call()), strict=True):
        number, pin = heard.reference
        query = sa.select(Report).where(Report.reference_no == number)
        [report] = wait_for(partial(place.ask, query), "the report did not arrive")
        found[caller] = Told(report, pin)
    return found


def case_of(place: HotlineTown, report: Report, *actions: str) -> Case:
    """Make it a case of 王警官, and take these steps."""
    with place.database.write() as session:
        chief, officer = (place.actor(session, login) for login in ("demo", "wang"))
        opened = review.start(session, chief, report.id)
        decision = Decision(
            summary="石桥村停水", village_code=villages()[0].code, unheard_reason="试听过"
        )
        case_id = review.accept(session, chief, report.id, opened.version, decision).id
    for action in actions:
        with place.database.write() as session:
            casework.transition(
                session,
                officer if action in ("accept", "begin", "resolve") else chief,
                case_id,
                Action(action),
                session.get_one(Case, case_id).version,
                reason="修好了",
                handler_id=officer.id if action == "assign" else None,
                outcome="satisfied" if action == "close" else None,
            )
    with place.database.read() as session:
        return session.get_one(Case, case_id)


def answered(place: HotlineTown, kind: str, since: datetime) -> Callable[[], bool]:
    """Whether the first phone of the newest errand has been picked up."""

    def is_so() -> bool:
        fresh = [one for one in place.outcomes(kind) if one.begun_at >= since.isoformat()]
        return bool(fresh and fresh[-1].attempts and fresh[-1].attempts[0].answered_at)

    return is_so


def row_of(place: HotlineTown, kind: str, since: datetime) -> OutgoingCall:
    query = sa.select(OutgoingCall).where(
        OutgoingCall.kind == kind, OutgoingCall.requested_at >= since, OutgoingCall.state == "done"
    )
    [row] = wait_for(lambda: place.ask(query), f"no {kind} call is entered")
    assert isinstance(row, OutgoingCall)
    return row


def hears(heard: np.ndarray, spoken: np.ndarray) -> float:
    """How like ``spoken`` the best second of ``heard`` is (0-1)."""
    seconds = (heard[at : at + 8000] for at in range(0, len(heard) - 8000, 4000))
    return max(likeness(one, spoken) for one in seconds if np.abs(one).max() > 500)


def test_the_duty_phone_rings_within_a_minute_of_key_5(place: HotlineTown, voice: bytes) -> None:
    since = utc_now()

    async def scene(duty: Baresip) -> None:
        script: list[Step] = [Wait(1.5), Press("5"), WaitQuiet(1.2), Say(), *END_AND_SEND]
        call = asyncio.create_task(place.call_soon("13800000501", script, voice, hang_up=False))
        await asyncio.to_thread(wait_for, answered(place, "duty", since), "nobody answers")
        await asyncio.sleep(1)
        duty.do("sndcode", "1")
        await call

    with telephone(place, "duty", DUTY_VOICE) as duty:
        asyncio.run(scene(duty))
        row = row_of(place, "duty", since)
    assert row.result == "taken"
    [record] = wait_for(
        lambda: place.ask(sa.select(CallRecord).where(CallRecord.call_id == row.call_id)),
        "the call is not entered",
    )
    pressed_at = next(step["at"] for step in record.steps if step["event"] == "key 5")
    assert row.attempts
    rang_after = datetime.fromisoformat(row.attempts[0]["rang_at"])
    assert rang_after - datetime.fromisoformat(pressed_at) < timedelta(seconds=60)
    [report] = place.ask(sa.select(Report).where(Report.id == record.report_id))
    assert report.urgent
    assert report.urgent_reason == "fraud"
    page = Pages(place.town, "demo").read(f"/reports/{report.id}")
    assert "‼ 紧急" in page
    assert "派出所值班室 接办" in page


def test_status_needs_the_pin_from_another_telephone(
    place: HotlineTown, told: dict[str, Told]
) -> None:
    number, pin = told[ASKER].report.reference_no, told[ASKER].pin
    other, own = place.calls(
        ("13800000202", [*TO_STATUS, *number_and_pin(number, pin)]),
        (ASKER, [*TO_STATUS, *number_and_pin(number)]),
    )
    assert other.prompt("status_pin")
    assert other.prompt("state_received")
    assert not own.prompt("status_pin")
    assert own.prompt("state_received")


def test_the_sixth_try_is_told_that_the_number_is_locked(
    place: HotlineTown, told: dict[str, Told]
) -> None:
    number, pin = told[FORGETFUL].report.reference_no, told[FORGETFUL].pin
    wrong = f"{(int(pin) + 1) % 10_000:04}"
    twice = [*TO_STATUS, *2 * number_and_pin(number, wrong)]
    for heard in place.calls(("13800000204", twice), ("13800000205", twice)):
        assert heard.prompt("not_found")
        assert not heard.prompt("locked")
    last = [*TO_STATUS, *number_and_pin(number, wrong), *number_and_pin(number)]
    assert place.call("13800000206", last).prompt("locked")


def test_not_satisfied_reopens_the_case_and_ties_the_reason_to_it(
    place: HotlineTown, voice: bytes, told: dict[str, Told]
) -> None:
    report = told[UNHAPPY].report
    steps = ("assign", "accept", "begin", "resolve", "verify", "close")
    case = case_of(place, report, *steps)
    assert case.status == "closed"
    script: list[Step] = [
        *TO_STATUS, *number_and_pin(report.reference_no), Press("1"), WaitQuiet(1.2),
        Say(), Wait(1.0), Press("#"),
    ]  # fmt: skip
    heard = place.call(UNHAPPY, script, voice, hang_up=False)
    assert heard.prompt("status_closed")
    assert heard.prompt("dissatisfied")
    query = sa.select(CaseReport.report_id).where(CaseReport.case_id == case.id)
    tied = wait_for(
        lambda: ids if len(ids := place.ask(query)) == 2 else None, "the reason is not tied"
    )
    assert report.id in tied
    with place.database.read() as session:
        again = session.get_one(Case, case.id)
    assert (again.status, again.cycle_no) == ("assigned", 2)
    assert "诉求人不满意" in Pages(place.town, "demo").read(f"/cases/{case.id}")


def test_handler_and_resident_are_joined_from_the_case(
    place: HotlineTown, told: dict[str, Told]
) -> None:
    case = case_of(place, told["aunt"].report, "assign", "accept")
    since = utc_now()
    with (
        telephone(place, "wang", HANDLER_VOICE) as officer,
        telephone(place, "aunt", RESIDENT_VOICE) as resident,
    ):
        pages = Pages(place.town, "wang")
        assert "请热线接通我和诉求人" in pages.read(f"/cases/{case.id}")
        pages.send(f"/cases/{case.id}/bridge")
        pages.send(f"/cases/{case.id}/bridge")  # pressed twice
        wait_for(answered(place, "bridge", since), "the handler's phone does not ring")
        time.sleep(1)
        officer.do("sndcode", "1")
        wait_for(lambda: place.outcomes("bridge")[-1].joined_at, "they are not joined")
        time.sleep(CONTACT_AT_LEAST_MS / 1000)
        wait_for(lambda: "正在与诉求人通话" in pages.read(f"/cases/{case.id}/bridge"), "no word")
        resident.do("hangup")
        row = row_of(place, "bridge", since)
    assert row.result == "joined"
    assert row.talked_ms >= CONTACT_AT_LEAST_MS
    assert hears(resident.heard(), HANDLER_VOICE) > 0.95
    assert hears(officer.heard(), RESIDENT_VOICE) > 0.95
    events = place.ask(
        sa.select(CaseEvent).where(
            CaseEvent.case_id == case.id, CaseEvent.action == contacts.CONTACTED
        )
    )
    assert [event.at for event in events] == [row.joined_at]
    page = pages.read(f"/cases/{case.id}")
    assert "首次联系" in page
    assert "aunt" not in page


SPOKEN_S = CONTACT_AT_LEAST_MS // 1000 + 1
"""A caller who leaves sooner is phoned back."""


def test_a_caller_who_wants_a_person_speaks_with_one(place: HotlineTown) -> None:
    since, said = utc_now(), noise(20, seed=4)

    async def scene(duty: Baresip) -> bytes:
        joined = asyncio.Event()
        script: list[Step] = [Wait(1.5), Press("0"), WaitFor(joined), Say(), Wait(1.0)]
        pcm = said.astype("<i2").tobytes()[: 8000 * 2 * SPOKEN_S]
        call = asyncio.create_task(place.call_soon("13800000901", script, pcm))
        await asyncio.to_thread(wait_for, answered(place, "human", since), "nobody answers")
        await asyncio.sleep(1)
        duty.do("sndcode", "1")
        await asyncio.to_thread(
            wait_for, lambda: place.outcomes("human")[-1].joined_at, "they are not joined"
        )
        joined.set()
        return (await call).result.heard

    with telephone(place, "duty", DUTY_VOICE) as duty:
        heard = asyncio.run(scene(duty))
        assert row_of(place, "human", since).result == "joined"
    assert hears(duty.heard(), said) > 0.95
    assert hears(np.frombuffer(heard, "<i2").astype(float), DUTY_VOICE) > 0.95
    tasks = sa.select(CallBack).where(CallBack.reason == "human")
    assert place.ask(tasks) == []


def new_pin(place: HotlineTown, login: str) -> tuple[str, str]:
    with place.database.write() as session:
        admin = place.actor(session, "admin")
        user = session.scalars(sa.select(User).where(User.login == login)).one()
        return phone_book.new_pin(session, admin, user)


def test_a_programme_is_recorded_by_telephone_and_submitted(
    place: HotlineTown, voice: bytes
) -> None:
    staff_no, pin = new_pin(place, "demo")
    script: list[Step] = [
        Wait(1.5), Press("7"), Wait(0.6), *keys(staff_no), WaitQuiet(0.6), *keys(pin),
        WaitQuiet(1.2), Say(), *END_AND_SEND,
    ]  # fmt: skip
    heard = place.call("13800000701", script, voice, hang_up=False)
    assert heard.prompt("studio_submitted")
    query = sa.select(Episode).where(Episode.title.like("电话录制%"))
    [episode] = wait_for(
        lambda: [one for one in place.ask(query) if one.state == "submitted"],
        "the episode is not submitted",
    )
    assert episode.title in Pages(place.town, "demo").read("/programmes")


def test_the_quiet_button_silences_the_plays_of_one_village(place: HotlineTown) -> None:
    mine, neighbour = villages()[0], villages()[1]
    soon = (utc_now() + timedelta(minutes=30)).astimezone(ZoneInfo(place.settings.zone))
    with place.database.write() as session:
        chief = place.actor(session, "demo")
        password = place.town.credentials["password"]
        auth.create_user(session, "head", "村主任", password, ["village_head"], mine.code)
        series = session.scalars(sa.select(Programme)).first()
        assert series is not None
        plan = slots.SlotPlan(
            series.id, soon.time().replace(microsecond=0), place.settings.zone,
            [soon.isoweekday()], soon.date(), soon.date(), [mine.code, neighbour.code], "半小时后",
        )  # fmt: skip
        slot = slots.create(session, chief, plan)
        slot_id = slot.id
    staff_no, pin = new_pin(place, "head")
    script: list[Step] = [
        Wait(1.5), Press("8"), Wait(0.6), *keys(staff_no), WaitQuiet(0.6), *keys(pin),
        WaitQuiet(0.8), Press("1"), WaitQuiet(0.8),
    ]  # fmt: skip
    assert place.call("13800000801", script).prompt("quiet_hour")
    plays = place.ask(sa.select(Play).where(Play.slot_id == slot_id))
    assert {play.area_code: play.reason for play in plays} == {
        mine.code: quiet.REASON,
        neighbour.code: None,
    }
    day = f"/calendar/slots/{slot_id}/{soon.date()}"
    assert "已停播：本村已设静音" in Pages(place.town, "demo").read(day)


def test_three_short_calls_are_one_call_back(place: HotlineTown) -> None:
    caller = "13800000777"
    for _ in range(3):
        place.call(caller, [Wait(1.0)])

    def rows() -> list[CallBack]:
        return [one for one in place.ask(sa.select(CallBack)) if one.calls == 3]

    [task] = wait_for(rows, "the three calls are not one task")
    assert task.reason == "missed"
    shown = Pages(place.town, "demo").read("/callbacks")
    assert "138****0777" in shown
    assert caller not in shown


def test_no_caller_s_number_is_readable_in_any_file(place: HotlineTown) -> None:
    """The last of the roads: all calls above have left their traces."""
    numbers = {number.encode() for number in place.callers if number.isdigit()}
    assert numbers, "run the whole module"
    found = [
        str(path)
        for path in place.town.folder.rglob("*")
        if path.is_file() and any(number in path.read_bytes() for number in numbers)
    ]
    assert found == []
