"""What the hotline's tests share: silent prompts, a factory, an importer, numbers to give out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cases import references
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.ask import ask
from hotline.conversation import ConversationFactory
from hotline.importer import Importer
from hotline.journal import spool_of
from hotline.number_block import NumberBlock
from hotline.office import Office
from hotline.prompt_sound import wav_bytes
from hotline.prompt_texts import ALL_IDS
from hotline.prompts import Prompts, PromptSet


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    """One short silent file for each prompt, in two languages."""
    return Prompts({name: _silent(tmp_path / name, f"test-{name}") for name in ("zh_CN", "en")})


def _silent(folder: Path, consent_version: str) -> PromptSet:
    folder.mkdir()
    paths = {prompt_id: folder / f"{prompt_id}.wav" for prompt_id in ALL_IDS}
    for path in paths.values():
        path.write_bytes(wav_bytes(bytes(320)))
    return PromptSet(paths, consent_version)


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
def office(database: Database, config: Settings) -> Iterator[Office]:
    """An office at work."""
    desk = Office(database, config)
    working = threading.Thread(target=desk.run_forever)
    working.start()
    while asyncio.run(ask(config, "ping")) is None:
        threading.Event().wait(0.02)
    yield desk
    desk.stop()
    working.join(10)
    assert not working.is_alive()


@pytest.fixture
def spool(config: Settings) -> Path:
    """Where calls leave their journals."""
    return spool_of(config)
