"""Search over 20,000 transcripts: time a query and size of the index, against plain LIKE scans.

The same texts and queries on SQLite and on a PostgreSQL of the benchmark's own; the peer is
``LIKE '%…%'`` over the same plain texts, newest first, as many results. Both must find the same.
Targets: all queries together and the slow ones (95th percentile) in at most half of the scan's
time, because the scan grows with the texts and the index hardly does; an index of at most 30 kB
for a report: 200 characters are 45 s of speech, 720 kB of sound that is kept beside it.
``--quick``: 2,000 texts, where a scan costs little: right results, and at most 6 times its time.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.harness import Figure, Result, result
from core import migrate
from core.database import Database
from tests.postgres import Postgres
from transcribe import domain, grams, search
from transcribe.models import SearchText, TranscriptGram

TEXTS, QUICK_TEXTS = 20_000, 2_000
QUERIES, QUICK_QUERIES = 150, 40
LIMIT = 20
TIMED = 200
"""So many texts are indexed one by one, as the product does it."""

ROUNDS = 3
SEED = 20_261_124
TARGETS = {
    "same_results_share": "== 1.0",
    "time_to_like": "<= 0.5",
    "p95_to_like": "<= 0.5",
    "index_kb_per_text": "<= 30",
}
QUICK_TARGETS = {"same_results_share": "== 1.0", "time_to_like": "<= 6"}
SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董"
GIVEN = "国强建军秀英桂兰小明志丽华玉梅海涛春花大永福淑珍文德贵财宝金银根生土水火木林森"
NATURE = "石桃柳竹茶溪潭坪岭湾沟塘洼坡垭坳冲峪岗台"
FILLING = (
    "这个事情", "大概", "从上个月开始", "我们去问过", "他们说不归他们管", "后来", "到现在",
    "家里只有老人", "晚上看不见路", "下雨就更麻烦", "说了好几遍", "没有人来", "村里人都知道",
    "我给你们打过电话", "已经拖了半年",
)  # fmt: skip

Find = Callable[[Session, str, bool], list[int]]
"""(session, query, by sound) -> the newest LIMIT ids."""


def run(quick: bool) -> Result:
    """The benchmark; some 10 minutes, ``quick`` under one."""
    count, asked = (QUICK_TEXTS, QUICK_QUERIES) if quick else (TEXTS, QUERIES)
    return measure(count, asked, QUICK_TARGETS if quick else TARGETS)


def measure(
    count: int,
    asked: int,
    targets: dict[str, str],
    *,
    find: Find | None = None,
    kinds: Sequence[str] = ("sqlite", "postgresql"),
) -> Result:
    """Fill a database of each kind and ask. ``find`` replaces the product."""
    texts = corpus(count)
    figures: dict[str, Figure] = {"texts": count, "queries": asked, "limit": LIMIT}
    judged: dict[str, str] = {}
    for kind in kinds:
        if kind == "postgresql" and not _has_postgres():
            return result("search", figures, targets, invalid="PostgreSQL is not installed")
        with _database(kind) as database:
            figures |= _named(kind, _fill(database, texts))
            figures |= _named(kind, _ask(database, queries(texts, asked), find or product))
        judged |= {f"{kind}_{name}": target for name, target in targets.items()}
    return result("search", figures, judged)


def product(session: Session, query: str, by_sound: bool) -> list[int]:
    """What the pages ask."""
    return search.find(session, "report", query, by_sound=by_sound, limit=LIMIT)


def like(session: Session, query: str, by_sound: bool) -> list[int]:
    """The peer: a scan over the plain texts, or over their sounds."""
    column = SearchText.sounds if by_sound else SearchText.text
    wanted = " ".join(grams.syllables(query)) if by_sound else query
    found = sa.select(SearchText.subject_id).where(column.like(f"%{wanted}%"))
    return list(session.scalars(found.order_by(SearchText.subject_id.desc()).limit(LIMIT)))


def corpus(count: int) -> list[str]:
    """Transcripts of 100 to 300 characters, the same ones each time."""
    dice = random.Random(SEED)
    said = [*domain.sentences(), *FILLING * 12]
    return [_transcript(dice, said) for _ in range(count)]


def _transcript(dice: random.Random, said: Sequence[str]) -> str:
    length, text = dice.randint(100, 300), ""
    while len(text) < length:
        person = dice.choice(SURNAMES) + "".join(dice.choices(GIVEN, k=dice.choice((1, 2))))
        village = "".join(dice.choices(NATURE, k=2)) + "村"
        text += dice.choice((village, person, "", "", "")) + dice.choice(said)
    return text[:length]


def queries(texts: Sequence[str], count: int) -> list[str]:
    """Two to four characters: most as they stand somewhere, some that hardly stand anywhere."""
    dice = random.Random(SEED + 1)
    asked = []
    for number in range(count):
        text, length = dice.choice(texts), dice.randint(2, 4)
        start = dice.randrange(len(text) - length)
        rare = "".join(dice.choices(GIVEN + NATURE, k=2))
        asked.append(rare if number % 3 == 2 else text[start : start + length])
    return asked


def _fill(database: Database, texts: Sequence[str]) -> dict[str, Figure]:
    """All but the last texts at once; the last ones as the product does it, to be timed."""
    last = texts[-TIMED:]
    with database.write() as session:
        connection = session.connection()
        _insert(connection, texts[:-TIMED], is_sqlite=database.is_sqlite)
    began = time.perf_counter()
    for number, text in enumerate(last, len(texts) - TIMED + 1):
        with database.write() as session:
            search.index(session, "report", number, [text])
    took_s = time.perf_counter() - began
    _settle(database)
    with database.engine.connect() as connection:
        pairs = connection.scalar(sa.select(sa.func.count()).select_from(TranscriptGram)) or 0
        index_bytes = _index_bytes(connection, database)
    text_bytes = sum(len(text.encode()) for text in texts)
    return {
        "index_ms_per_text": round(took_s * 1000 / len(last), 2),
        "pairs_per_text": round(pairs / len(texts), 1),
        "index_kb_per_text": round(index_bytes / 1e3 / len(texts), 1),
        "index_mb": round(index_bytes / 1e6, 1),
        "text_mb": round(text_bytes / 1e6, 1),
    }


def _settle(database: Database) -> None:
    """What PostgreSQL's autovacuum and SQLite's planner have done after a while."""
    with database.engine.connect() as opened:
        if database.is_sqlite:
            opened.execute(sa.text("ANALYZE"))
            opened.commit()
            return
        connection = opened.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.text("VACUUM ANALYZE transcript_gram, search_text"))


def _insert(connection: sa.Connection, texts: Sequence[str], *, is_sqlite: bool) -> None:
    stored, pairs = [], []
    for number, text in enumerate(texts, 1):
        plain = grams.plain(text)
        sounds = grams.syllables(plain)
        stored.append(("report", number, plain, " ".join(sounds)))
        pairs += [(pair, "report", number) for pair in sorted(grams.pairs(sounds))]
    for table, rows in ((SearchText, stored), (TranscriptGram, pairs)):
        driver = connection.connection.cursor()
        if is_sqlite:
            marks = ",".join("?" * len(rows[0]))
            driver.executemany(f"INSERT INTO {table.__tablename__} VALUES ({marks})", rows)
            continue
        with driver.copy(f"COPY {table.__tablename__} FROM STDIN") as copying:
            for row in rows:
                copying.write_row(row)


def _index_bytes(connection: sa.Connection, database: Database) -> int:
    """Pairs, plain texts and their sounds, with all that the database needs for them."""
    if database.is_sqlite:
        return Path(str(database.url.database)).stat().st_size
    tables = [f"{database.schema}.{name}" for name in ("transcript_gram", "search_text")]
    size = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
    return sum(connection.execute(size, {"name": name}).scalar_one() for name in tables)


def _ask(database: Database, asked: Sequence[str], find: Find) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    same = 0
    for by_sound, prefix in ((False, ""), (True, "sound_")):
        ours: list[float] = []
        peers: list[float] = []
        for number, query in enumerate(asked):
            turns: list[tuple[Find, list[float]]] = [(find, ours), (like, peers)]
            for one, times in turns if number % 2 == 0 else reversed(turns):
                times.append(_median_ms(database, one, query, by_sound))
            if not by_sound:
                with database.read() as session:
                    same += find(session, query, False) == like(session, query, False)
        figures |= {
            f"{prefix}p50_ms": round(statistics.median(ours), 2),
            f"{prefix}p95_ms": round(_p95(ours), 2),
            f"{prefix}like_p50_ms": round(statistics.median(peers), 2),
            f"{prefix}like_p95_ms": round(_p95(peers), 2),
            f"{prefix}time_to_like": round(sum(ours) / sum(peers), 3),
            f"{prefix}p95_to_like": round(_p95(ours) / _p95(peers), 3),
        }
    return figures | {"same_results_share": round(same / len(asked), 4)}


def _median_ms(database: Database, find: Find, query: str, by_sound: bool) -> float:
    times = []
    for _ in range(ROUNDS):
        with database.read() as session:
            session.connection()
            began = time.perf_counter()
            find(session, query, by_sound)
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _named(kind: str, figures: dict[str, Figure]) -> dict[str, Figure]:
    return {f"{kind}_{name}": figure for name, figure in figures.items()}


def _has_postgres() -> bool:
    folders = [str(one) for one in Path("/usr/lib/postgresql").glob("*/bin")]
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    return shutil.which("initdb", path=path) is not None


@contextmanager
def _database(kind: str) -> Iterator[Database]:
    """An empty database of the benchmark's own with the tables that search needs."""
    with tempfile.TemporaryDirectory(prefix="xy-bench-") as folder:
        server = Postgres() if kind == "postgresql" else None
        url = server.new_database() if server else f"sqlite:///{folder}/bench.db"
        database = Database(url)
        try:
            migrate.import_all_models()
            with database.engine.begin() as connection:
                if server:
                    connection.execute(sa.schema.CreateSchema(database.schema))
                tables = [SearchText.__table__, TranscriptGram.__table__]
                SearchText.metadata.create_all(connection, tables=tables)  # type: ignore[arg-type]
            yield database
        finally:
            database.close()
            if server:
                server.remove()
