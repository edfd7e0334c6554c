"""Tables of the catalog; a change needs a migration, and a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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

__all__ = [
    "dispersals",
    "entities",
    "features",
    "feed_states",
    "groups",
    "locks",
    "marks",
    "metadata",
    "model_features",
    "models",
    "notes",
    "pins",
    "ratings",
    "runs",
    "state",
    "statistics",
    "tags",
    "versions",
]

metadata = MetaData()

# One row: the identity of the catalog, and a revision of its definitions. Writers lock it.
state = Table(
    "catalog_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("identity", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
)

entities = Table(
    "entities",
    metadata,
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

groups = Table(
    "feature_groups",
    metadata,
    Column("name", Text, primary_key=True),
    Column("entity", Text, ForeignKey("entities.name"), nullable=False, index=True),
    Column("definition", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

# The search index, derived from groups, marks and models. Words are in a separate table on SQLite (FTS5), and in a
# column on PostgreSQL, which ranks a row without a join.
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
# So that a filter that few features match does not scan all of them.
Index("features_by_kind", features.c.kind, features.c.worth.desc(), features.c.name)
Index("features_by_curated", features.c.curated, features.c.worth.desc(), features.c.name)

tags = Table(
    "feature_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("feature", Integer, ForeignKey("features.id", ondelete="CASCADE"), primary_key=True, index=True),
)

versions = Table(
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

# Subjects are names: an entity, entity:group or entity:group:feature.
marks = Table(
    "marks",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("text", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", DateTime, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text, nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", DateTime, nullable=False),
)

ratings = Table(
    "ratings",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("stars", Integer, nullable=False),
    Column("at", DateTime, nullable=False),
)

models = Table(
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

model_features = Table(
    "model_features",
    metadata,
    Column("feature", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("importance", Float),
    Index("model_features_by_model", "model", "feature"),
)

runs = Table(
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

# How far the feed of a group has come; backfills is JSON, a checksum of range and source to the time of an interrupted
# backfill.
feed_states = Table(
    "feed_states",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("watermark", DateTime),
    Column("computed_until", DateTime),
    Column("events_since", DateTime),
    Column("table_id", Text),
    Column("backfills", Text, nullable=False),
    Column("updated", DateTime, nullable=False),
)

statistics = Table(
    "feature_statistics",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("taken", DateTime, nullable=False),
    Column("content", Text, nullable=False),
)

pins = Table(
    "pins",
    metadata,
    Column("name", Text, primary_key=True),
    Column("group_name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

# Holders of locks; a dead process is recognized by machine, process id and start time.
locks = Table(
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

# The version of a group's table up to which an online store was filled, and the event time from which rows of it
# were left out.
dispersals = Table(
    "dispersals",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("left_from", DateTime),
    Column("updated", DateTime, nullable=False),
)
