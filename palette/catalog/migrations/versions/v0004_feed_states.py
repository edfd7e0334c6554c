"""The state of a feed is a row, instead of watermarks whose names carry a prefix."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BACKFILL, TABLE = "backfill:", "table:"
COLUMNS = {"offline": "watermark", "computed until": "computed_until", "events since": "events_since"}

metadata = sa.MetaData()

watermarks = sa.Table(
    "watermarks",
    metadata,
    sa.Column("group_name", sa.Text, primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.DateTime, nullable=False),
    sa.Column("updated", sa.DateTime, nullable=False),
)

feed_states = sa.Table(
    "feed_states",
    metadata,
    sa.Column("group_name", sa.Text, primary_key=True),
    sa.Column("watermark", sa.DateTime),
    sa.Column("computed_until", sa.DateTime),
    sa.Column("events_since", sa.DateTime),
    sa.Column("table_id", sa.Text),
    sa.Column("backfills", sa.Text, nullable=False),
    sa.Column("updated", sa.DateTime, nullable=False),
)


def upgrade() -> None:
    """Carry the watermarks over."""
    connection = op.get_bind()
    feed_states.create(connection)
    # In the order of their writes: of several tables the one that was written last remains.
    marks = connection.execute(sa.select(watermarks).order_by(watermarks.c.updated)).mappings().all()
    states: dict[str, dict[str, Any]] = defaultdict(lambda: {**dict.fromkeys(COLUMNS.values()), "table_id": None})
    backfills: dict[str, dict[str, str]] = defaultdict(dict)
    for mark in marks:
        group, name = mark["group_name"], mark["name"]
        state = states[group]
        state["updated"] = mark["updated"]
        if name.startswith(BACKFILL):
            backfills[group][name.removeprefix(BACKFILL)] = mark["value"].isoformat()
        elif name.startswith(TABLE):
            state["table_id"] = name.removeprefix(TABLE)
        elif name in COLUMNS:
            state[COLUMNS[name]] = mark["value"]
    rows = [
        {**state, "group_name": group, "backfills": json.dumps(backfills[group])} for group, state in states.items()
    ]
    if rows:
        connection.execute(feed_states.insert(), rows)
    op.drop_table("watermarks")
