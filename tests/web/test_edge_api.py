"""The API of village players, from the wire."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import FastAPI
from starlette.testclient import TestClient

from broadcast import commands, players, releases
from broadcast.models import OVERRIDE_IDS, Override, OverridePlay, Player, Receipt
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import OutboxEvent
from core.settings import Settings
from schedule import horizon, slots
from schedule.models import Play
from tests.broadcast.box import Box, enrolled, public_key
from tests.edge.authority import Authority
from tests.edge.wheels import wheel
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town, noon_plan
from web.deps import Services
from web.routers import edge_api

SOUND = b"OggS" + bytes(range(256)) * 40


@pytest.fixture
def town(database: Database, store: BlobStore, fake_clock: FakeClock) -> Town:
    town = towns.build(database)
    with database.write() as session:
        towns.approve_episode(session, store, town.programme_id, 1, sound=SOUND)
        slots.create(session, town.recorder, noon_plan(town))
        horizon.make_plays(session, utc_now() + timedelta(days=7))
    return town


@pytest.fixture
def wire(app: FastAPI, town: Town) -> Iterator[TestClient]:
    edge_api.enrolment_brake = edge_api.Brake(failures=10, within_s=600)
    with TestClient(app, base_url="https://station.lan:8443") as client:
        client.headers["accept-language"] = "en"
        yield client


@pytest.fixture
def box(database: Database, town: Town) -> Box:
    return enrolled(database, town.administrator, VILLAGES[0])


@pytest.fixture
def call(wire: TestClient, box: Box) -> Callable[..., Any]:
    def send(method: str, path: str, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {box.token}", **more.pop("headers", {})}
        return wire.request(method, f"/edge/v1{path}", headers=headers, **more)

    return send


def first_play(database: Database, village: str = VILLAGES[0]) -> Play:
    with database.read() as session:
        return session.scalars(
            sa.select(Play).where(Play.area_code == village).order_by(Play.starts_at)
        ).first()  # type: ignore[return-value]


def ask_in(wire: TestClient, code: str, key: Ed25519PrivateKey | None = None) -> Any:
    body = {
        "code": code,
        "name": "",
        "public_key": public_key(key or Ed25519PrivateKey.generate()),
        "version": "0.1",
    }
    return wire.post("/edge/v1/enrol", json=body)


def new_code(database: Database, town: Town) -> str:
    with database.write() as session:
        return players.new_code(session, town.administrator, VILLAGES[1]).code


def is_problem(answer: Any, status: int, code: str) -> bool:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    return True


def test_enrolment_tells_a_player_all_it_needs(
    wire: TestClient, database: Database, town: Town, services: Services, config: Settings
) -> None:
    answer = ask_in(wire, new_code(database, town))
    assert answer.status_code == 201
    told = answer.json()
    assert (told["area_code"], told["zone"]) == (VILLAGES[1], "Asia/Shanghai")
    assert told["server_key"] == services.signer.public
    mqtt = told["mqtt"]
    assert (mqtt["host"], mqtt["port"], mqtt["tls"]) == ("station.lan", config.mqtt_port, False)
    assert mqtt["username"] == told["player_id"]
    assert mqtt["ca"] is None  # the same as for the pages
    assert mqtt["prefix"] == f"xiangyin/{VILLAGES[1]}/{told['player_id']}"
    headers = {"authorization": f"Bearer {told['token']}"}
    assert wire.get("/edge/v1/manifest", headers=headers).status_code == 200


def test_another_broker_is_told_by_its_url(
    wire: TestClient,
    database: Database,
    town: Town,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services.settings, "mqtt_url", "mqtts://station:secret@mq.county.cn")
    mqtt = ask_in(wire, new_code(database, town)).json()["mqtt"]
    assert (mqtt["host"], mqtt["port"], mqtt["tls"]) == ("mq.county.cn", 8883, True)
    assert "secret" not in json.dumps(mqtt)
    assert mqtt["ca"] == ""  # the system's authorities


def test_a_private_authority_of_the_broker_is_told(
    wire: TestClient,
    database: Database,
    town: Town,
    services: Services,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = Authority(tmp_path / "authority")
    monkeypatch.setattr(services.settings, "mqtt_url", "mqtts://station:secret@mq.county.cn")
    monkeypatch.setattr(services.settings, "mqtt_ca", authority.ca)
    told = ask_in(wire, new_code(database, town)).json()["mqtt"]["ca"]
    assert told == authority.ca.read_text()
    for nothing in ("no certificate", ""):
        authority.ca.write_text(nothing)
        refused = ask_in(wire, new_code(database, town))
        assert is_problem(refused, 422, "invalid_input")
        assert refused.json()["field"] == "mqtt_ca"


def test_guessing_codes_is_stopped(
    wire: TestClient, database: Database, town: Town, fake_clock: FakeClock
) -> None:
    for _ in range(10):
        assert is_problem(ask_in(wire, "WRNG-CODE"), 422, "invalid_input")
    good = new_code(database, town)
    assert is_problem(ask_in(wire, good), 429, "too_many_tries")
    fake_clock.advance(timedelta(minutes=11))
    assert ask_in(wire, good).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/manifest"),
        ("GET", f"/clips/{'0' * 64}"),
        ("POST", "/receipts"),
        ("POST", "/plays/1/sounded"),
        ("POST", "/health"),
        ("POST", "/commands/c-1"),
        ("GET", "/releases/0.2"),
    ],
)
def test_nothing_is_told_to_strangers(
    wire: TestClient, database: Database, town: Town, box: Box, method: str, path: str
) -> None:
    body = {"content": b'{"receipts": []}', "headers": {"content-type": "application/json"}}
    for token in ("", "Bearer wrong", f"Basic {box.token}"):
        headers = {**body["headers"], "authorization": token}  # type: ignore[dict-item]
        answer = wire.request(method, f"/edge/v1{path}", content=body["content"], headers=headers)
        assert is_problem(answer, 401, "unauthorised")
    with database.write() as session:
        players.revoke(session, town.administrator, box.player.id)
    headers = {**body["headers"], "authorization": f"Bearer {box.token}"}  # type: ignore[dict-item]
    answer = wire.request(method, f"/edge/v1{path}", content=body["content"], headers=headers)
    assert is_problem(answer, 401, "revoked")


def test_the_manifest_is_signed_with_the_key_told_at_enrolment(
    call: Callable[..., Any], services: Services
) -> None:
    envelope = call("GET", "/manifest").json()
    public = base64.b64decode(services.signer.public)
    Ed25519PublicKey.from_public_bytes(public).verify(
        base64.b64decode(envelope["signature"]), envelope["payload"].encode()
    )
    assert envelope["key_id"] == hashlib.sha256(public).hexdigest()[:16]
    assert len(json.loads(envelope["payload"])["plays"]) == 7


def test_fetching_the_manifest_publishes_its_plays_and_is_noted(
    call: Callable[..., Any], database: Database, box: Box
) -> None:
    call("GET", "/manifest")
    assert first_play(database).state == "published"
    with database.read() as session:
        player = session.get_one(Player, box.player.id)
    assert (player.manifest_version, player.last_seen_at) == (1, utc_now())


def test_an_unchanged_manifest_is_not_sent_again(
    call: Callable[..., Any], database: Database
) -> None:
    etag = call("GET", "/manifest").headers["etag"]
    assert call("GET", "/manifest", headers={"if-none-match": etag}).status_code == 304
    with database.write() as session:
        session.execute(sa.update(Play).values(revision=2))
    changed = call("GET", "/manifest", headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert json.loads(changed.json()["payload"])["version"] == 2


def test_before_a_person_says_yes_a_player_gets_nothing_to_sound(
    wire: TestClient, database: Database, town: Town
) -> None:
    waiting = enrolled(database, town.administrator, VILLAGES[0], approved=False)
    headers = {"authorization": f"Bearer {waiting.token}"}

    def get(path: str) -> Any:
        return wire.get(f"/edge/v1{path}", headers=headers)

    def plays() -> int:
        return len(json.loads(get("/manifest").json()["payload"])["plays"])

    assert plays() == 0
    clip = first_play(database).clip_sha256
    assert is_problem(get(f"/clips/{clip}"), 404, "not_found")
    assert is_problem(get("/releases/0.2"), 404, "not_found")
    told = wire.post("/edge/v1/health", headers=headers, json={}).json()
    assert (told["approved"], told["cloned"]) == (False, False)
    assert first_play(database).state == "planned", "the village has no player yet"
    with database.write() as session:
        players.approve(session, town.administrator, waiting.player.id)
    assert wire.post("/edge/v1/health", headers=headers, json={}).json()["approved"] is True
    assert plays() == 7
    assert get(f"/clips/{clip}").content == SOUND


def test_receipts_of_a_player_nobody_approved_change_no_play(
    wire: TestClient, database: Database, town: Town
) -> None:
    waiting = enrolled(database, town.administrator, VILLAGES[0], approved=False)
    headers = {"authorization": f"Bearer {waiting.token}"}
    sent = {"receipts": [waiting.played(first_play(database))]}
    answer = wire.post("/edge/v1/receipts", headers=headers, json=sent)
    assert answer.json() == {"acknowledged_seq": 1}
    assert first_play(database).state == "planned"


def test_a_release_comes_whole_or_in_part(
    call: Callable[..., Any], database: Database, services: Services, store: BlobStore
) -> None:
    content = wheel("7.1")
    with database.write() as session:
        releases.add(session, store, services.signer, None, content)
    assert call("GET", "/releases/7.1").content == content
    rest = call("GET", "/releases/7.1", headers={"range": "bytes=1000-"})
    assert (rest.status_code, rest.content) == (206, content[1000:])
    assert is_problem(call("GET", "/releases/7.2"), 404, "not_found")


def test_a_clip_comes_whole_or_in_part(call: Callable[..., Any], database: Database) -> None:
    sha256 = first_play(database).clip_sha256
    whole = call("GET", f"/clips/{sha256}")
    assert (whole.status_code, whole.content) == (200, SOUND)
    assert whole.headers["etag"] == f'"{sha256}"'
    assert whole.headers["content-type"] == "audio/ogg"
    rest = call(
        "GET", f"/clips/{sha256}", headers={"range": "bytes=1000-", "if-range": f'"{sha256}"'}
    )
    assert (rest.status_code, rest.content) == (206, SOUND[1000:])
    assert rest.headers["content-range"] == f"bytes 1000-{len(SOUND) - 1}/{len(SOUND)}"
    beyond = call("GET", f"/clips/{sha256}", headers={"range": f"bytes={len(SOUND)}-"})
    assert beyond.status_code == 416


def test_a_clip_of_another_village_is_not_there(
    call: Callable[..., Any], database: Database, store: BlobStore, town: Town
) -> None:
    clip = first_play(database).clip_sha256
    with database.write() as session:
        other = towns.approve_episode(session, store, town.programme_id, 9).delivery_sha256
        session.execute(
            sa.update(Play).where(Play.area_code != VILLAGES[0]).values(clip_sha256=other)
        )
    assert call("GET", f"/clips/{clip}").status_code == 200
    for path in (f"/clips/{other}", f"/clips/{'0' * 64}"):
        assert is_problem(call("GET", path, headers={"range": "bytes=0-9"}), 404, "not_found")
    assert call("GET", "/clips/..%2f..%2fxiangyin.db").status_code == 404


def test_receipts_are_stored_before_they_are_acknowledged(
    call: Callable[..., Any], database: Database, box: Box
) -> None:
    receipt = box.played(first_play(database))
    for _ in range(2):
        answer = call("POST", "/receipts", json={"receipts": [receipt]})
        assert (answer.status_code, answer.json()) == (200, {"acknowledged_seq": 1})
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count(Receipt.id))) == 1
    assert first_play(database).state == "played"


def test_a_forged_receipt_is_refused_in_words(
    call: Callable[..., Any], database: Database, box: Box
) -> None:
    forged = Box(box.player, "", "", Ed25519PrivateKey.generate()).played(first_play(database))
    answer = call("POST", "/receipts", json={"receipts": [forged]})
    assert is_problem(answer, 422, "invalid_input")
    assert "signature of receipt 1 is wrong" in answer.json()["detail"]


@pytest.mark.parametrize("body", ["", "{", "[]", '{"receipts": 3}', '{"receipts": [1]}'])
def test_what_is_no_batch_of_receipts_is_refused(call: Callable[..., Any], body: str) -> None:
    headers = {"content-type": "application/json"}
    assert call("POST", "/receipts", content=body, headers=headers).status_code == 422


def test_what_sounded_is_kept_once(
    call: Callable[..., Any], database: Database, store: BlobStore
) -> None:
    play = first_play(database)
    for sound in (b"OggS first", b"OggS second"):
        answer = call("POST", f"/plays/{play.id}/sounded", content=sound)
        assert answer.status_code == 200
    kept = first_play(database).sounded_sha256
    assert kept is not None
    assert store.existing_path(kept).read_bytes() == b"OggS first"


def test_the_sound_of_a_round_is_kept_beside_the_round(
    call: Callable[..., Any], database: Database, store: BlobStore, town: Town
) -> None:
    with database.write() as session:
        now = utc_now()
        made = Override(
            kind="emergency", title="洪水", villages=VILLAGES[:2], state="on_air",
            valid_until=now, created_by_id=town.leader.id, created_at=now, form_token="t",
        )  # fmt: skip
        session.add(made)
        session.flush()
        for number, code in enumerate(VILLAGES[:2], 1):
            session.add(
                OverridePlay(
                    id=OVERRIDE_IDS + number, override_id=made.id, area_code=code, round_no=1,
                    starts_at=now, make_up_until=now,
                )
            )  # fmt: skip
    own, foreign = OVERRIDE_IDS + 1, OVERRIDE_IDS + 2
    for sound in (b"OggS first", b"OggS second"):
        assert call("POST", f"/plays/{own}/sounded", content=sound).status_code == 200
    for number in (foreign, OVERRIDE_IDS + 3):
        answer = call("POST", f"/plays/{number}/sounded", content=b"OggS")
        assert is_problem(answer, 404, "not_found")
    with database.read() as session:
        kept = session.get_one(OverridePlay, own).sounded_sha256
        assert session.get_one(OverridePlay, foreign).sounded_sha256 is None
        news = session.scalars(sa.select(OutboxEvent).where(OutboxEvent.kind == "override.heard"))
        assert [each.payload for each in news] == [{"override_id": made.id}]
    assert kept is not None
    assert store.existing_path(kept).read_bytes() == b"OggS first"


def test_sound_that_cannot_be_taken_is_refused(
    call: Callable[..., Any], database: Database
) -> None:
    own, foreign = first_play(database), first_play(database, VILLAGES[1])
    assert is_problem(
        call("POST", f"/plays/{foreign.id}/sounded", content=b"OggS"), 404, "not_found"
    )
    assert is_problem(
        call("POST", f"/plays/{own.id}/sounded", content=b"RIFF"), 422, "invalid_input"
    )
    assert is_problem(
        call("POST", f"/plays/{own.id}/sounded", content=b"OggS" + bytes(20_000_000)),
        413,
        "too_large",
    )
    assert first_play(database).sounded_sha256 is None


def test_health_is_remembered(call: Callable[..., Any], database: Database, box: Box) -> None:
    assert call("POST", "/health", json={"disk_free_mb": 900}).status_code == 200
    assert call("POST", "/health", json={"x": "y" * 20_000}).status_code == 422
    with database.read() as session:
        assert session.get_one(Player, box.player.id).health == {"disk_free_mb": 900}


def test_commands_come_with_the_answer_to_health_until_they_are_acknowledged(
    call: Callable[..., Any], database: Database, box: Box
) -> None:
    with database.write() as session:
        commands.request(
            session, None, box.player.id, "resync", {}, timedelta(minutes=1), command_id="c-1"
        )
    (envelope,) = call("POST", "/health", json={}).json()["commands"]
    assert json.loads(envelope["payload"])["id"] == "c-1"
    for _ in range(2):
        answer = call("POST", "/commands/c-1", json={"result": "done", "detail": "x" * 300})
        assert answer.json() == {"id": "c-1", "state": "done"}
    assert call("POST", "/health", json={}).json()["commands"] == []


def test_an_answer_to_a_command_nobody_gave_is_not_taken(
    call: Callable[..., Any], database: Database, town: Town
) -> None:
    neighbour = enrolled(database, town.administrator, VILLAGES[1])
    with database.write() as session:
        commands.request(
            session, None, neighbour.player.id, "live", {}, timedelta(minutes=1), command_id="c-2"
        )
    for unknown in ("c-2", "c-3"):
        answer = call("POST", f"/commands/{unknown}", json={"result": "done"})
        assert is_problem(answer, 404, "not_found")


def test_a_whole_town_that_asks_in_one_second_does_not_starve_itself(
    call: Callable[..., Any], database: Database
) -> None:
    """No request of a player holds a connection while it waits for another one."""
    database.engine.dispose()
    pool = database.engine.pool
    pool._max_overflow, pool._timeout = 1 - pool.size(), 0.2  # type: ignore[attr-defined]
    sha256 = first_play(database).clip_sha256
    assert call("GET", "/manifest").status_code == 200
    assert call("GET", f"/clips/{sha256}").status_code == 200
    assert call("POST", "/receipts", json={"receipts": []}).status_code == 200
    assert call("POST", "/health", json={"version": "1"}).status_code == 200
    sound = call("POST", "/plays/1/sounded", content=SOUND, headers={"content-type": "audio/ogg"})
    assert sound.status_code != 503
