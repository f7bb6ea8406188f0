"""A take nobody handed in: a voice becomes a report, everything else goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core import clock
from core.blobs import BlobStore
from core.database import Database
from tests.web.conftest import VILLAGE
from tests.web.test_report import reports, tone
from tests.web.voices import silence, voice
from web import report_keeper
from web.deps import Services
from web.report_keeper import Keeper
from web.report_takes import About, Takes

pytestmark = pytest.mark.usefixtures("cast")
TAKE, OTHER = "take-0123456789abcdef", "take-another-0123456789"
ABOUT = About(
    kind="sound",
    form_token="form-0123456789abcdef",
    village_code=VILLAGE,
    point_code=None,
    confidential=True,
    consent_version="web-2",
    consent_at="2026-01-01T08:00:00+00:00",
)


def leave(services: Services, sound: bytes, take: str = TAKE, about: About = ABOUT) -> None:
    takes = Takes(services.settings)
    takes.begin(take, about)
    takes.append(take, 0, sound)


def look(services: Services, after: timedelta = report_keeper.UNFINISHED_AFTER) -> int:
    with clock.use(clock.FakeClock(clock.utc_now() + after + timedelta(minutes=1))):
        return Keeper(services).look()


def left(services: Services) -> list[str]:
    return sorted(path.name for path in Takes(services.settings).folder.iterdir())


@pytest.mark.parametrize("form", ["webm", "fragmented-mp4", "ogg"])
def test_half_a_recording_with_speech_becomes_a_report_marked_cut_off(
    services: Services, database: Database, store: BlobStore, form: str
) -> None:
    whole = voice(form, 8.0)
    half = whole[: len(whole) * 2 // 3]
    leave(services, half)
    assert look(services) == 1
    report = reports(database)[0]
    assert (report.cut_off, report.end_cause) == (True, "upload_unfinished")
    assert (report.village_code, report.confidential) == (VILLAGE, True)
    assert (report.consent_version, report.consent_channel) == ("web-2", "web")
    assert report.consent_at is not None
    assert report.consent_at.isoformat() == "2026-01-01T08:00:00+00:00"
    assert store.existing_path(report.audio_sha256 or "").read_bytes() == half
    assert report.duration_ms is not None
    assert report.duration_ms > 3000
    assert left(services) == []


def test_what_holds_no_speech_is_thrown_away(services: Services, database: Database) -> None:
    leave(services, silence())
    leave(services, voice("webm", 1.0), OTHER)
    assert look(services) == 0
    assert (reports(database), left(services)) == ([], [])


def test_a_take_that_still_grows_is_left_alone(services: Services, database: Database) -> None:
    leave(services, voice("webm"))
    assert look(services, timedelta(hours=5)) == 0
    assert (reports(database), left(services)) == ([], [TAKE])


def test_two_takes_of_one_form_are_both_kept(services: Services, database: Database) -> None:
    leave(services, voice("webm", 6.0))
    leave(services, voice("webm", 5.0), OTHER)
    assert look(services) == 2
    assert len({report.audio_sha256 for report in reports(database)}) == 2


def test_a_take_whose_form_was_handed_in_makes_no_second_report(
    services: Services, database: Database
) -> None:
    leave(services, voice("webm"))
    look(services)
    with database.write() as session:
        report = session.merge(reports(database)[0])
        report.cut_off = False
    leave(services, voice("webm"), OTHER)
    assert look(services) == 0
    assert len(reports(database)) == 1
    assert left(services) == []


def test_dying_after_the_report_was_stored_makes_no_second_one(
    services: Services, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(services, voice("webm"))
    monkeypatch.setattr(Takes, "drop", lambda *_: None)
    assert look(services) == 1
    assert look(services) == 0
    assert len(reports(database)) == 1


def test_pictures_and_what_was_never_agreed_to_go(services: Services, database: Database) -> None:
    leave(services, tone(5.0), about=replace(ABOUT, kind="photo"))
    (Takes(services.settings).folder / OTHER).mkdir()
    assert look(services) == 0
    assert (reports(database), left(services)) == ([], [])


def test_what_cannot_be_read_waits_a_week_for_its_rest(
    services: Services, database: Database
) -> None:
    whole = voice("mp4", 8.0)
    leave(services, whole[: len(whole) // 2])
    assert look(services) == 0
    assert left(services) == [TAKE]
    assert look(services, report_keeper.UNREADABLE_KEPT) == 0
    assert left(services) == []
