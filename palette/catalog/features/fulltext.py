"""Full-text index: the same words on both databases, in FTS5 or a tsvector."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from palette.catalog.tables import features

__all__ = ["Document", "Match", "delete", "insert", "match", "words"]

# Parts of a word with digits: prep7d -> prep, 7d; lat2 -> lat, 2; p90 and h3 are not split.
PART = re.compile(r"(?<![^\W\d_])[^\W\d_]\d+|\d+[^\W\d_](?![^\W\d_])|[^\W\d_]+|\d+")
CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[^\W_]+")
MAX_WORDS = 1000
MAX_TEXT = 100_000
MAX_LETTERS = 60
INSERT_WORDS = sa.text(
    "INSERT INTO feature_words (rowid, names, tags, description) VALUES (:id, :names, :tags, :description)"
)


class Document(NamedTuple):
    """Indexed strings of a feature."""

    names: str
    tags: str
    description: str


class Match(NamedTuple):
    """A full-text query as SQL: tables, condition, and rank (higher is better)."""

    source: sa.FromClause
    condition: sa.ColumnElement[bool]
    rank: sa.ColumnElement[float]


def words(text: str, *, query: bool = False) -> list[str]:
    """Return the words of a name or description: split at underscores, case and digits; folded; plurals stemmed.

    A word with digits is indexed unsplit and by its parts; a query uses the parts.

    Examples
    --------
    >>> words("order_history:avgPrepTimes7d")
    ['order', 'history', 'avg', 'prep', 'times7d', 'time', '7d']
    >>> words("avgPrepTimes7d", query=True)
    ['avg', 'prep', 'time', '7d']
    """
    result: list[str] = []
    for word in WORD.findall(CASE.sub(" ", text[:MAX_TEXT])):
        parts = PART.findall(word)
        result += [] if query and len(parts) > 1 else [word]
        result += parts if len(parts) > 1 else []
    return list(filter(None, map(_fold, result[:MAX_WORDS])))


def _fold(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word).casefold()
    plain = "".join(character for character in plain if character.isalnum())[:MAX_LETTERS]
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


def insert(connection: sa.Connection, rows: Sequence[dict[str, Any]], documents: Sequence[Document]) -> None:
    """Insert features and their words."""
    if connection.dialect.name == "postgresql":
        vectors = map(_to_tsvector, documents)
        connection.execute(
            features.insert(), [row | {"words": vector} for row, vector in zip(rows, vectors, strict=True)]
        )
        return
    connection.execute(features.insert(), rows)
    indexed = [{field: " ".join(words(text)) for field, text in doc._asdict().items()} for doc in documents]
    connection.execute(INSERT_WORDS, [{"id": row["id"], **doc} for row, doc in zip(rows, indexed, strict=True)])


def delete(connection: sa.Connection, numbers: Sequence[int]) -> None:
    """Delete the words of features; PostgreSQL deletes them with the rows."""
    if numbers and connection.dialect.name == "sqlite":
        statement = sa.text("DELETE FROM feature_words WHERE rowid = :id")
        connection.execute(statement, [{"id": number} for number in numbers])


def match(dialect: str, prefixes: Sequence[str], *, every: bool) -> Match:
    """Return the SQL of a query for features with words that begin with prefixes: with all of them, or any."""
    if dialect == "postgresql":
        query = (" & " if every else " | ").join(f"'{word}':*" for word in prefixes)
        # The literal has the type too: a prepared statement would parse a string again for each row.
        tsquery = sa.cast(sa.literal(query, TSQUERY), TSQUERY)
        return Match(features, features.c.words.op("@@")(tsquery), sa.func.ts_rank(features.c.words, tsquery))
    query = (" AND " if every else " OR ").join(f'"{word}" *' for word in prefixes)
    number: sa.ColumnClause[int] = sa.column("rowid", sa.Integer)
    index = sa.table("feature_words", number)
    condition = sa.literal_column("feature_words").bool_op("MATCH")(query)
    # A lower bm25 is a better match.
    rank: Any = -sa.literal_column("bm25(feature_words, 10.0, 5.0, 1.0)", sa.Float)
    return Match(sa.join(index, features, features.c.id == index.c.rowid), condition, rank)


def _to_tsvector(document: Document) -> str:
    # Words consist of letters and digits only, so they need no escaping.
    weighted = [(word, weight) for text, weight in zip(document, ("A", "B", "D"), strict=True) for word in words(text)]
    return " ".join(f"'{word}':{position}{weight}" for position, (word, weight) in enumerate(weighted, 1))
