"""The signed door for other vendors' systems, and the page where it is opened."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from cases.models import Report
from core.clock import FakeClock
from core.database import Database
from core.models import AuditEntry
from core.sealed import Sealer
from core.standard_webhooks import fresh_secret, sign
from hotline.mailbox.condition import Condition
from hotline.models import IntakeSource
from tests.conftest import on_both_databases
from tests.web.conftest import OTHER_VILLAGE, TOWN, VILLAGE, Clients, post
from tests.web.test_report import tone
from web.deps import Services
from web.routers import intake

AT = datetime(2026, 6, 1, tzinfo=UTC)
BODY: dict[str, Any] = {
    "received_at": "2026-06-01T07:59:00+08:00",
    "consent": True,
    "text": "村口路灯坏了",
    "caller": "138 1234 5678",
    "village_code": VILLAGE,
    "reference": "V-2026-17",
}

Send = Callable[..., httpx.Response]


@pytest.fixture(autouse=True)
def still(fake_clock: FakeClock) -> FakeClock:
    return fake_clock


@pytest.fixture(autouse=True)
def fresh_brake() -> Iterator[None]:
    intake._brake._failures.clear()
    yield
    intake._brake._failures.clear()


@pytest.fixture
def secret() -> str:
    return fresh_secret()


@pytest.fixture
def source(database: Database, sealer: Sealer, cast: dict[str, int], secret: str) -> int:
    with database.write() as session:
        made = IntakeSource(
            name="12345", area_code=TOWN, secret_sealed=sealer.seal(secret), created_at=AT
        )
        session.add(made)
        session.flush()
        return made.id


@pytest.fixture
def send(client: Clients, source: int, secret: str) -> Send:
    """Sends a delivery as the other system does."""
    public = client(None)

    def deliver(
        body: Any = None,
        *,
        key: str = secret,
        message: str = "m1",
        at: datetime = AT,
        to: object = source,
        signature: str | None = None,
    ) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body or BODY).encode()
        stamp = int(at.timestamp())
        return public.post(
            f"/api/v1/intake/{to}",
            content=raw,
            headers={
                "webhook-id": message,
                "webhook-timestamp": str(stamp),
                "webhook-signature": signature or sign(key, message, stamp, raw),
            },
        )

    return deliver


def reports(database: Database) -> list[Report]:
    with database.read() as session:
        return list(session.scalars(sa.select(Report)))


@on_both_databases
def test_a_signed_delivery_becomes_a_report_once(
    send: Send, database: Database, sealer: Sealer
) -> None:
    first, again = send(), send()
    assert (first.status_code, again.status_code) == (201, 200)
    (report,) = reports(database)
    assert first.json()["reference_no"] == again.json()["reference_no"] == report.reference_no
    assert report.channel == "webhook"
    assert report.village_code == VILLAGE
    assert report.received_at == datetime(2026, 5, 31, 23, 59, tzinfo=UTC)
    assert sealer.unseal(report.caller_sealed or "") == "13812345678"
    assert (report.consent_channel, report.consent_at) == ("vendor", report.received_at)
    assert "13812345678" not in first.text


def test_sound_is_taken_in_and_named_when_it_cannot_be_read(send: Send, database: Database) -> None:
    sound = BODY | {"audio_base64": base64.b64encode(tone()).decode()}
    assert send(sound).json()["sound_failure"] is None
    noise = BODY | {"audio_base64": base64.b64encode(b"no sound" * 99).decode()}
    assert send(noise, message="m2").json()["sound_failure"] == "undecodable"
    assert [report.duration_ms for report in reports(database)] == [1000, None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": 999},
        {"to": "x"},
        {"key": "whsec_" + "A" * 43 + "="},
        {"signature": "v1,AAAA"},
        {"signature": "nonsense"},
        {"at": AT - timedelta(minutes=6)},
        {"at": AT + timedelta(minutes=6)},
        {"message": "x" * 300},
    ],
    ids=str,
)
def test_whatever_does_not_fit_gets_the_same_answer(
    send: Send, database: Database, wrong: dict[str, Any]
) -> None:
    answer = send(**wrong)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == send(to=998, key=fresh_secret()).json()
    assert reports(database) == []


def test_a_stopped_source_is_a_stranger(send: Send, database: Database, source: int) -> None:
    with database.write() as session:
        session.get_one(IntakeSource, source).active = False
    assert send().json() == send(to=998).json()


def test_a_changed_body_does_not_fit(send: Send, secret: str) -> None:
    other = sign(secret, "m1", int(AT.timestamp()), b"{}")
    assert send(signature=other).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"consent": False}, "consent"),
        ({"received_at": "2026-06-01T09:00:00"}, "received_at"),
        ({"received_at": "2026-06-02T09:00:00+08:00"}, "received_at"),
        ({"received_at": 5}, "received_at"),
        ({"text": ""}, "text"),
        ({"text": "x" * 2001}, "text"),
        ({"text": ["x"]}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"caller": "call me"}, "caller"),
        ({"urgent": "yes"}, "urgent"),
        ({"audio_base64": "%%%"}, "audio_base64"),
        ({"audio_url": "http://169.254.169.254/"}, "audio_url"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_and_nothing_stored(
    send: Send, database: Database, change: dict[str, Any], field: str
) -> None:
    answer = send(BODY | change)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert reports(database) == []
    assert send().status_code == 201  # the id was not used up


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(send: Send, raw: bytes) -> None:
    assert send(raw).status_code == 422


def test_a_village_of_others_costs_no_report(send: Send, database: Database) -> None:
    answer = send(BODY | {"village_code": OTHER_VILLAGE}).json()
    assert (answer["village_code"], answer["warnings"]) == (None, ["village_code"])
    assert len(reports(database)) == 1


def test_too_long_a_body_is_refused(send: Send, services: Services) -> None:
    services.settings.report_upload_max_mb = 1
    long = BODY | {"audio_base64": base64.b64encode(bytes(1_100_000)).decode()}
    assert send(long).status_code == 413


def test_many_failures_from_one_address_are_slowed_down(send: Send) -> None:
    answers = [send(key=fresh_secret()).status_code for _ in range(31)]
    assert answers[-1] == 429
    assert set(answers[:-1]) == {401}


def secret_on(page: str) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", page)
    assert found is not None
    return found[0]


@on_both_databases
def test_the_administrator_lets_a_system_in_and_rotates_its_secret(
    client: Clients, send: Send, database: Database, still: FakeClock
) -> None:
    admin = client("administrator")
    made = post(admin, "/intake-sources", {"name": "县热线", "area_code": TOWN})
    first = secret_on(made.text)
    assert first not in admin.get("/intake-sources").text
    with database.read() as session:
        found = session.scalar(sa.select(IntakeSource).where(IntakeSource.name == "县热线"))
        assert found is not None
        assert first not in found.secret_sealed
    assert send(to=found.id, key=first).status_code == 201
    second = secret_on(post(admin, f"/intake-sources/{found.id}/rotate").text)
    assert send(to=found.id, key=first, message="m2").status_code == 201
    assert send(to=found.id, key=second, message="m3").status_code == 201
    still.advance(timedelta(days=1, seconds=1))
    later = AT + timedelta(days=1, seconds=1)
    assert send(to=found.id, key=first, message="m4", at=later).status_code == 401
    assert send(to=found.id, key=second, message="m5", at=later).status_code == 201
    admin = client("administrator")  # a day later the first session is over
    post(admin, f"/intake-sources/{found.id}/active", {"active": "false"})
    assert send(to=found.id, key=second, message="m6", at=later).status_code == 401
    with database.read() as session:
        done = set(session.scalars(sa.select(AuditEntry.action)))
    assert {"intake.added", "intake.rotated", "intake.stopped"} <= done


@pytest.mark.parametrize(
    ("name", "area_code", "field"), [("", TOWN, "name"), ("12345", TOWN, "name"), ("x", "", "area")]
)
def test_a_source_needs_a_name_of_its_own_and_an_area(
    client: Clients, source: int, name: str, area_code: str, field: str
) -> None:
    page = post(client("administrator"), "/intake-sources", {"name": name, "area_code": area_code})
    assert page.status_code == 422
    assert f'id="wrong-{field}' in page.text


def test_only_administrators_open_doors(client: Clients, source: int) -> None:
    for name in ("operator", "county", "outsider"):
        assert client(name).get("/intake-sources").status_code == 403
        assert post(client(name), f"/intake-sources/{source}/rotate").status_code == 403


def test_a_mailbox_in_trouble_shows_on_page_and_health(client: Clients, services: Services) -> None:
    services.settings.imap_url = "imaps://u@h/INBOX"
    Condition(services.settings, "imap").has_problem("login", "no")
    assert "Name or password is wrong" in client("administrator").get("/intake-sources").text
    health = client(None).get("/healthz").json()
    assert health["mailbox"] == {"imap": "login"}
    assert "mailbox" in health["problems"]
