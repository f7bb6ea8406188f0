"""Voicemails as telephone systems leave them: files in Asterisk's layout, sounds that differ."""

from __future__ import annotations

import os
import time
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from cases.models import Report
from core.database import Database
from hotline.models import MailboxMessage

CALLED_AT = 1_780_272_000
"""1 June 2026, 00:00 UTC."""
NUMBER = "13812345678"


def sound(seed: int, duration_s: float = 1.0) -> bytes:
    """A WAV of 8 kHz that no other seed gives."""
    noise = np.random.default_rng(seed).integers(-9000, 9000, int(8000 * duration_s))
    out = BytesIO()
    with wave.open(out, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(8000)
        made.writeframes(noise.astype("<i2").tobytes())
    return out.getvalue()


def text(message_id: str | None = "1780272000-00000001", duration_s: int = 1) -> str:
    """A msgNNNN.txt as app_voicemail writes it."""
    said = f"msg_id={message_id}\n" if message_id else ""
    return (
        ";\n; Message Information file\n;\n[message]\n"
        "origmailbox=1001\ncontext=from-trunk\nmacrocontext=\nexten=s-NOANSWER\nrdnis=unknown\n"
        f'priority=2\ncallerchan=PJSIP/trunk-00000007\ncallerid="Wang" <{NUMBER}>\n'
        f"origdate=Mon Jun  1 12:00:00 AM UTC 2026\norigtime={CALLED_AT}\ncategory=\n{said}"
        f"flag=\nduration={duration_s}\n"
    )


def leave(box: Path, number: int, content: bytes, said: str | None, *, age_s: float = 60) -> Path:
    """Put a message into ``box``; its files are ``age_s`` old. Returns the sound's path."""
    box.mkdir(parents=True, exist_ok=True)
    path = box / f"msg{number:04d}.wav"
    path.write_bytes(content)
    if said is not None:
        path.with_suffix(".txt").write_text(said, encoding="utf-8")
    for made in box.glob(f"msg{number:04d}.*"):
        settle(made, age_s)
    return path


def settle(path: Path, age_s: float = 60) -> None:
    """Let the file be ``age_s`` old."""
    at = time.time() - age_s
    os.utime(path, (at, at))


def reports(database: Database) -> list[Report]:
    with database.read() as session:
        return list(session.scalars(sa.select(Report).order_by(Report.id)))


def messages(database: Database) -> list[MailboxMessage]:
    with database.read() as session:
        return list(session.scalars(sa.select(MailboxMessage).order_by(MailboxMessage.id)))
