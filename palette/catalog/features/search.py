"""Finding features: words, filters, and what ranks them."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import parse_json
from palette.catalog.definitions.write import now
from palette.catalog.features import fulltext
from palette.definitions import duration
from palette.errors import ArgumentError, DefinitionError, nearest
from palette.times import utc
from palette.types import canonical_type

__all__ = ["COLUMNS", "Filters", "Found", "describe", "search"]

KINDS = {"batch": "batch", "stream": "stream", "rpc": "rpc", "near real time": "stream"}
# What a filter takes that does not take a text, or not only.
KINDS_OF_VALUES: dict[str, dict[type, str]] = {
    "fresher_than": {str: 'a span of time such as "2h"', dt.timedelta: "a timedelta", dt.datetime: "a datetime"},
    "curated": {bool: "a bool"},
}
MAX_WORDS = 20
FEATURE = tables.features.c


@dataclass(frozen=True)
class Found:
    """A feature that was searched for.

    Parameters
    ----------
    expression : str
        ``entity:group:feature:keys``, with the entity's own key columns; put the basis's columns in their place.
    dtype, kind, owner, description : str
        As declared; the kind is ``batch``, ``stream``, ``rpc`` or empty.
    tags : tuple of str
        Those of the feature, its group and its entity.
    curated : bool
        Whether somebody vouches for it.
    deprecated : str, optional
        Why it should not be used any more.
    stars : float, optional
        The mean of people's ratings, 1 to 5.
    uses : int
        How many models use it.
    """

    expression: str
    dtype: str
    kind: str
    owner: str
    description: str
    tags: tuple[str, ...]
    curated: bool
    deprecated: str | None
    stars: float | None
    uses: int


# What people see of it in a table.
COLUMNS: dict[str, Callable[[Found], object]] = {
    "feature": lambda found: found.expression,
    "type": lambda found: found.dtype,
    "models": lambda found: found.uses or None,
    "stars": lambda found: found.stars,
    "description": lambda found: f"{marked(found)}{found.description}".strip(),
}


def marked(found: Found) -> str:
    """Return what people have marked a feature with, before its description: ``[curated]``."""
    marks = ["curated"] if found.curated else []
    marks += [f"deprecated: {found.deprecated}"] if found.deprecated is not None else []
    return "".join(f"[{mark}] " for mark in marks)


FOUND = tuple(FEATURE[field.name] for field in fields(Found))


class Filters(TypedDict, total=False):
    """What :meth:`palette.FeatureStore.search` takes besides words; None is as good as nothing."""

    entity: str | None
    group: str | None
    dtype: str | None
    kind: str | None
    owner: str | None
    tag: str | Sequence[str] | None
    used_by: str | None
    fresher_than: str | dt.timedelta | dt.datetime | None
    curated: bool | None


def search(connection: sa.Connection, text: str | None, *, limit: int = 50, **filters: Unpack[Filters]) -> list[Found]:
    """Find features; see :meth:`palette.FeatureStore.search`."""
    if text is not None and not isinstance(text, str):
        raise ArgumentError(f"expected words to search for, found {type(text).__name__} {text!r:.80}")
    if not isinstance(limit, int):
        raise ArgumentError(f"limit: expected a number, found {type(limit).__name__} {limit!r:.80}")
    if limit < 1:
        raise ArgumentError(f"limit: expected at least 1, found {limit}")
    conditions = _conditions(filters)
    if text is None or not text.strip():
        return _best(connection, tables.features, conditions, FEATURE.worth, limit)
    for words, every in _readings(connection, text):
        hit = fulltext.match(connection.dialect.name, words, every=every)
        if found := _best(connection, hit.source, [hit.condition, *conditions], hit.rank * FEATURE.worth, limit):
            return found
    return []


def describe(connection: sa.Connection, name: str) -> Found | None:
    """Return what a search would tell of the feature ``entity:group:feature``, or None."""
    row = connection.execute(sa.select(*FOUND).where(FEATURE.name == name)).mappings().one_or_none()
    return None if row is None else _found(row)


def _readings(connection: sa.Connection, text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield words, and whether all are wanted: all words; those that occur at all; last, as the dearest, any."""
    wanted = list(dict.fromkeys(fulltext.words(text, question=True)))[:MAX_WORDS]
    if wanted:
        yield wanted, True
    if len(wanted) > 1 and (known := _occurring(connection, wanted)):
        if known != wanted:
            yield known, True
        yield known, False


