"""The first tables, and the full-text index beside them."""

from __future__ import annotations

import uuid

from alembic import op
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0001"
down_revision = None

metadata = MetaData()

Table(
    "catalog_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("identity", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
)

Table(
    "entities",
    metadata,
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

Table(
    "feature_groups",
    metadata,
    Column("name", Text, primary_key=True),
    Column("entity", Text, ForeignKey("entities.name"), nullable=False, index=True),
    Column("definition", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

Table(
    "sources",
    metadata,
    Column("group_name", Text, ForeignKey("feature_groups.name", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("schedule", Text),
    Column("definition", Text, nullable=False),
)

features = Table(
    "features",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("entity", Text, nullable=False, index=True),
    Column("group_name", Text, ForeignKey("feature_groups.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("expression", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("owner", Text, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("curated", Boolean, nullable=False, default=False),
    Column("deprecated", Text),
    Column("stars", Float),
    Column("uses", Integer, nullable=False, default=0),
    Column("worth", Float, nullable=False, default=1.0),
    Column("words", Text().with_variant(TSVECTOR, "postgresql")),
)

Index("features_by_worth", features.c.worth.desc(), features.c.name)
Index("features_by_kind", features.c.kind, features.c.worth.desc(), features.c.name)
Index("features_by_curated", features.c.curated, features.c.worth.desc(), features.c.name)

Table(
    "feature_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("feature", Integer, ForeignKey("features.id", ondelete="CASCADE"), primary_key=True, index=True),
)

Table(
    "definition_versions",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("action", String(16), nullable=False),
    Column("definition", Text),
    Column("who", Text, nullable=False),
    Column("at", DateTime, nullable=False),
)

Table(
    "marks",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("text", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", DateTime, nullable=False),
)

Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text, nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", DateTime, nullable=False),
)

Table(
    "ratings",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("stars", Integer, nullable=False),
    Column("at", DateTime, nullable=False),
)

Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("stage", String(16), nullable=False),
    Column("uri", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", DateTime, nullable=False),
)

Table(
    "model_features",
    metadata,
    Column("feature", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("importance", Float),
    Index("model_features_by_model", "model", "feature"),
)

Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("started", DateTime, nullable=False),
    Column("ended", DateTime),
    Column("who", Text, nullable=False),
    Column("details", Text, nullable=False),
    Index("runs_by_subject", "subject", "started"),
)

Table(
    "watermarks",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", DateTime, nullable=False),
    Column("updated", DateTime, nullable=False),
)

Table(
    "feature_statistics",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("taken", DateTime, nullable=False),
    Column("content", Text, nullable=False),
)

Table(
    "pins",
    metadata,
    Column("name", Text, primary_key=True),
    Column("group_name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)


def upgrade() -> None:
    """Make the tables, and the index in the manner of the database."""
    connection = op.get_bind()
    metadata.create_all(connection, checkfirst=False)
    state = metadata.tables["catalog_state"]
    connection.execute(state.insert().values(id=1, identity=uuid.uuid4().hex, revision=0))
    if connection.dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE feature_words USING fts5(names, tags, description, prefix='2 3 4')")
    else:
        op.execute("CREATE INDEX features_by_word ON features USING gin (words)")
