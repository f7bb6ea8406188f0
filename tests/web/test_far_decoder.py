"""A decoder on another machine: the database is shared, the sound comes by HTTPS with a token."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from core import auth
from core.blobs import BlobStore
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.models import AuditEntry, User
from core.settings import Settings
from recordings import sound, speech
from tests.conftest import ROOT
from tests.transcribe.working import ask, state, text, wait_for
from tests.web.conftest import Clients
from transcribe.models import TranscriptionJob
from transcribe.sounds import Sounds, SoundUnreachable
from web import tls


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence as the decoder takes it."""
    folder = tmp_path_factory.mktemp("spoken")
    speech.render("我家停水两天了", folder / "raw.wav")
    sound.to_wav(folder / "raw.wav", folder / "wide.wav", rate_hz=16_000)
    return folder / "wide.wav"


def token(database: Database, *roles: str) -> str:
    with database.write() as session:
        user = auth.create_user(session, "far", "far", "a long password", list(roles), None)
        return auth.issue_token(session, user, "far decoder")


def stored(database: Database, store: BlobStore, data: bytes, *, waits: bool = True) -> str:
    path = store.folder / "sent"
    path.write_bytes(data)
    ask(database, store, 1, path)
    sha256 = store.put_bytes(data)
    if not waits:
        with database.write() as session:
            session.execute(sa.update(TranscriptionJob).values(state="done"))
    return sha256


@pytest.fixture
def fetch(app: FastAPI) -> Callable[[str, str], int]:
    def one(bearer: str, sha256: str) -> int:
        browser = TestClient(app, base_url="https://testserver")
        headers = {"authorization": f"Bearer {bearer}"}
        return browser.get(f"/api/v1/blobs/{sha256}", headers=headers).status_code

    return one


def test_a_decoders_token_fetches_what_waits_for_words_and_it_is_written_down(
    database: Database, store: BlobStore, fetch: Callable[[str, str], int]
) -> None:
    sha256, bearer = stored(database, store, b"sound"), token(database, "decoder")
    assert fetch(bearer, sha256) == 200
    with database.read() as session:
        entry = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.actor, entry.action, entry.detail) == ("far", "sound.fetched", {"sha256": sha256})


def test_what_waits_for_no_words_is_not_there(
    database: Database, store: BlobStore, fetch: Callable[[str, str], int]
) -> None:
    sha256 = stored(database, store, b"sound", waits=False)
    bearer = token(database, "decoder")
    assert fetch(bearer, sha256) == 404
    assert fetch(bearer, "0" * 64) == 404
    assert fetch(bearer, "..%2f..%2fsecret") == 404


def test_a_token_fetches_nothing_before_its_person_chose_a_password(
    database: Database, store: BlobStore, fetch: Callable[[str, str], int]
) -> None:
    sha256, bearer = stored(database, store, b"sound"), token(database, "decoder")
    with database.write() as session:
        session.execute(sa.update(User).values(must_change_password=True))
    assert fetch(bearer, sha256) == 403


@pytest.mark.parametrize("role", [role for role in auth.ROLES if role != "decoder"])
def test_nobody_elses_token_fetches_sounds_an_administrators_least(
    database: Database, store: BlobStore, fetch: Callable[[str, str], int], role: str
) -> None:
    assert fetch(token(database, role), stored(database, store, b"sound")) == 403


def test_a_browser_of_the_decoders_account_fetches_nothing(
    database: Database, store: BlobStore, client: Clients, cast: dict[str, int]
) -> None:
    sha256 = stored(database, store, b"sound")
    with database.write() as session:
        session.get_one(User, cast["operator"]).roles = ["decoder"]
    assert client("operator").get(f"/api/v1/blobs/{sha256}").status_code == 403


