"""The tables of the box's memory, and what was added to them later."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS play (
    play_id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, starts_at TEXT NOT NULL,
    make_up_until TEXT NOT NULL, priority INTEGER NOT NULL, programme TEXT NOT NULL,
    title TEXT NOT NULL, clip_sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, media_type TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0, blocked TEXT);
CREATE TABLE IF NOT EXISTS receipt (
    seq INTEGER PRIMARY KEY, play_id INTEGER NOT NULL UNIQUE, body TEXT NOT NULL,
    hash TEXT NOT NULL, previous_hash TEXT NOT NULL, signature TEXT NOT NULL,
    acknowledged_at TEXT);
CREATE TABLE IF NOT EXISTS sounded (play_id INTEGER PRIMARY KEY, file TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS paused (
    play_id INTEGER PRIMARY KEY, clip_sha256 TEXT NOT NULL, position_s REAL NOT NULL,
    first_heard_at TEXT NOT NULL, cut_at TEXT NOT NULL, silent_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS command (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, expires_at TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'begun', detail TEXT NOT NULL DEFAULT '',
    told INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS ending (
    play_id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, noted_at TEXT NOT NULL,
    left_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
LATER_PLAY_COLUMNS = {
    "kind": "TEXT NOT NULL DEFAULT 'programme'",
    "volume_percent": "INTEGER NOT NULL DEFAULT 100",
    "on_interrupt": "TEXT NOT NULL DEFAULT 'restart'",
}
"""Added to the memory of a box that was set up before they existed."""
