"""What feeds need: locks, and up to where an online store was filled."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, String, Table, Text

revision = "0002"
down_revision = "0001"

metadata = MetaData()

Table(
    "locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token", String(32), nullable=False),
    Column("who", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),
    Column("since", DateTime, nullable=False),
    Column("heartbeat", DateTime, nullable=False),
)

Table(
    "dispersals",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("left_from", DateTime),
    Column("updated", DateTime, nullable=False),
)


def upgrade() -> None:
    """Make the tables."""
    metadata.create_all(op.get_bind(), checkfirst=False)
