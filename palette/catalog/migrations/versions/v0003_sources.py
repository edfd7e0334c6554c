"""Sources are in the definitions of their groups alone; nothing read their table."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Drop the table."""
    op.drop_table("sources")
