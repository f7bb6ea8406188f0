"""Breaking in, as an official meets it: write, hear, start, watch, stop."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from broadcast import held_lists, manifest, override, override_plays, override_sound
from broadcast.models import Override, OverridePlay, Player
from broadcast.override_keeper import OverrideKeeper
from core.blobs import BlobStore, register
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import InvalidInput
from core.models import LoginSession
from recordings import ingest
from recordings.clips import ClipFacts
from schedule.models import VillageQuiet
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE, Clients, csrf, post

OWN = [VILLAGE, SECOND_VILLAGE]


@pytest.fixture(autouse=True)
def clock(fake_clock: FakeClock) -> FakeClock:
    return fake_clock


@pytest.fixture(autouse=True)
def quick_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    def render(wanted: override_sound.Wanted, store: BlobStore, _folder: object) -> ClipFacts:
        digest = store.put_bytes(b"OggS" + wanted.kind.encode())
        return ClipFacts(digest, "delivery", "audio/ogg", "opus", 20_000, 48_000, 1)

    monkeypatch.setattr(override_sound, "render", render)


@pytest.fixture
def keeper(database: Database, store: BlobStore) -> OverrideKeeper:
    return OverrideKeeper(database, store)


@pytest.fixture
def official(client: Clients) -> TestClient:
    return client("township")


def form(**changes: Any) -> dict[str, Any]:
    plain = {
        "kind": "emergency",
        "text": "山洪要来了，请马上上山。",
        "repeat_minutes": "5",
        "valid_minutes": "60",
        "volume_percent": "100",
        "villages": OWN,
        "form_token": "token-1",
    }
    return {**plain, **changes}


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def prepared(official: TestClient, keeper: OverrideKeeper, **changes: Any) -> str:
    """Address of an override that waits for its second step."""
    answer = post(official, "/overrides", form(**changes))
    assert answer.status_code == 303, answer.text
    keeper.run_once()
    return str(answer.headers["location"])


def started(official: TestClient, keeper: OverrideKeeper, **changes: Any) -> str:
    where = prepared(official, keeper, **changes)
    version = re.search(r'name="version" value="(\d+)"', official.get(where).text)
    assert version is not None
    count = len(changes.get("villages", OWN))
    answer = post(official, f"{where}/confirm", {"version": version[1], "count": str(count)})
    assert answer.status_code == 303
    return where


def add_player(database: Database, area_code: str, *, seen: bool = True) -> None:
    with database.write() as session:
        session.add(
            Player(
                id=f"p-{area_code}", area_code=area_code, name="村部", public_key="k",
                token_hash=area_code, mqtt_password_hash="h", enrolled_at=utc_now(),
                approved_at=utc_now(), last_seen_at=utc_now() if seen else None, online=seen,
            )
        )  # fmt: skip


def test_an_empty_page_says_what_to_try_first(official: TestClient) -> None:
    page = official.get("/overrides").text
    assert "Try it with a drill" in page
    assert 'href="/overrides/new?kind=drill"' in page


def test_the_form_has_all_villages_chosen(official: TestClient) -> None:
    page = official.get("/overrides/new?kind=drill").text
    assert re.findall(r'name="villages" value="(\d+)" checked', page) == OWN
    assert re.search(r'value="drill" checked', page)


def test_nothing_sounds_before_the_second_step(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    where = prepared(official, keeper)
    page = official.get(where).text
    assert f'src="{where}/sound"' in page
    assert "桃坪村 、 柳树村" in text_of(page)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(OverridePlay)) == 0


def test_the_page_waits_for_the_sound(official: TestClient) -> None:
    answer = post(official, "/overrides", form())
    page = official.get(answer.headers["location"]).text
    assert "The sound is being made" in page
    assert "Start now" not in page


def test_it_can_be_heard_before(official: TestClient, keeper: OverrideKeeper) -> None:
    answer = official.get(f"{prepared(official, keeper)}/sound")
    assert answer.content == b"OggSemergency"
    assert answer.headers["content-type"] == "audio/ogg"


def test_a_wrong_number_starts_nothing_and_says_which(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    where = prepared(official, keeper)
    answer = post(official, f"{where}/confirm", {"version": "2", "count": "24"})
    assert answer.status_code == 422
    assert 'id="wrong-count"' in answer.text
    assert re.search(r'name="count"[^>]* value="24"', answer.text)
    with database.read() as session:
        assert session.scalars(sa.select(Override.state)).one() == "ready"


def test_it_starts_is_watched_and_stops(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    where = started(official, keeper)
    assert "Stop: silence now" in official.get(where).text
    assert post(official, f"{where}/cancel").status_code == 303
    page = text_of(official.get(where).text)
    assert "called off" in page
    assert "Stopped by township one" in page
    with database.write() as session:
        assert json_plays(session) == "[]"
    again = post(official, f"{where}/cancel")
    assert again.status_code == 303


def test_what_a_clock_that_ran_ahead_has_ended_is_on_air_and_stops(
    official: TestClient, keeper: OverrideKeeper, clock: FakeClock
) -> None:
    where = started(official, keeper)
    clock.advance(timedelta(minutes=1))
    keeper.run_once()
    clock.advance(timedelta(days=1))
    keeper.run_once()
    clock.advance(-timedelta(days=1))
    page = text_of(official.get(where).text)
    assert "▶ on air" in page
    assert "Stop: silence now" in page
    assert "Next round" in page
    assert "On air now" in official.get("/overrides/rows").text
    post(official, f"{where}/cancel")
    assert "■ called off" in text_of(official.get(where).text)
    assert "On air now" not in official.get("/overrides/rows").text


def test_a_village_that_has_not_heard_of_the_stop_is_named(
    official: TestClient, keeper: OverrideKeeper, database: Database, clock: FakeClock
) -> None:
    add_player(database, VILLAGE)
    where = started(official, keeper)
    clock.advance(timedelta(minutes=1))
    with database.write() as session:
        held_lists.note(session, f"p-{VILLAGE}", given=2, held=1)
    clock.advance(timedelta(minutes=1))
    post(official, f"{where}/cancel")
    with database.write() as session:
        held_lists.note(session, f"p-{VILLAGE}", given=3, held=2)
    assert "1 villages have not heard of the stop" in text_of(official.get(where).text)
    with database.write() as session:
        held_lists.note(session, f"p-{VILLAGE}", given=3, held=3)
    assert "have not heard of the stop" not in text_of(official.get(where).text)


def json_plays(session: Any) -> str:
    import json

    return json.dumps(json.loads(manifest.build(session, VILLAGE).payload)["plays"])


def test_villages_that_will_not_hear_it_are_named_before_it_starts(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    add_player(database, VILLAGE, seen=False)
    page = text_of(official.get(prepared(official, keeper)).text)
    assert "2 of these villages will not hear it at once" in page
    assert "桃坪村: player away" in page
    assert "柳树村: no player" in page


def test_quiet_is_named_for_a_notice_and_not_for_an_emergency(
    official: TestClient, keeper: OverrideKeeper, database: Database, cast: dict[str, int]
) -> None:
    add_player(database, VILLAGE)
    now = utc_now()
    with database.write() as session:
        session.add(
            VillageQuiet(
                area_code=VILLAGE, starts_at=now, ends_at=now + timedelta(hours=1),
                ordered_by_id=cast["village_head"], channel="page", created_at=now,
            )
        )  # fmt: skip
    notice = official.get(prepared(official, keeper, kind="notice", form_token="n")).text
    assert "桃坪村: quiet was ordered" in text_of(notice)
    emergency = official.get(prepared(official, keeper)).text
    assert "quiet was ordered" not in emergency


def test_each_village_says_how_long_it_took(
    official: TestClient, keeper: OverrideKeeper, database: Database, clock: FakeClock
) -> None:
    add_player(database, VILLAGE)
    where = started(official, keeper)
    with database.write() as session:
        row = session.scalars(
            sa.select(OverridePlay).where(OverridePlay.area_code == VILLAGE)
        ).one()
        first = utc_now() + timedelta(seconds=2.4)
        clock.advance(timedelta(seconds=3))
        assert override_plays.note_sounding(session, row.id, VILLAGE, first)
    page = text_of(official.get(f"{where}/state").text)
    assert "1 of 2 villages have heard it" in page
    assert re.search(r"桃坪村 ▶ sounding [\d:]+ 2\.4", page)
    assert "柳树村 ⚠ no player" in page


def test_a_village_that_came_back_is_marked(
    official: TestClient, keeper: OverrideKeeper, database: Database, clock: FakeClock
) -> None:
    add_player(database, VILLAGE)
    where = started(official, keeper)
    clock.advance(timedelta(minutes=7))
    with database.write() as session:
        session.execute(
            sa.update(OverridePlay)
            .where(OverridePlay.area_code == VILLAGE)
            .values(state="played", started_at=utc_now())
        )
    assert "was away, got it later" in official.get(where).text


@pytest.mark.parametrize("page", ["/overrides", "/overrides/rows", "{}", "{}/state"])
def test_a_drill_says_so_everywhere(
    official: TestClient, keeper: OverrideKeeper, page: str
) -> None:
    where = started(official, keeper, kind="drill")
    shown = official.get(page.format(where)).text
    assert "Drill" in text_of(shown)
    assert "This is a drill." in text_of(shown)


def test_the_start_page_shows_what_is_on_air_to_everybody_with_the_right(
    official: TestClient, client: Clients, keeper: OverrideKeeper
) -> None:
    where = started(official, keeper)
    for who, shown in (("leader", True), ("county", True), ("operator", False)):
        assert (f'href="{where}"' in client(who).get("/").text) is shown
    assert f'href="{where}"' in client("leader").get("/overrides/running").text
    assert client("operator").get("/overrides/running").status_code == 403


def test_the_same_form_twice_is_one_override(official: TestClient, database: Database) -> None:
    first, second = (post(official, "/overrides", form()) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": " "}, "text"),
        ({"villages": []}, "villages"),
        ({"repeat_minutes": "often"}, "repeat_minutes"),
        ({"valid_minutes": "99999"}, "valid_minutes"),
        ({"volume_percent": "0"}, "volume_percent"),
        ({"kind": "party"}, "kind"),
        ({"episode_id": "7"}, "episode_id"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_with_what_was_typed(
    official: TestClient, database: Database, changes: dict[str, Any], field: str
) -> None:
    answer = post(official, "/overrides", form(title="洪水", **changes))
    assert answer.status_code == 422
    assert f'id="wrong-{field}"' in answer.text
    assert "洪水" in answer.text
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Override)) == 0


def test_what_is_no_sound_is_refused(official: TestClient, database: Database) -> None:
    file = {"file": ("notes.txt", b"no sound at all", "text/plain")}
    answer = post(official, "/overrides", form(), files=file)
    assert answer.status_code == 422
    assert 'id="wrong-file"' in answer.text


def test_a_failure_is_told_and_can_be_tried_again(
    official: TestClient, keeper: OverrideKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = override_sound.render

    def useless(*_: object) -> ClipFacts:
        raise InvalidInput("There is no such sound.")

    monkeypatch.setattr(override_sound, "render", useless)
    where = prepared(official, keeper)
    assert "There is no such sound." in official.get(where).text
    monkeypatch.setattr(override_sound, "render", working)
    assert post(official, f"{where}/again").status_code == 303
    keeper.run_once()
    assert "Start now" in official.get(where).text


@pytest.mark.parametrize("who", ["operator", "recorder", "approver", "administrator", None])
def test_others_have_no_door(client: Clients, who: str | None) -> None:
    answer = client(who).get("/overrides")
    assert answer.status_code in (303, 403)


def test_another_town_finds_nothing(
    official: TestClient, client: Clients, keeper: OverrideKeeper
) -> None:
    where = started(official, keeper)
    stranger = client("outsider")
    for page in (where, f"{where}/state", f"{where}/sound"):
        assert stranger.get(page).status_code == 404
    assert post(stranger, f"{where}/cancel").status_code == 404
    assert where not in stranger.get("/overrides").text
    answer = post(official, "/overrides", form(villages=[OTHER_VILLAGE], form_token="x"))
    assert answer.status_code == 404


def test_a_township_watches_what_the_county_sends_and_cannot_stop_it(
    official: TestClient, client: Clients, keeper: OverrideKeeper, app: FastAPI
) -> None:
    where = started(client("county"), keeper, villages=[VILLAGE, OTHER_VILLAGE])
    page = official.get(where).text
    assert "石桥村" not in page
    assert "Stop: silence now" not in page
    assert post(official, f"{where}/cancel").status_code == 403
    assert override.KINDS


def version_on(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found is not None
    return found[1]


def test_a_colleague_who_presses_a_moment_later_is_told_that_it_is_on_air(
    official: TestClient, client: Clients, keeper: OverrideKeeper, database: Database
) -> None:
    where = prepared(official, keeper)
    leader = client("leader")
    form_of_both = {"version": version_on(leader.get(where).text), "count": "2"}
    assert post(official, f"{where}/confirm", form_of_both).status_code == 303
    for count in ("7", "2"):  # nobody needs to be told of a wrong number any more
        late = post(leader, f"{where}/confirm", {**form_of_both, "count": count})
        assert late.headers["location"] == where
    page = text_of(leader.get(where).text)
    assert "It was on air already: a colleague had started it." in page
    assert "Started by township one" in page
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(OverridePlay)) == len(OWN)


def test_the_old_form_sent_again_after_the_browsers_back_button_doubles_nothing(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    where = prepared(official, keeper)
    old = {"version": version_on(official.get(where).text), "count": "2"}
    for _ in range(2):
        assert post(official, f"{where}/confirm", old).status_code == 303
    assert official.get(where).headers["cache-control"] == "no-store"  # back asks anew
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(OverridePlay)) == len(OWN)


def test_the_old_form_sent_again_after_a_stop_starts_nothing(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    where = prepared(official, keeper)
    old = {"version": version_on(official.get(where).text), "count": "2"}
    post(official, f"{where}/confirm", old)
    post(official, f"{where}/cancel")
    assert post(official, f"{where}/confirm", old).status_code == 409
    with database.read() as session:
        assert session.scalars(sa.select(Override.state)).one() == "cancelled"


def test_a_round_that_sounds_when_it_is_stopped_is_shown_as_having_begun(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    add_player(database, VILLAGE)
    where = started(official, keeper)
    with database.write() as session:
        sounding = session.scalars(
            sa.select(OverridePlay).where(OverridePlay.area_code == VILLAGE)
        ).one()
        assert override_plays.note_sounding(session, sounding.id, VILLAGE, utc_now())
    post(official, f"{where}/cancel")
    with database.write() as session:
        assert json_plays(session) == "[]"  # the player hears of it and falls silent
        assert set(session.scalars(sa.select(OverridePlay.state))) == {"cancelled"}
    page = text_of(official.get(where).text)
    assert re.search(r"桃坪村 ✓ sounded [\d:]+ 0\.0", page)
    assert "▶" not in page


@pytest.mark.parametrize("shown_with_error", [False, True])
def test_a_login_that_ran_out_in_step_two_leads_back_to_it_and_nothing_is_lost(
    official: TestClient, client: Clients, keeper: OverrideKeeper, database: Database,
    shown_with_error: bool,
) -> None:  # fmt: skip
    where = prepared(official, keeper)
    page = official.get(where).text
    form_of_old = {
        "version": version_on(page), "count": "2",
        "csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page)[1],  # type: ignore[index]
    }  # fmt: skip
    with database.write() as session:
        session.execute(sa.delete(LoginSession))
    came_from = f"https://testserver{where}" + ("/confirm" if shown_with_error else "")
    answer = official.post(f"{where}/confirm", data=form_of_old, headers={"referer": came_from})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next={where}"
    again = client("township").get(where)  # logged in anew
    assert "Start now" in again.text
    assert "山洪要来了" in again.text


def test_a_referer_of_another_site_leads_nowhere(
    official: TestClient, database: Database, keeper: OverrideKeeper
) -> None:
    where = prepared(official, keeper)
    token = csrf(official)
    with database.write() as session:
        session.execute(sa.delete(LoginSession))
    headers = {"referer": "https://elsewhere.example/overrides"}
    answer = official.post(f"{where}/confirm", data={"csrf_token": token}, headers=headers)
    assert answer.headers["location"] == "/login"


def test_step_two_leads_back_to_a_form_with_all_that_was_written(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    where = prepared(
        official, keeper, kind="drill", villages=[SECOND_VILLAGE], repeat_minutes="15",
        valid_minutes="360", volume_percent="70",
    )  # fmt: skip
    link = re.search(r'href="(/overrides/new\?again=\d+)"', official.get(where).text)
    assert link is not None
    page = official.get(link[1]).text
    assert "山洪要来了，请马上上山。</textarea>" in page
    assert re.findall(r'name="villages" value="(\d+)" checked', page) == [SECOND_VILLAGE]
    for chosen in ('value="drill" checked', 'value="15" selected', 'value="360" selected'):
        assert chosen in page
    assert re.search(r'name="volume_percent"[^>]* value="70"', page)
    other = form(text="洪水退了。", form_token="token-2", instead_of=where.rsplit("/", 1)[1])
    assert post(official, "/overrides", other).status_code == 303
    with database.read() as session:
        states = dict(session.execute(sa.select(Override.text, Override.state)).tuples().all())
    assert states == {"山洪要来了，请马上上山。": "cancelled", "洪水退了。": "preparing"}
    assert "never sent" in official.get("/overrides").text


def test_the_sound_of_before_is_taken_again_when_no_other_is_given(
    official: TestClient, keeper: OverrideKeeper, database: Database, store: BlobStore
) -> None:
    where = prepared(official, keeper)
    with database.write() as session:
        digest = store.put_bytes(b"RIFF")
        register(session, store, digest, "audio/wav")
        session.execute(sa.update(Override).values(source_sha256=digest, text=None))
    number = where.rsplit("/", 1)[1]
    assert "is taken again" in official.get(f"/overrides/new?again={number}").text
    other = form(text="", form_token="token-2", instead_of=number)
    assert post(official, "/overrides", other).status_code == 303
    with database.read() as session:
        newest = session.scalars(sa.select(Override).order_by(Override.id.desc())).first()
        assert newest is not None
        assert (newest.source_sha256, newest.text) == (digest, None)


def test_a_text_and_a_new_sound_together_are_refused_beside_the_text(
    official: TestClient, keeper: OverrideKeeper, database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(ingest, "glance", lambda _path: None)
    file = {"file": ("flood.wav", b"RIFF", "audio/wav")}
    answer = post(official, "/overrides", form(), files=file)
    assert answer.status_code == 422
    assert 'id="wrong-text"' in answer.text
    assert "山洪要来了" in answer.text
    assert post(official, "/overrides", form(text=""), files=file).status_code == 303
    with database.read() as session:
        assert session.scalars(sa.select(Override.text)).all() == [None]


def test_the_word_for_a_sound_without_a_title_is_not_taken_for_one_when_it_is_changed(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    where = prepared(official, keeper)
    number = where.rsplit("/", 1)[1]
    for title, shown in (("紧急", ""), ("emergency", ""), ("水库放水", "水库放水")):
        with database.write() as session:
            session.execute(sa.update(Override).values(title=title, text=None))
        page = official.get(f"/overrides/new?again={number}").text
        assert re.search(rf'name="title"[^>]* value="{shown}"', page), title


def test_another_towns_override_fills_no_form(
    official: TestClient, client: Clients, keeper: OverrideKeeper
) -> None:
    where = prepared(official, keeper)
    number = where.rsplit("/", 1)[1]
    stranger = client("outsider")
    assert stranger.get(f"/overrides/new?again={number}").status_code == 404
    foreign = form(villages=[OTHER_VILLAGE], form_token="x", instead_of=number)
    assert post(stranger, "/overrides", foreign).status_code in (404, 422)
    assert "Start now" in official.get(where).text
