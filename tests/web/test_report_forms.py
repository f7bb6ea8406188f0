"""What telephones record is understood, up to ten minutes of it."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from core.database import Database
from tests.web.test_report import reports, send, villager  # noqa: F401
from tests.web.voices import FORMS, voice


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_of_telephones_is_understood(
    villager: TestClient,  # noqa: F811
    database: Database,
    form: str,
) -> None:
    answer = send(villager, (f"voice.{form}", voice(form, 4.0), "application/octet-stream"))
    assert answer.status_code == 200
    report = reports(database)[0]
    assert report.sound_failure is None
    assert report.duration_ms is not None
    assert abs(report.duration_ms - 4000) < 150


@pytest.mark.slow
@pytest.mark.parametrize("form", ["amr", "webm"])
def test_ten_minutes_are_taken_and_more_is_refused_in_words(
    villager: TestClient,  # noqa: F811
    database: Database,
    form: str,
) -> None:
    whole = (f"voice.{form}", voice(form, 600.5), "application/octet-stream")
    assert send(villager, whole).status_code == 200
    assert abs((reports(database)[0].duration_ms or 0) - 600_500) < 500
    longer = send(villager, (f"voice.{form}", voice(form, 610.0), "application/octet-stream"))
    assert longer.status_code == 422
    assert "longer than 10 minutes" in longer.text
    assert len(reports(database)) == 1
