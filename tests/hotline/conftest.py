"""What the hotline's tests share: silent prompts, a factory, an importer, numbers to give out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import references
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.conversation import ConversationFactory
from hotline.importer import Importer
from hotline.journal import spool_of
from hotline.number_block import NumberBlock
from hotline.prompt_texts import ALL_IDS
from hotline.prompts import Prompts, wav_bytes


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    """One short silent file for each prompt."""
    folder = tmp_path / "spoken"
    folder.mkdir()
    paths = {prompt_id: folder / f"{prompt_id}.wav" for prompt_id in ALL_IDS}
    for path in paths.values():
        path.write_bytes(wav_bytes(bytes(320)))
    return Prompts(paths, "test-1")


@pytest.fixture
def numbers(config: Settings) -> NumberBlock:
    """A block with thirty numbers (valid ones, unknown to the database)."""
    block = NumberBlock.from_settings(config)
    bodies = [f"{12340000 + step:08d}" for step in range(30)]
    block.add([body + references.check_digit(body) for body in bodies])
    return block


@pytest.fixture
def factory(
    config: Settings, sealer: Sealer, prompts: Prompts, numbers: NumberBlock
) -> ConversationFactory:
    """Answers fake calls."""
    return ConversationFactory(config, sealer, prompts)


@pytest.fixture
def importer(database: Database, store: BlobStore, sealer: Sealer, config: Settings) -> Importer:
    """The importer of this test's database."""
    return Importer(database, store, sealer, config)


@pytest.fixture
def spool(config: Settings) -> Path:
    """Where calls leave their journals."""
    return spool_of(config)
