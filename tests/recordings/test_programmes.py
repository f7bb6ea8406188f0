"""Programmes, episodes and approval: who may, what is kept, what another town sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.blobs import BlobStore
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from core.models import AuditEntry, OutboxEvent
from recordings import approval, episodes, ingest, programmes
from recordings.models import Episode
from recordings.worker import RenderWorker

from .conftest import ELSEWHERE, VILLAGE, Cast, MakeTone

Upload = Callable[..., int]
Look = Callable[[int], Episode]


@pytest.fixture
def ready_id(upload: Upload, worker: RenderWorker, tone: MakeTone) -> int:
    """An episode that is ready."""
    episode_id = upload(tone(seconds=1.5))
    worker.run_one()
    return episode_id


def test_a_programme_belongs_to_the_recorders_area_or_one_below(
    database: Database, cast: Cast
) -> None:
    with database.write() as session:
        programmes.create(session, cast.recorder, "村里事", area_code=VILLAGE)
    with database.write() as session, pytest.raises(NotFound):
        programmes.create(session, cast.recorder, "别处", area_code=ELSEWHERE)
    with database.read() as session:
        assert [found.programme.name for found in programmes.listing(session, cast.recorder)] == [
            "村里事"
        ]
        assert programmes.listing(session, cast.outsider) == []


@pytest.mark.parametrize("name", ["", "   ", "长" * 81])
def test_a_programme_needs_a_name(database: Database, cast: Cast, name: str) -> None:
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        programmes.create(session, cast.recorder, name)
    assert refused.value.field == "name"


def test_a_name_is_taken_once_in_an_area(database: Database, cast: Cast, programme_id: int) -> None:
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        programmes.create(session, cast.recorder, " 平安柳河 ")
    assert refused.value.field == "name"


def test_only_recorders_make_programmes_and_episodes(
    database: Database, store: BlobStore, cast: Cast, programme_id: int
) -> None:
    with database.write() as session:
        with pytest.raises(Forbidden):
            programmes.create(session, cast.operator, "不行")
        with pytest.raises(Forbidden):
            ingest.receive_script(session, cast.operator, programme_id, "不行", "不行")
        with pytest.raises(Forbidden):
            programmes.listing(session, cast.operator)


def test_another_towns_episode_is_not_there(
    database: Database, cast: Cast, programme_id: int, ready_id: int
) -> None:
    with database.write() as session:
        for attempt in (
            lambda: programmes.get(session, cast.outsider, programme_id),
            lambda: episodes.get(session, cast.outsider, ready_id),
            lambda: approval.approve(session, cast.outsider, ready_id),
            lambda: ingest.receive_script(session, cast.outsider, programme_id, "x", "你好"),
            lambda: ingest.render_again(session, cast.outsider, ready_id),
        ):
            with pytest.raises(NotFound):
                attempt()


@pytest.mark.parametrize("title", ["", "长" * 121])
def test_an_episode_needs_a_title(
    database: Database, cast: Cast, programme_id: int, title: str
) -> None:
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        ingest.receive_script(session, cast.recorder, programme_id, title, "你好")
    assert refused.value.field == "title"


def test_an_unspeakable_script_is_refused_at_the_door(
    database: Database, cast: Cast, programme_id: int
) -> None:
    with pytest.raises(InvalidInput) as refused, database.write() as session:
        ingest.receive_script(session, cast.recorder, programme_id, "空", "……")
    assert refused.value.field == "text"
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count(Episode.id))) == 0


def test_a_glance_refuses_what_is_no_sound(tmp_path: Path, tone: MakeTone) -> None:
    ingest.glance(tone(seconds=30))
    letter = tmp_path / "letter.txt"
    letter.write_text("dear all")
    with pytest.raises(InvalidInput) as refused:
        ingest.glance(letter)
    assert refused.value.field == "file"


def test_the_road_to_approval_keeps_who_decided(
    database: Database, cast: Cast, ready_id: int, look: Look
) -> None:
    with database.write() as session:
        approval.submit(session, cast.recorder, ready_id)
    with database.read() as session:
        assert [e.id for e in episodes.waiting_for_approval(session, cast.approver)] == [ready_id]
        assert episodes.waiting_for_approval(session, cast.outsider) == []
    with database.write() as session:
        approval.approve(session, cast.approver, ready_id)
    episode = look(ready_id)
    assert (episode.state, episode.decided_by_id) == ("approved", cast.approver.id)
    with database.read() as session:
        entry = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "episode.approved")
        ).one()
        last = session.scalars(
            sa.select(OutboxEvent)
            .where(OutboxEvent.kind == "episode.changed")
            .order_by(OutboxEvent.id.desc())
        ).first()
    assert (entry.actor, entry.detail["own_recording"]) == ("approver", False)
    assert last is not None
    assert last.payload == {"episode_id": ready_id, "state": "approved"}


def test_a_rejection_needs_a_reason_and_can_be_submitted_again(
    database: Database, cast: Cast, ready_id: int, look: Look
) -> None:
    with database.write() as session:
        approval.submit(session, cast.recorder, ready_id)
        with pytest.raises(InvalidInput) as refused:
            approval.reject(session, cast.approver, ready_id, "  ")
        assert refused.value.field == "reason"
        approval.reject(session, cast.approver, ready_id, "开头有杂音")
    assert (look(ready_id).state, look(ready_id).decision_reason) == ("rejected", "开头有杂音")
    with database.write() as session:
        approval.submit(session, cast.recorder, ready_id)
    assert (look(ready_id).state, look(ready_id).decision_reason) == ("submitted", None)


def test_a_recorder_does_not_approve(database: Database, cast: Cast, ready_id: int) -> None:
    with database.write() as session:
        approval.submit(session, cast.recorder, ready_id)
        with pytest.raises(Forbidden):
            approval.approve(session, cast.recorder, ready_id)
        with pytest.raises(Forbidden):
            approval.reject(session, cast.recorder, ready_id, "x")


def test_only_the_second_of_two_decisions_meets_a_conflict(
    database: Database, cast: Cast, ready_id: int, look: Look
) -> None:
    with database.write() as session:
        approval.submit(session, cast.recorder, ready_id)
    with database.write() as session:
        approval.approve(session, cast.approver, ready_id)
    with database.write() as session, pytest.raises(Conflict):
        approval.reject(session, cast.approver, ready_id, "too late")
    assert look(ready_id).state == "approved"


@pytest.mark.parametrize("state", ["processing", "failed", "ready", "rejected", "approved"])
def test_only_what_was_submitted_can_be_decided(
    database: Database, cast: Cast, ready_id: int, state: str
) -> None:
    with database.write() as session:
        session.execute(sa.update(Episode).values(state=state))
    with database.write() as session, pytest.raises(Conflict):
        approval.approve(session, cast.approver, ready_id)


def test_an_approved_episode_is_never_rendered_again(
    database: Database, cast: Cast, ready_id: int
) -> None:
    with database.write() as session:
        approval.submit(session, cast.recorder, ready_id)
        approval.approve(session, cast.approver, ready_id)
    with database.write() as session, pytest.raises(Conflict):
        ingest.render_again(session, cast.recorder, ready_id)


def test_a_submitted_episode_can_be_taken_back(
    database: Database, cast: Cast, ready_id: int, look: Look
) -> None:
    with database.write() as session:
        approval.submit(session, cast.recorder, ready_id)
        approval.withdraw(session, cast.recorder, ready_id)
    assert look(ready_id).state == "ready"


def test_other_cuts_make_it_anew(
    database: Database, cast: Cast, upload: Upload, worker: RenderWorker, tone: MakeTone, look: Look
) -> None:
    episode_id = upload(tone(seconds=5))
    worker.run_one()
    with database.write() as session:
        ingest.render_again(session, cast.recorder, episode_id, trim_start_ms=2_000)
    worker.run_one()
    with database.read() as session:
        clip = episodes.delivery_clip(session, look(episode_id))
    assert clip is not None
    assert abs(clip.duration_ms - 3_000) < 50
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        ingest.render_again(session, cast.recorder, episode_id, trim_end_ms=-1)
    assert refused.value.field == "trim_end"


def test_episodes_open_and_close_with_the_programmes_sound(
    database: Database, store: BlobStore, cast: Cast, programme_id: int, upload: Upload,
    worker: RenderWorker, tone: MakeTone, look: Look,
) -> None:  # fmt: skip
    jingle = programmes.prepare_jingle(store, store.put_file(tone(seconds=2, name="jingle.wav")))
    with database.write() as session:
        programmes.attach_jingle(session, store, cast.recorder, programme_id, "opening", jingle)
    episode_id = upload(tone(seconds=3))
    worker.run_one()
    with database.read() as session:
        clip = episodes.delivery_clip(session, look(episode_id))
        assert clip is not None
        assert abs(clip.duration_ms - 5_250) < 50
    with database.write() as session:
        programmes.attach_jingle(session, store, cast.recorder, programme_id, "opening", None)
        assert programmes.get(session, cast.recorder, programme_id).opening_sha256 is None
