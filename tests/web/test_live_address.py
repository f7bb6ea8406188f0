"""The addresses behind speaking live: who may ask what, and what players get."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from broadcast import live, live_frames
from broadcast.live_hub import Channel
from broadcast.live_keeper import LiveKeeper
from broadcast.models import LiveListener, LiveSession, Player
from core.auth import actor_of
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry, User
from tests.broadcast.box import Box, enrolled
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE, Clients, csrf, post
from web import live_history
from web.deps import Services

SPOKEN = b"\x00\x20" * 1600


@pytest.fixture
def box(database: Database, cast: dict[str, int]) -> Box:
    with database.read() as session:
        administrator = actor_of(session.get_one(User, cast["administrator"]))
    return enrolled(database, administrator, VILLAGE)


@pytest.fixture
def keeper(services: Services) -> Iterator[LiveKeeper]:
    made = LiveKeeper(services.database, services.store, services.live, services.settings)
    yield made
    services.live.close()
    for channel in services.live.all():
        channel.recording.close()


def begin(browser: TestClient, *villages: str) -> httpx.Response:
    return post(browser, "/speak", {"villages": list(villages), "title": "防汛"})


def speak(browser: TestClient, session_id: str, at_ms: int = 0, sound: bytes = SPOKEN) -> bool:
    answer = browser.post(
        f"/speak/sound/{session_id}?at_ms={at_ms}",
        content=sound,
        headers={"x-csrf-token": csrf(browser), "content-type": "application/octet-stream"},
    )
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["over"])


def row(database: Database) -> LiveSession:
    with database.read() as session:
        return session.scalars(sa.select(LiveSession)).one()


def test_a_first_word_the_database_did_not_take_is_stored_with_the_next(
    client: Clients, database: Database, box: Box, keeper: LiveKeeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]

    def locked(*_: object) -> bool:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    with monkeypatch.context() as away:
        away.setattr(live, "go_on_air", locked)
        lost = speaker.post(
            f"/speak/sound/{session_id}",
            content=SPOKEN,
            headers={"x-csrf-token": csrf(speaker), "content-type": "application/octet-stream"},
        )
    assert (lost.status_code, row(database).state) == (503, "opening")
    assert not speak(speaker, session_id)
    assert row(database).state == "on_air"


def as_player(app_client: TestClient, box: Box, path: str, **more: object) -> httpx.Response:
    headers = {"authorization": f"Bearer {box.token}"}
    if more:
        return app_client.post(path, headers=headers, json=more)
    return app_client.get(path, headers=headers)


def test_from_the_first_word_to_the_recording(
    client: Clients, database: Database, box: Box, keeper: LiveKeeper
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    assert row(database).state == "opening"
    assert not speak(speaker, session_id)
    assert row(database).state == "on_air"
    assert post(speaker, f"/speak/{session_id}/stop", {"cause": "speaker"}).json()["stopped"]
    keeper.look()
    assert row(database).recording_sha256 is not None
    assert speak(speaker, session_id, 100)
    heard = speaker.get(f"/speak/{session_id}/recording")
    assert heard.headers["content-type"] == "audio/flac"
    assert heard.content.startswith(b"fLaC")
    with database.read() as session:
        assert session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "live.played")
        ).one()
    assert "防汛" in speaker.get("/speak/history").text
    assert "ended by the speaker" in speaker.get(f"/speak/{session_id}").text


def test_a_busy_village_names_who_speaks(client: Clients, keeper: LiveKeeper, box: Box) -> None:
    begin(client("township"), VILLAGE)
    refused = begin(client("county"), VILLAGE, OTHER_VILLAGE)
    assert refused.status_code == 409
    assert refused.json()["code"] == "somebody_speaks"
    assert "township one is speaking to 桃坪村" in refused.json()["detail"]
    assert "township one speaks there now" in client("county").get("/speak").text


@pytest.mark.parametrize("name", ["recorder", "operator", "administrator", "auditor"])
def test_who_has_no_right_cannot_speak(client: Clients, name: str) -> None:
    browser = client(name)
    assert browser.get("/speak").status_code == 403
    assert begin(browser, VILLAGE).status_code == 403


def test_another_town_finds_neither_village_nor_address(
    client: Clients, keeper: LiveKeeper
) -> None:
    session_id = begin(client("township"), VILLAGE).json()["id"]
    stranger = client("outsider")
    assert begin(stranger, VILLAGE).status_code == 404
    for path in ("", "/state", "/recording"):
        assert stranger.get(f"/speak/{session_id}{path}").status_code == 404
    assert post(stranger, f"/speak/{session_id}/stop").status_code == 404


def test_nobody_speaks_into_somebody_elses_address(
    client: Clients, database: Database, keeper: LiveKeeper
) -> None:
    session_id = begin(client("township"), VILLAGE).json()["id"]
    assert speak(client("county"), session_id)
    assert row(database).state == "opening"


def test_the_county_can_stop_what_a_township_says(
    client: Clients, database: Database, keeper: LiveKeeper
) -> None:
    session_id = begin(client("township"), VILLAGE).json()["id"]
    assert post(client("county"), f"/speak/{session_id}/stop-form").status_code == 303
    assert row(database).end_cause == "stopped"


def by_phone(database: Database, cast: dict[str, int], *villages: str) -> str:
    with database.write() as session:
        speaker = actor_of(session.get_one(User, cast["township"]))
        return live.open_session(session, speaker, villages, source="phone").session.id


def test_an_address_by_telephone_is_shown_as_one(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    session_id = by_phone(database, cast, VILLAGE)
    page = client("county").get("/speak").text
    assert "township one · by telephone → 桃坪村" in page
    assert f'href="/speak/{session_id}"' in page
    for path in ("/speak/history", f"/speak/{session_id}"):
        assert "township one · by telephone" in client("county").get(path).text


def test_a_running_address_is_shown_to_whom_it_reaches(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    by_phone(database, cast, VILLAGE)
    assert "by telephone" not in client("outsider").get("/speak").text
    with database.write() as session:
        live.end(session, live.running(session)[0].id, "keyed")
    assert "by telephone" not in client("county").get("/speak").text


def test_a_person_at_the_page_stops_an_address_by_telephone(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    session_id = by_phone(database, cast, VILLAGE)
    browser = client("county")
    assert f'action="/speak/{session_id}/stop-form"' in browser.get(f"/speak/{session_id}").text
    assert post(browser, f"/speak/{session_id}/stop-form").status_code == 303
    assert row(database).end_cause == "stopped"
    assert "stopped by somebody else" in browser.get(f"/speak/{session_id}").text


def test_a_village_head_cannot_stop_what_goes_to_others_too(
    client: Clients, database: Database, keeper: LiveKeeper
) -> None:
    session_id = begin(client("township"), VILLAGE, SECOND_VILLAGE).json()["id"]
    assert post(client("village_head"), f"/speak/{session_id}/stop").status_code == 403


def test_who_may_read_but_not_speak_does_not_hear_the_recording(
    client: Clients, keeper: LiveKeeper
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    speak(speaker, session_id)
    post(speaker, f"/speak/{session_id}/stop")
    keeper.look()
    reader = client("recorder")
    assert "<audio" not in reader.get(f"/speak/{session_id}").text
    assert reader.get(f"/speak/{session_id}/recording").status_code == 403


def test_a_piece_that_is_too_long_is_refused(client: Clients, keeper: LiveKeeper) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    answer = speaker.post(
        f"/speak/sound/{session_id}",
        content=SPOKEN * 50,
        headers={"x-csrf-token": csrf(speaker), "content-type": "application/octet-stream"},
    )
    assert answer.status_code == 422


def test_without_a_form_token_nothing_is_said(
    client: Clients, database: Database, keeper: LiveKeeper
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    assert speaker.post(f"/speak/sound/{session_id}", content=SPOKEN).status_code == 403
    assert row(database).state == "opening"


def test_after_the_end_no_player_is_let_in(
    client: Clients, services: Services, box: Box, keeper: LiveKeeper
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    post(speaker, f"/speak/{session_id}/stop", {"cause": "speaker"})
    assert as_player(client(None), box, f"/edge/v1/live/{session_id}").status_code == 404


def test_a_player_of_another_village_is_not_let_in(
    client: Clients, database: Database, cast: dict[str, int], box: Box, keeper: LiveKeeper
) -> None:
    session_id = begin(client("township"), SECOND_VILLAGE).json()["id"]
    assert as_player(client(None), box, f"/edge/v1/live/{session_id}").status_code == 404
    told = as_player(client(None), box, f"/edge/v1/live/{session_id}/heard", lost_ms=1)
    assert told.status_code == 404


def test_what_a_player_tells_is_shown(
    client: Clients, database: Database, box: Box, keeper: LiveKeeper
) -> None:
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    speak(speaker, session_id)
    told = {"first_sound_at": "2026-06-01T00:00:02Z", "lost_ms": 300, "cause": None}
    assert (
        as_player(client(None), box, f"/edge/v1/live/{session_id}/heard", **told).status_code == 200
    )
    with database.read() as session:
        listener = session.scalars(sa.select(LiveListener)).one()
    assert listener.lost_ms == 300
    state = speaker.get(f"/speak/{session_id}/state").json()
    assert (state["called"], state["over"]) == (1, False)


@pytest.mark.parametrize(("emergency", "state"), [(False, "held"), (True, "joined")])
def test_a_box_whose_switch_is_on_is_never_said_to_chime(
    client: Clients,
    database: Database,
    services: Services,
    box: Box,
    keeper: LiveKeeper,
    emergency: bool,
    state: str,
) -> None:
    with database.write() as session:
        player = session.get_one(Player, box.player.id)
        player.health, player.online = {"quiet_switch": True}, True
    speaker = client("township")
    assert "the quiet switch on the box is on" in speaker.get("/speak").text.split("<template")[0]
    wish = {"villages": [VILLAGE], "title": "", "emergency": "true" if emergency else ""}
    session_id = post(speaker, "/speak", wish).json()["id"]
    channel = services.live.get(session_id)
    assert channel is not None
    channel._note(box.player.id, joined_at=utc_now())  # as when its stream begins
    told = speaker.get(f"/speak/{session_id}/state").json()
    assert [each["state"] for each in told["villages"]] == [state]


def test_a_stream_that_stands_is_not_called_a_sound(client: Clients, box: Box) -> None:
    words = client("township").get("/speak").text.split("<template")[1]
    assert 'data-state="joined" data-sign="○">connected, not sounding yet<' in words
    assert "chimes" not in words


@pytest.mark.parametrize(
    ("health", "state"), [({"problems": {"no_card": "none"}}, "no_card"), (None, "hears")]
)
def test_a_box_without_a_sound_card_is_never_said_to_hear(
    client: Clients,
    database: Database,
    services: Services,
    box: Box,
    keeper: LiveKeeper,
    health: dict[str, object] | None,
    state: str,
) -> None:
    with database.write() as session:
        session.get_one(Player, box.player.id).health = health
    speaker = client("township")
    listed = speaker.get("/speak").text.split("<template")[0]
    assert ("no sound card: nobody hears it there" in listed) is (state == "no_card")
    session_id = begin(speaker, VILLAGE).json()["id"]
    channel = services.live.get(session_id)
    assert channel is not None
    channel._note(box.player.id, joined_at=utc_now())  # as when its stream begins
    told = {"first_sound_at": "2026-06-01T00:00:02Z", "lost_ms": 0}
    as_player(client(None), box, f"/edge/v1/live/{session_id}/heard", **told)
    seen = speaker.get(f"/speak/{session_id}/state").json()
    assert [each["state"] for each in seen["villages"]] == [state]
    assert seen["hearing"] == (state == "hears")
    page = speaker.get(f"/speak/{session_id}").text
    assert ("no sound card: nobody hears it there" in page) is (state == "no_card")
    with database.read() as session:
        listener = session.scalars(sa.select(LiveListener)).one()
    assert (listener.first_sound_at is not None) is (state == "hears")


def test_a_village_that_is_turned_down_says_so(
    client: Clients, database: Database, box: Box
) -> None:
    with database.write() as session:
        session.get_one(Player, box.player.id).volume_percent = 30
    assert "a player there is turned down to 30 %" in client("township").get("/speak").text


def test_a_village_without_a_player_is_shown_as_such(client: Clients, keeper: LiveKeeper) -> None:
    speaker = client("township")
    assert "no loudspeaker yet" in speaker.get("/speak").text
    session_id = begin(speaker, VILLAGE).json()["id"]
    state = speaker.get(f"/speak/{session_id}/state").json()
    assert state["villages"] == [{"name": "桃坪村", "state": "none"}]


def test_only_the_worklet_is_added_to_what_may_run(client: Clients) -> None:
    policy = client("township").get("/speak").headers["content-security-policy"]
    assert "script-src https://testserver/static/speak-worklet.js 'nonce-" in policy
    assert "unsafe" not in policy


def test_rights_are_those_of_the_domain() -> None:
    assert {"township", "county", "city", "leader"} == live.EMERGENCY_ROLES


# --- while the database is away ---


def locked(_database: Database) -> None:
    raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))


def carried(services: Services) -> Channel:
    [channel] = services.live.all()
    return channel


@pytest.mark.parametrize("page", ["stop", "stop-form"])
def test_silence_waits_for_no_database_that_cannot_write(
    client: Clients, database: Database, services: Services, keeper: LiveKeeper, page: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", locked)
        told = post(speaker, f"/speak/{session_id}/{page}", {"cause": "hard_stop"})
        assert told.status_code == (200 if page == "stop" else 303)
        assert carried(services).ended
    assert row(database).state == "opening"
    keeper.look()
    assert row(database).end_cause == "hard_stop"
    with database.read() as session:
        ended = sa.select(AuditEntry).where(AuditEntry.action == "live.ended")
        assert session.scalars(ended).one().actor == "township"


@pytest.mark.parametrize("is_own", [True, False])
def test_who_speaks_falls_silent_though_no_database_tells_who_that_is(
    client: Clients, database: Database, services: Services, keeper: LiveKeeper, is_own: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    browser = speaker if is_own else client("county")
    token = csrf(browser)
    with monkeypatch.context() as patch:
        for way in ("read", "write", "unfinished"):
            patch.setattr(Database, way, locked)
        stop = {"cause": "hard_stop", "csrf_token": token}
        assert browser.post(f"/speak/{session_id}/stop", data=stop).status_code == 503
        assert carried(services).ended is is_own
    keeper.look()
    assert row(database).end_cause == ("hard_stop" if is_own else None)


@pytest.mark.parametrize(
    ("cause", "last"), [("hard_stop", live_frames.HUSH), ("speaker", live_frames.FINISH)]
)
def test_only_the_hard_stop_cuts_off_what_is_on_its_way(
    client: Clients, services: Services, keeper: LiveKeeper, cause: str, last: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    speaker = client("township")
    session_id = begin(speaker, VILLAGE).json()["id"]
    ended: list[bytes] = []
    ear = type("Ear", (), {"end": lambda _, frame, *, now: ended.append(frame)})
    carried(services)._ears["p-1"] = ear()
    post(speaker, f"/speak/{session_id}/stop", {"cause": cause})
    assert ended == [last]


def test_an_address_that_is_not_stored_leaves_no_channel(
    client: Clients, services: Services, keeper: LiveKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Channel] = []
    speaker = client("township")
    speaker.get("/speak")

    def full(_connection: sa.Connection) -> None:
        if services.live.all():
            made.extend(services.live.all())
            raise sa.exc.OperationalError("COMMIT", {}, Exception("database or disk is full"))

    sa.event.listen(services.database.engine, "commit", full)
    try:
        assert begin(speaker, VILLAGE).status_code == 503
    finally:
        sa.event.remove(services.database.engine, "commit", full)
    assert services.live.all() == []
    assert not made[0].recording._thread.is_alive()


# --- players that start anew ---


def test_a_box_that_starts_anew_is_called_to_the_address_again(
    client: Clients, database: Database, box: Box, keeper: LiveKeeper
) -> None:
    def waiting(boot_id: str) -> list[dict[str, str]]:
        told = as_player(client(None), box, "/edge/v1/health", boot_id=boot_id).json()
        payloads = [json.loads(envelope["payload"]) for envelope in told["commands"]]
        return [each for each in payloads if each["kind"] == "live"]

    assert waiting("one") == []
    session_id = begin(client("township"), VILLAGE).json()["id"]
    [call] = waiting("one")
    as_player(client(None), box, f"/edge/v1/commands/{call['id']}", result="done")
    assert waiting("one") == []
    [again] = waiting("two")
    assert again["session_id"] == session_id
    assert again["id"] != call["id"]
    assert waiting("two") == [again]


# --- what has been ---


def spoken(database: Database, cast: dict[str, int], count: int, *villages: str) -> None:
    for _ in range(count):
        session_id = by_phone(database, cast, *villages)
        with database.write() as session:
            live.end(session, session_id, "keyed")


def addresses(page: str) -> list[str]:
    return re.findall(r'href="/speak/([0-9a-f-]{36})"', page)


def older(page: str) -> str | None:
    found = re.search(r'href="/speak/history\?before=([0-9a-f-]{36})"', page)
    return found.group(1) if found else None


def test_older_addresses_are_a_page_further(
    client: Clients, database: Database, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_history, "LISTED", 2)
    spoken(database, cast, 5, VILLAGE)
    reader = client("county")
    page = reader.get("/speak/history").text
    seen = [addresses(page)]
    while before := older(page):
        page = reader.get(f"/speak/history?before={before}").text
        seen.append(addresses(page))
    assert [len(each) for each in seen] == [2, 2, 1]
    with database.read() as session:
        newest_first = sa.select(LiveSession.id).order_by(LiveSession.created_at.desc())
        assert [each for page in seen for each in page] == list(session.scalars(newest_first))


def test_a_page_of_the_history_reads_so_many_addresses_and_no_more(
    client: Clients, database: Database, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_history, "LOOKED_AT", 3)
    spoken(database, cast, 1, VILLAGE)
    spoken(database, cast, 4, SECOND_VILLAGE)
    reader = client("village_head")
    loaded: list[str] = []

    def note(row: LiveSession, _context: object) -> None:
        loaded.append(row.id)

    sa.event.listen(LiveSession, "load", note)
    try:
        page = reader.get("/speak/history").text
    finally:
        sa.event.remove(LiveSession, "load", note)
    assert len(loaded) == live_history.LOOKED_AT + 1
    assert "None of these reached your villages" in page
    page = reader.get(f"/speak/history?before={older(page)}").text
    assert len(addresses(page)) == 1
    assert older(page) is None


def test_an_unknown_place_in_the_history_is_its_beginning(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    spoken(database, cast, 1, VILLAGE)
    assert len(addresses(client("county").get("/speak/history?before=nowhere").text)) == 1
