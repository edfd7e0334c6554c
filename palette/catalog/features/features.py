"""Features of a catalog: search, and annotations (notes, stars, curated, deprecated)."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Unpack

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.catalog.definitions.write import bump_revision, current_user, now, update_ranking
from palette.catalog.features.search import Filters, SearchResult, describe, search
from palette.errors import ArgumentError, FeatureNotFoundError, nearest

__all__ = ["Features", "Note"]

MAX_NOTE = 10_000
# By the number of colons in a subject: the column of its name, and the column of features that it covers.
LEVELS: tuple[tuple[sa.Column[str], sa.Column[str]], ...] = (
    (tables.entities.c.name, tables.features.c.entity),
    (tables.groups.c.name, tables.features.c.group_name),
    (tables.features.c.name, tables.features.c.name),
)


class Note(NamedTuple):
    """Note on a subject."""

    subject: str
    text: str
    who: str
    at: dt.datetime


class Features:
    """Search and annotations; a subject is ``entity``, ``entity:group`` or ``entity:group:feature``.

    Parameters
    ----------
    database : Database
        The database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, text: str | None = None, *, limit: int = 50, **filters: Unpack[Filters]) -> list[SearchResult]:
        """Return the features that match, best first; see :meth:`palette.FeatureStore.search`."""
        with self._database.reading() as connection:
            return [] if connection is None else search(connection, text, limit=limit, **filters)

    def describe(self, feature: str) -> SearchResult | None:
        """Return what a search returns of ``entity:group:feature``, or None."""
        with self._database.reading() as connection:
            return None if connection is None else describe(connection, feature)

    def note(self, subject: str, text: str, *, who: str | None = None) -> None:
        """Add a note.

        Raises
        ------
        FeatureNotFoundError
            If there is no such subject; near names are offered.
        ArgumentError
            If the note is empty, or too long.
        """
        _validate_text(text)
        row = {"subject": subject, "text": text, "who": who or current_user(), "at": now()}

        def add(connection: sa.Connection) -> None:
            _require_known(connection, subject)
            connection.execute(tables.notes.insert().values(row))

        self._database.change(add)

    def notes(self, subject: str) -> list[Note]:
        """Return the notes on a subject, oldest first."""
        note = tables.notes.c
        query = sa.select(note.subject, note.text, note.who, note.at).where(note.subject == subject)
        with self._database.reading() as connection:
            return [] if connection is None else [Note(*row) for row in connection.execute(query.order_by(note.id))]

    def rate(self, feature: str, stars: int, *, who: str | None = None) -> None:
        """Rate a feature with one to five stars; a person's newer rating replaces the older.

        Raises
        ------
        FeatureNotFoundError
            If there is no such feature.
        ArgumentError
            If ``stars`` is not an integer from 1 to 5.
        """
        if not isinstance(stars, int) or isinstance(stars, bool) or not 1 <= stars <= 5:
            raise ArgumentError(f"stars: expected an integer from 1 to 5, found {stars!r}")
        if feature.count(":") != 2:
            raise ArgumentError(f"{feature!r}: stars are for features, entity:group:feature")
        row = {"subject": feature, "who": who or current_user(), "stars": stars, "at": now()}

        def add(connection: sa.Connection) -> None:
            _require_known(connection, feature)
            old = tables.ratings.c
            connection.execute(tables.ratings.delete().where(old.subject == feature, old.who == row["who"]))
            connection.execute(tables.ratings.insert().values(row))
            update_ranking(connection, _covered(feature))

        self._database.change(add)

    def curate(self, subject: str, curated: bool = True, *, who: str | None = None) -> None:
        """Mark a subject, and all under it, as curated, or undo that."""
        self._mark(subject, "curated", "" if curated else None, who)

    def deprecate(self, subject: str, reason: str | None = "deprecated", *, who: str | None = None) -> None:
        """Mark a subject, and all under it, as deprecated; ``reason=None`` undoes that.

        Uses of such a feature warn with a :class:`palette.errors.DeprecatedFeatureWarning`.
        """
        if reason is not None:
            _validate_text(reason)
        self._mark(subject, "deprecated", reason, who)

    def marks(self, subject: str) -> dict[str, str]:
        """Return the marks on a subject and its parents: ``curated``, and ``deprecated`` with the reason."""
        parts = subject.split(":")
        mark = tables.marks.c
        query = sa.select(mark.kind, mark.text).where(
            mark.subject.in_([":".join(parts[: count + 1]) for count in range(len(parts))])
        )
        with self._database.reading() as connection:
            # The most specific subject last, to take precedence.
            rows = [] if connection is None else connection.execute(query.order_by(sa.func.length(mark.subject))).all()
        return dict(map(tuple, rows))

    def _mark(self, subject: str, kind: str, text: str | None, who: str | None) -> None:
        def put(connection: sa.Connection) -> None:
            _require_known(connection, subject)
            old = tables.marks.c
            connection.execute(tables.marks.delete().where(old.subject == subject, old.kind == kind))
            if text is not None:
                row = {"subject": subject, "kind": kind, "text": text, "who": who or current_user(), "at": now()}
                connection.execute(tables.marks.insert().values(row))
            update_ranking(connection, _covered(subject))
            bump_revision(connection)

        self._database.change(put)


def _validate_text(text: str) -> None:
    if not text.strip() or len(text) > MAX_NOTE or "\x00" in text:
        raise ArgumentError(f"expected a string of 1 to {MAX_NOTE:,} characters without NUL, found {text!r:.60}")


def _covered(subject: str) -> sa.ColumnElement[bool]:
    return LEVELS[subject.count(":")][1] == subject


def _require_known(connection: sa.Connection, subject: str) -> None:
    if subject.count(":") >= len(LEVELS):
        raise ArgumentError(f"{subject!r}: expected entity, entity:group or entity:group:feature")
    name, _ = LEVELS[subject.count(":")]
    if connection.scalar(sa.select(name).where(name == subject)) is None:
        raise FeatureNotFoundError(f"nothing called {subject!r}{nearest(subject, connection.scalars(sa.select(name)))}")
