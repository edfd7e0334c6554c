"""Full text: the same words on both databases, found by FTS5 or by a tsvector."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from palette.catalog.tables import features

__all__ = ["Document", "Match", "delete", "insert", "match", "words"]

# Parts of a word with digits: prep7d -> prep, 7d; lat2 -> lat, 2; p90 and h3 stay whole.
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
    """The texts of one feature."""

    names: str
    tags: str
    description: str


class Match(NamedTuple):
    """A question as SQL: what is read, what must hold, how well it holds (more is better)."""

    source: sa.FromClause
    condition: sa.ColumnElement[bool]
    rank: sa.ColumnElement[float]


def words(text: str, *, question: bool = False) -> list[str]:
    """Return the words of a name or a text: split at underscores, case and digits; folded; plurals cut.

    A word with digits is found whole and by its parts; a question asks for the parts.

    Examples
    --------
    >>> words("order_history:avgPrepTimes7d")
    ['order', 'history', 'avg', 'prep', 'times7d', 'time', '7d']
    >>> words("avgPrepTimes7d", question=True)
    ['avg', 'prep', 'time', '7d']
    """
    found: list[str] = []
    for word in WORD.findall(CASE.sub(" ", text[:MAX_TEXT])):
        parts = PART.findall(word)
        found += [] if question and len(parts) > 1 else [word]
        found += parts if len(parts) > 1 else []
    return list(filter(None, map(_folded, found[:MAX_WORDS])))


def _folded(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word).casefold()
    plain = "".join(sign for sign in plain if sign.isalnum())[:MAX_LETTERS]
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


def insert(connection: sa.Connection, rows: Sequence[dict[str, Any]], documents: Sequence[Document]) -> None:
    """Add features, and the words by which they are found."""
    if connection.dialect.name == "postgresql":
        found = [row | {"words": _vector(one)} for row, one in zip(rows, documents, strict=True)]
        connection.execute(features.insert(), found)
        return
    connection.execute(features.insert(), rows)
    texts = [{field: " ".join(words(text)) for field, text in one._asdict().items()} for one in documents]
    connection.execute(INSERT_WORDS, [{"id": row["id"], **one} for row, one in zip(rows, texts, strict=True)])


def delete(connection: sa.Connection, numbers: Sequence[int]) -> None:
    """Take the words of features out of the index; on PostgreSQL they go with the rows."""
    if numbers and connection.dialect.name == "sqlite":
        statement = sa.text("DELETE FROM feature_words WHERE rowid = :id")
        connection.execute(statement, [{"id": number} for number in numbers])


def match(dialect: str, wanted: Sequence[str], *, every: bool) -> Match:
    """Return the SQL that finds features with words that begin with the wanted ones: all of them, or any."""
    if dialect == "postgresql":
        query = (" & " if every else " | ").join(f"'{word}':*" for word in wanted)
        # The literal has the type, too: a text would be parsed anew for each row, once the statement is prepared.
        asked = sa.cast(sa.literal(query, TSQUERY), TSQUERY)
        return Match(features, features.c.words.op("@@")(asked), sa.func.ts_rank(features.c.words, asked))
    query = (" AND " if every else " OR ").join(f'"{word}" *' for word in wanted)
    number: sa.ColumnClause[int] = sa.column("rowid", sa.Integer)
    index = sa.table("feature_words", number)
    condition = sa.literal_column("feature_words").bool_op("MATCH")(query)
    # bm25 is better the smaller it is.
    rank: Any = -sa.literal_column("bm25(feature_words, 10.0, 5.0, 1.0)", sa.Float)
    return Match(sa.join(index, features, features.c.id == index.c.rowid), condition, rank)


def _vector(one: Document) -> str:
    # Words hold letters and digits only, so the quotes cannot be left.
    weighed = [(word, weight) for text, weight in zip(one, ("A", "B", "D"), strict=True) for word in words(text)]
    return " ".join(f"'{word}':{place}{weight}" for place, (word, weight) in enumerate(weighed, 1))
