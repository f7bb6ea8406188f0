"""Finds subjects by what was said: by the very characters, or by what sounds like them.

Whoever owns a subject gives its texts to ``index``; numbers of people are taken out before
anything is stored. ``find`` looks up the rarest pairs of syllables first and then reads the texts
themselves, so what it returns holds the query and nothing is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import N_, InvalidInput
from transcribe import grams, redact, transcripts
from transcribe.grams import Query
from transcribe.models import SearchText, TranscriptGram

REINDEX = "search.reindex"
"""News that orders the index anew; {"after": id} for subjects with higher ids."""

MAX_QUERY = 100
BATCH = 100
"""Candidates read at a time, newest first."""

COUNT_UP_TO = 2_000
"""A pair more common than that is as good a start as any other such pair."""

DELETE_AT_ONCE = 500
Filed = sa.ColumnElement[bool]
"""Condition on the pair under which a subject is filed."""


def index(session: Session, subject_kind: str, subject_id: int, texts: Iterable[str]) -> bool:
    """Let the subject be found by ``texts``, and by nothing it was found by before.

    False when it was indexed so already.
    """
    lines = _lines(texts)
    stored = session.get(SearchText, (subject_kind, subject_id))
    if "\n".join(lines) == (stored.text if stored else ""):
        return False
    before = _pairs_of(stored.sounds) if stored else set()
    if stored is None:
        stored = SearchText(subject_kind=subject_kind, subject_id=subject_id)
        session.add(stored)
    stored.text = "\n".join(lines)
    stored.sounds = "\n".join(" ".join(grams.syllables(line)) for line in lines)
    after = _pairs_of(stored.sounds)
    if not lines:
        session.delete(stored)
    session.flush()
    _replace_pairs(session, subject_kind, subject_id, before - after, after - before)
    return True


def forget(session: Session, subject_kind: str, subject_id: int) -> None:
    """The subject is found no more."""
    index(session, subject_kind, subject_id, ())


def refresh(
    session: Session, subject_kind: str, subject_id: int, others: Iterable[str | None] = ()
) -> bool:
    """Index the subject by its transcripts and by ``others`` (what was typed, a summary).

    Of the transcripts those that people may look for: what the machine heard first and last, in
    words and as it reads, and a person's newest version.
    """
    versions = transcripts.history(session, subject_kind, subject_id)
    heard = [version for version in versions if version.author_id is None]
    written = [version for version in versions if version.author_id is not None]
    texts: list[str | None] = []
    for version in (*written[-1:], *heard[-1:], *heard[:1]):
        texts += [version.text, version.readable]
    return index(session, subject_kind, subject_id, filter(None, (*texts, *others)))


def find(
    session: Session,
    subject_kind: str,
    query: str,
    *,
    by_sound: bool = False,
    limit: int = 50,
    offset: int = 0,
    among: sa.Select[int] | None = None,
) -> list[int]:
    """Ids of subjects that hold ``query``, the highest (newest) first.

    Signs, blanks, width and case do not count. ``by_sound``: also what sounds like it, tones
    aside, written as characters or as pinyin. ``among``: a query of the ids that may be found at
    all. Nothing is found for a query without any character. Raises InvalidInput (field "q") for
    one of more than 100 characters.
    """
    ways = read(query, by_sound=by_sound)
    filed = [pair for way in ways for pair in _rarest(session, subject_kind, way)]
    fitting = _fitting(session, subject_kind, filed, ways, among) if filed else iter(())
    return list(islice(fitting, offset, offset + limit))


def read(query: str, *, by_sound: bool) -> list[Query]:
    """The ways to understand what somebody looks for; none when it holds no character."""
    if len(query) > MAX_QUERY:
        raise InvalidInput(
            N_("Look for at most %(limit)d characters."), field="q", params={"limit": MAX_QUERY}
        )
    return grams.by_sound(query) if by_sound else grams.by_text(query)


@dataclass(frozen=True)
class Hit:
    """Where a text holds the query: ``text[start:end]``."""

    text: str
    start: int
    end: int


def locate(texts: Iterable[str], query: str, *, by_sound: bool) -> Hit | None:
    """The first of ``texts`` that holds the query, and where."""
    ways = read(query, by_sound=by_sound)
    for text in texts:
        plain = grams.plain(text)
        sounds = grams.syllables(plain) if by_sound else [""] * len(plain)
        for way in ways:
            at = way.match(plain, sounds)
            if at is not None:
                places = grams.places(text)
                return Hit(text, places[at], places[at + len(way.wanted) - 1] + 1)
    return None


def _lines(texts: Iterable[str]) -> list[str]:
    """Plain lines without numbers of people, none of them part of another."""
    lines: list[str] = []
    for text in texts:
        for part in _without_numbers(text):
            line = grams.plain(part)
            if line and not any(line in other for other in lines):
                lines = [other for other in lines if other not in line]
                lines.append(line)
    return lines


def _without_numbers(text: str) -> Iterator[str]:
    """What stands before, between and after the numbers of people in ``text``."""
    done = 0
    for start, end, _kind in redact.spans(text):
        yield text[done:start]
        done = max(done, end)
    yield text[done:]


def _pairs_of(sounds: str) -> set[str]:
    return {pair for line in sounds.split("\n") for pair in grams.pairs(line.split())}


def _replace_pairs(
    session: Session, subject_kind: str, subject_id: int, gone: set[str], new: set[str]
) -> None:
    old = sorted(gone)
    for start in range(0, len(old), DELETE_AT_ONCE):
        session.execute(
            sa.delete(TranscriptGram).where(
                TranscriptGram.gram.in_(old[start : start + DELETE_AT_ONCE]),
                TranscriptGram.subject_kind == subject_kind,
                TranscriptGram.subject_id == subject_id,
            )
        )
    if new:
        rows = [
            {"gram": gram, "subject_kind": subject_kind, "subject_id": subject_id}
            for gram in sorted(new)
        ]
        session.execute(sa.insert(TranscriptGram), rows)


def _fitting(
    session: Session,
    kind: str,
    filed: list[Filed],
    ways: list[Query],
    among: sa.Select[int] | None,
) -> Iterator[int]:
    """Ids of subjects that fit one of the ways, the highest first.

    Of those filed under the rarest pairs some are read at a time, by their ids: no planner then
    mistakes a common pair for a rare one, and whoever wants twenty results reads little more.
    """
    by_text = [way for way in ways if not any(place.sounds for place in way.wanted)]
    reading = sa.select(SearchText.subject_id, SearchText.text, SearchText.sounds)
    if by_text == ways:
        reading = sa.select(SearchText.subject_id, SearchText.text, sa.literal(""))
    if among is not None:
        reading = reading.where(SearchText.subject_id.in_(among))
    before: int | None = None
    while ids := _newest(session, kind, filed, before):
        batch = reading.where(SearchText.subject_kind == kind, SearchText.subject_id.in_(ids))
        for subject_id, text, sounds in session.execute(
            batch.order_by(SearchText.subject_id.desc())
        ):
            if any(_fits(way, text, sounds) for way in ways):
                yield subject_id
        before = ids[-1]


def _newest(session: Session, kind: str, filed: list[Filed], before: int | None) -> list[int]:
    """The highest ids below ``before`` filed under one of the pairs."""
    parts = []
    for one in filed:
        some = sa.select(TranscriptGram.subject_id).where(one, TranscriptGram.subject_kind == kind)
        if before is not None:
            some = some.where(TranscriptGram.subject_id < before)
        distinct = some.distinct().order_by(TranscriptGram.subject_id.desc())
        newest = distinct.limit(BATCH).subquery()
        parts.append(sa.select(newest.c.subject_id))
    every = sa.union(*parts).subquery()
    found = sa.select(every.c.subject_id).order_by(every.c.subject_id.desc()).limit(BATCH)
    return list(session.scalars(found))


def _fits(way: Query, text: str, sounds: str) -> bool:
    written = "".join(place.char for place in way.wanted)
    if written and written in text:
        return True
    if not any(place.sounds for place in way.wanted):
        return False
    lines = zip(text.split("\n"), sounds.split("\n"), strict=True)
    return any(way.match(line, heard.split()) is not None for line, heard in lines)


def _rarest(session: Session, kind: str, way: Query) -> list[Filed]:
    """Under what every subject that fits is filed; empty when there is none.

    For a single place: all pairs that begin with its syllable, or end a text with it.
    """
    if not way.pairs:
        return [
            sa.and_(TranscriptGram.gram >= sound, TranscriptGram.gram < sound + "!")
            for sound in way.wanted[0].readings
        ]
    pairs = list(dict.fromkeys(way.pairs))
    counts = session.execute(sa.select(*(_count(kind, pair) for pair in pairs))).one()
    count, rarest = min(zip(counts, pairs, strict=True))
    return [TranscriptGram.gram == gram for gram in rarest] if count else []


def _count(kind: str, pair: tuple[str, ...]) -> sa.ScalarSelect[int]:
    some = (
        sa.select(TranscriptGram.subject_id)
        .where(TranscriptGram.gram.in_(pair), TranscriptGram.subject_kind == kind)
        .limit(COUNT_UP_TO)
        .subquery()
    )
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()