def _occurring(connection: sa.Connection, words: list[str]) -> list[str]:
    hits = [fulltext.match(connection.dialect.name, [word], every=True) for word in words]
    found = connection.execute(sa.select(*(sa.exists().select_from(hit.source).where(hit.condition) for hit in hits)))
    return list(itertools.compress(words, found.one()))


def _best(
    connection: sa.Connection,
    source: sa.FromClause,
    conditions: list[sa.ColumnElement[bool]],
    score: sa.ColumnElement[float],
    limit: int,
) -> list[Found]:
    # First the numbers of the best, then their rows: what is sorted carries little.
    best = (
        sa.select(FEATURE.id, score.label("score"))
        .select_from(source)
        .where(*conditions)
        .order_by(sa.desc("score"), FEATURE.name)
        .limit(limit)
        .subquery()
    )
    rows = sa.select(*FOUND)
    rows = rows.join_from(best, tables.features, FEATURE.id == best.c.id).order_by(best.c.score.desc(), FEATURE.name)
    return [_found(row) for row in connection.execute(rows).mappings()]


def _found(row: sa.RowMapping) -> Found:
    return Found(**{**row, "tags": tuple(parse_json(row["tags"], list))})


def _conditions(filters: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    for name in filters:
        if name not in FILTERS:
            raise TypeError(f"search: unknown filter {name!r}{nearest(name, FILTERS)} (filters: {', '.join(FILTERS)})")
    return [FILTERS[name](_checked(name, asked)) for name, asked in filters.items() if asked is not None]


def _checked(name: str, asked: Any) -> Any:
    """Return what is asked of a filter, of tags a list, or raise :class:`ArgumentError`."""
    if name == "tag" and not isinstance(asked, str):
        if isinstance(asked, (list, tuple, set, frozenset)) and all(isinstance(one, str) for one in asked):
            return list(asked)
        raise ArgumentError(f"tag: expected a text or a list of texts, found {asked!r:.80}")
    if name == "tag":
        return [asked]
    types = KINDS_OF_VALUES.get(name, {str: "a text"})
    if not isinstance(asked, tuple(types)):
        raise ArgumentError(f"{name}: expected {' or '.join(types.values())}, found {asked!r:.80}")
    return asked


def _of_group(asked: str) -> sa.ColumnElement[bool]:
    if ":" in asked:
        return FEATURE.group_name == asked
    group = tables.groups.c
    return FEATURE.group_name.in_(sa.select(group.name).where(group.name == group.entity + f":{asked}"))


def _of_dtype(dtype: str) -> sa.ColumnElement[bool]:
    try:
        return FEATURE.dtype == canonical_type(dtype)
    except DefinitionError as error:
        raise ArgumentError(f"dtype: {error}") from None


def _of_kind(asked: str) -> sa.ColumnElement[bool]:
    if asked not in KINDS:
        raise ArgumentError(f"unknown kind {asked!r}{nearest(asked, KINDS)} (kinds: {', '.join(KINDS)})")
    return FEATURE.kind == KINDS[asked]


def _tagged(asked: Sequence[str]) -> sa.ColumnElement[bool]:
    tagged = tables.tags.c
    return sa.and_(sa.true(), *(FEATURE.id.in_(sa.select(tagged.feature).where(tagged.tag == one)) for one in asked))


def _used_by(asked: str) -> sa.ColumnElement[bool]:
    used = tables.model_features.c
    return FEATURE.name.in_(sa.select(used.feature).where(used.model == asked))


def _fresher_than(asked: str | dt.timedelta | dt.datetime) -> sa.ColumnElement[bool]:
    mark = tables.watermarks.c
    inner = sa.or_(
        mark.name.startswith(tables.BACKFILL), mark.name.startswith(tables.TABLE), mark.name == tables.COMPUTED
    )
    fresh = sa.select(mark.group_name).where(mark.value >= _since(asked), ~inner)
    return FEATURE.group_name.in_(fresh)


FILTERS: dict[str, Callable[[Any], sa.ColumnElement[bool]]] = {
    "entity": lambda asked: FEATURE.entity == asked,
    "group": _of_group,
    "dtype": _of_dtype,
    "kind": _of_kind,
    "owner": lambda asked: FEATURE.owner == asked,
    "tag": _tagged,
    "used_by": _used_by,
    "fresher_than": _fresher_than,
    "curated": lambda asked: FEATURE.curated == asked,
}


def _since(asked: str | dt.timedelta | dt.datetime) -> dt.datetime:
    if isinstance(asked, dt.datetime):
        return utc(asked)
    try:
        return now() - (duration(asked) if isinstance(asked, str) else asked)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"fresher_than: {error}") from None
