"""Full text: the same words on both databases, found by FTS5 or by a tsvector."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

__all__ = ["Document", "Match", "forget", "match", "words", "write"]

# Parts of names: XMLHttp -> XML, Http; prep_time7d -> prep, time, 7, d.
PART = re.compile(r"[^\W\d_]+|\d+")
CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[^\W_]+")
MAX_WORDS = 1000
MAX_LETTERS = 60


class Document(NamedTuple):
    """What is searched of one feature."""

    number: int
    name: str
    tags: str
    description: str


class Match(NamedTuple):
    """A question as SQL: what to join, what must hold, how well it holds (more is better)."""

    table: sa.FromClause
    number: sa.ColumnElement[int]
    condition: sa.ColumnElement[bool]
    rank: sa.ColumnElement[float]


def words(text: str) -> list[str]:
    """Return the words of a name or a text: split at underscores, case and digits; folded; plurals cut.

    Examples
    --------
    >>> words("restaurant:order_history:avgPrepTimes_7d")
    ['restaurant', 'order', 'history', 'avg', 'prep', 'time', '7d', '7', 'd']
    """
    found: list[str] = []
    for part in WORD.findall(CASE.sub(" ", text)):
        pieces = PART.findall(part)
        found += [_folded(part), *(_folded(piece) for piece in pieces if len(pieces) > 1)]
    return [word for word in found if word][:MAX_WORDS]


def _folded(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word).casefold()
    plain = "".join(sign for sign in plain if sign.isalnum())[:MAX_LETTERS]
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


def write(connection: sa.Connection, documents: Sequence[Document]) -> None:
    """Add features to the index."""
    if connection.dialect.name == "sqlite":
        statement = "INSERT INTO feature_words (rowid, names, tags, description) VALUES (:id, :a, :b, :c)"
        rows = [
            {"id": one.number, "a": _joined(one.name), "b": _joined(one.tags), "c": _joined(one.description)}
            for one in documents
        ]
    else:
        statement = "INSERT INTO feature_words (rowid, words) VALUES (:id, CAST(:vector AS tsvector))"
        rows = [{"id": one.number, "vector": _vector(one)} for one in documents]
    connection.execute(sa.text(statement), rows)


def forget(connection: sa.Connection, numbers: Sequence[int]) -> None:
    """Take features out of the index."""
    if numbers:
        statement = sa.text("DELETE FROM feature_words WHERE rowid = :id")
        connection.execute(statement, [{"id": number} for number in numbers])


def match(dialect: str, wanted: Sequence[str], *, every: bool) -> Match:
    """Return the SQL that finds features with words that begin with the wanted ones: all of them, or any."""
    number: sa.ColumnClause[Any] = sa.column("rowid", sa.Integer)
    if dialect == "sqlite":
        table = sa.table("feature_words", number, sa.column("names"))
        query = (" AND " if every else " OR ").join(f'"{word}" *' for word in wanted)
        condition = sa.text("feature_words MATCH :wanted").bindparams(wanted=query)
        rank: Any = -sa.literal_column("bm25(feature_words, 10.0, 5.0, 1.0)", sa.Float)
        return Match(table, table.c.rowid, condition, rank)  # type: ignore[arg-type]
    vector: sa.ColumnClause[Any] = sa.column("words")
    table = sa.table("feature_words", number, vector)
    query = (" & " if every else " | ").join(f"'{word}':*" for word in wanted)
    asked = sa.cast(sa.literal(query), sa.dialects.postgresql.TSQUERY)  # type: ignore[attr-defined]
    rank = sa.func.ts_rank(table.c.words, asked)
    return Match(table, table.c.rowid, table.c.words.op("@@")(asked), rank)


def _joined(text: str) -> str:
    return " ".join(words(text))


def _vector(one: Document) -> str:
    # Words hold letters and digits only, so the quotes cannot be left.
    weighed = [
        *((word, "A") for word in words(one.name)),
        *((word, "B") for word in words(one.tags)),
        *((word, "D") for word in words(one.description)),
    ]
    return " ".join(f"'{word}':{place}{weight}" for place, (word, weight) in enumerate(weighed, 1))
