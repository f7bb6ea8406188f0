"""Reports of the demo town with their words written down, to fill the page of quality.

The machine's voice speaks sentences of known words into noise, the town's own decoders hear them,
and the known words are stored as somebody would who writes word for word. So the figures are
measured, but of a machine's voice: they say nothing about people.
"""

from __future__ import annotations

import random
import tempfile
import time
import wave
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from cases import intake, review
from cases.intake import Arrival
from core import auth
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.errors import N_, InvalidInput, Unavailable
from core.models import User
from core.sealed import Sealer
from core.settings import Settings
from demo import people, town
from recordings import speech
from transcribe import transcripts
from transcribe.spoken import SENTENCES

NOISE_DB = (-60.0, -45.0, -35.0, -28.0)
"""Loudness of the noise against full scale; the voice is near -20 dB."""
DAYS = 60
WAIT_S = 30.0
"""So long at most the town's decoders may take for the next sound."""
REASON, ROUTE = "示例：只用来衡量机器听得准不准", "示例，无须转办"


def make(settings: Settings, count: int) -> Iterator[tuple[str, str]]:
    """Let ``count`` reports in and write their words; yields (said, heard) as they are there.

    InvalidInput outside a demo town, Unavailable when no decoder hears them.
    """
    if people.known(settings) is None:
        raise InvalidInput(N_("This is for the demo town only: start it once."), field="count")
    database = Database.from_settings(settings)
    store, sealer = BlobStore.from_settings(settings), Sealer.from_settings(settings)
    with database.read() as session:
        user = session.scalars(sa.select(User).where(User.login == "demo")).one()
    actor, chance = auth.actor_of(user), random.Random()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            said = SENTENCES[number % len(SENTENCES)]
            wav = Path(folder) / f"{number}.wav"
            speech.render(said, wav)
            _add_noise(wav, chance.choice(NOISE_DB))
            arrival = Arrival(
                channel=chance.choice(("phone", "upload")),
                source_key=f"demo-pair:{utc_now().timestamp()}:{number}",
                received_at=utc_now() - timedelta(days=chance.uniform(0, DAYS)),
                village_code=chance.choice(town.villages()[:4]).code,
                audio_path=wav,
            )
            with database.write() as session:
                report = intake.receive(session, store, sealer, arrival).report.id
            yield said, _write_down(database, actor, report, said)


def _add_noise(wav: Path, level_db: float) -> None:
    """White noise over a PCM16 file, in place."""
    with wave.open(str(wav), "rb") as sound:
        form, frames = sound.getparams(), sound.readframes(sound.getnframes())
    voice = np.frombuffer(frames, dtype="<i2").astype(float)
    noise = np.random.default_rng().normal(0, 32_767 * 10 ** (level_db / 20), voice.size)
    with wave.open(str(wav), "wb") as sound:
        sound.setparams(form)
        sound.writeframes(np.clip(voice + noise, -32_768, 32_767).astype("<i2").tobytes())


def _write_down(database: Database, actor: Actor, report: int, said: str) -> str:
    """Wait for the decoder, then store the known words; what was heard."""
    for _ in range(int(WAIT_S * 5)):
        with database.read() as session:
            heard = transcripts.heard(session, "report", report)
        if heard is not None:
            break
        time.sleep(0.2)
    else:
        raise Unavailable(N_("No decoder hears the sounds: start the town and try again."))
    with database.write() as session:
        opened = review.start(session, actor, report)
        transcripts.save_edit(session, "report", report, said, actor.id, 0, verbatim=True)
        review.reject(
            session, actor, report, opened.version, reason=REASON, route=ROUTE,
            unheard_reason=REASON,
        )  # fmt: skip
    return heard.text
