"""Takes whose owner never pressed "send": enough speech becomes a report marked cut off.

Consent was given before the first piece came, and the page says that what was recorded counts;
so a voice is not lost because a battery was. A form that came without all of the sound, because
the telephone lost it, takes nothing away: the sound becomes a later word about it. What holds no
speech is thrown away.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog

from cases import intake, residents
from cases.intake import Arrival
from cases.models import Report
from core import bell, outbox
from core.clock import utc_now
from core.errors import InvalidInput, NotFound, ToolFailed
from hotline.limits import SPEECH_NEEDED_MS
from hotline.sip import voice
from recordings import sound
from web import report_halves
from web.deps import Services
from web.report_takes import About, Gone, Takes

LOOK_EVERY_S = 600.0
UNFINISHED_AFTER = timedelta(hours=6)
"""A telephone that finds its net again goes on by itself; one night in a valley is not unusual,
but a report must not wait for longer than this."""

UNREADABLE_KEPT = timedelta(days=7)
"""What no program can read may be the first half of a file whose owner will send the rest."""

VOICE_RATE_HZ = 8000
WAV_HEADER_BYTES = 44
log = structlog.get_logger("web.report_keeper")


class Keeper:
    """Background service of the web process."""

    name = "report-keeper"

    def __init__(self, services: Services) -> None:
        self._services = services
        self._takes = Takes(services.settings)
        self._stop = threading.Event()

    def run_forever(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except (OSError, sa.exc.SQLAlchemyError) as error:
                log.warning("unfinished takes wait", error=type(error).__name__)

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> int:
        """Decide about each take that has not grown for long; how many became reports."""
        entered = 0
        for token in self._takes.idle(UNFINISHED_AFTER):
            try:
                with self._takes.unfinished(token, UNFINISHED_AFTER) as (about, path):
                    decided, is_report = self._decide(token, about, path)
            except Gone:
                continue
            entered += is_report
            if decided:
                self._takes.drop(token)
        if entered:
            bell.ring(outbox.BELL)
        return entered

    def _decide(self, token: str, about: About | None, path: Path) -> tuple[bool, bool]:
        """(whether it may go, whether it became a report)."""
        if about is None or about.kind != "sound" or not path.exists():
            return True, False
        if self._is_held(about, path):
            return True, False
        try:
            speech_ms = speech_of(path)
        except InvalidInput:
            grown_at = datetime.fromtimestamp(path.stat().st_mtime, tz=utc_now().tzinfo)
            return utc_now() - grown_at > UNREADABLE_KEPT, False
        except ToolFailed:
            speech_ms = SPEECH_NEEDED_MS  # too hard for us now; a decoder may do better
        if speech_ms < SPEECH_NEEDED_MS:
            return True, False
        return True, self._enter(token, about, path)

    def _is_held(self, about: About, path: Path) -> bool:
        """Whether a report of the form holds all of the take."""
        of_form = report_halves.of_form(about.form_token)
        with self._services.database.read() as session:
            sounds = [one.audio_sha256 for one in session.scalars(of_form) if one.audio_sha256]
        return any(self._begins_with(sha256, path) for sha256 in sounds)

    def _begins_with(self, sha256: str, path: Path) -> bool:
        try:
            whole = self._services.store.existing_path(sha256)
            return report_halves.is_beginning(path, whole)
        except NotFound:
            return False  # its time was over and it was deleted

    def _enter(self, token: str, about: About, path: Path) -> bool:
        services = self._services
        examined = intake.examine(services.store, path)
        consent_at = datetime.fromisoformat(about.consent_at)
        name = f"{token}:{path.stat().st_size}"  # after another night there may be more of it
        key = hashlib.sha256(name.encode()).hexdigest()[:16]
        halves = report_halves.find(services, about.form_token, examined)
        arrival = Arrival(
            channel="web",
            source_key=f"web:{about.form_token}:{key}",
            received_at=consent_at,
            village_code=about.village_code,
            point_code=about.point_code,
            confidential=about.confidential,
            cut_off=True,
            end_cause="upload_unfinished",
            consent_version=about.consent_version,
            consent_channel="web",
            consent_at=consent_at,
        )
        sent = report_halves.of_form(about.form_token).where(Report.cut_off.is_(False))
        with services.database.write() as session:
            received = intake.receive(
                session, services.store, services.sealer, arrival, examined=examined
            )
            if received.is_new:
                handed_in = session.scalar(sent.order_by(Report.id.desc()).limit(1))
                if handed_in is not None:
                    residents.attach(session, received.report, handed_in, arrival.source_key)
                report_halves.tie(session, received.report, halves)
        log.info("unfinished take became a report", new=received.is_new)
        return received.is_new


def speech_of(path: Path) -> int:
    """Voiced time (ms); raises InvalidInput for what cannot be read."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        wav = Path(folder) / "voice.wav"
        sound.to_wav(path, wav, rate_hz=VOICE_RATE_HZ)
        return voice.speech_ms(wav.read_bytes()[WAV_HEADER_BYTES:])
