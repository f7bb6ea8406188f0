"""What telephony knows without a database is written, rendered once, and kept true."""

from __future__ import annotations

import threading
import wave
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from cases.models import Case, CaseReport, Report
from core import areas
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import User
from core.sealed import Sealer
from core.settings import Settings
from hotline import directory_keeper, news, prompt_sound
from hotline.directory import Reader
from hotline.directory_keeper import DirectoryKeeper
from hotline.models import DutyPhone, HotlineLine
from schedule import slots
from tests.conftest import on_both_databases
from tests.schedule import town as towns
from tests.schedule.town import COUNTY, ELSEWHERE, FOREIGN_VILLAGE, TOWNSHIP, VILLAGES, Town

Report_ = Callable[..., None]
VILLAGE = VILLAGES[0]


@pytest.fixture
def town(database: Database, fake_clock: FakeClock) -> Town:
    return towns.build(database)


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the machine was asked to say; it answers with a tenth of a second."""
    said: list[str] = []

    def speak(text: str, _rate_wpm: int, _voice: str) -> np.ndarray:
        said.append(text)
        return np.full(800, 9, dtype="<i2")

    monkeypatch.setattr(prompt_sound, "spoken", speak)
    return said


@pytest.fixture
def keeper(database: Database, store: BlobStore, config: Settings) -> DirectoryKeeper:
    return DirectoryKeeper(database, store, config)


@pytest.fixture
def reported(database: Database, town: Town) -> Report_:
    """So many reports of a village, some of them with a closed case."""
    count = 0

    def write(village: str, many: int, *, closed: int = 0, **fields: object) -> None:
        nonlocal count
        with database.write() as session:
            for n in range(many):
                count += 1
                report = Report(
                    **{
                        "reference_no": f"{count:09d}", "source_key": f"t:{count}",
                        "channel": "typed", "state": "accepted", "received_at": utc_now(),
                        "village_code": village, **fields,
                    }
                )  # fmt: skip
                session.add(report)
                session.flush()
                case = Case(
                    case_no=str(count), title="t", summary="s", village_code=village,
                    owner_id=session.query(User.id).limit(1).scalar(), created_at=utc_now(),
                    status="closed" if n < closed else "assigned",
                )  # fmt: skip
                session.add(case)
                session.flush()
                session.add(CaseReport(case_id=case.id, report_id=report.id))

    return write


def test_telephony_reads_villages_lines_and_codes(
    database: Database, config: Settings, town: Town, keeper: DirectoryKeeper, spoken: list[str]
) -> None:
    with database.write() as session:
        areas.get(session, VILLAGE).poster_code = "101"
        session.add(HotlineLine(called="8001", village_code=VILLAGE, created_at=utc_now()))
    assert not keeper.run_once()
    reader = Reader(config)
    known = reader.current()
    assert set(known.villages) == {*VILLAGES, FOREIGN_VILLAGE}
    village = known.by_poster_code("101")
    assert village is not None
    assert (village.code, known.lines, known.zone) == (VILLAGE, {"8001": VILLAGE}, config.zone)
    assert village.sound is not None
    with wave.open(str(reader.sound(village.sound))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
        assert sound.getnframes() == 800


@on_both_databases
def test_phones_stand_in_the_order_of_ringing_with_their_villages(
    database: Database, config: Settings, sealer: Sealer, town: Town,
    keeper: DirectoryKeeper, spoken: list[str],
) -> None:  # fmt: skip
    def phone(area: str, order_no: int, **fields: object) -> DutyPhone:
        plain = {"kind": "duty", "name": "所", "number_sealed": sealer.seal("13812345678")}
        return DutyPhone(
            area_code=area, order_no=order_no, created_at=utc_now(), **{**plain, **fields}
        )

    with database.write() as session:
        session.add_all(
            [phone(ELSEWHERE, 3), phone(COUNTY, 2), phone(TOWNSHIP, 1, kind="human"),
             phone(TOWNSHIP, 1, active=False)]
        )  # fmt: skip
    keeper.run_once()
    phones = Reader(config).current().phones
    assert [(p.kind, p.villages) for p in phones] == [
        ("human", tuple(VILLAGES)), ("duty", None), ("duty", (FOREIGN_VILLAGE,)),
    ]  # fmt: skip
    text = (config.data_dir / "hotline" / "directory" / "directory.json").read_text()
    assert "13812345678" not in text
    assert sealer.unseal(phones[0].number_sealed) == "13812345678"


def test_a_restart_renders_nothing_again(
    database: Database, store: BlobStore, config: Settings, town: Town, spoken: list[str]
) -> None:
    DirectoryKeeper(database, store, config).run_once()
    assert len(spoken) == 4
    DirectoryKeeper(database, store, config).run_once()
    assert len(spoken) == 4


def test_a_renamed_village_is_spoken_anew_and_the_old_sound_goes_later(
    database: Database, config: Settings, town: Town, keeper: DirectoryKeeper,
    spoken: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    keeper.run_once()
    old = Reader(config).current().villages[VILLAGE].sound
    with database.write() as session:
        areas.get(session, VILLAGE).name = "新名村"
    keeper.run_once()
    reader = Reader(config)
    assert reader.current().villages[VILLAGE].sound not in (None, old)
    assert reader.sound(str(old)).is_file()
    monkeypatch.setattr(directory_keeper, "STALE_AFTER_S", 0.0)
    keeper.run_once()
    assert not reader.sound(str(old)).exists()


def test_names_that_are_missing_yet_do_not_hold_up_the_rest(
    database: Database, config: Settings, town: Town, keeper: DirectoryKeeper,
    spoken: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(directory_keeper, "RENDER_FOR_S", -1.0)
    assert keeper.run_once()
    villages = Reader(config).current().villages
    assert len(villages) == 4
    assert {village.sound for village in villages.values()} == {None}


def test_a_voice_that_fails_is_asked_again_later(
    database: Database, config: Settings, town: Town, keeper: DirectoryKeeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(*_arguments: object) -> np.ndarray:
        raise OSError("no space left")

    monkeypatch.setattr(prompt_sound, "spoken", fail)
    keeper.run_once()
    assert Reader(config).current().villages[VILLAGE].sound is None
    monkeypatch.setattr(prompt_sound, "spoken", lambda *_: np.zeros(8, dtype="<i2"))
    monkeypatch.setattr(directory_keeper, "RETRY_S", 0.0)
    DirectoryKeeper(database, keeper._store, config).run_once()
    assert Reader(config).current().villages[VILLAGE].sound is not None


def test_it_works_until_it_is_stopped(
    config: Settings, town: Town, keeper: DirectoryKeeper, spoken: list[str]
) -> None:
    working = threading.Thread(target=keeper.run_forever)
    working.start()
    while not Reader(config).current().villages:
        threading.Event().wait(0.02)
    keeper.stop()
    working.join(10)
    assert not working.is_alive()


def test_the_newest_approved_episode_is_there_as_telephone_sound(
    database: Database, store: BlobStore, config: Settings, town: Town, keeper: DirectoryKeeper,
    spoken: list[str], tmp_path: Path,
) -> None:  # fmt: skip
    from tests.cases.conftest import tone

    sounds = [tone(tmp_path / f"{n}.wav", duration_s=n, rate_hz=48_000) for n in (1, 2)]
    with database.write() as session:
        plan = towns.noon_plan(town, villages=[VILLAGE])
        slots.create(session, town.recorder, plan)
        for number, path in enumerate(sounds, 1):
            towns.approve_episode(
                session, store, town.programme_id, number, sound=path.read_bytes()
            )
    keeper.run_once()
    reader = Reader(config)
    villages = reader.current().villages
    assert [len(villages[code].news) for code in VILLAGES] == [1, 0, 0]
    with wave.open(str(reader.sound(villages[VILLAGE].news[0]))) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (8000, 16_000)


def test_a_slot_that_is_over_gives_no_news(
    database: Database, store: BlobStore, town: Town, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        plan = towns.noon_plan(town, villages=[VILLAGE], last_date=date(2026, 6, 2))
        slots.create(session, town.recorder, plan)
        towns.approve_episode(session, store, town.programme_id, 1)
    with database.read() as session:
        assert list(news.episodes(session)) == [VILLAGE]
    fake_clock.advance(timedelta(days=2))
    with database.read() as session:
        assert news.episodes(session) == {}


@on_both_databases
def test_outcomes_are_numbers_with_their_denominator(
    database: Database, town: Town, reported: Report_
) -> None:
    reported(VILLAGE, 5, closed=3)
    with database.read() as session:
        assert news.outcomes(session) == {VILLAGE: news.sentence(5, 3)}
    assert "5件诉求，其中3件" in news.sentence(5, 3)


@on_both_databases
def test_few_secret_old_and_empty_reports_are_not_spoken_of(
    database: Database, town: Town, reported: Report_
) -> None:
    reported(VILLAGES[0], 2, closed=1)
    reported(VILLAGES[0], 5, confidential=True)
    reported(VILLAGES[1], 5, received_at=utc_now() - timedelta(days=31))
    reported(VILLAGES[2], 5, state="rejected")
    with database.read() as session:
        assert news.outcomes(session) == {}


def test_outcomes_come_before_the_episode(
    database: Database, store: BlobStore, town: Town, keeper: DirectoryKeeper,
    reported: Report_, spoken: list[str], config: Settings, tmp_path: Path,
) -> None:  # fmt: skip
    from tests.cases.conftest import tone

    reported(VILLAGE, 3)
    with database.write() as session:
        slots.create(session, town.recorder, towns.noon_plan(town, villages=[VILLAGE]))
        towns.approve_episode(
            session, store, town.programme_id, 1, sound=tone(tmp_path / "a.wav").read_bytes()
        )
    keeper.run_once()
    told = Reader(config).current().villages[VILLAGE].news
    assert [name.split("-")[0] for name in told] == ["outcome", "episode"]


@pytest.mark.slow
def test_the_machine_really_speaks_a_name(
    config: Settings, town: Town, keeper: DirectoryKeeper
) -> None:
    while keeper.run_once():
        pass
    reader = Reader(config)
    name = reader.current().villages[VILLAGE].sound
    assert name is not None
    with wave.open(str(reader.sound(name))) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
    assert len(samples) > 2000
    assert np.abs(samples.astype(int)).max() > 10_000
