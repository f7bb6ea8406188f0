"""Sentences of texts that were deleted leave the areas' language models, rows and files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import Database, claimed
from core.settings import Settings
from transcribe import catalogue, grammar, grammar_text
from transcribe.catalogue import InstalledModel
from transcribe.models import AreaGrammar, Transcript

Changed = dict[str, object]


def forget_deleted(database: Database, settings: Settings) -> int:
    """Keep what our own sentences, taught words and texts that are still there account for.

    Returns how many grammars lost sentences. What was measured stays in the row: it tells about
    the grammar as it was. One whose speech model is gone loses all and is used no more.
    """
    models = _models(settings)
    with database.read() as session:
        rows = [row for row in session.scalars(sa.select(AreaGrammar)) if row.sentences]
        texts = list(
            session.scalars(sa.select(Transcript.text).where(Transcript.author_id.is_not(None)))
        )
        left = [(row, _left(session, row, texts, models.get(row.model_hash))) for row in rows]
    changed = 0
    for row, values in left:
        if values is not None:
            changed += _change(database, row, values)
    _remove_unnamed(database, settings.folder("grammars"))
    return changed


def _models(settings: Settings) -> dict[str, InstalledModel]:
    known = [catalogue.current(settings), *catalogue.installed(settings)]
    return {model.tree_hash: model for model in known}


def _left(
    session: Session, row: AreaGrammar, texts: list[str], model: InstalledModel | None
) -> Changed | None:
    """What to write into the row; None when it holds nothing of deleted texts."""
    if model is None or not grammar_text.takes_grammar(model.path):
        return {
            "sentences": [], "sha256": "", "note": None, "active": False,
            "state": grammar.OUTDATED,
        }  # fmt: skip
    known = grammar_text.vocabulary(model.path)
    sources = [*grammar.texts(session, row.area_code, []), *texts]
    accounted = grammar_text.cut(sources, known, at_most=None).sentences
    allowed = frozenset(accounted)
    sentences = [sentence for sentence in row.sentences if sentence in allowed]
    if len(sentences) == len(row.sentences):
        return None
    content = grammar.file_bytes(sentences, model)
    return {
        "sentences": sentences, "note": None, "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip


def _change(database: Database, row: AreaGrammar, values: Changed) -> bool:
    with database.write() as session:
        return claimed(
            session.execute(
                sa.update(AreaGrammar)
                .where(AreaGrammar.id == row.id, AreaGrammar.sha256 == row.sha256)
                .values(**values)
            )
        )


def _remove_unnamed(database: Database, folder: Path) -> None:
    """Files first, then the rows: one that is written meanwhile is not among the files."""
    files = list(folder.glob("*.json"))
    with database.read() as session:
        named = set(session.scalars(sa.select(AreaGrammar.sha256)))
    for path in files:
        if path.stem not in named:
            path.unlink(missing_ok=True)
