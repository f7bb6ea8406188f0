"""Reports with everything a report can have, cases that end, and the keeper that deletes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cases import casework, finding, replies, review
from cases.lifecycle import Action
from cases.models import Case, CaseReport, Report, ReportPhoto
from cases.retention_job import RetentionKeeper, Run
from cases.review import Decision
from core import blobs, settings
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from core.leases import Duty
from core.models import AuditEntry
from hotline.forgetting import sweep
from tests.cases.conftest import NUMBER, Arrive, Cast, tone
from tests.cases.conftest import arrive as arrive
from tests.cases.conftest import cast as cast
from transcribe import shared_sound
from transcribe.models import SearchText, Transcript

WORDS = "石桥村王小明说村口路灯坏了"
ROAD = ("assign", "accept", "begin", "resolve", "verify", "close")
LEASE = "scheduler"


def spoken_word(text: str, start_ms: int) -> dict[str, object]:
    return {"text": text, "start_ms": start_ms, "end_ms": start_ms + 400, "confidence": 0.9}


@dataclass
class Town:
    """What the tests do, as a person would call it."""

    database: Database
    store: BlobStore
    clock: FakeClock
    cast: Cast
    arrive: Arrive
    folder: Path
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def sound(self) -> Path:
        """A sound unlike any other."""
        number = next(self.numbers)
        return tone(self.folder / f"{number}.wav", duration_s=1 + number / 100)

    def spoken(self, path: Path | None = None, **fields: object) -> int:
        """A report with sound, words, a picture, a muted copy and a number."""
        report = self.arrive(
            audio_path=path or self.sound(), channel="phone", caller_number=NUMBER,
            pin_hash="p" * 64, on_behalf=True, resident_name="王小明", resident_phone=NUMBER,
            typed_text=WORDS, **fields,
        ).report  # fmt: skip
        with self.database.write() as session:
            session.add(
                Transcript(
                    subject_kind="report", subject_id=report.id, version=0, text=WORDS + NUMBER,
                    words=[spoken_word(WORDS, 0), spoken_word(NUMBER, 400)],
                    hears_people=True, created_at=utc_now(),
                )
            )  # fmt: skip
            finding.index(session, report.id)
        self.add_photo(report.id)
        sha256 = self.report(report.id).audio_sha256
        assert sha256 is not None
        shared_sound.ensure(self.database, self.store, "report", report.id, sha256)
        return report.id

    def add_photo(self, report_id: int) -> None:
        sha256 = self.store.put_bytes(f"picture {next(self.numbers)}".encode())
        with self.database.write() as session:
            blobs.register(session, self.store, sha256, "image/jpeg")
            session.add(ReportPhoto(report_id=report_id, sha256=sha256, width_px=1, height_px=1))

    def under_review(self, report_id: int) -> int:
        with self.database.write() as session:
            return review.start(session, self.cast.operator, report_id).version

    def accepted(self, report_id: int) -> int:
        """The case that the report became."""
        version = self.under_review(report_id)
        decision = Decision(summary=f"{WORDS}三天", unheard_reason="测试", service_code="road")
        with self.database.write() as session:
            return review.accept(session, self.cast.operator, report_id, version, decision).id

    def rejected(self, report_id: int) -> None:
        version = self.under_review(report_id)
        with self.database.write() as session:
            review.reject(
                session, self.cast.operator, report_id, version,
                reason="王小明的事归法院", route="法院", unheard_reason="测试",
            )  # fmt: skip

    def joined(self, report_id: int, case_id: int) -> None:
        version = self.under_review(report_id)
        with self.database.write() as session:
            review.join(session, self.cast.operator, report_id, version, case_id)

    def step(self, case_id: int, *actions: str) -> None:
        """Steps of a case by whoever may take them."""
        cast = self.cast
        actors = {"assign": cast.dispatcher, "verify": cast.county, "close": cast.county,
                  "reopen": cast.county, "hold": cast.dispatcher}  # fmt: skip
        for action in actions:
            with self.database.write() as session:
                casework.transition(
                    session, actors.get(action, cast.handler), case_id, Action(action),
                    session.get_one(Case, case_id).version, reason="王小明家修好了",
                    handler_id=cast.handler.id if action == "assign" else None,
                    outcome="satisfied" if action == "close" else None,
                )  # fmt: skip

    def closed(self, report_id: int) -> int:
        """The case of the report, closed now."""
        case_id = self.accepted(report_id)
        self.step(case_id, *ROAD)
        return case_id

    def reply(self, case_id: int) -> str:
        """The handler's answer in a case that is not closed; its file."""
        prepared = replies.Prepared(self.store.put_file(self.sound()), 1000, "王小明你好")
        with self.database.write() as session:
            replies.add(session, self.store, self.cast.township, case_id, prepared)
        return prepared.sha256

    def days_pass(self, days: float) -> None:
        self.clock.advance(timedelta(days=days))

    def age_files(self) -> None:
        """All files were put in long ago, by the file system's clock."""
        for path in self.files():
            os.utime(path, (1e9, 1e9))

    def files(self) -> set[Path]:
        return {path for path in self.store.folder.glob("??/*") if path.is_file()}

    def keeper(self) -> RetentionKeeper:
        duty = Duty(self.database, LEASE)
        return RetentionKeeper(self.database, self.store, settings.load(), duty, beyond=[sweep])

    def run(self) -> Run:
        """The daily run of a server whose clock is right."""
        self.age_files()
        keeper = self.keeper()
        try:
            return keeper.run(utc_now())
        finally:
            keeper._duty.give_back()

    def report(self, report_id: int) -> Report:
        with self.database.read() as session:
            return session.get_one(Report, report_id)

    def case(self, case_id: int) -> Case:
        with self.database.read() as session:
            return session.get_one(Case, case_id)

    def trail(self, action: str) -> list[AuditEntry]:
        query = sa.select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        with self.database.read() as session:
            return list(session.scalars(query))

    def sounds(self, report_id: int) -> set[str]:
        """Every file of the report, pictures too."""
        from cases import retention_sound

        with self.database.read() as session:
            return set(retention_sound.files_of(session, session.get_one(Report, report_id)).files)

    def is_whole(self, report_id: int) -> bool:
        """Whether nothing of the report was deleted: sound, pictures, words, number."""
        report = self.report(report_id)
        with self.database.read() as session:
            said = sa.select(sa.func.count()).where(Transcript.subject_id == report_id)
            found = session.get(SearchText, ("report", report_id))
            spoken = session.scalar(said) == 1 and found is not None
        files = self.sounds(report_id)
        facts = {
            "words": spoken,
            "files": len(files) == 3 and all(self.store.path(one).is_file() for one in files),
            "sound": report.audio_sha256 is not None and report.sound_gone_at is None,
            "number": report.caller_sealed is not None,
            "typed": report.typed_text == WORDS and report.words_gone_at is None,
        }
        assert all(facts.values()), facts
        return True

    def follows(self, case_id: int) -> int:
        """A later voice about a case that nobody has heard yet."""
        report_id = self.spoken()
        with self.database.write() as session:
            session.add(CaseReport(case_id=case_id, report_id=report_id))
        return report_id


@pytest.fixture
def town(
    database: Database,
    store: BlobStore,
    fake_clock: FakeClock,
    cast: Cast,
    arrive: Callable[..., object],
    tmp_path: Path,
) -> Town:
    return Town(database, store, fake_clock, cast, arrive, tmp_path)  # type: ignore[arg-type]
