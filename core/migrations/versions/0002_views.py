"""Read-only views for other systems: no sound, no words, no numbers."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VIEWS = {
    "v_report": """
        SELECT r.reference_no, r.channel, r.state, r.received_at, r.village_code,
               a.name AS village_name, r.duration_ms, r.urgent, r.confidential, r.cut_off
        FROM report r LEFT JOIN area a ON a.code = r.village_code
    """,
    "v_case": """
        SELECT c.case_no, c.service_code, c.level, c.urgent, c.confidential, c.status,
               c.village_code, a.name AS village_name, c.cycle_no, c.verification_outcome,
               c.created_at
        FROM case_file c LEFT JOIN area a ON a.code = c.village_code
    """,
    "v_play": """
        SELECT p.id AS play_id, p.area_code AS village_code, a.name AS village_name,
               g.name AS programme, e.number AS episode_number, e.title AS episode_title,
               p.local_date, p.starts_at, p.state, p.reason, p.started_at, p.ended_at,
               p.start_error_ms
        FROM play p
        JOIN area a ON a.code = p.area_code
        JOIN slot s ON s.id = p.slot_id
        JOIN programme g ON g.id = s.programme_id
        LEFT JOIN episode e ON e.id = p.episode_id
    """,
}


def upgrade() -> None:
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