@pytest.mark.parametrize(
    ("url", "bearer", "field"),
    [("http://server", "t", "server_url"), ("ftp://x", "t", "server_url"),
     ("https://server", "", "worker_token")],
)  # fmt: skip
def test_settings_that_would_send_voices_in_the_open_are_refused(
    store: BlobStore, url: str, bearer: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Sounds(store, url, bearer)
    assert refused.value.field == field


class Server:
    """``server.py web`` on a free port, with PostgreSQL and an own certificate."""

    def __init__(self, config: Settings, database: Database, log: Path) -> None:
        self.url = f"https://localhost:{config.web_port}"
        self.trust = Path(config.data_dir) / "tls" / "ca.pem"
        tls.ensure(config)
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "server.py", "web"],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=out,
                env={
                    **os.environ,
                    "XIANGYIN_DATABASE_URL": database.url.render_as_string(hide_password=False),
                    "XIANGYIN_WEB_PORT": str(config.web_port),
                    "XIANGYIN_GUIDE_PORT": "0",
                    "XIANGYIN_WEB_HOST": "127.0.0.1",
                },
            )  # fmt: skip
        assert self.popen.stdout is not None
        assert b"READY" in self.popen.stdout.readline(), log.read_text()

    def stop(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        assert self.popen.stdout is not None
        self.popen.stdout.close()


@pytest.fixture
def server(config: Settings, database: Database, tmp_path: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = config.model_copy(update={"web_port": port})
    running = Server(own, database, tmp_path / "web.log")
    yield running
    running.stop()


def far_worker(
    server: Server, database: Database, home: Path, bearer: str
) -> subprocess.Popen[bytes]:
    """A worker with its own data folder: another machine but for the processor."""
    home.mkdir()
    shutil.copy(server.trust, home / "ca.pem")
    return subprocess.Popen(
        [sys.executable, "-m", "transcribe", "worker", "--name", "far-1"],
        cwd=ROOT, stdout=subprocess.PIPE,
        env={
            **os.environ,
            "XIANGYIN_DATA_DIR": str(home / "var"),
            "XIANGYIN_DATABASE_URL": database.url.render_as_string(hide_password=False),
            "XIANGYIN_SERVER_URL": server.url,
            "XIANGYIN_WORKER_TOKEN": bearer,
            "SSL_CERT_FILE": str(home / "ca.pem"),
        },
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.real("postgresql")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_worker_with_another_data_folder_writes_the_words_and_keeps_no_sound(
    server: Server, database: Database, store: BlobStore, tmp_path: Path, spoken: Path
) -> None:
    number = ask(database, store, 1, spoken)
    home = tmp_path / "far"
    worker = far_worker(server, database, home, token(database, "decoder"))
    try:
        wait_for(lambda: state(database, number) in ("done", "failed"), "the far decoder")
        with database.read() as session:
            job = session.get_one(TranscriptionJob, number)
        assert (job.state, job.worker, job.failure_detail) == ("done", "far-1", None)
        assert text(database, 1)
    finally:
        worker.kill()
        worker.wait()
        assert worker.stdout is not None
        worker.stdout.close()
    kept = [path for path in (home / "var").rglob("*") if path.is_file() and path.stat().st_size]
    assert [
        path.name for path in kept if path.suffix in (".wav", ".fetched") or len(path.name) == 64
    ] == []


@pytest.mark.slow
@pytest.mark.real("postgresql")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_the_server_gives_is_checked_and_its_refusal_has_a_name(
    server: Server,
    database: Database,
    store: BlobStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trust))
    here = BlobStore(tmp_path / "here")
    sha256 = stored(database, store, b"sound")
    sounds = Sounds(here, server.url, token(database, "decoder"))
    with sounds.lent(sha256, tmp_path) as path:
        assert path.read_bytes() == b"sound"
    assert not path.exists()
    store.path(sha256).write_bytes(b"other")
    with pytest.raises(SoundUnreachable, match="other bytes"), sounds.lent(sha256, tmp_path):
        pass
    with pytest.raises(NotFound), sounds.lent("0" * 64, tmp_path):
        pass
    stranger = Sounds(here, server.url, "xy_wrong")
    refused = pytest.raises(SoundUnreachable, match="XIANGYIN_WORKER_TOKEN")
    with refused, stranger.lent(sha256, tmp_path):
        pass
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    with pytest.raises(SoundUnreachable), Sounds(here, server.url, "t").lent(sha256, tmp_path):
        pass
