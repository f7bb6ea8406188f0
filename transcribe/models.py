"""Tables of sound turned to words."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.types import JsonList, JsonObject


class TranscriptionJob(Base):
    """The row is the job. states: queued, running, done, failed.

    ``subject_kind`` is "report" or "episode"; this room knows nothing more of either. ``due_rank``
    orders jobs of one priority: when the job came, pushed back by its sound's length, so that
    short ones do not wait behind long ones and long ones do not wait for ever. ``stream_key``
    names the live hearing of the same sound. ``area_code`` and ``language`` choose the model.
    ``model_hash``: the model it is meant for or was decoded with. ``took_ms``: how long the
    decoder worked on it, waiting not counted; null when the words were known already.
    """

    __tablename__ = "transcription_job"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(sa.String(10))
    subject_id: Mapped[int]
    audio_sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"))
    priority: Mapped[int] = mapped_column(default=50)
    duration_ms: Mapped[int | None]
    due_rank: Mapped[datetime]
    stream_key: Mapped[str | None] = mapped_column(sa.String(120))
    area_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"))
    language: Mapped[str | None] = mapped_column(sa.String(20))
    model_hash: Mapped[str | None] = mapped_column(sa.String(64))
    took_ms: Mapped[int | None]
    state: Mapped[str] = mapped_column(sa.String(10), default="queued")
    tries: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(sa.String(80))
    lease_until: Mapped[datetime | None]
    failure_code: Mapped[str | None] = mapped_column(sa.String(40))
    failure_detail: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        sa.Index("ix_transcription_job_state_priority", "state", "priority", "due_rank"),
        sa.Index("ix_transcription_job_subject", "subject_kind", "subject_id"),
    )


class Transcript(Base):
    """转写稿. Version 0 is what the machine heard and never changes; people write later versions.

    ``words``: list of {"text", "start_ms", "end_ms", "confidence" (0-1, null when typed)}, with
    "side" (0 or 1) where the two sides of a call were heard apart.
    ``readable``: the words with numbers, dates and punctuation as people write them (machine
    versions only); ``readable_map``: list of [start, end, first word, word after the last].
    ``alternatives``: list of {"first", "after", "texts"}: other hearings of words[first:after].
    ``remarks``: codes beside ``diagnosis``, such as "clipped" or "cut_off". ``repairs``: place
    names put right by their sound, {"first", "after", "heard", "name"}. ``verbatim``: a person
    says that the text is word for word what is said, so it measures the machine.
    """

    __tablename__ = "transcript"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(sa.String(10))
    subject_id: Mapped[int]
    version: Mapped[int]
    text: Mapped[str] = mapped_column(sa.Text)
    words: Mapped[JsonList]
    confidence: Mapped[float | None]
    model_name: Mapped[str | None] = mapped_column(sa.String(120))
    model_hash: Mapped[str | None] = mapped_column(sa.String(64))
    hears_people: Mapped[bool | None]
    diagnosis: Mapped[str | None] = mapped_column(sa.String(40))
    decoder: Mapped[JsonObject | None]
    readable: Mapped[str | None] = mapped_column(sa.Text)
    readable_map: Mapped[JsonList | None]
    alternatives: Mapped[JsonList | None]
    remarks: Mapped[JsonList | None]
    repairs: Mapped[JsonList | None]
    verbatim: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("subject_kind", "subject_id", "version"),)


class ConfidenceFloor(Base):
    """A floor of confidence fixed by hand for an area and all below it; the newest row counts.

    ``floor``: 0-1; null when it follows from measurements again. ``area_code`` null: everywhere.
    """

    __tablename__ = "confidence_floor"

    id: Mapped[int] = mapped_column(primary_key=True)
    area_code: Mapped[str | None] = mapped_column(sa.ForeignKey("area.code"), index=True)
    floor: Mapped[float | None]
    reason: Mapped[str] = mapped_column(sa.String(200))
    set_by_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    set_at: Mapped[datetime]


class Hearing(Base):
    """What one model heard in one sound, so that the same sound never costs twice.

    ``key`` covers the PCM's SHA-256, the model's tree hash, the decoder's configuration and our
    code's version (transcribe.hearings). ``result`` is a Recognition as JSON. ``source`` is
    "batch" or "stream".
    """

    __tablename__ = "hearing"

    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    pcm_sha256: Mapped[str] = mapped_column(sa.String(64), index=True)
    model_hash: Mapped[str] = mapped_column(sa.String(64), index=True)
    result: Mapped[JsonObject]
    source: Mapped[str] = mapped_column(sa.String(8))
    created_at: Mapped[datetime]


class LocalTerm(Base):
    """A word people of an area use: kind is village, nickname, official, shop or other.

    It holds for the area and everything below it. ``meaning`` says what it stands for (a nickname:
    the village's name). Rows of villages that came from the areas have no ``added_by_id``.
    ``pieces``: list of [text, known]: the words the model hears it as, and what it lacks.
    ``known_to``: hash of the model that can hear it, ``unknown_to``: of the one that cannot.
    """

    __tablename__ = "local_term"

    id: Mapped[int] = mapped_column(primary_key=True)
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    text: Mapped[str] = mapped_column(sa.String(40))
    meaning: Mapped[str | None] = mapped_column(sa.String(80))
    pieces: Mapped[JsonList | None]
    known_to: Mapped[str | None] = mapped_column(sa.String(64))
    unknown_to: Mapped[str | None] = mapped_column(sa.String(64))
    added_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("area_code", "text"),)


class AreaGrammar(Base):
    """A run-time language model of an area, and what it was worth when it was measured.

    ``sentences``: what it was made from. ``cer_without``, ``cer_with``: character error rate
    (0-1) on ``held_out`` corrected transcripts it was not made from, ``characters`` in all, of
    which it heard ``better`` and ``worse`` so many. ``note``: characters no word of the model
    has. ``active``: in use.
    """

    __tablename__ = "area_grammar"

    id: Mapped[int] = mapped_column(primary_key=True)
    area_code: Mapped[str] = mapped_column(sa.ForeignKey("area.code"), index=True)
    model_hash: Mapped[str] = mapped_column(sa.String(64))
    sha256: Mapped[str] = mapped_column(sa.String(64))
    sentences: Mapped[JsonList]
    held_out: Mapped[int] = mapped_column(default=0)
    characters: Mapped[int] = mapped_column(default=0)
    better: Mapped[int] = mapped_column(default=0)
    worse: Mapped[int] = mapped_column(default=0)
    cer_without: Mapped[float | None]
    cer_with: Mapped[float | None]
    state: Mapped[str] = mapped_column(sa.String(12), default="waiting")
    note: Mapped[str | None] = mapped_column(sa.String(300))
    active: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    measured_at: Mapped[datetime | None]


class TranscriptGram(Base):
    """Search index: which subject holds which pair of pinyin syllables (transcribe.grams).

    Compared byte by byte, so that "ting" also finds what begins with it.
    """

    __tablename__ = "transcript_gram"

    gram: Mapped[str] = mapped_column(
        sa.String(24).with_variant(sa.String(24, collation="C"), "postgresql"), primary_key=True
    )
    subject_kind: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True)

    __table_args__ = ({"sqlite_with_rowid": False},)


class SearchText(Base):
    """What a subject is found by: its texts in the plain form of transcribe.grams, a line each.

    ``sounds``: a syllable for each character, blanks between, in the same lines. Numbers of people
    are in neither.
    """

    __tablename__ = "search_text"

    subject_kind: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.Text)
    sounds: Mapped[str] = mapped_column(sa.Text)


class RedactedSound(Base):
    """A rendition of a sound in which numbers of people are muted; the original stays sealed.

    ``spans``: list of [start_ms, end_ms, kind]. Made for one version of the transcript.
    """

    __tablename__ = "redacted_sound"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(sa.String(10))
    subject_id: Mapped[int]
    transcript_id: Mapped[int] = mapped_column(sa.ForeignKey("transcript.id"))
    audio_sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"))
    sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"))
    spans: Mapped[JsonList]
    created_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("transcript_id", "audio_sha256"),)
