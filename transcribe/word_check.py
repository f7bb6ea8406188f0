"""Which local words the speech model can hear: what is not in its vocabulary it never writes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core import areas, outbox
from core.clock import utc_now
from core.database import Database
from core.settings import Settings
from transcribe import catalogue
from transcribe.catalogue import InstalledModel
from transcribe.models import LocalTerm
from transcribe.vocabulary import MAX_CHARACTERS

Piece = tuple[str, bool]
"""A part of a word, and whether the model has it as a word of its own."""

KnownWords = Callable[[Sequence[str]], dict[str, bool]]
EVERYTHING_EACH_S = 60.0
AT_ONCE = 200
LONGEST_WORD = 12
"""No word of a Chinese model is longer; a longer piece need not be asked for."""

log = structlog.get_logger("transcribe.word_check")


def segment(term: str, known: Collection[str]) -> list[Piece]:
    """The word cut into words of the vocabulary: as much of it as can be, in the fewest pieces.

    What no word covers is a piece that is not known.
    """
    best: list[tuple[int, int, list[Piece]]] = [(0, 0, [])]
    for end in range(1, len(term) + 1):
        lacking, count, pieces = best[end - 1]
        ways = [(lacking + 1, count + 1, _lacking(pieces, term[end - 1]))]
        for start in range(max(0, end - LONGEST_WORD), end):
            if term[start:end] in known:
                lacking, count, pieces = best[start]
                ways.append((lacking, count + 1, [*pieces, (term[start:end], True)]))
        best.append(min(ways, key=lambda way: way[:2]))
    return best[-1][2]


def _lacking(pieces: list[Piece], char: str) -> list[Piece]:
    if pieces and not pieces[-1][1]:
        return [*pieces[:-1], (pieces[-1][0] + char, False)]
    return [*pieces, (char, False)]


def spellings(terms: Iterable[str]) -> list[str]:
    """Every part of the words that a model may know as a word of its own."""
    return sorted(
        {
            term[start:end]
            for term in terms
            for start in range(len(term))
            for end in range(start + 1, min(start + LONGEST_WORD, len(term)) + 1)
        }
    )


def bring_villages(session: Session) -> None:
    """Have a word for each village of the areas, under its present name."""
    villages = {
        area.code: area.name for area in areas.villages(session) if len(area.name) <= MAX_CHARACTERS
    }
    rows = session.scalars(sa.select(LocalTerm).where(LocalTerm.added_by_id.is_(None)))
    for row in list(rows):
        if villages.get(row.area_code) != row.text:
            session.delete(row)
    session.flush()
    there = set(session.execute(sa.select(LocalTerm.area_code, LocalTerm.text)).tuples())
    for code, name in villages.items():
        if (code, name) not in there:
            session.add(LocalTerm(area_code=code, kind="village", text=name, created_at=utc_now()))


def lacking_count(session: Session, area_codes: Collection[str]) -> int:
    """How many words of these areas their model cannot hear."""
    return session.scalar(
        sa.select(sa.func.count()).where(
            LocalTerm.area_code.in_(area_codes), LocalTerm.unknown_to.is_not(None)
        )
    ) or 0  # fmt: skip


class WordCheck:
    """Looks up words in the models of their areas, some whenever a worker has nothing to do."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._everything_at = 0.0

    def run_due(self, known_words_of: Callable[[InstalledModel], KnownWords]) -> int:
        """Look up new words, and once a minute those whose model changed; returns how many."""
        everything = time.monotonic() >= self._everything_at
        if everything:
            self._everything_at = time.monotonic() + EVERYTHING_EACH_S
            self._bring_villages()
        looked_up = 0
        with self._database.read() as session:
            pending = self._pending(session, everything=everything)
        for model, terms in pending.items():
            asked = spellings(term.text for term in terms)
            known = {word for word, is_known in known_words_of(model)(asked).items() if is_known}
            with self._database.write() as session:
                for term in terms:
                    _store(session, term, model, segment(term.text, known))
                outbox.emit(session, "words.checked")
            looked_up += len(terms)
            log.info("looked up local words", model=model.name, words=len(terms))
        return looked_up

    def _bring_villages(self) -> None:
        try:
            with self._database.write() as session:
                bring_villages(session)
        except sa.exc.IntegrityError:
            return  # another worker does it this moment

    def _pending(
        self, session: Session, *, everything: bool
    ) -> dict[InstalledModel, list[LocalTerm]]:
        query = sa.select(LocalTerm).order_by(LocalTerm.id)
        if not everything:
            query = query.where(LocalTerm.known_to.is_(None), LocalTerm.unknown_to.is_(None))
        models: dict[str, InstalledModel] = {}
        pending: dict[InstalledModel, list[LocalTerm]] = defaultdict(list)
        for term in session.scalars(query):
            if term.area_code not in models:
                upward = areas.upward(session, term.area_code)
                models[term.area_code] = catalogue.choice_for(self._settings, upward, None)
            model = models[term.area_code]
            if model.tree_hash not in (term.known_to, term.unknown_to):
                pending[model].append(term)
            if sum(map(len, pending.values())) == AT_ONCE:
                self._everything_at = 0.0
                break
        return pending


def _store(session: Session, term: LocalTerm, model: InstalledModel, pieces: list[Piece]) -> None:
    """Keep what was found, unless the word was changed meanwhile."""
    hears_all = all(is_known for _, is_known in pieces)
    session.execute(
        sa.update(LocalTerm)
        .where(LocalTerm.id == term.id, LocalTerm.text == term.text)
        .values(
            pieces=[list(piece) for piece in pieces],
            known_to=model.tree_hash if hears_all else None,
            unknown_to=None if hears_all else model.tree_hash,
        )
    )
